"""Replies as HTTP: SCIM JSON, errors turned into answers in this one place."""

import math
from typing import Any

from aiohttp import web

from gateway.errors import Busy, GatewayError, MethodNotAllowed
from gateway.scim.jsontext import dump
from gateway.scim.messages import error_body

SCIM_JSON = "application/scim+json"


def answer(status: int, document: Any, headers: dict[str, str] | None = None) -> web.Response:
    """Return a document as a SCIM answer; None has no body."""
    if document is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=dump(document), content_type=SCIM_JSON, headers=headers)


def error_answer(error: GatewayError, correlation_id: str, busy_status: int = 503) -> web.Response:
    """Return an error as a SCIM Error (RFC 7644 section 3.12), its detail ending in the correlation id."""
    status, headers = error.told(busy_status), {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)  # RFC 9110 section 15.5.6
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="scim"'
    body = error_body(status, f"{error.detail} [{correlation_id}]", error.scim_type)
    return answer(status, body, headers)
