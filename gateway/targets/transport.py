"""What is said to a target and what it answers over HTTP, and what a look at it finds. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from html import escape
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from gateway.flow.target_port import Connector
from gateway.values import frozen


@frozen
class TargetFinding:
    """One thing a target can or cannot do; no value of a person is in it."""

    about: str  # a word: people, look-ups, paging, groups, changes, base
    says: str
    fix: str = ""  # what an administrator may do about it; "" where all is well


class OpenTarget(Connector, Protocol):
    """A connector as the application holds it: it can be tried out, and is closed at the end."""

    async def has_groups(self) -> bool:
        """Say whether the target has groups; raises nothing."""

    async def check(self) -> tuple[TargetFinding, ...]:
        """Ask for something small, with the credentials; say what that told; raises `TargetError`."""

    async def close(self) -> None:
        """Give back what the connector alone holds."""


SCIM_JSON: Final = "application/scim+json"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Call(NamedTuple):
    """One request: method, absolute URL already percent-encoded, and a body or nothing."""

    method: str
    url: str
    body: bytes | None = None
    accepts: str = SCIM_JSON
    sends: str = SCIM_JSON  # the media type of the body
    headers: tuple[tuple[str, str], ...] = ()  # further ones, which may say otherwise


class HttpReply(NamedTuple):
    """One answer, whatever its status; headers are found by names in lower case at least."""

    status: int
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes = b""


class Transport(Protocol):
    """Reaches one target over HTTP."""

    async def send(self, call: Call) -> HttpReply:
        """Send the call and return its answer; raises a TargetError where no whole one came back."""


MAX_REASON: Final = 300  # characters
_UNREADABLE: Final = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def readable(text: str) -> str:
    """Return a foreign text on one line, without control characters, shortened."""
    line = " ".join(_UNREADABLE.sub(" ", text).split())
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 1] + "…"


MIN_SECRET: Final = 8  # characters; to blot out shorter texts would garble answers


class Redaction:
    """Takes secrets out of answers: as they are, and as JSON, URLs and HTML write them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # base64 is at times shown without its padding, and a longer secret may have a shorter one in it
        found = sorted(
            {secret.rstrip("=") or secret for secret in secrets if len(secret) >= MIN_SECRET}, key=len
        )
        self._secrets = found[::-1]
        special = {letter for secret in found for letter in secret if not letter.isalnum()}
        self._plain = tuple(secret.encode() for secret in found)
        self._escapes = (  # a byte that is soon found, and what begins with it where a secret is escaped
            (b"\\", (b"\\u", *(f"\\{letter}".encode() for letter in special))),
            (b"%", (b"%",)),
            (b"&", (b"&#", *(escape(letter).encode() for letter in special if escape(letter) != letter))),
        )

    def blotted(self, body: bytes) -> bytes:
        """Return a body without the secrets."""
        for secret in self._plain:
            if secret in body:
                return self._without(body)
        for first, signs in self._escapes:
            if first in body:
                for sign in signs:
                    if sign in body:
                        return self._without(body)
        return body

    @cached_property
    def _patterns(self) -> list[re.Pattern[bytes]]:
        """What finds each secret, the longest first; made where an answer may hold one: that takes 60 ms."""
        padding = _spellings("=") + b"*"
        return [re.compile(b"".join((*map(_spellings, secret), padding))) for secret in self._secrets]

    def _without(self, body: bytes) -> bytes:
        for pattern in self._patterns:
            body = pattern.sub(b"***", body)
        return body


def _spellings(letter: str) -> bytes:
    """Return a pattern of what may stand for a character; it is fast as each form begins with a byte."""
    plain, units = letter.encode(), letter.encode("utf-16-be").hex()
    forms = [
        rb"\\\\*" + rb"\\+".join(_hex(f"u{units[n : n + 4]}") for n in range(0, len(units), 4)),
        rb"%(?:25)*" + rb"%(?:25)*".join(_hex(f"{byte:02x}") for byte in plain),
        b"&#(?:[xX]0*" + _hex(f"{ord(letter):x}") + f"|0*{ord(letter)});".encode(),
    ]
    if not letter.isalnum():
        forms.append(rb"\\\\*" + re.escape(plain))
    if escape(letter) != letter:
        forms.append(escape(letter).encode())
    return b"(?:" + b"|".join((*forms, re.escape(plain))) + b")"  # the longest first


def _hex(digits: str) -> bytes:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() and d != "u" else d for d in digits).encode()


FAR: Final = 1e9  # seconds: later than anybody waits for
_NUMBER: Final = re.compile(r"[0-9]+")
_FAR_YEAR: Final = re.compile(r"\w+, *\d\d[ -]\w+[ -]\d{5,} .*")  # no calendar of ours has it


def retry_after(reply: HttpReply, now: float) -> float | None:
    """Return the seconds the target asks to wait: a number, or an HTTP date (RFC 9110 section 10.2.3)."""
    text = reply.headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return min(float(text), FAR)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return FAR if _FAR_YEAR.fullmatch(text) else None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds()), FAR)
