"""Events as links of a hash chain: personal values apart, one digest of them all in the chain. Pure.

The hash of an event covers the hash before it, the event's place and names, and its body. In the body a
personal value is a number, and one digest covers the digests of all of them, each made with a salt. So
whoever changes, removes or swaps events breaks the chain; of a value that is erased, its digest stays.
Events of older releases have a digest for each value in their bodies: `old_form`.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from gateway.audit.event import Event, Personal
from gateway.scim.difference import Line
from gateway.scim.names import ENTERPRISE_USER

MARK: Final = "#"  # {"#": 3} stands where the personal value of that number was; alone: the digest of all
PLACE: Final = re.compile(r'\{"#":(\d+)\}')  # in JSON; within a string its quotes would be escaped
SALT: Final = 18  # bytes
TEXT: Final = 24  # characters that they are as base64
NOTHING: Final = "[]"  # the personal values of an event that has none
ENTERPRISE: Final = f"{ENTERPRISE_USER}:"
SHORT: Final = "@"  # stands for it in a body
SORTED: Final = orjson.OPT_SORT_KEYS
OPTIONS: Final = SORTED | orjson.OPT_PASSTHROUGH_DATACLASS
FIRST: Final = ("id", "seq", "published", "event", "outcome", "actor", "client", "target", "diff")
INDEXED: Final = {  # column of the trail -> where in the event
    "event": ("event", None),
    "target": ("target", "name"),
    "result": ("outcome", "result"),
    "correlation_id": ("correlation_id", None),
    "actor": ("actor", "name"),
}
APART: Final = ("event", "correlation_id")  # fields that stand in their column alone
OWN: Final = frozenset({"id", "seq", "published"})  # of the chain, whatever an event says


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
    values: list[Any] = []
    lines = [_numbered(line, values) for line in event.lines]
    in_lines = len(values)

    def marked(value: Any) -> dict[str, int]:
        if not isinstance(value, Personal):
            raise TypeError(f"an event cannot hold a {type(value).__name__}")
        values.append(value.value)
        return {MARK: len(values) - 1}

    indexed = columns(event.fields)
    left = {name: value for name, value in event.fields.items() if name not in OWN}
    for name in APART:
        if isinstance(left.get(name), str):
            del left[name]
    body = orjson.dumps(left, default=marked, option=OPTIONS)
    if body.count(b'"#":') != len(values) - in_lines:
        raise ValueError(f"an event may not have a field named {MARK}")
    if not values and not lines:
        return EventDraft(event.id, indexed, body.decode(), NOTHING)
    made, personal = _salted(values, random)
    mark = orjson.dumps({MARK: [made, lines] if lines else made})
    joint = b"," if left else b""
    return EventDraft(event.id, indexed, b"".join((mark[:-1], joint, body[1:])).decode(), personal)


def _numbered(line: Line, values: list[Any]) -> str | list[Any]:
    """Return a line with numbers for its personal values, which are added to `values`.

    What is only there afterwards, as all of a newcomer is, is its path alone, or with its rule: the number is
    the next one.
    """
    path, before, after, rule, personal_path = line
    if before is None and after is not None and not personal_path and not path.startswith(SHORT):
        values.append(after)
        if path.startswith(ENTERPRISE):
            path = f"{SHORT}{path[len(ENTERPRISE) :]}"
        return path if rule is None else [path, rule]
    parts: list[Any] = [path, None, None, rule]
    for at, value in enumerate((path if personal_path else None, before, after)):
        if value is not None:
            parts[at] = len(values)
            values.append(value)
    return parts


def _salted(values: Sequence[Any], random: Callable[[int], bytes]) -> tuple[str, str]:
    """Return the digest of personal values, and how they are kept."""
    salts = b64encode(random(SALT * len(values))).decode()
    dumps, sha256 = orjson.dumps, hashlib.sha256
    kept = [
        dumps([salts[at * TEXT : (at + 1) * TEXT], value], option=SORTED) for at, value in enumerate(values)
    ]
    made = sha256(b"".join([sha256(pair).digest() for pair in kept])).hexdigest()
    return made, f"[{b','.join(kept).decode()}]"


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
    """Return the event for reading: personal values back in place, null where they were erased."""
    shown = [value.shown or "null" for value in values_of(stored.personal)]
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
    found: list[str | None] = []
    for name, inner in INDEXED.values():
        value = public.get(name)
        if inner is not None:
            value = value.get(inner) if isinstance(value, dict) else None
        found.append(value if isinstance(value, str) else None)
    return tuple(found)


def subject(key: bytes, name: str) -> str:
    """Return the keyed digest by which a person's events are found; `name` is folded."""
    return hmac.digest(key, name.encode(), "sha256").hex()[:32]


def stamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with microseconds, always of one length."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat(timespec='microseconds')[:26]}Z"


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


def _lines(kept: Sequence[str | Sequence[Any]], shown: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield lines for reading; `shown` are the personal values, as JSON."""
    number = 0
    for line in kept:
        parts = _parts(line, number)
        path, before, after, rule = parts
        number += sum(isinstance(part, int) for part in parts)
        yield {
            "after": None if after is None else orjson.loads(shown[after]),
            "before": None if before is None else orjson.loads(shown[before]),
            "op": "add" if before is None else "remove" if after is None else "replace",
            "path": orjson.loads(shown[path]) if isinstance(path, int) else path,
            "rule": rule,
        }


def _parts(line: str | Sequence[Any], number: int) -> Sequence[Any]:
    """Return path, before, after and rule of a line; `number` is that of the next value."""
    if isinstance(line, str):
        return _whole(line), None, number, None
    return (_whole(line[0]), None, number, line[1]) if len(line) == len(("path", "rule")) else line


def _whole(path: str) -> str:
    return f"{ENTERPRISE}{path[len(SHORT) :]}" if path.startswith(SHORT) else path
