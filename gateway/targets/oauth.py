"""Tokens of a target, by OAuth 2.0 or a login of its own: fetched, kept in memory, replaced, sent along."""

import asyncio
import math
import re
import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field
from typing import Any, Final, NoReturn
from urllib.parse import quote_plus, urlencode

import aiohttp
import orjson

from gateway.address import Bearer, Header, OAuth2, Secret, SessionLogin
from gateway.flow.target_port import Denied, Nonsense, Silent, TargetError, Throttled, Unreachable
from gateway.log import get_logger
from gateway.mapping.templates import compile_spot
from gateway.targets.http import HttpTransport
from gateway.targets.transport import Call, HttpReply, readable, retry_after
from gateway.values import frozen

DEFAULT_LIFE: Final = (
    300.0  # seconds of a token whose answer does not say; RFC 6749 section 5.1 leaves it open
)
LONGEST_LIFE: Final = 86400.0  # seconds; no token is kept for longer
EARLY: Final = 30.0  # seconds before its end that a token is used no more, or a tenth of a short life

MEANINGS: Final[Mapping[int, type[TargetError]]] = {  # no token means that nothing reached the target
    408: Unreachable,
    425: Unreachable,
    429: Throttled,
}
ADVICE: Final[Mapping[str, str]] = {  # error (RFC 6749 section 5.2), or status -> what to look at
    "invalid_client": "client_id and client_secret",
    "unauthorized_client": "whether this client may use the client credentials grant",
    "unsupported_grant_type": "whether the client credentials grant is turned on",
    "invalid_scope": "scope",
    "401": "client_id and client_secret",
    "403": "client_id and client_secret",
}
ELSE: Final = "token_url"

_TOKEN: Final = re.compile(r"[\x21-\x7e]+")  # goes into a header: no space, no line break


@frozen
class AccessToken:
    """What opens the target, and for how many seconds it may be used."""

    value: str = field(repr=False)
    seconds: float


@frozen
class Client:
    """Shows the token endpoint who asks (RFC 6749 section 2.3.1: both are form-encoded before Basic)."""

    id: str
    secret: str = field(repr=False)

    def header(self) -> tuple[str, str]:
        return "Authorization", f"Basic {self._credentials()}"

    def secrets(self) -> tuple[str, ...]:
        return self._credentials(), self.secret, quote_plus(self.secret)

    def hide(self, text: str) -> str:
        """Return a text without the secrets that it repeats."""
        for secret in self.secrets():
            text = text.replace(secret, "***")
        return text

    def _credentials(self) -> str:
        return b64encode(f"{quote_plus(self.id)}:{quote_plus(self.secret)}".encode()).decode("ascii")


def token_call(oauth2: OAuth2) -> Call:
    """Ask for a token; who asks is in the header."""
    account = oauth2.account_id
    grant = {"account_id": account} if account else {}
    form = {"grant_type": "account_credentials" if account else "client_credentials"} | grant
    form |= {"scope": oauth2.scope} if oauth2.scope else {}
    return Call(
        "POST",
        oauth2.token_url,
        urlencode(form).encode(),
        accepts="application/json",
        sends="application/x-www-form-urlencoded",
    )


def read_token(reply: HttpReply, now: float, hide: Callable[[str], str] = str) -> AccessToken:
    """Return the token; raises Denied, Throttled or Unreachable. `now` is in POSIX seconds.

    `hide` takes secrets out of what is told of the answer.
    """
    document = _object(reply.body)
    is_refused = "access_token" not in document and isinstance(document.get("error"), str)
    if reply.status // 100 != 2 or is_refused:  # some refuse with 200
        raise _refusal(reply, document, now, hide)
    value, kind = document.get("access_token"), document.get("token_type", "Bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise Denied(f"the token endpoint answered {reply.status} without a token; check {ELSE}")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Denied("the token endpoint gives tokens that are not of type Bearer")
    return AccessToken(value, _usable_for(document.get("expires_in")))


def _usable_for(expires_in: Any) -> float:
    """Return the seconds until a token should be replaced; numbers in quotes are read, too."""
    try:
        life = float(expires_in)
    except (TypeError, ValueError):
        life = DEFAULT_LIFE
    life = min(life, LONGEST_LIFE) if life >= 0 else DEFAULT_LIFE
    return life - min(EARLY, life / 10)


def _refusal(
    reply: HttpReply, document: Mapping[str, Any], now: float, hide: Callable[[str], str]
) -> TargetError:
    status, error = reply.status, document.get("error")
    meaning = Unreachable if status >= 500 else MEANINGS.get(status, Denied)
    said = f"the token endpoint answered {status}"
    if status // 100 == 3:
        said += ", a redirect, and none is followed"
    if isinstance(error, str) and error.strip():
        said += f" {readable(hide(error))}"  # before it is shortened: no part of a secret is left, either
    description = document.get("error_description")
    if isinstance(description, str) and description.strip():
        said += f" ({readable(hide(description))})"
    if meaning is Denied:
        said += f"; check {ADVICE.get(str(error)) or ADVICE.get(str(status), ELSE)}"
    return meaning(said, retry_after=retry_after(reply, now))  # the target itself was not asked


def _object(body: bytes) -> dict[str, Any]:
    """Return a JSON object, an empty one where the body is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


MAX_BYTES: Final = 64 * 1024  # of a token endpoint's answer
NOTHING_SENT: Final = {Silent: Unreachable, Nonsense: Denied}  # the target itself was not asked

log = get_logger()


@frozen
class Held:
    """A token in use."""

    transport: HttpTransport  # signs with it
    until: float  # monotonic seconds


class TokenTransport(ABC):
    """Reaches one HTTP target with tokens that it asks for."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        key: str,  # in the configuration, of what it asks with
        timeout: float,  # seconds, for a token as for a call
        clock: Callable[[], float],
        expired: Collection[int] = (401,),  # statuses of a call whose token is of no use any more
    ) -> None:
        self._session = session
        self._key = key
        self._timeout = timeout
        self._clock = clock
        self._expired = expired
        self._held: Held | None = None
        self._fetching: asyncio.Task[Held] | None = None

    async def send(self, call: Call) -> HttpReply:
        """Send the call; where a token that was held is refused, once more with a new one.

        401 means that the target did nothing. Raises as `HttpTransport.send`, and what `read_token` raises.
        """
        held = self._current()
        reply = await (held or await self._new()).transport.send(call)
        if held is None or reply.status not in self._expired:
            return reply
        return await (await self._instead_of(held)).transport.send(call)

    def _current(self) -> Held | None:
        return self._held if self._held and self._clock() < self._held.until else None

    async def _instead_of(self, refused: Held) -> Held:
        if self._held is refused:
            self._held = None
        return self._current() or await self._new()

    async def _new(self) -> Held:
        """Return a new token: one fetch for all who wait, which goes on when one of them gives up."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(_heard)
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> Held:
        try:
            transport, seconds = await self._ask()
        except TargetError as error:
            self._explain(error)
        else:
            self._held = Held(transport, self._clock() + seconds)
            return self._held
        finally:
            self._fetching = None

    @abstractmethod
    async def _ask(self) -> tuple[HttpTransport, float]:
        """Return what signs with a new token, and for how many seconds; raises TargetError."""

    def _explain(self, error: TargetError) -> NoReturn:
        """Raise what the failure means for the target's call: nothing of it was sent."""
        kind = NOTHING_SENT.get(type(error), type(error))
        reason = f"no token for {self._key}: {error.reason}"
        log.warning("token.not_fetched", key=self._key, status=error.status, reason=error.reason)
        raise kind(reason, error.status, error.retry_after) from error


def _heard(fetching: asyncio.Task[Held]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not fetching.cancelled():
        fetching.exception()


class OAuthTransport(TokenTransport):
    """Reaches one HTTP target with tokens of its token endpoint."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,  # of the target
        oauth2: OAuth2,
        timeout: float = 10.0,  # seconds, for a token as for a call
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(session, f"targets.{name}.auth.oauth2", timeout, clock)
        self._oauth2 = oauth2
        self._client = Client(oauth2.client_id, oauth2.client_secret.reveal())
        self._endpoint = HttpTransport(session, self._client, timeout, MAX_BYTES, "the token endpoint")

    async def _ask(self) -> tuple[HttpTransport, float]:
        reply = await self._endpoint.send(token_call(self._oauth2))
        token = read_token(reply, time.time(), self._client.hide)
        signing = Bearer(Secret(token.value), self._oauth2.scheme)
        return HttpTransport(self._session, signing, self._timeout), token.seconds


class SessionTransport(TokenTransport):
    """Reaches one HTTP target with tokens of a login of its own; each is used until it is refused."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,  # of the target
        login: SessionLogin,
        base_url: str,
        timeout: float = 10.0,  # seconds, for a token as for a call
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(session, f"targets.{name}.auth.session", timeout, clock, login.expired)
        self._login = login
        self._secrets = tuple(_secrets(login.body))
        self._token = compile_spot(login.token)
        method, _, path = login.request.partition(" ")
        body = None if login.body is None else orjson.dumps(login.body, default=Secret.reveal)
        self._call = Call(method, base_url + path, body, "application/json", "application/json")
        self._endpoint = HttpTransport(session, None, timeout, MAX_BYTES, "the login", hidden=self._secrets)

    async def _ask(self) -> tuple[HttpTransport, float]:
        reply = await self._endpoint.send(self._call)
        token = self._token.of(_object(reply.body))
        if reply.status // 100 != 2 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise _login_refusal(reply, time.time())
        value = Header(self._login.header, Secret(self._login.value.replace("{token}", token)))
        hidden = (token, *self._secrets)
        return HttpTransport(self._session, value, self._timeout, hidden=hidden), math.inf


def _secrets(body: Any) -> Iterator[str]:
    """Yield every secret in the body of a login."""
    if isinstance(body, Secret):
        yield body.reveal()
    elif isinstance(body, dict | list):
        for inner in body.values() if isinstance(body, dict) else body:
            yield from _secrets(inner)


def _login_refusal(reply: HttpReply, now: float) -> TargetError:
    status = reply.status
    meaning = Unreachable if status >= 500 else MEANINGS.get(status, Denied)
    said = f"the login answered {status}" + (" without a token" if status // 100 == 2 else "")
    advice = "; check body and token" if meaning is Denied else ""
    return meaning(said + advice, retry_after=retry_after(reply, now))
