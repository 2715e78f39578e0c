"""Who asks: tokens in every form that providers send, compared in constant time (DESIGN section 8)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.admin.acts import Token
from gateway.errors import InvalidSyntax, Unauthorized


@dataclass(frozen=True, slots=True)
class Credential:
    """One live token: whose it is, which one, its SHA-256, and the targets it opens."""

    kind: str  # provider | auditor
    name: str
    token: str  # a label for the audit trail, never the token
    digest: bytes
    targets: frozenset[str] = frozenset()


def authenticate(headers: Sequence[str], credentials: Collection[Credential]) -> Credential:
    """Return whose token the Authorization headers carry; raises Unauthorized or InvalidSyntax."""
    if len(headers) > 1:
        raise InvalidSyntax("more than one Authorization header")
    if not headers:
        raise Unauthorized("no Authorization header: send the token that this gateway gave you")
    found = None
    for token in _tokens_in(headers[0]):
        digest = hashlib.sha256(token).digest()
        for credential in credentials:
            if hmac.compare_digest(digest, credential.digest):
                found = credential
    if found is None:
        raise Unauthorized("the token is unknown, expired or revoked")
    return found


def _tokens_in(header: str) -> list[bytes]:
    """Return what may be the token: `token`, `Bearer token`, `bearer token`, or a Basic password."""
    text = header.strip().encode("utf-8", "surrogateescape")
    scheme, _, rest = text.partition(b" ")
    read: Callable[[bytes], list[bytes]] = _FORMS.get(scheme.lower(), lambda _: [text])
    return read(rest.strip()) if rest else [text]


def _basic(encoded: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(encoded, validate=True).partition(b":")[2]]
    except binascii.Error:
        return []


_FORMS: dict[bytes, Callable[[bytes], list[bytes]]] = {b"bearer": lambda token: [token], b"basic": _basic}


class Credentials:
    """All live tokens: those of the configuration, and those made with `token new`."""

    def __init__(
        self,
        configured: tuple[Credential, ...],
        targets: Mapping[str, frozenset[str]],  # of each provider
        load: Callable[[], Awaitable[Sequence[Token]]],
        now: Callable[[], str],
    ) -> None:
        self._configured = configured
        self._targets = targets
        self._load = load
        self._now = now
        self._issued: tuple[tuple[Credential, str | None], ...] = ()

    async def refresh(self) -> None:
        """Read the issued tokens again, after one was made or revoked."""
        self._issued = tuple(
            (
                Credential(
                    "provider", row.provider, row.id, bytes.fromhex(row.sha256), self._targets[row.provider]
                ),
                row.expires,
            )
            for row in await self._load()
            if row.provider in self._targets
        )

    def current(self) -> tuple[Credential, ...]:
        """Return the tokens that open something now."""
        now = self._now()
        live = tuple(credential for credential, expires in self._issued if expires is None or now < expires)
        return self._configured + live
