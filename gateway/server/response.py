"""Replies as HTTP: SCIM JSON, errors turned into answers, a correlation id for every request."""

import math
import traceback
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aiohttp import web

from gateway.errors import Busy, GatewayError, MethodNotAllowed, NotFound, TooLarge
from gateway.log import correlation_id, get_logger
from gateway.scim.jsontext import dump
from gateway.scim.messages import Projection, error_body

SCIM_JSON = "application/scim+json"
LONGEST_WAIT = 3600  # seconds that a provider is told to stay away, whatever a target says


def answer(status: int, document: Any, headers: dict[str, str] | None = None) -> web.Response:
    """Return a document as a SCIM answer; None has no body."""
    if document is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=dump(document), content_type=SCIM_JSON, headers=headers)


def resource_answer(status: int, document: dict[str, Any], shown: Projection) -> web.Response:
    """Return a resource, or what is shown of it, with its address and version (RFC 7644 section 3.14)."""
    meta = document["meta"]
    return answer(status, shown.of(document), {"Location": meta["location"], "ETag": meta["version"]})


def not_modified(document: dict[str, Any]) -> web.Response:
    """Return the answer to who has this version already."""
    return web.Response(status=304, headers={"ETag": document["meta"]["version"]})


def error_answer(error: GatewayError, correlation_id: str, busy_status: int = 503) -> web.Response:
    """Return an error as a SCIM Error (RFC 7644 section 3.12), its detail ending in the correlation id."""
    status, headers = error.status_for(busy_status), {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(min(max(1, math.ceil(error.retry_after)), LONGEST_WAIT))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)  # RFC 9110 section 15.5.6
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="scim"'
    body = error_body(status, f"{error.detail} [{correlation_id}]", error.scim_type)
    return answer(status, body, headers)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_logger()

BUSY_STATUS: web.RequestKey[int] = web.RequestKey("busy_status", int)
PROVIDER: web.RequestKey[str] = web.RequestKey("provider", str)  # who has signed in
ROUTE: web.RequestKey[str] = web.RequestKey("route", str)  # what a log line may say of the address


class InternalError(GatewayError):
    """A fault of the gateway itself; the log has the rest."""


@web.middleware
async def boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, answer its errors in SCIM, and log one line about it."""
    name = uuid4().hex
    token = correlation_id.set(name)
    try:
        response = await _answered(request, handler, name)
        if not response.prepared:
            response.headers["X-Correlation-Id"] = name
        log.info("request.answered", method=request.method, route=_route(request), status=response.status)
        return response
    finally:
        correlation_id.reset(token)


async def _answered(request: web.Request, handler: Handler, name: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return error_answer(error, name, request.get(BUSY_STATUS, 503))
    except web.HTTPException as error:
        return error_answer(_of_aiohttp(error), name)
    except Exception as error:  # noqa: BLE001 - the one place; its text may hold somebody's values
        log.error("request.crashed", error=type(error).__name__, at=_frames(error))  # noqa: TRY400
        return error_answer(InternalError("the gateway failed; its log has the reason"), name)


def _of_aiohttp(error: web.HTTPException) -> GatewayError:
    known: dict[int, type[GatewayError]] = {404: NotFound, 405: MethodNotAllowed, 413: TooLarge}
    found = known.get(error.status, InternalError)
    return found(error.reason.lower() if found is not InternalError else "the request could not be read")


def _route(request: web.Request) -> str:
    """Return the route without what only this request names: ids may be people's names at some targets."""
    resource = request.match_info.route.resource
    route: str = request.get(ROUTE, resource.canonical if resource else "")
    return route


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
