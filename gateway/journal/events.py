"""Events as rows: adding them in the writer's transaction, reading pages of them, and judging every row."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from gateway.admin.acts import NAME
from gateway.audit.chain import (
    INDEXED,
    MARK,
    Head,
    columns,
    digest,
    digests,
    hash_of,
    join,
    seal,
    stamp_of,
    subject,
)
from gateway.audit.event import Event, Personal, expanded
from gateway.audit.masking import NO_MASKING, Masking, masked_event
from gateway.journal.store import Clock, Random
from gateway.scim.documents import fold

NEWEST: Final = 2**63 - 1  # a seq that is never reached
TARGET: Final = tuple(INDEXED).index("target")

READ_HEAD: Final = "SELECT seq, hash, published FROM trail_head"
WRITE_HEAD: Final = "UPDATE trail_head SET seq = ?, hash = ?, published = ?"
READ_SALT: Final = "SELECT value FROM meta WHERE name = 'salt'"
ADD_EVENT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_VALUE: Final = "INSERT INTO event_value VALUES (?, ?, ?, ?)"
PAGE: Final = "SELECT seq FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
ROWS: Final = """
    SELECT seq, body, hash, coalesce((SELECT hash FROM event AS before WHERE before.seq = event.seq - 1), '')
    FROM event WHERE seq IN (SELECT value FROM json_each(?))"""
VALUES: Final = """
    SELECT seq, value FROM event_value WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq, n"""
FIRST_SINCE: Final = "SELECT seq FROM event WHERE published >= ? ORDER BY published LIMIT 1"
LAST_BEFORE: Final = "SELECT seq FROM event WHERE published < ? ORDER BY published DESC LIMIT 1"


class Appender:
    """Makes events into rows of the trail, in the order in which they are committed."""

    def __init__(
        self, salt: bytes, clock: Clock, random: Random, maskings: Mapping[str, Masking] = NO_MASKING
    ) -> None:
        """`maskings`: of each target where the trail does not keep personal values as they are."""
        self._salt = salt
        self._clock = clock
        self._random = random
        self._maskings = maskings

    def write(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Add the events after the newest one."""
        if not events:
            return
        head = read_head(connection)
        for event in map(expanded, events):
            head = self._add(connection, event, head)
        connection.execute(WRITE_HEAD, (head.seq, head.hash, head.published))

    def _add(self, connection: sqlite3.Connection, event: Event, before: Head) -> Head:
        indexed, about = columns(event.fields), self._subject(event)
        masking = self._maskings.get(indexed[TARGET] or "")
        shown = event if masking is None else masked_event(event, masking, about)
        sealed = seal(shown, before, self._clock(), self._random)
        head = sealed.head
        row = (head.seq, event.id, head.published, *indexed, about, sealed.body, head.hash)
        connection.execute(ADD_EVENT, row)
        values = enumerate(sealed.values)
        connection.executemany(ADD_VALUE, [(head.seq, n, value.salt, value.json) for n, value in values])
        return head

    def _subject(self, event: Event) -> str | None:
        if isinstance(said := event.fields.get("subject"), str):  # about somebody without naming them
            return said
        name = user_name(event.fields)
        return None if name is None else subject(self._salt, fold(name))


def user_name(fields: Mapping[str, Any]) -> str | None:
    """Return whom an event is about, by the name that `history` is asked for."""
    target = fields.get("target")
    name = target.get("user_name") if isinstance(target, Mapping) else None
    name = name.value if isinstance(name, Personal) else name
    return name if isinstance(name, str) else None


def read_head(connection: sqlite3.Connection) -> Head:
    """Return the newest event's place in the chain."""
    return Head(*connection.execute(READ_HEAD).fetchone())


def read_salt(connection: sqlite3.Connection) -> bytes:
    """Return the key of this journal's `subject` column; empty where it was removed."""
    row = connection.execute(READ_SALT).fetchone()
    return row[0] if row else b""


def page(
    connection: sqlite3.Connection, before: int | None, count: int, since: str | None, until: str | None
) -> tuple[dict[str, Any], ...]:
    """Return up to `count` events with seq < `before`, newest first, from `since` until before `until`.

    The times are RFC 3339, in UTC where they do not say; raises ValueError where they are something else.
    """
    low, high = 1, NEWEST if before is None else before - 1
    if since is not None:
        low = _seq(connection, FIRST_SINCE, since, NEWEST)
    if until is not None:
        high = min(high, _seq(connection, LAST_BEFORE, until, 0))
    return load_events(connection, [seq for (seq,) in connection.execute(PAGE, (low, high, count))])


def load_events(connection: sqlite3.Connection, seqs: Sequence[int]) -> tuple[dict[str, Any], ...]:
    """Return the events of these numbers that are there, in this order, personal values in place."""
    asked = (orjson.dumps(list(seqs)).decode(),)
    values: dict[int, list[str | None]] = {}
    for seq, value in connection.execute(VALUES, asked):
        values.setdefault(seq, []).append(value)
    rows = connection.execute(ROWS, asked)
    found = {seq: join(body, values.get(seq, ()), prev, hash) for seq, body, hash, prev in rows}
    return tuple(found[seq] for seq in seqs if seq in found)


def _seq(connection: sqlite3.Connection, sql: str, time: str, none: int) -> int:
    found = connection.execute(sql, (stamp_of(time),)).fetchone()
    return none if found is None else int(found[0])


ALL_EVENTS: Final = """
    SELECT seq, id, published, event, target, result, correlation_id, actor, subject, CAST(body AS TEXT), hash
    FROM event WHERE seq > ? ORDER BY seq"""
ALL_VALUES: Final = """
    SELECT CAST(seq AS INTEGER), n, CAST(salt AS BLOB), CAST(value AS TEXT) FROM event_value
    WHERE seq > ? ORDER BY seq, n"""
ALL: Final = -(2**63)  # before any seq


Values = Sequence[tuple[int, bytes | None, str | None]]  # n, salt, JSON


class EventRow(NamedTuple):
    """An event as it is stored, with its values; nothing but these where it is missing."""

    seq: int
    values: Values
    id: str = ""
    published: str = ""
    indexed: tuple[str | None, ...] = ()
    subject: str | None = None
    body: str | None = None
    hash: str = ""


def rows(connection: sqlite3.Connection, after: int = ALL) -> Iterator[EventRow]:
    """Walk events and their values side by side, in order of seq."""
    groups = groupby(connection.execute(ALL_VALUES, (after,)), key=itemgetter(0))
    at, values = _next(groups)
    for event in connection.execute(ALL_EVENTS, (after,)):
        while at is not None and at < event[0]:
            yield EventRow(at, values)
            at, values = _next(groups)
        own: Values = ()
        if at == event[0]:
            own = values
            at, values = _next(groups)
        seq, id, published = event[:3]
        yield EventRow(seq, own, id, published, event[3:8], *event[8:])
    while at is not None:
        yield EventRow(at, values)
        at, values = _next(groups)


def changed_part(row: EventRow, body: str, previous: str, salt: bytes) -> str | None:
    """Return what of an event is not what its hash covers; None where all of it is."""
    if hash_of(previous, body) != row.hash:
        return "the text or the hash"
    public = _parsed(body)
    if [row.seq, row.id, row.published] != [public.get(name) for name in ("seq", "id", "published")]:
        return "the number, id or time"
    if row.indexed != columns(public):
        return "a column"
    expected = digests(body)
    if not _are_values_of(row.values, expected):
        return "a personal value"
    load_events = dict(zip(expected, (json for _, _, json in row.values), strict=True))
    return None if row.subject == _subject(public, load_events, salt) else "the subject"


def is_erased(row: EventRow) -> bool:
    """Say whether a value of the event was removed."""
    return any(json is None for _, _, json in row.values)


def erased_by(row: EventRow) -> frozenset[int]:
    """Return the events that lack values from here on, as an erasure that is what it was says."""
    if row.indexed[0] != NAME:
        return frozenset()
    said = orjson.loads(row.body or "").get("erased")
    return frozenset(said["events"]) if isinstance(said, dict) else frozenset()


def _subject(public: Mapping[str, Any], load_events: Mapping[str, str | None], salt: bytes) -> str | None:
    """Return whom the event is about, as its column has it; None where that is nobody, or erased."""
    if "subject" in public:
        return _text(public["subject"], load_events)
    target = public.get("target")
    name = _text(target.get("user_name"), load_events) if isinstance(target, dict) else None
    return None if name is None else subject(salt, fold(name))


def _text(value: Any, load_events: Mapping[str, str | None]) -> str | None:
    """Return a text of an event, looked up where its digest stands; None where it is erased, or no text."""
    if isinstance(value, dict):
        json = load_events[value[MARK]]
        value = None if json is None else orjson.loads(json)
    return value if isinstance(value, str) else None


def _parsed(body: str) -> dict[str, Any]:
    try:
        public = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return public if isinstance(public, dict) else {}


def _are_values_of(values: Values, expected: Sequence[str]) -> bool:
    """Say whether each digest has its row, and each value its digest unless it was erased with its salt."""
    if [n for n, _, _ in values] != list(range(len(expected))):
        return False
    pairs = zip(values, expected, strict=True)
    return all(
        salt is None if json is None else salt is not None and digest(salt, json) == made
        for (_, salt, json), made in pairs
    )


def _next(groups: "groupby[Any, Any]") -> tuple[int | None, Values]:
    seq, found = next(groups, (None, ()))
    return seq, [(n, salt, json) for _, n, salt, json in found]
