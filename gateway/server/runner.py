"""The HTTP server itself: what is no HTTP gets a SCIM Error too, and nothing of it is quoted or logged."""

import asyncio
import logging
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.errors import GatewayError, InvalidSyntax
from gateway.server.answer import error_answer
from gateway.server.boundary import InternalError

log = structlog.get_logger()


class Runner(web.AppRunner):
    """Runs an application; bodies stay as they were sent, compressed ones too."""

    def __init__(self, application: web.Application, **settings: Any) -> None:
        super().__init__(
            application, access_log=None, auto_decompress=False, logger=_quiet_logger(), **settings
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )


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
        name = uuid4().hex
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
