"""What is said to a target and what it answers over HTTP, and what a look at it finds. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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


def retry_after(reply: HttpReply, now: float) -> float | None:
    """Return the seconds the target asks to wait: a number, or an HTTP date (RFC 9110 section 10.2.3)."""
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())
