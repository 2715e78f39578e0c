"""A proxy before a directory that fails in one way at one request, and counts what the directory has done."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from tests.support.real_directory import RealDirectory
from tests.support.slapd import Slapd

REQUESTS: Final = {  # RFC 4511 section 4.2 and on
    "bind": 0x60,
    "search": 0x63,
    "modify": 0x66,
    "add": 0x68,
    "delete": 0x4A,
    "rename": 0x6C,
}
ANSWERS: Final = {"modify": 0x67, "add": 0x69, "delete": 0x6B, "rename": 0x6D}
UNANSWERED: Final = (0x42, 0x50)  # unbind, abandon
NOT_LAST: Final = (0x64, 0x73, 0x79)  # an entry, a reference, and what else comes before a result
GAP: Final = 0.002  # seconds between two bytes of a slow answer
AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER that makes a close a reset


@dataclass
class Line:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def message(self) -> bytes:
        """Return the next LDAP message, whole."""
        head = await self.reader.readexactly(2)
        if head[1] & 0x80:
            head += await self.reader.readexactly(head[1] & 0x7F)
        size = int.from_bytes(head[2:]) if head[1] & 0x80 else head[1]
        return head + await self.reader.readexactly(size)

    async def answer(self) -> bytes:
        """Return all that is answered to one request."""
        whole = last = await self.message()
        while operation(last)[0] in NOT_LAST:
            last = await self.message()
            whole += last
        return whole

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """End the connection so that the other side hears of it at once."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.writer.transport.abort()


def operation(message: bytes) -> bytes:
    """Return what a message holds behind its id, from the tag on."""
    start = 2 + (message[1] & 0x7F if message[1] & 0x80 else 0)
    return message[start + 2 + message[start + 1] :]


def _dn(request: bytes) -> str:
    """Return the DN that a change is about: first in its sequence, or all there is of a removal."""
    tag, *_ = body = operation(request)
    text = _content(body)
    return (text if tag == REQUESTS["delete"] else _content(text)).decode()


def _content(element: bytes) -> bytes:
    """Return what an element of BER holds."""
    long = element[1] & 0x7F if element[1] & 0x80 else 0
    size = int.from_bytes(element[2 : 2 + long]) if long else element[1]
    return element[2 + long : 2 + long + size]


@dataclass
class Proxy:
    """Stands before a directory; `fault` strikes once, at a request `at` after `spares` others like it."""

    server: Slapd | RealDirectory
    url: str = ""
    fault: str = ""
    at: str = ""  # "": at any request
    spares: int = 0
    has_struck: bool = False
    done: list[tuple[str, str]] = field(default_factory=list)  # the changes made, and the entries' DNs
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def strike(self, fault: str, at: str = "", spares: int = 0) -> None:
        """Fail once more, and count anew."""
        self.fault, self.at, self.spares = fault, at, spares
        self.has_struck, self.done = False, []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(task := cast("asyncio.Task[None]", asyncio.current_task()))
        task.add_done_callback(self.serving.discard)
        near = Line(reader, writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                far = Line(*await asyncio.open_connection(self._host, self.server.port, ssl=self._tls))
                try:
                    await self._carry(near, far)
                finally:
                    await far.close()
        finally:
            await near.close()

    async def _carry(self, near: Line, far: Line) -> None:
        while True:
            request = await near.message()
            fault = ALL[self.fault] if self._is_struck(request) else carried
            await fault(self, near, far, request)

    async def asked(self, far: Line, request: bytes) -> bytes:
        """Have the directory answer a request, and take note of what it has done."""
        await far.send(request)
        if operation(request)[0] in UNANSWERED:
            return b""
        answer = await far.answer()
        tag, code = operation(answer)[0], operation(answer)[4]
        self.done += [(name, _dn(request)) for name, kind in ANSWERS.items() if kind == tag and code == 0]
        return answer

    @property
    def _host(self) -> str:
        return urlsplit(self.server.url).hostname or "127.0.0.1"

    @property
    def _tls(self) -> ssl.SSLContext | None:
        """Return what is spoken to a directory that takes TLS alone; the gateway's side is in the clear."""
        if urlsplit(self.server.url).scheme != "ldaps":
            return None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    async def restart(self) -> None:
        await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)

    def _is_struck(self, request: bytes) -> bool:
        is_meant = not self.at or operation(request)[0] == REQUESTS[self.at]
        if not self.fault or self.has_struck or not is_meant:
            return False
        self.spares -= 1
        self.has_struck = self.spares < 0
        return self.has_struck


Fault = Callable[[Proxy, Line, Line, bytes], Awaitable[None]]


async def carried(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await near.send(await proxy.asked(far, request))


async def _request_lost(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await near.reader.read()  # taken, and never answered, until whoever waits has gone


async def _answer_lost(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await proxy.asked(far, request)
    await near.reader.read()


async def _half_an_answer(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    answer = await proxy.asked(far, request)
    await near.send(answer[: len(answer) // 2])
    near.writer.close()


async def _reset_before(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    near.reset()


async def _reset_after(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await proxy.asked(far, request)
    near.reset()


async def _restart_before(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await proxy.restart()
    near.writer.close()


async def _restart_after(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await proxy.asked(far, request)
    await proxy.restart()
    near.writer.close()


async def _trickle(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    for byte in await proxy.asked(far, request):
        await near.send(bytes([byte]))
        await asyncio.sleep(GAP)


async def _stop_after(proxy: Proxy, near: Line, far: Line, request: bytes) -> None:
    await proxy.asked(far, request)
    await asyncio.to_thread(proxy.server.stop)
    near.writer.close()


STOP: Final = "it is done, and the directory stops"
FAULTS: Final[dict[str, Fault]] = {
    "the request is lost": _request_lost,
    "the answer is lost": _answer_lost,
    "half an answer": _half_an_answer,
    "a reset before it is done": _reset_before,
    "a reset after it was done": _reset_after,
    "a restart before it is done": _restart_before,
    "a restart after it was done": _restart_after,
    "an answer in drops": _trickle,
}
ALL: Final = FAULTS | {STOP: _stop_after}


@asynccontextmanager
async def faulty(server: Slapd | RealDirectory) -> AsyncIterator[Proxy]:
    """Stand before a directory."""
    proxy = Proxy(server)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with listening:
        proxy.url = f"ldap://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield proxy
    for task in proxy.serving:
        task.cancel()
    await asyncio.gather(*proxy.serving, return_exceptions=True)
    if not server.is_running:  # the next test wants it
        server.start()


def _waited() -> float:
    """Return the seconds that this thread waited for a processor, 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@asynccontextmanager
async def ticking(gaps: list[float]) -> AsyncIterator[None]:
    """Note how long the event loop left others waiting, in seconds; that the machine was busy is no fault."""

    async def tick() -> None:
        while True:
            begun, waited = time.monotonic(), _waited()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - begun - (_waited() - waited))

    task = asyncio.ensure_future(tick())
    try:
        yield
    finally:
        task.cancel()
