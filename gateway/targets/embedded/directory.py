"""The statements of the directory, as functions on a connection; each runs whole on one thread."""

import sqlite3
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import orjson

from gateway.flow.target_port import NOBODY, Attributes, MemberUpdate, Page, Query, ResourceType
from gateway.scim.filters import sort_value
from gateway.scim.grammar import Sort
from gateway.scim.predicate import attributes_named
from gateway.targets.embedded.filters import SORTED, looked_up, names_members, narrow, path_name
from gateway.values import frozen

Matches = Callable[[Mapping[str, Any]], bool]
Found = tuple[int, Attributes]  # the number of an entry, and its document


class Refusal(StrEnum):
    """Why nothing was written."""

    TAKEN = "taken"  # another entry has the name
    ABSENT = "absent"  # no such entry


@frozen
class Entry:
    """What shall be written: a document, and the columns by which it is found."""

    type: ResourceType
    id: str
    name_folded: str | None
    external_id: str | None
    document: Attributes
    moment: str  # RFC 3339, UTC
    members: MemberUpdate = NOBODY


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
    change_members(connection, seq, entry.members)
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
    forget_member(connection, row[0], id)
    connection.execute("DELETE FROM entry WHERE seq = ?", (row[0],))
    return None


def find(connection: sqlite3.Connection, kind: ResourceType, id: str, *, members: bool) -> Attributes | None:
    """Return an entry's document, a group's with its members where they are asked for."""
    row = connection.execute(
        "SELECT seq, document FROM entry WHERE type = ? AND id = ?", (kind, id)
    ).fetchone()
    if row is None:
        return None
    document: Attributes = orjson.loads(row[1])
    return with_members(connection, row[0], document) if members else document


def page(connection: sqlite3.Connection, kind: ResourceType, query: Query, matches: Matches | None) -> Page:
    """Return a page, in the order of creation unless asked; `matches` decides on what SQL leaves over."""
    order = _order(connection, kind, query.sort)
    if matches is None:
        total, found = _all(connection, kind, query, order)
    else:
        total, found = _matching(connection, kind, query, order, matches)
    if query.members and kind is ResourceType.GROUP:
        return Page(total, tuple(with_members(connection, seq, document) for seq, document in found))
    return Page(total, tuple(document for _, document in found))


def _matching(
    connection: sqlite3.Connection, kind: ResourceType, query: Query, order: str, matches: Matches
) -> tuple[int, list[Found]]:
    first = max(query.start, 1) - 1
    condition = narrow(query.filter)
    rows = connection.execute(
        f"SELECT seq, document FROM entry WHERE type = ? AND ({condition.sql}) ORDER BY {order}",  # noqa: S608 - ours
        (kind, *condition.parameters),
    )
    asks_for_members = query.filter is not None and any(map(names_members, attributes_named(query.filter)))
    total, found = 0, []
    for seq, text in rows:
        document = orjson.loads(text)
        if matches(with_members(connection, seq, document) if asks_for_members else document):
            if first <= total < first + query.count:
                found.append((seq, document))
            total += 1
    return total, found


def _all(
    connection: sqlite3.Connection, kind: ResourceType, query: Query, order: str
) -> tuple[int, list[Found]]:
    (total,) = connection.execute("SELECT count(*) FROM entry WHERE type = ?", (kind,)).fetchone()
    rows = connection.execute(
        f"SELECT seq FROM entry WHERE type = ? ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608 - ours
        (kind, max(query.count, 0), max(query.start, 1) - 1),
    ).fetchall()
    return total, [(seq, _document(connection, seq)) for (seq,) in rows]


def _document(connection: sqlite3.Connection, seq: int) -> Attributes:
    (text,) = connection.execute("SELECT document FROM entry WHERE seq = ?", (seq,)).fetchone()
    document: Attributes = orjson.loads(text)
    return document


def _order(connection: sqlite3.Connection, kind: ResourceType, sort: Sort | None) -> str:
    """Return the terms of an ORDER BY; entries without the value are last, or first where it descends."""
    if sort is None:
        return "seq"
    way = "DESC NULLS FIRST" if sort.descending else "ASC NULLS LAST"
    column = SORTED.get(path_name(sort.by))
    if column is None:
        column, value = "sort_value(document)", sort_value(sort.by, kind)
        connection.create_function("sort_value", 1, lambda text: value(orjson.loads(text)))
    return f"{column} {way}, seq"


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


def change_members(connection: sqlite3.Connection, group: int, update: MemberUpdate) -> None:
    """Add and remove members of the entry `group`; who is there already stays as they are."""
    connection.executemany(
        "DELETE FROM member WHERE entry = ? AND value = ?", [(group, value) for value in update.remove]
    )
    connection.executemany(
        "INSERT OR IGNORE INTO member (entry, value, element) VALUES (?, ?, ?)",
        [(group, element["value"], orjson.dumps(element).decode()) for element in update.add],
    )


def with_members(connection: sqlite3.Connection, group: int, document: Attributes) -> Attributes:
    """Return a group's document with its members, where it has any."""
    rows = connection.execute("SELECT element FROM member WHERE entry = ? ORDER BY seq", (group,))
    members = [orjson.loads(element) for (element,) in rows]
    return {**document, "members": members} if members else document


def forget_member(connection: sqlite3.Connection, entry: int, id: str) -> None:
    """Take an entry that goes out of all groups, and all members out of it."""
    connection.execute("DELETE FROM member WHERE value = ? OR entry = ?", (id, entry))


def without_members(document: Attributes) -> Attributes:
    """Return a document without members: those have rows of their own."""
    return {name: value for name, value in document.items() if name.casefold() != "members"}
