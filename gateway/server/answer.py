"""Replies as HTTP: SCIM JSON, errors turned into answers in this one place."""

import math
from typing import Any

from aiohttp import web

from gateway.errors import Busy, GatewayError, MethodNotAllowed
from gateway.scim.jsontext import dump
from gateway.scim.messages import error_body
from gateway.scim.projection import Projection

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
    status, headers = error.told(busy_status), {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(min(max(1, math.ceil(error.retry_after)), LONGEST_WAIT))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)  # RFC 9110 section 15.5.6
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="scim"'
    body = error_body(status, f"{error.detail} [{correlation_id}]", error.scim_type)
    return answer(status, body, headers)
