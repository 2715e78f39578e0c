"""Events as links of a hash chain: personal values apart, one digest of them all in the chain. Pure.

The hash of an event covers the hash before it, the event's place and names, and its body. In the body a
personal value is a number, and one digest covers the digests of all of them, each made with a salt. So
whoever changes, removes or swaps events breaks the chain; of a value that is erased, its digest stays.
Events of older releases have a digest for each value in their bodies: `old_form`.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import repeat
from operator import methodcaller
from typing import Any, Final, NamedTuple

import orjson

from gateway.audit.event import Event, Personal
from gateway.scim.difference import Label, parts_of

MARK: Final = "#"  # {"#": 3} stands where the personal value of that number was; alone: the digest of all
PLACE: Final = re.compile(r'\{"#":(\d+)\}')  # in JSON; within a string its quotes would be escaped
SALT: Final = 18  # bytes
SALTS: Final = re.compile(".{24}")  # each as base64
NOTHING: Final = "[]"  # the personal values of an event that has none
SORTED: Final = orjson.OPT_SORT_KEYS
OPTIONS: Final = SORTED | orjson.OPT_PASSTHROUGH_DATACLASS
FIRST: Final = ("id", "seq", "published", "event", "outcome", "actor", "client", "target", "diff")
INDEXED: Final = ("event", "target", "result", "correlation_id", "actor")  # columns of the trail
APART: Final = ("event", "correlation_id")  # fields that stand in their column alone
OWN: Final = frozenset({"id", "seq", "published"})  # of the chain, whatever an event says
COLUMN_TYPES: Final = frozenset({str, type(None)})
DIGEST: Final = methodcaller("digest")


class Value(NamedTuple):
    """A personal value as it is kept: with its salt; erased: only its digest."""

    salt: str | None
    content: Any  # the value, or the digest

    @property
    def shown(self) -> str | None:
        """The value as JSON; None where it was erased."""
        return None if self.salt is None else canonical(self.content)

    @property
    def digest(self) -> bytes:
        """What the digest of the event's values is made of."""
        if self.salt is None:
            return bytes.fromhex(self.content)
        return hashlib.sha256(orjson.dumps([self.salt, self.content], option=SORTED)).digest()


class Head(NamedTuple):
    """The newest event: what the next one follows."""

    seq: int = 0
    hash: str = ""
    published: str = ""


class EventDraft(NamedTuple):
    """An event that has yet to get its place: its body, and its personal values as they are kept."""

    id: str
    indexed: tuple[str | None, ...]  # in the order of `INDEXED`
    body: str
    personal: str


class Stored(NamedTuple):
    """An event as it is kept."""

    seq: int
    id: str
    published: str
    event: str | None
    correlation_id: str | None
    body: str
    personal: str
    hash: str


def canonical(value: Any) -> str:
    """Return the one JSON form of a value: sorted keys, no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def hash_of(previous: str, text: str) -> str:
    """Return the hash of an event that follows the one with hash `previous`."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(previous) + text.encode()).hexdigest()


def heading(seq: int, id: str, published: str, event: str | None, correlation_id: str | None) -> str:
    """Return what the hash of an event covers before its body."""
    return orjson.dumps([seq, id, published, event, correlation_id]).decode()


def draft(event: Event, random: Callable[[int], bytes]) -> EventDraft:
    """Make an event ready for its place, its personal values apart.

    Raises TypeError where it cannot be written as JSON, ValueError where it looks as if it had digests.
    """
    labels, values = event.lines.labels, event.lines.values.copy()
    in_lines = len(values)

    def marked(value: Any) -> dict[str, int]:
        if not isinstance(value, Personal):
            raise TypeError(f"an event cannot hold a {type(value).__name__}")
        values.append(value.value)
        return {MARK: len(values) - 1}

    left = dict(event.fields)
    indexed = name, _, _, correlation_id, _ = columns(left)
    if name is not None:
        del left["event"]
    if correlation_id is not None:
        del left["correlation_id"]
    if not OWN.isdisjoint(left):
        left = {name: value for name, value in left.items() if name not in OWN}
    body = orjson.dumps(left, default=marked, option=OPTIONS)
    if body.count(b'"#":') != len(values) - in_lines:
        raise ValueError(f"an event may not have a field named {MARK}")
    if not values and not labels:
        return EventDraft(event.id, indexed, body.decode(), NOTHING)
    made, personal = _salted(values, random)
    mark = orjson.dumps({MARK: [made, labels] if labels else made})
    joint = b"," if left else b""
    return EventDraft(event.id, indexed, b"".join((mark[:-1], joint, body[1:])).decode(), personal)


def _salted(values: Sequence[Any], random: Callable[[int], bytes]) -> tuple[str, str]:
    """Return the digest of personal values, and how they are kept."""
    salts = SALTS.findall(b64encode(random(SALT * len(values))).decode())
    kept = list(map(orjson.dumps, zip(salts, values, strict=True), repeat(None), repeat(SORTED)))
    digests = map(DIGEST, map(hashlib.sha256, kept))
    return hashlib.sha256(b"".join(digests)).hexdigest(), f"[{b','.join(kept).decode()}]"


def place(draft: EventDraft, head: Head, now: datetime) -> Head:
    """Return the place of an event after `head`."""
    seq, published = head.seq + 1, next_published(head.published, now)
    event, _, _, correlation_id, _ = draft.indexed
    covered = heading(seq, draft.id, published, event, correlation_id) + draft.body
    return Head(seq, hash_of(head.hash, covered), published)


def values_of(personal: str) -> list[Value]:
    """Return the personal values of an event, in order of their numbers; raises ValueError, TypeError."""
    return [Value(None, kept) if isinstance(kept, str) else Value(*kept) for kept in orjson.loads(personal)]


def without(personal: str, number: int | None) -> str:
    """Return the personal values of an event without one of them, or any where `number` is None."""
    values = enumerate(values_of(personal))
    kept = [Value(None, value.digest.hex()) if number in (None, at) else value for at, value in values]
    return canonical([value.content if value.salt is None else list(value) for value in kept])


def digest_of(values: Sequence[Value]) -> str:
    """Return the digest that stands for all personal values of an event."""
    return hashlib.sha256(b"".join(value.digest for value in values)).hexdigest()


def join(stored: Stored, previous: str) -> dict[str, Any]:
    """Return the event for reading: personal values back in place, null where they were erased.

    Null, too, where somebody has changed what is kept of them: that it was, a verification tells.
    """
    shown = _Shown(_shown(stored.personal))
    full: dict[str, Any] = orjson.loads(PLACE.sub(lambda found: shown[int(found[1])], stored.body))
    if isinstance(mark := full.pop(MARK, None), list):
        full["diff"] = [*_lines(mark[1], shown), *full.get("diff", ())]
    for name in APART:
        if (value := getattr(stored, name)) is not None:
            full[name] = value
    own = {"id": stored.id, "seq": stored.seq, "published": stored.published}
    return in_order(full | own, previous, stored.hash)


def in_order(full: Mapping[str, Any], previous: str, hash: str) -> dict[str, Any]:
    """Return an event with its fields in the order in which it is shown."""
    ordered = {name: full[name] for name in (*FIRST, *sorted(full)) if name in full}
    return ordered | {"prev": previous, "hash": hash}


def columns(public: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return what the trail is indexed by, in the order of `INDEXED`; None where absent."""
    target, outcome, actor = public.get("target"), public.get("outcome"), public.get("actor")
    found = (
        public.get("event"),
        target.get("name") if isinstance(target, dict) else None,
        outcome.get("result") if isinstance(outcome, dict) else None,
        public.get("correlation_id"),
        actor.get("name") if isinstance(actor, dict) else None,
    )
    if COLUMN_TYPES.issuperset(map(type, found)):
        return found
    return tuple([value if isinstance(value, str) else None for value in found])


def subject(key: bytes, name: str) -> str:
    """Return the keyed digest by which a person's events are found; `name` is folded.

    It is HMAC-SHA256 (RFC 2104). `hmac.digest` lets go of the interpreter's lock to make one, and has to wait
    for it: to the event loop that costs five times the digest.
    """
    inner, outer = _pads(key)
    return hashlib.sha256(outer + hashlib.sha256(inner + name.encode()).digest()).hexdigest()[:32]


BLOCK: Final = 64  # bytes of SHA-256
INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


@lru_cache(maxsize=16)
def _pads(key: bytes) -> tuple[bytes, bytes]:
    """Return what a key becomes before the text and before the inner digest."""
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    return block.translate(INNER), block.translate(OUTER)


def stamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with microseconds, always of one length."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    if not moment.microsecond:  # which the quicker way would leave out
        return f"{moment.isoformat(timespec='microseconds')[:26]}Z"
    return orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()


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


class _Shown(dict[int, str]):
    """Personal values as JSON, by number; null for one that is not there."""

    def __missing__(self, number: int) -> str:
        return "null"


def _shown(personal: str) -> Iterator[tuple[int, str]]:
    try:
        for number, value in enumerate(values_of(personal)):
            yield number, value.shown or "null"
    except (TypeError, ValueError):  # no list of salts and values
        return


def _lines(labels: Sequence[Label], shown: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """Yield lines for reading; `shown` are the personal values, as JSON."""
    for path, before, after, rule in parts_of(labels):
        yield {
            "after": None if after is None else orjson.loads(shown[after]),
            "before": None if before is None else orjson.loads(shown[before]),
            "op": "add" if before is None else "remove" if after is None else "replace",
            "path": orjson.loads(shown[path]) if isinstance(path, int) else path,
            "rule": rule,
        }
