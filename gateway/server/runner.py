"""The HTTP server and its address: what is no HTTP gets a SCIM Error too, and nothing of it is quoted."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from gateway.errors import CannotListen, GatewayError, InvalidSyntax
from gateway.ids import new_id
from gateway.log import get_logger
from gateway.server.response import Handler, InternalError, error_answer

log = get_logger()


class Runner(web.AppRunner):
    """Runs an application; bodies stay as they were sent, compressed ones too.

    `scim` is asked at once for what the application would hand to it after its search for a route.
    """

    def __init__(self, application: web.Application, scim: Handler | None = None, **settings: Any) -> None:
        super().__init__(
            application, access_log=None, auto_decompress=False, logger=_quiet_logger(), **settings
        )
        self._scim = scim

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler if self._scim is None else _shortcut(self._scim, made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )


def _shortcut(scim: Handler, application: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """Return what hands a request to `scim`, or to the application: it knows how to answer `Expect`, too."""

    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
        is_plain = request.raw_path.startswith("/scim/") and hdrs.EXPECT not in request.headers
        return scim(request) if is_plain else application(request)

    return handle


class _Server(web.Server):
    """Makes our kind of connection."""

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """Answers what never became a request; aiohttp would quote it, tokens included, and log it as text."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        name = new_id()
        log.info("request.unreadable", error=type(exc).__name__, correlation_id=name)
        answer = error_answer(_of(status), name)
        answer.headers["X-Correlation-Id"] = name
        answer.force_close()
        return answer


def _of(status: int) -> GatewayError:
    if status == 400:
        return InvalidSyntax("the request is not valid HTTP, or its address or a header is too long")
    return InternalError("the gateway failed; its log has the reason")


class _Faults(logging.Handler):
    """Tells the log of this process what aiohttp says of connections, without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        log.warning("connection.failed", error=kind.__name__ if kind else "")


def _quiet_logger() -> logging.Logger:
    logger = logging.Logger("gateway.server")  # without a parent, so that nothing of it goes elsewhere
    logger.addHandler(_Faults())
    return logger


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Raise CannotListen for what the system has against an address."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error


async def take_any_port(host: str) -> socket.socket:
    """Listen on a free port, so that it is known before anything is served; raises CannotListen."""
    with listening(host, 0):
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family)
