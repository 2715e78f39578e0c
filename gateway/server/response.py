"""Replies as HTTP: SCIM JSON, errors turned into answers, a correlation id for every request."""

import math
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Middleware
from multidict import CIMultiDict

from gateway.errors import Busy, GatewayError, MethodNotAllowed, NotFound, TooLarge, Unauthorized
from gateway.flow.change_event import outcome_of
from gateway.flow.journal_port import Outcome
from gateway.ids import new_id
from gateway.log import correlation_id, get_logger
from gateway.scim.jsontext import dump
from gateway.scim.messages import Projection, error_body

SCIM_JSON: Final = "application/scim+json"
LONGEST_WAIT: Final = 3600  # seconds that a provider is told to stay away, whatever a target says
BARE: Final = (204, 304)  # statuses without a body, and without its length
PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
CORRELATION_ID: Final = "X-Correlation-Id"
ANY_PATH: Final = "/{path}"  # the route of what is not known to be one of our paths

OUTCOMES: Final = {
    2: "ok",
    3: "ok",
    4: Outcome.REJECTED,
    5: Outcome.FAILED,
}  # of what is no change, by status

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Count = Callable[[str, str, str, int, float], None]  # provider, target, operation, status, seconds

log = get_logger()


def answer(status: int, document: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a document as a SCIM answer; None has no body."""
    if document is None:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, body=dump(document), content_type=SCIM_JSON, headers=headers)


class ResourceAnswer(NamedTuple):
    """What is answered of one resource; its body is left out where HTTP has none."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def resource_answer(status: int, document: dict[str, Any], shown: Projection) -> ResourceAnswer:
    """Return a resource, or what is shown of it, with its address and version (RFC 7644 section 3.14)."""
    meta = document["meta"]
    headers = {"Content-Type": SCIM_JSON, "Location": meta["location"], "ETag": meta["version"]}
    return ResourceAnswer(status, headers, dump(shown.of(document)))


def not_modified(document: dict[str, Any]) -> ResourceAnswer:
    """Return the answer to who has this version already."""
    return ResourceAnswer(304, {"ETag": document["meta"]["version"]})


class Sent(web.StreamResponse):
    """An answer that is out, or that nobody waits for any more: the server has nothing to send."""

    prepared = True
    status = 0
    keep_alive: bool | None = None

    def __init__(self, status: int, keep_alive: bool) -> None:
        self.status = status
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send no header."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send no body."""


async def send(request: web.Request, answer: ResourceAnswer) -> Sent:
    """Send an answer at once; raises ConnectionError where who asked has gone.

    A `web.Response` would do the same in three times the time.
    """
    status, headers, body = answer
    version, is_alive = request.version, request.keep_alive
    if status not in BARE:
        headers["Content-Length"] = str(len(body))
    headers |= {
        CORRELATION_ID: correlation_id.get(),
        "Date": _date(int(time.time())),
        "Server": SERVER_SOFTWARE,
    }
    if is_alive is not (version >= HttpVersion11):  # what its version takes for granted
        headers["Connection"] = "keep-alive" if is_alive else "close"
    line = f"HTTP/{version.major}.{version.minor} {status} {PHRASES[status]}"
    await request.writer.write_headers(line, CIMultiDict(headers))
    await request.writer.write_eof(b"" if status in BARE or request.method == "HEAD" else body)
    return Sent(status, is_alive)


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def error_answer(error: GatewayError, correlation_id: str, busy_status: int = 503) -> web.Response:
    """Return an error as a SCIM Error (RFC 7644 section 3.12), its detail ending in the correlation id."""
    status, headers = error.status_for(busy_status), {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(math.ceil(min(max(1, error.retry_after), LONGEST_WAIT)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)  # RFC 9110 section 15.5.6
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = error.challenge
    body = error_body(status, f"{error.detail} [{correlation_id}]", error.scim_type)
    return answer(status, body, headers)


@dataclass(slots=True)
class Summary:
    """What is logged and counted of a request, filled in as it becomes known."""

    route: str  # the path as logs may show it
    provider: str = ""  # who has signed in
    target: str = ""
    operation: str = ""
    busy_status: int = 503
    outcome: str = ""  # what became of it; "": as its status says


SUMMARY: web.RequestKey[Summary] = web.RequestKey("summary", Summary)


class InternalError(GatewayError):
    """A fault of the gateway itself; the log has the rest."""


class Boundary:
    """The outermost layer: it names a request, answers its errors in SCIM, logs and counts it."""

    def __init__(self, count: Count | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock

    async def answer(self, request: web.Request, handler: Handler, route: str) -> web.StreamResponse:
        """Have a request handled; it is logged with the route, unless the handler knows a better one."""
        begun = self._clock()
        name = new_id()
        correlation_id.set(name)  # for this request alone: aiohttp gives each a task of its own
        summary = request[SUMMARY] = Summary(route)
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the one place
            response = _answer_to(error, name, summary)
        if not response.prepared:
            response.headers[CORRELATION_ID] = name
        status, seconds = response.status, self._clock() - begun
        log.info(
            "request.answered",
            method=request.method,
            route=summary.route,
            status=status,
            provider=summary.provider or None,
            target=summary.target or None,
            outcome=summary.outcome or OUTCOMES[status // 100],
            ms=round(seconds * 1000, 1),
        )
        if self._count is not None:
            self._count(summary.provider, summary.target, summary.operation, status, seconds)
        return response

    def middleware(self) -> Middleware:
        """Return the layer of an application, whose routes say how a request is logged."""

        @web.middleware
        async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self.answer(request, handler, _canonical(request))

        return answered


def _answer_to(error: Exception, name: str, summary: Summary) -> web.Response:
    """Return the answer to what was raised."""
    if isinstance(error, GatewayError):
        summary.outcome = outcome_of(error, error.status)
    return error_answer(answerable(error), name, summary.busy_status)


def answerable(error: Exception) -> GatewayError:
    """Return what was raised as what is answered.

    Of a crash only the place is logged: its text may hold values.
    """
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, web.HTTPException):
        return _of_aiohttp(error)
    log.error("request.crashed", error=type(error).__name__, at=_frames(error))
    return InternalError("the gateway failed; its log has the reason")


def _of_aiohttp(error: web.HTTPException) -> GatewayError:
    known: dict[int, type[GatewayError]] = {404: NotFound, 405: MethodNotAllowed, 413: TooLarge}
    found = known.get(error.status, InternalError)
    return found(error.reason.lower() if found is not InternalError else "the request could not be read")


def _canonical(request: web.Request) -> str:
    """Return the route without what only this request names."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else ""


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
