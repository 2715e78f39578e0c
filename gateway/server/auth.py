"""Who asks: tokens in every form that providers send, found by their SHA-256."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gateway.admin.acts import Token
from gateway.errors import InvalidSyntax, OverToken, Unauthorized
from gateway.flow.model import Caller
from gateway.scim.dialects import Dialect
from gateway.server.refusals import Refusals
from gateway.server.request import Networks, client_address, printable
from gateway.server.response import Handler
from gateway.users import INVOKER, acting, name_of
from gateway.values import frozen


@frozen
class Credential:
    """One live token: whose it is, which one, its SHA-256, and the targets it opens."""

    kind: str  # provider | auditor | helpdesk | operator | phonebook
    name: str
    token: str  # a label for the audit trail, never the token
    digest: bytes
    targets: frozenset[str] = frozenset()


@frozen
class Provider:
    """How a provider speaks, and how it is told to come again."""

    name: str
    dialect: Dialect
    busy_status: int


def authenticate(headers: Sequence[str], live: Mapping[bytes, Credential]) -> Credential:
    """Return whose token the Authorization headers carry; raises Unauthorized or InvalidSyntax.

    `live` has the credentials by their digests. What a look-up may tell by its time is about digests alone:
    nobody can come nearer to a token by it.
    """
    if len(headers) > 1:
        raise InvalidSyntax("more than one Authorization header")
    if not headers:
        raise Unauthorized("no Authorization header: send the token that this gateway gave you")
    error = Unauthorized("the token is unknown, expired or revoked")
    if (token := _token_in(headers[0])) is not None:
        digest = hashlib.sha256(token).digest()
        found = live.get(digest)
        if found is not None and hmac.compare_digest(digest, found.digest):
            return found
        error.shown = digest
    raise error


def _token_in(header: str) -> bytes | None:
    """Return what may be the token, alone, behind Bearer in any case, or as a Basic password; else None."""
    text = header.strip().encode("utf-8", "surrogateescape")
    scheme, _, rest = text.partition(b" ")
    kind = scheme.lower() if rest else b""
    if kind == b"bearer":
        return rest.strip()
    return _password(rest.strip()) if kind == b"basic" else text


def _password(encoded: bytes) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error:
        return None


@dataclass(slots=True)
class Authentication:
    """Says who asks, and has the trail remember whom it refuses."""

    credentials: Callable[[], Mapping[bytes, Credential]]  # that open something now, by their digests
    refusals: Refusals
    proxies: Networks = ()  # of the configuration in force
    over: Callable[[bytes], OverToken | None] = lambda digest: None  # by their digests

    def credential(self, request: web.Request) -> Credential:
        """Return whose token a request shows; raises Unauthorized or InvalidSyntax."""
        try:
            return authenticate(request.headers.getall("Authorization", []), self.credentials())
        except Unauthorized as error:
            error.over = None if error.shown is None else self.over(error.shown)
            raise

    def credential_in_path(self, token: str) -> Credential:
        """Return whose token a part of an address is; raises Unauthorized."""
        return authenticate((f"Bearer {token}",), self.credentials())

    def caller(
        self, request: web.Request, credential: Credential | None = None, busy_status: int = 503
    ) -> Caller:
        """Return who asks: whose token it is, or somebody unknown."""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        address = client_address(request.remote or "", forwarded, self.proxies)
        agent = printable(request.headers.get("User-Agent"))
        if credential is None:
            return Caller("", ip=address, user_agent=agent, kind="unknown")
        return Caller(credential.name, credential.token, address, agent, busy_status, credential.kind)


class Credentials:
    """All live tokens: those of the configuration, and those made with `token new`."""

    def __init__(
        self,
        load: Callable[[], Awaitable[Sequence[Token]]],
        now: Callable[[], str],
    ) -> None:
        self._configured: tuple[Credential, ...] = ()
        self._targets: Mapping[str, frozenset[str]] = {}  # of each provider
        self._load = load
        self._now = now
        self._issued: Sequence[Token] = ()
        self._live: dict[bytes, Credential] = {}
        self._until: str | None = None  # when the first of them ends

    async def refresh(self) -> None:
        """Read the issued tokens again, after one was made or revoked."""
        self._issued = tuple(await self._load())
        self._look()

    def over(self, digest: bytes) -> OverToken | None:
        """Return which issued token this was, where it was one that has ended."""
        shown, now = digest.hex(), self._now()
        for token in self._issued:
            if token.sha256 == shown and not token.is_active(now):
                ends = [end for end in (token.revoked, token.expires) if end is not None]
                return OverToken(token.id, token.provider, min(ends))
        return None

    def configure(self, configured: tuple[Credential, ...], targets: Mapping[str, frozenset[str]]) -> None:
        """Have the tokens of another configuration live from now on, and no others but those made for it."""
        self._configured, self._targets = configured, targets
        self._look()

    @property
    def providers(self) -> Collection[str]:
        """Return the names of the providers."""
        return self._targets.keys()

    def current(self) -> Mapping[bytes, Credential]:
        """Return the tokens that open something now, by their digests."""
        if self._until is not None and self._now() >= self._until:
            self._look()
        return self._live

    def _look(self) -> None:
        """Find out which tokens are live, and until when that is so."""
        now = self._now()
        known = [one for one in self._issued if one.provider in self._targets and one.revoked is None]
        live = [token for token in known if token.expires is None or now < token.expires]
        found = (*self._configured, *map(self._credential, live))
        self._live = {credential.digest: credential for credential in found}
        self._until = min((token.expires for token in live if token.expires is not None), default=None)

    def _credential(self, token: Token) -> Credential:
        digest, opens = bytes.fromhex(token.sha256), self._targets[token.provider]
        return Credential("provider", token.provider, token.id, digest, opens)


_CREDENTIALS: Final = struct.Struct("iII")  # process, user, group


@web.middleware
async def in_their_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what a command asks done in the name of its user."""
    user = await asyncio.to_thread(name_of, _peer(request), request.headers.get(INVOKER))
    token = acting.set(user)
    try:
        return await handler(request)
    finally:
        acting.reset(token)


def _peer(request: web.Request) -> int:
    """Return the user at the other end; this process's where the system does not say: others are kept out."""
    end = request.get_extra_info("socket")
    if end is None or not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    said = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(said)[1]
    return uid
