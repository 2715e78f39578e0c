"""The HTTP server: its connections, in bounds of number and time, and its address.

What is no HTTP gets a SCIM Error too, and nothing of it is quoted.
"""

import asyncio
import logging
import os
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from gateway.errors import Busy, CannotListen, GatewayError, InvalidSyntax
from gateway.flow.services import Alarm, Alert
from gateway.ids import new_id
from gateway.log import get_logger
from gateway.server.request import Networks, client_address, network_of
from gateway.server.response import CORRELATION_ID, Handler, InternalError, error_answer

log = get_logger()


class Runner(web.AppRunner):
    """Runs an application; bodies stay as they were sent, compressed ones too.

    `scim` is asked at once for what the application would hand to it after its search for a route;
    `connections` bounds those who come from outside.
    """

    def __init__(
        self,
        application: web.Application,
        scim: Handler | None = None,
        connections: "Connections | None" = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            application, access_log=None, auto_decompress=False, logger=_quiet_logger(), **settings
        )
        self._scim = scim
        self._connections = connections

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handler: Any = made.request_handler
        if self._scim is not None:
            handler = _shortcut(self._scim, handler, self._connections)
        server = _Server(
            handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
        server.bounds = self._connections
        return server


def _shortcut(
    scim: Handler, application: Callable[[Any], Awaitable[Any]], bounds: "Connections | None"
) -> Callable[[Any], Awaitable[Any]]:
    """Return what hands a request to `scim`, or to the application: it knows how to answer `Expect`, too."""

    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
        is_plain = request.raw_path.startswith("/scim/") and hdrs.EXPECT not in request.headers
        handler = scim if is_plain else application
        if bounds is not None and bounds.proxies:
            return bounds.by_client(request, handler)
        return handler(request)

    return handle


class _Server(web.Server):
    """Makes our kind of connection."""

    bounds: "Connections | None" = None

    def __call__(self) -> RequestHandler:
        made = _Connection(self, loop=self._loop, **self._kwargs)
        made.bounds = self.bounds
        return made


class _Connection(RequestHandler):
    """Answers what never became a request; aiohttp would quote it, tokens included, and log it as text."""

    __slots__ = ("bounds", "client", "header_since", "untaken")

    bounds: "Connections | None"
    client: str | None  # whose bound it counts in; None: nobody's
    header_since: float | None  # when it began to wait for the rest of a header
    untaken: "_Untaken | None"

    def connection_made(self, transport: Any) -> None:
        """Wait for a header from now on, unless there are too many that do."""
        super().connection_made(transport)
        self.client, self.header_since, self.untaken = None, self._loop.time(), None
        if self.bounds is not None:
            self.bounds.admit(self, transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        if self.bounds is not None:
            self.bounds.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Note since when a header is under way."""
        super().data_received(data)
        if self._waiter is None or self._waiter.done():  # at work, or about to be
            if self._request_count:
                self.header_since = None
        elif self.header_since is None:
            self.header_since = self._loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether it stands between two requests, or before its first."""
        waiter = self._waiter
        return not self._request_count or (waiter is not None and not waiter.done())

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


HEADER_TIME: Final = 10.0  # seconds for a header in all
ANSWER_TIME: Final = 30.0  # seconds for an answer to be taken, or `TAKEN` of it
TAKEN: Final = 1024 * 1024  # bytes
ALARM_TIME: Final = 60.0  # seconds between two alerts
NOBODY: Final = "-"  # stands before the first hop: whoever comes to it has met trusted proxies alone
SPARE: Final = 64  # files for all that is no connection: the journal, listeners, the log


class _Untaken(NamedTuple):
    """What of its answers a client had not taken at a moment."""

    size: int  # bytes
    requests: int  # read so far
    since: float


class Connections:
    """Bounds connections in number and in time, whoever opens them; `sweep` looks after them every second.

    Where there are too many, one that waits for a request makes room, and first one that never sent any, so
    that who opens many keeps nobody else out.
    """

    def __init__(self, count: Callable[[str], None]) -> None:
        """`count` is told why a connection was cut."""
        self.bound(1, 1, ())
        self._count = count
        self._open: dict[_Connection, asyncio.Transport] = {}  # the oldest first
        self._clients: Counter[str | None] = Counter()
        self._busy: Counter[str] = Counter()  # requests under way of those whom a proxy names
        self._cut: Counter[str] = Counter()  # since the last look
        self._is_full = False
        self._silent_until = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: _Connection, transport: asyncio.Transport) -> None:
        """Count a new connection; where it is one too many, one is cut, maybe itself."""
        peer = transport.get_extra_info("peername")  # None: it hung up before it was taken
        client = self._client(peer[0]) if peer else None
        connection.client = client
        self._open[connection] = transport
        self._clients[client] += 1
        if client is not None and self._clients[client] > self.per_client:
            self._make_room(connection, [one for one in self._open if one.client == client])
        elif len(self._open) > self.most:
            self._is_full = True
            self._make_room(connection, self._open)

    def forget(self, connection: _Connection) -> None:
        """Count a connection no longer."""
        if self._open.pop(connection, None) is not None:
            self._clients[connection.client] -= 1
            if not self._clients[connection.client]:
                del self._clients[connection.client]

    def bound(self, most: int, per_client: int, proxies: Networks) -> None:
        """Have these bounds from now on; nobody who is there is cut for them."""
        self.most, self.per_client, self.proxies = most, per_client, proxies

    async def by_client(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Have a request handled, unless it is of a client for whom proxies have too many under way."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        client = self._client(request.remote, forwarded)
        if client is None or request.protocol.client is not None:  # named by nobody, or counted already
            return await handler(request)
        if self._busy[client] >= self.per_client:
            return self._refused()
        self._busy[client] += 1
        try:
            return await handler(request)
        finally:
            self._busy[client] -= 1
            if not self._busy[client]:
                del self._busy[client]

    async def run(self, alarm: Alarm) -> NoReturn:
        """Look after them until cancelled."""
        while True:
            if (alert := self.sweep(asyncio.get_running_loop().time())) is not None:
                alarm(alert)
            await asyncio.sleep(1)

    def sweep(self, now: float) -> Alert | None:
        """Cut who keeps us waiting, log what was cut, and return what an administrator has to hear."""
        for connection, transport in list(self._open.items()):
            since = connection.header_since
            if since is not None and now - since >= HEADER_TIME:
                self._end(connection, "header")
            elif _is_stuck(connection, transport, now):
                self._end(connection, "answer")
        if self._cut:
            log.warning("connections.cut", open=len(self._open), **self._cut)
            self._cut.clear()
        reason = _no_files() or ("as many are open as server.max_connections lets" if self._is_full else None)
        self._is_full = False
        if reason is None or now < self._silent_until:
            return None
        self._silent_until = now + ALARM_TIME
        return Alert("connections.exhausted", None, reason)

    def _client(self, peer: str | None, forwarded: Sequence[str] = ()) -> str | None:
        """Return who it is that asks, None for a proxy that names nobody; an IPv6 network is one client."""
        address = client_address(peer or "", [NOBODY, *forwarded], self.proxies)
        if address == NOBODY:
            return None
        return network_of(address)

    def _make_room(self, newest: _Connection, among: Collection[_Connection]) -> None:
        waiting = (one for one in among if one is not newest and one.is_waiting)
        self._end(min(waiting, key=lambda one: bool(one._request_count), default=newest), "crowd")

    def _end(self, connection: _Connection, reason: str) -> None:
        transport = self._open[connection]
        self.forget(connection)
        self._cut[reason] += 1
        self._count(reason)
        transport.abort()

    def _refused(self) -> web.StreamResponse:
        self._cut["crowd"] += 1
        self._count("crowd")
        name = new_id()
        error = Busy("too many requests of this client are under way", 1.0, 429)
        answer = error_answer(error, name)
        answer.headers[CORRELATION_ID] = name
        return answer


def _is_stuck(connection: _Connection, transport: asyncio.Transport, now: float) -> bool:
    """Say whether a client has not taken its answer, or enough of it, in its time."""
    size, requests, was = transport.get_write_buffer_size(), connection._request_count, connection.untaken
    if not size:
        connection.untaken = None
    elif was is None or requests != was.requests or size <= was.size - TAKEN:
        connection.untaken = _Untaken(size, requests, now)
    else:
        return now - was.since >= ANSWER_TIME
    return False


def _no_files() -> str | None:
    """Say why no connection could be taken; the loop itself closes it without a word."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return f"no more files can be opened: {error.strerror}"
    return None


def allow_connections(most: int) -> int:
    """Let the process open files for so many connections, each with one of a target; return for how many."""
    wanted = 2 * most + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if (allowed := max(1, (soft - SPARE) // 2)) < most:
            log.warning("connections.bounded", most=allowed, reason="the limit of open files allows no more")
            return allowed
    return most


class _Faults(logging.Handler):
    """Tells the log of this process what aiohttp says of connections, without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        log.warning("connection.failed", error=kind.__name__ if kind else "")


def _quiet_logger() -> logging.Logger:
    logger = logging.Logger("gateway.server")  # without a parent, so that nothing of it goes elsewhere
    logger.addHandler(_Faults())
    return logger


class Site(web.BaseSite):
    """Where a runner listens; who does not come to terms over TLS in the time of a header is cut."""

    __slots__ = ("_where",)

    def __init__(self, runner: web.BaseRunner, tls: ssl.SSLContext | None, **where: Any) -> None:
        """`where`: a `host` and `port`, or a `sock` that listens already."""
        super().__init__(runner, ssl_context=tls)
        self._where = where

    @property
    def name(self) -> str:
        """What aiohttp calls it by."""
        return "gateway"

    async def start(self) -> None:
        """Listen; raises OSError."""
        await super().start()
        options: dict[str, Any] = {"ssl": self._ssl_context, "backlog": self._backlog, **self._where}
        if self._ssl_context is not None:
            options["ssl_handshake_timeout"] = HEADER_TIME
        server: Any = self._runner.server
        self._server = await asyncio.get_running_loop().create_server(server, **options)


class Presented:
    """The certificate that new connections are shown; another may take its place at any time."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context  # what a server listens with
        self._shown = context
        context.sni_callback = self._choose

    def show(self, context: ssl.SSLContext) -> None:
        """Show another one from now on; who is connected stays so."""
        self._shown = context

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._shown


def tls_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return what serves TLS with this certificate; raises OSError, of which SSLError is one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key, password="")  # else OpenSSL asks the terminal for one, and waits
    return context


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
