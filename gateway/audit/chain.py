"""Events as links of a hash chain: personal values apart, their salted digests in the chain. Pure.

The hash of an event covers the hash before it and the event without personal values, so whoever changes,
removes or swaps events breaks it, and erasing a value does not.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from gateway.audit.event import Event, Personal

MARK: Final = "#"  # {"#": digest} stands where a personal value was
PLACE: Final = re.compile(r'\{"#":"([0-9a-f]{64})"\}')  # in JSON; within a string its quotes would be escaped
SALT: Final = 16  # bytes
OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
FIRST: Final = ("id", "seq", "published", "event", "outcome", "actor", "client", "target", "diff")
INDEXED: Final = {  # column of the trail -> where in the event
    "event": ("event",),
    "target": ("target", "name"),
    "result": ("outcome", "result"),
    "correlation_id": ("correlation_id",),
    "actor": ("actor", "name"),
}


@dataclass(frozen=True, slots=True)
class Value:
    """A personal value as it is kept: what its digest is made of."""

    salt: bytes
    json: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event: what the next one follows."""

    seq: int = 0
    hash: str = ""
    published: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event in its place: `body` is what the hash covers, byte for byte; its values in order."""

    head: Head
    body: str
    values: tuple[Value, ...]


def canonical(value: Any) -> str:
    """Return the one JSON form of a value: sorted keys, no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def digest(salt: bytes, json: str) -> str:
    """Return the digest that stands for a personal value."""
    return hashlib.sha256(salt + json.encode()).hexdigest()


def hash_of(previous: str, body: str) -> str:
    """Return the hash of an event that follows the one with hash `previous`."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(previous) + body.encode()).hexdigest()


def seal(event: Event, head: Head, now: datetime, random: Callable[[int], bytes]) -> Sealed:
    """Give an event its place after `head`, its personal values apart.

    Raises TypeError where it cannot be written as JSON, ValueError where it looks as if it had digests.
    """
    values: list[Value] = []

    def apart(value: Any) -> dict[str, str]:
        if not isinstance(value, Personal):
            raise TypeError(f"an event cannot hold a {type(value).__name__}")
        kept = Value(random(SALT), canonical(value.value))
        values.append(kept)
        return {MARK: digest(kept.salt, kept.json)}

    published = next_published(head.published, now)
    public = {**event.fields, "id": event.id, "seq": head.seq + 1, "published": published}
    body = orjson.dumps(public, default=apart, option=OPTIONS).decode()
    if len(digests(body)) != len(values):
        raise ValueError(f"an event may not have a field named {MARK}")
    return Sealed(Head(head.seq + 1, hash_of(head.hash, body), published), body, tuple(values))


def digests(body: str) -> list[str]:
    """Return the digests in an event's body, in the order of its values."""
    return PLACE.findall(body)


def join(body: str, values: Sequence[str | None], previous: str, hash: str) -> dict[str, Any]:
    """Return the event for reading: values (JSON texts) back in place, null where they were erased."""
    left = iter(values)
    full: dict[str, Any] = orjson.loads(PLACE.sub(lambda _: next(left, None) or "null", body))
    return {name: full[name] for name in FIRST if name in full} | full | {"prev": previous, "hash": hash}


def columns(public: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return what the trail is indexed by, in the order of `INDEXED`; None where absent."""
    return tuple(_at(public, path) for path in INDEXED.values())


def subject(key: bytes, name: str) -> str:
    """Return the keyed digest by which a person's events are found; `name` is folded."""
    return hmac.digest(key, name.encode(), "sha256").hex()[:32]


def stamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with microseconds, always of one length."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def stamp_of(text: str) -> str:
    """Return a time that somebody typed as `stamp` makes it; UTC where it does not say; raises ValueError."""
    moment = datetime.fromisoformat(text)
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def next_published(previous: str, now: datetime) -> str:
    """Return the time of an event: now, yet always after the one before it."""
    published = stamp(now)
    if published > previous:
        return published
    return stamp(datetime.fromisoformat(previous) + timedelta(microseconds=1))


def _at(public: Any, path: Sequence[str]) -> str | None:
    for name in path:
        public = public.get(name) if isinstance(public, Mapping) else None
    return public if isinstance(public, str) else None
