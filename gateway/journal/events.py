"""Events as rows: adding them in the writer's transaction, reading pages of them, and judging every row."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from gateway.audit.chain import (
    INDEXED,
    MARK,
    EventDraft,
    Head,
    Stored,
    columns,
    digest_of,
    draft,
    hash_of,
    heading,
    join,
    place,
    stamp_of,
    subject,
    values_of,
)
from gateway.audit.event import ERASURE, Event, Personal
from gateway.audit.masking import NO_MASKING, Masking, masked_event
from gateway.audit.old_form import digest, digests, join_old
from gateway.journal.batches import insert
from gateway.journal.store import Clock, Random
from gateway.scim.documents import fold

NEWEST: Final = 2**63 - 1  # a seq that is never reached
TARGET: Final = INDEXED.index("target")
EVENT: Final = INDEXED.index("event")
CORRELATION: Final = INDEXED.index("correlation_id")

READ_BASE: Final = "SELECT seq, hash FROM trail_base"
READ_HEAD: Final = "SELECT seq, hash, published FROM trail_head"
WRITE_HEAD: Final = "UPDATE trail_head SET seq = ?, hash = ?, published = ?"
READ_SALT: Final = "SELECT value FROM meta WHERE name = 'salt'"
ADD_EVENT: Final = """
    INSERT INTO event (seq, id, published, event, target, result, correlation_id, actor, subject, body, hash,
                       personal)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
PAGE: Final = "SELECT seq FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
IS_OLD_FILE: Final = "SELECT 1 WHERE 'personal' NOT IN (SELECT name FROM pragma_table_info('event'))"
ROWS: Final = """
    SELECT seq, id, published, event, correlation_id, body, {personal}, hash,
           coalesce((SELECT hash FROM event AS before WHERE before.seq = event.seq - 1), '')
    FROM event WHERE seq IN (SELECT value FROM json_each(?))"""
OLD_VALUES: Final = """
    SELECT seq, value FROM event_value WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq, n"""
SPAN: Final = """
    SELECT coalesce((SELECT min(seq) FROM event), 1), coalesce((SELECT max(seq) FROM event), 0)"""
NEXT: Final = "SELECT seq, published FROM event WHERE seq >= ? ORDER BY seq LIMIT 1"


Drafted = tuple[EventDraft, str | None]  # with the digest of whom it is about


class Appender:
    """Makes events into rows of the trail, in the order in which they are committed."""

    def __init__(
        self, salt: bytes, clock: Clock, random: Random, maskings: Mapping[str, Masking] = NO_MASKING
    ) -> None:
        """`maskings`: of each target where the trail does not keep personal values as they are."""
        self._salt = salt
        self.clock = clock
        self._random = random
        self.maskings = maskings
        self._head: Head | None = None  # as this transaction has it

    def begin(self, connection: sqlite3.Connection) -> None:
        """Forget where the trail ended: another transaction may have been undone."""
        self._head = None

    def end(self, connection: sqlite3.Connection) -> None:
        """Note where the trail ends now."""
        if self._head is not None:
            connection.execute(WRITE_HEAD, (self._head.seq, self._head.hash, self._head.published))

    def write(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Add the events after the newest one."""
        self.add(connection, [self.drafted(event) for event in events])

    def drafted(self, event: Event) -> Drafted:
        """Do what can be done before the writer's turn; raises TypeError, ValueError for what is no event."""
        about = self._subject(event)
        if self.maskings and (masking := self.maskings.get(target_name(event.fields))) is not None:
            event = masked_event(event, masking, about)
        return draft(event, self._random), about

    def add(self, connection: sqlite3.Connection, events: Sequence[Drafted]) -> None:
        """Add the events after the newest one, between `begin` and `end`."""
        if not events:
            return
        head, rows = self._head or read_head(connection), []
        for made, about in events:
            head = place(made, head, self.clock())
            own = (head.seq, made.id, head.published)
            rows.append((*own, *made.indexed, about, made.body, head.hash, made.personal))
        insert(connection, ADD_EVENT, rows)
        self._head = head

    def _subject(self, event: Event) -> str | None:
        if isinstance(said := event.fields.get("subject"), str):  # about somebody without naming them
            return said
        name = user_name(event.fields)
        return None if name is None else subject(self._salt, fold(name))


def target_name(fields: Mapping[str, Any]) -> str:
    """Return the target that an event is about, empty for none."""
    return columns(fields)[TARGET] or ""


def user_name(fields: Mapping[str, Any]) -> str | None:
    """Return whom an event is about, by the name that `history` is asked for."""
    target = fields.get("target")
    name = target.get("user_name") if isinstance(target, dict) else None
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
        low = first_from(connection, stamp_of(since))
    if until is not None:
        high = min(high, first_from(connection, stamp_of(until)) - 1)
    return load_events(connection, [seq for (seq,) in connection.execute(PAGE, (low, high, count))])


def load_events(connection: sqlite3.Connection, seqs: Sequence[int]) -> tuple[dict[str, Any], ...]:
    """Return the events of these numbers that are there, in this order, personal values in place."""
    asked = (orjson.dumps(list(seqs)).decode(),)
    found = {row[0]: row for row in connection.execute(_with_personal(connection, ROWS), asked)}
    old = [seq for seq, row in found.items() if row[6] is None]
    values = _old_values(connection, old) if old else {}
    return tuple(_joined(found[seq], values.get(seq, ())) for seq in seqs if seq in found)


def first_from(connection: sqlite3.Connection, published: str, *, beyond: bool = False) -> int:
    """Return the seq from which on events are of this time or later, or later alone; found by halves."""
    low, last = connection.execute(SPAN).fetchone()
    high = last + 1
    while low < high:
        middle = (low + high) // 2
        seq, time = connection.execute(NEXT, (middle,)).fetchone()
        if time > published or (time == published and not beyond):
            high = middle
        else:
            low = seq + 1
    return int(low)


def is_old_file(connection: sqlite3.Connection) -> bool:
    """Say whether all events of a file are of an older release."""
    return connection.execute(IS_OLD_FILE).fetchone() is not None


def _with_personal(connection: sqlite3.Connection, sql: str) -> str:
    return sql.format(personal="NULL" if is_old_file(connection) else "CAST(personal AS TEXT)")


def _old_values(connection: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, list[str | None]]:
    values: dict[int, list[str | None]] = {}
    for seq, value in connection.execute(OLD_VALUES, (orjson.dumps(list(seqs)).decode(),)):
        values.setdefault(seq, []).append(value)
    return values


def _joined(row: Sequence[Any], old_values: Sequence[str | None]) -> dict[str, Any]:
    *stored, previous = row
    event = Stored(*stored)
    if row[6] is None:
        return join_old(event.body, old_values, previous, event.hash)
    return join(event, previous)


ALL_EVENTS: Final = """
    SELECT /* long */ seq, id, published, event, target, result, correlation_id, actor, subject,
           CAST(body AS TEXT), hash, {personal}
    FROM event WHERE seq > ? ORDER BY seq"""
ALL_VALUES: Final = """
    SELECT /* long */ CAST(seq AS INTEGER), n, CAST(salt AS BLOB), CAST(value AS TEXT) FROM event_value
    WHERE seq > ? ORDER BY seq, n"""
ALL: Final = -(2**63)  # before any seq
COVERED: Final = "the text or the hash, number, id or time"

OldValues = Sequence[tuple[int, bytes | None, str | None]]  # n, salt, JSON
Told = Mapping[int | str, str | None]  # what stands in a body -> the personal value, as JSON


class EventRow(NamedTuple):
    """An event as it is stored, with its old values; nothing but these where it is missing."""

    seq: int
    old_values: OldValues
    id: str = ""
    published: str = ""
    indexed: tuple[str | None, ...] = ()
    subject: str | None = None
    body: str | None = None
    hash: str = ""
    personal: str | None = None  # None: of an older release


def rows(connection: sqlite3.Connection, after: int = ALL) -> Iterator[EventRow]:
    """Walk events and their old values side by side, in order of seq."""
    groups = groupby(connection.execute(ALL_VALUES, (after,)), key=itemgetter(0))
    at, values = _next(groups)
    for event in connection.execute(_with_personal(connection, ALL_EVENTS), (after,)):
        while at is not None and at < event[0]:
            yield EventRow(at, values)
            at, values = _next(groups)
        own: OldValues = ()
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
    if row.personal is None:
        return _changed_old(row, body, previous, salt)
    try:
        own = heading(row.seq, row.id, row.published, row.indexed[EVENT], row.indexed[CORRELATION])
    except TypeError:  # a column holds what no event has
        return COVERED
    if hash_of(previous, own + body) != row.hash:
        return COVERED
    public = _parsed(body)
    expected = columns(public)
    if any(column != expected[at] for at, column in enumerate(row.indexed) if at not in (EVENT, CORRELATION)):
        return "a column"
    try:
        values = values_of(row.personal)
        is_whole = not row.old_values and digest_of(values) == _mark(public)
    except (TypeError, ValueError):  # no list of salts and values
        is_whole = False
    if not is_whole:
        return "a personal value"
    told: Told = {number: value.shown for number, value in enumerate(values)}
    return None if row.subject == _subject(public, told, salt) else "the subject"


def _changed_old(row: EventRow, body: str, previous: str, salt: bytes) -> str | None:
    if hash_of(previous, body) != row.hash:
        return "the text or the hash"
    public = _parsed(body)
    if [row.seq, row.id, row.published] != [public.get(name) for name in ("seq", "id", "published")]:
        return "the number, id or time"
    if row.indexed != columns(public):
        return "a column"
    expected = digests(body)
    if not _are_values_of(row.old_values, expected):
        return "a personal value"
    told: Told = dict(zip(expected, (json for _, _, json in row.old_values), strict=True))
    return None if row.subject == _subject(public, told, salt) else "the subject"


def is_erased(row: EventRow) -> bool:
    """Say whether a value of the event was removed."""
    if row.personal is None:
        return any(json is None for _, _, json in row.old_values)
    return any(value.salt is None for value in values_of(row.personal))


def erased_by(row: EventRow) -> frozenset[int]:
    """Return the events that lack values from here on, as an erasure that is what it was says."""
    if row.indexed[EVENT] != ERASURE:
        return frozenset()
    said = orjson.loads(row.body or "").get("erased")
    return frozenset(said["events"]) if isinstance(said, dict) else frozenset()


def _mark(public: Mapping[str, Any]) -> str:
    """Return the digest of the personal values that an event has, of none where it has none."""
    mark = public.get(MARK)
    return mark[0] if isinstance(mark, list) else mark or digest_of(())


def _subject(public: Mapping[str, Any], told: Told, salt: bytes) -> str | None:
    """Return whom the event is about, as its column has it; None where that is nobody, or erased."""
    if "subject" in public:
        return _text(public["subject"], told)
    target = public.get("target")
    name = _text(target.get("user_name"), told) if isinstance(target, dict) else None
    return None if name is None else subject(salt, fold(name))


def _text(value: Any, told: Told) -> str | None:
    """Return a text of an event, looked up where its mark stands; None where it is erased, or no text."""
    if isinstance(value, dict):
        json = told[value[MARK]]
        value = None if json is None else orjson.loads(json)
    return value if isinstance(value, str) else None


def _parsed(body: str) -> dict[str, Any]:
    try:
        public = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return public if isinstance(public, dict) else {}


def _are_values_of(values: OldValues, expected: Sequence[str]) -> bool:
    """Say whether each digest has its row, and each value its digest unless it was erased with its salt."""
    if [n for n, _, _ in values] != list(range(len(expected))):
        return False
    pairs = zip(values, expected, strict=True)
    return all(
        salt is None if json is None else salt is not None and digest(salt, json) == made
        for (_, salt, json), made in pairs
    )


def _next(groups: "groupby[Any, Any]") -> tuple[int | None, OldValues]:
    seq, found = next(groups, (None, ()))
    return seq, [(n, salt, json) for _, n, salt, json in found]
