"""Sends one call to a target over HTTP, or an alert to its webhook: one attempt, bounded in time and size."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, Final

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from gateway.address import Auth
from gateway.admin.alerts import Undelivered, text_of
from gateway.flow.target_port import Crowded, Late, Nonsense, Silent, Unreachable, refuse_disowned
from gateway.log import correlation_id
from gateway.targets.transport import Call, HttpReply, Redaction, Transport, readable
from gateway.version import VERSION

MAX_BYTES: Final = 8 * 1024 * 1024  # of an answer, after decompression
CONNECT_SHARE: Final = 0.75  # of the time of an attempt; a connection later than that is none
KEEP_ALIVE: Final = 4.0  # seconds; many services close after 5, and a call into that gap is in doubt


class _Request(aiohttp.ClientRequest):
    """Changes nothing for a gateway that was stopped while it waited for the connection, or after that.

    A body, and what goes before it, is written in a turn of the loop of its own.
    """

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if self.method != "GET":
            refuse_disowned(time.monotonic())
        return await super().send(conn)

    async def write_bytes(self, writer: Any, conn: aiohttp.connector.Connection, *how: Any) -> None:
        try:
            refuse_disowned(time.monotonic())
        except Late as late:  # whoever waits for the answer gets it
            assert conn.protocol is not None
            conn.protocol.set_exception(late)
        else:
            await super().write_bytes(writer, conn, *how)


def open_session() -> aiohttp.ClientSession:
    """Return the session all transports share: no cookies, no proxies from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        request_class=_Request,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


@cache
def certificates() -> ssl.SSLContext:
    """Return what trusts whom this system trusts; made where TLS is first spoken, as that takes 1 MiB."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


class HttpTransport:
    """Reaches one HTTP target with its credentials."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        auth: Auth | None = None,
        timeout: float = 10.0,
        max_bytes: int = MAX_BYTES,
        whom: str = "the target",  # as its errors call it
        hidden: Iterable[str] = (),  # further secrets that its answers are cleared of
    ) -> None:
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=timeout * CONNECT_SHARE)
        self._max_bytes = max_bytes
        self._whom = whom
        self._headers = CIMultiDict({"User-Agent": f"scim-gateway/{VERSION}"})
        if auth is not None:
            name, value = auth.header()
            self._headers[name] = value
        self._redaction = Redaction((*(auth.secrets() if auth else ()), *hidden))

    async def send(self, call: Call) -> HttpReply:
        """Send the call once; raises Unreachable, Silent or Nonsense where no whole answer came back."""
        url = URL(call.url, encoded=True)
        try:
            async with self._session.request(
                call.method,
                url,
                data=call.body,
                timeout=self._timeout,
                ssl=certificates() if url.scheme == "https" else True,
                allow_redirects=False,
                middlewares=(partial(self._once, self._headers_for(call)),),
            ) as response:
                return await self._reply(response)
        except TimeoutError as error:
            raise Silent(f"{self._whom} did not answer in time") from error
        except aiohttp.ClientResponseError as error:
            raise Nonsense(f"{self._whom}'s answer is not HTTP") from error
        except aiohttp.ClientError as error:
            raise Silent(f"the connection to {self._whom} broke before its answer was whole") from error

    def _headers_for(self, call: Call) -> CIMultiDict[str]:
        headers = self._headers.copy()
        headers["Accept"] = call.accepts
        if call.body is not None:
            headers["Content-Type"] = call.sends
        if call.headers:
            headers.update(call.headers)
        if found := correlation_id.get():
            headers["X-Correlation-Id"] = found
        return headers

    async def _reply(self, response: aiohttp.ClientResponse) -> HttpReply:
        content = response.content
        # all of it is here already, as a rule
        body = content.read_nowait() if content.is_eof() else await self._read_rest(response)
        if len(body) > self._max_bytes:
            response.close()
            reason = f"{self._whom}'s answer is larger than {self._max_bytes} bytes"
            raise Nonsense(reason, response.status)
        return HttpReply(response.status, response.headers, self._redaction.blotted(body))

    async def _read_rest(self, response: aiohttp.ClientResponse) -> bytes:
        """Return a body as it arrives, and no more of it than shows that it is too large."""
        body = bytearray()
        while len(body) <= self._max_bytes and (chunk := await response.content.readany()):
            body += chunk
        return bytes(body)

    async def _once(
        self, headers: Mapping[str, str], request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Say at once what went wrong: aiohttp by itself would send a GET, PUT or DELETE a second time."""
        request.headers.update(headers)  # before, aiohttp would go through them one by one, twice
        try:
            return await send(request)
        except aiohttp.ConnectionTimeoutError as error:
            raise Unreachable(f"{self._whom} took no connection in time") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(_not_reached(error)) from error
        except aiohttp.ClientConnectionError as error:
            raise Silent(f"{self._whom} closed the connection without an answer") from error


class PacedTransport:
    """Sends calls evenly spaced, for connectors that make several of one change."""

    def __init__(
        self,
        inner: Transport,
        rate: float,  # calls a second
        patience: float,  # seconds that a call waits for its turn at most
        clock: Callable[[], float] = time.monotonic,  # seconds
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._gap = 1.0 / rate
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    async def send(self, call: Call) -> HttpReply:
        """Send the call in its turn; raises Crowded, too, where that would come too late."""
        if (wait := self._next - self._clock()) > self._patience:
            raise Crowded("too many calls wait for `rate`", None, wait)
        return await self.follow(call)

    async def follow(self, call: Call) -> HttpReply:
        """Send the call in its turn, however late that is: it ends what another has begun."""
        now = self._clock()
        mine = max(now, self._next)
        self._next = mine + self._gap
        if mine > now:
            await self._sleep(mine - now)
        return await self._inner.send(call)


TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"scim-gateway/{VERSION}"}


def _not_reached(error: aiohttp.ClientConnectorError) -> str:
    """Return why there is no connection, in our words: aiohttp's say "ssl:default" where no TLS is spoken."""
    place = f"{error.host}:{error.port}"
    match getattr(error, "certificate_error", None) or error.os_error:
        case socket.gaierror() as cause:
            return readable(f"the name {error.host} is not known here: {cause.strerror}")
        case ssl.SSLCertVerificationError() as cause:
            return readable(f"the certificate of {place} is not trusted: {cause.verify_message}")
        case ssl.SSLError() as cause:
            return readable(f"{place} does not speak TLS as this system wants it: {cause.reason}")
        case ConnectionRefusedError():
            return readable(f"nobody listens on {place}")
        case OSError(errno=int(number)) if number > 0:
            return readable(f"{place} cannot be reached: {os.strerror(number)}")
        case _:
            return readable(f"{place} cannot be reached")


def _slack(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message as chat services read it: one text; three characters are Slack's own."""
    text = text_of(message).strip()
    for sign, said in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, said)
    return {"text": text}


FORMATS: Final[Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]] = {
    "json": lambda message: message,
    "slack": _slack,
}


class Webhook:
    """Posts messages to one address, which may be a secret itself."""

    def __init__(self, session: aiohttp.ClientSession, url: str, format: str = "json") -> None:
        self._session = session
        self._render = FORMATS[format]
        self._url = URL(url)
        self._ssl = certificates() if self._url.scheme == "https" else True

    async def send(self, message: Mapping[str, Any]) -> None:
        """Try once; raises `Undelivered` for anything but 2xx."""
        body = orjson.dumps(self._render(message))
        try:
            async with self._session.post(
                self._url, data=body, headers=HEADERS, timeout=TIMEOUT, ssl=self._ssl, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Undelivered(type(error).__name__) from error
        if not 200 <= status < 300:
            raise Undelivered(f"it answered {status}")
