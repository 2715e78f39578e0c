"""Who is signed in: cookies that only this gateway can read, and roles."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

import orjson
from cryptography.fernet import Fernet, InvalidToken

from gateway.values import frozen

ROLES: Final = ("operator", "auditor", "helpdesk")  # who may most comes first
FRESH: Final = 30.0  # seconds for which a cookie is as good as a new one
MOST_ENDED: Final = 10_000  # sign-outs that are remembered


@frozen
class SignedIn:
    """Somebody who is signed in, until `idle` or `lifetime` is over; times are seconds of the clock."""

    id: str
    name: str  # under which the trail has them
    role: str  # one of ROLES
    token: str  # a label for the trail: which of their tokens, or oidc
    digest: str  # SHA-256 of that token, in hex; empty for who came by OpenID Connect
    grants: tuple[str, ...]  # of who came by it: what their claim held that gives a role
    csrf: str
    begun: float
    seen: float

    @property
    def may_act(self) -> bool:
        """Whether they may change something."""
        return self.role == "operator"

    @property
    def is_masked(self) -> bool:
        """Whether people's values are hidden from them."""
        return self.role == "helpdesk"


def highest(roles: Sequence[str]) -> str | None:
    """Return the role that may most; None where there is none."""
    return next((role for role in ROLES if role in roles), None)


class Sessions:
    """Makes cookies and reads them; which sign-ins were ended is known here until they would have ended."""

    def __init__(self, key: bytes, idle: float, lifetime: float, clock: Callable[[], float]) -> None:
        self._key = hashlib.sha256(b"console cookie" + key).digest()
        self._cipher = Fernet(urlsafe_b64encode(self._key))
        self._idle = idle
        self._lifetime = lifetime
        self._clock = clock
        self._ended: dict[str, float] = {}  # id -> until when the cookie could be of use

    def begin(self, name: str, role: str, token: str, digest: str, grants: Sequence[str] = ()) -> SignedIn:
        """Sign somebody in."""
        now = self._clock()
        id, csrf = secrets.token_hex(16), secrets.token_urlsafe(32)
        return SignedIn(id, name, role, token, digest, tuple(grants), csrf, now, now)

    def cookie(self, session: SignedIn) -> str:
        """Return what the browser keeps of it."""
        return self._cipher.encrypt_at_time(orjson.dumps(asdict(session)), int(self._clock())).decode()

    def read(self, cookie: str | None) -> SignedIn | None:
        """Return who is signed in; None where nobody is, or no longer."""
        try:
            said = orjson.loads(self._cipher.decrypt((cookie or "").encode()))
            session = SignedIn(**said | {"grants": tuple(said["grants"])})
        except (InvalidToken, UnicodeEncodeError, TypeError, KeyError):  # another key's, or another release's
            return None
        now = self._clock()
        is_over = now - session.seen >= self._idle or now - session.begun >= self._lifetime
        return None if is_over or session.id in self._ended else session

    def renewed(self, session: SignedIn) -> SignedIn | None:
        """Return the session as somebody has just done something; None where its cookie will do."""
        now = self._clock()
        return replace(session, seen=now) if now - session.seen >= min(FRESH, self._idle / 4) else None

    def end(self, session: SignedIn) -> None:
        """Sign somebody out, wherever a copy of the cookie may be."""
        now = self._clock()
        self._ended = {id: until for id, until in self._ended.items() if now < until}
        if len(self._ended) >= MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session.id] = session.begun + self._lifetime

    def sealed(self, value: Mapping[str, str]) -> str:
        """Return a value for a cookie, such as what a sign-in elsewhere is to be known by."""
        return self._cipher.encrypt_at_time(orjson.dumps(dict(value)), int(self._clock())).decode()

    def unsealed(self, cookie: str | None, age: float) -> dict[str, str]:
        """Return the value of a cookie that is not older than `age` seconds; empty where there is none."""
        try:
            found: dict[str, str] = orjson.loads(
                self._cipher.decrypt_at_time((cookie or "").encode(), int(age), int(self._clock()))
            )
        except (InvalidToken, UnicodeEncodeError):
            return {}
        return found

    def mark(self, nonce: str) -> str:
        """Return what the form of a sign-in has to bring, from whoever has its cookie."""
        return hmac.digest(self._key, nonce.encode(), "sha256").hex()
