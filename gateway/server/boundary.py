"""The outermost layer: a correlation id for every request, and an answer for every error."""

import traceback
from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from aiohttp import web

from gateway.errors import GatewayError, MethodNotAllowed, NotFound, TooLarge
from gateway.log import correlation_id
from gateway.server.answer import error_answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()

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
