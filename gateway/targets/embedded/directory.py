"""The statements of the directory, as functions on a connection; each runs whole on one thread."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from gateway.flow.ports import Attributes, Page, Query, ResourceType
from gateway.targets.embedded.filters import looked_up, narrow

Matches = Callable[[Mapping[str, Any]], bool]


class Refusal(StrEnum):
    """Why nothing was written."""

    TAKEN = "taken"  # another entry has the name
    ABSENT = "absent"  # no such entry


@dataclass(frozen=True, slots=True)
class Entry:
    """What shall be written: a document, and the columns by which it is found."""

    type: ResourceType
    id: str
    name_folded: str | None
    external_id: str | None
    document: Attributes
    moment: str  # RFC 3339, UTC


def insert(connection: sqlite3.Connection, entry: Entry) -> Attributes | Refusal:
    """Add an entry and return its document, unless its name is taken."""
    document = _whole(entry, entry.moment)
    added = connection.execute(
        "INSERT INTO entry (type, id, name_folded, external_id, document, created, modified)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            entry.type,
            entry.id,
            entry.name_folded,
            entry.external_id,
            orjson.dumps(document).decode(),
            entry.moment,
            entry.moment,
        ),
    )
    if added.rowcount == 0:
        return Refusal.TAKEN
    _insert_values(connection, added.lastrowid, document)
    return document


def replace(connection: sqlite3.Connection, entry: Entry) -> Attributes | Refusal:
    """Put a new document in place of an entry's and return it, unless its name is taken."""
    row = _row(connection, entry.type, entry.id)
    if row is None:
        return Refusal.ABSENT
    seq, created = row
    document = _whole(entry, created)
    changed = connection.execute(
        "UPDATE OR IGNORE entry SET name_folded = ?, external_id = ?, document = ?, modified = ?"
        " WHERE seq = ?",
        (entry.name_folded, entry.external_id, orjson.dumps(document).decode(), entry.moment, seq),
    )
    if changed.rowcount == 0:
        return Refusal.TAKEN
    connection.execute("DELETE FROM value WHERE entry = ?", (seq,))
    _insert_values(connection, seq, document)
    return document


def delete(connection: sqlite3.Connection, kind: ResourceType, id: str) -> Refusal | None:
    """Remove an entry."""
    row = _row(connection, kind, id)
    if row is None:
        return Refusal.ABSENT
    connection.execute("DELETE FROM value WHERE entry = ?", (row[0],))
    connection.execute("DELETE FROM entry WHERE seq = ?", (row[0],))
    return None


def find(connection: sqlite3.Connection, kind: ResourceType, id: str) -> Attributes | None:
    """Return an entry's document."""
    row = connection.execute("SELECT document FROM entry WHERE type = ? AND id = ?", (kind, id)).fetchone()
    document: Attributes | None = None if row is None else orjson.loads(row[0])
    return document


def page(connection: sqlite3.Connection, kind: ResourceType, query: Query, matches: Matches | None) -> Page:
    """Return a page in the order of creation; `matches` decides on what SQL leaves over."""
    first, count = max(query.start, 1) - 1, max(query.count, 0)
    if matches is None:
        return _all(connection, kind, first, count)
    condition = narrow(query.filter)
    rows = connection.execute(
        f"SELECT document FROM entry WHERE type = ? AND ({condition.sql}) ORDER BY seq",  # noqa: S608 - our words
        (kind, *condition.parameters),
    )
    total, entries = 0, []
    for (text,) in rows:
        document = orjson.loads(text)
        if matches(document):
            if first <= total < first + count:
                entries.append(document)
            total += 1
    return Page(total, tuple(entries))


def _all(connection: sqlite3.Connection, kind: ResourceType, first: int, count: int) -> Page:
    (total,) = connection.execute("SELECT count(*) FROM entry WHERE type = ?", (kind,)).fetchone()
    rows = connection.execute(
        "SELECT document FROM entry WHERE seq IN"
        " (SELECT seq FROM entry WHERE type = ? ORDER BY seq LIMIT ? OFFSET ?) ORDER BY seq",
        (kind, count, first),
    )
    return Page(total, tuple(orjson.loads(text) for (text,) in rows))


def _row(connection: sqlite3.Connection, kind: ResourceType, id: str) -> tuple[int, str] | None:
    found: tuple[int, str] | None = connection.execute(
        "SELECT seq, created FROM entry WHERE type = ? AND id = ?", (kind, id)
    ).fetchone()
    return found


def _whole(entry: Entry, created: str) -> Attributes:
    meta = {"resourceType": entry.type.value, "created": created, "lastModified": entry.moment}
    return {**entry.document, "id": entry.id, "meta": meta}


def _insert_values(connection: sqlite3.Connection, seq: int | None, document: Attributes) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO value (path, folded, entry) VALUES (?, ?, ?)",
        [(path, folded, seq) for path, folded in looked_up(document)],
    )
