"""Events as rows: adding them in the writer's transaction, and reading pages of them."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.flow.journal_port import Event, Personal
from gateway.journal.chain import INDEXED, Head, columns, join, seal, stamp_of, subject
from gateway.journal.levels import NO_VEILS, Veil, veiled
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
        self, salt: bytes, clock: Clock, random: Random, veils: Mapping[str, Veil] = NO_VEILS
    ) -> None:
        """`veils`: of each target where the trail does not keep personal values as they are."""
        self._salt = salt
        self._clock = clock
        self._random = random
        self._veils = veils

    def write(self, connection: sqlite3.Connection, events: Sequence[Event]) -> None:
        """Add the events after the newest one."""
        if not events:
            return
        head = read_head(connection)
        for event in events:
            head = self._add(connection, event, head)
        connection.execute(WRITE_HEAD, (head.seq, head.hash, head.published))

    def _add(self, connection: sqlite3.Connection, event: Event, before: Head) -> Head:
        indexed, about = columns(event.fields), self._subject(event)
        veil = self._veils.get(indexed[TARGET] or "")
        shown = event if veil is None else veiled(event, veil, about)
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
    return told(connection, [seq for (seq,) in connection.execute(PAGE, (low, high, count))])


def told(connection: sqlite3.Connection, seqs: Sequence[int]) -> tuple[dict[str, Any], ...]:
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
