"""What many changes ask of the writer at once: a statement for all of them, in place of one for each.

Between two statements the writer gives the interpreter away, so few of them cost less than their own work.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, NamedTuple

from gateway.flow.journal_port import Key, Resource
from gateway.flow.target_port import ResourceType
from gateway.journal.members import OF_BASE, leave_groups
from gateway.journal.resources import ADD_LINK, ResourceRow, load

Row = tuple[Any, ...]

AT_ONCE: Final = 32  # rows of one statement
ADD_OPERATION: Final = """
    INSERT INTO op (id, base, target, type, operation, resource, correlation_id, removes, intent, owner,
                    lease_until, opened, state, fence, attempts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 1, 1)"""
REMOVE: Final = "DELETE FROM op WHERE fence = ? AND id IN ({})"
REMEMBER: Final = "INSERT INTO removal (target, resource, opened, closed) VALUES (?, ?, ?, ?)"
NEWEST_KEY: Final = "SELECT coalesce(max(key), 0) FROM resource"
ADD: Final = """
    INSERT INTO resource
        (key, base, type, id, original, name_folded, external_id, state, created, modified, replied)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
ARRIVED: Final = f"""
    UPDATE member SET delivered = 0, due = 1 WHERE target = ? AND {OF_BASE} AND member IN ({{}})"""  # noqa: S608
KNOWN: Final = {  # kind of key -> which of some values somebody has
    "name": """
        SELECT name_folded FROM resource
        WHERE base = ? AND type = ? AND state <> 'deleted' AND name_folded IN ({})""",
    "external": """
        SELECT external_id FROM resource
        WHERE base = ? AND type = ? AND state <> 'deleted' AND external_id IN ({})""",
}


class Newcomer(NamedTuple):
    """Somebody who is to be created unless the keys are known, with the row of what is recorded then."""

    base: str
    kind: ResourceType
    keys: Sequence[Key]
    row: Row


class Ending(NamedTuple):
    """What becomes true when an operation ends; None for what does not change."""

    closed: tuple[str, int] | None  # the operation's id and fence
    removal: Row | None
    record: ResourceRow | None
    is_new: bool
    members: Callable[[sqlite3.Connection], None] | None
    event: Any  # as the trail has drafted it


class Mixed(Exception):
    """Not all can be written together: each is tried alone."""


def insert(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> None:
    """Insert rows by a statement that inserts one."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        connection.execute(_of_several(sql, len(some)), [value for row in some for value in row])


def claim_all(connection: sqlite3.Connection, rows: Sequence[Row]) -> list[None]:
    """Record intents."""
    insert(connection, ADD_OPERATION, rows)
    return [None] * len(rows)


def begin_all(connection: sqlite3.Connection, newcomers: Sequence[Newcomer]) -> list[tuple[Resource, ...]]:
    """Return whom each of the keys is known for; where that is nobody, record the intent."""
    suspects = _suspects(connection, newcomers)
    found = [load(connection, *who[:3]) if suspects.intersection(who.keys) else () for who in newcomers]
    insert(
        connection, ADD_OPERATION, [who.row for who, there in zip(newcomers, found, strict=True) if not there]
    )
    return found


def settle_all(
    connection: sqlite3.Connection,
    endings: Sequence[Ending],
    add_events: Callable[[sqlite3.Connection, Sequence[Any]], None],
) -> list[bool]:
    """End operations; False for one that was taken over. Raises `Mixed`, `IdTaken` and `Uniqueness`."""
    if not _close_all(connection, [ending.closed for ending in endings if ending.closed is not None]):
        if len(endings) > 1:
            raise Mixed
        return [False]
    for ending in endings:
        if ending.removal is not None:
            connection.execute(REMEMBER, ending.removal)
        if ending.record is not None and not ending.is_new:
            ending.record.write(connection)
    _add_all(connection, [ending.record for ending in endings if ending.is_new and ending.record is not None])
    for ending in endings:
        if ending.members is not None:
            ending.members(connection)
    add_events(connection, [ending.event for ending in endings])
    return [True] * len(endings)


def _close_all(connection: sqlite3.Connection, closed: Sequence[tuple[str, int]]) -> bool:
    """Remove operations; say whether all of them were there as their owners have them."""
    by_fence = groupby(sorted(closed, key=_fence), key=_fence)
    gone = sum(
        connection.execute(_of_marks(REMOVE, len(some)), [fence, *some]).rowcount
        for fence, group in by_fence
        for some in _chunks([op_id for op_id, _ in group])
    )
    return gone == len(closed)


def _add_all(connection: sqlite3.Connection, records: Sequence[ResourceRow]) -> None:
    """Store new resources and their links."""
    if len(records) < 2:  # one alone is told what is in its way
        for record in records:
            record.add(connection)
        return
    first: int = connection.execute(NEWEST_KEY).fetchone()[0] + 1
    keyed = list(enumerate(records, first))
    insert(connection, ADD, [(key, *record.row) for key, record in keyed])
    insert(
        connection,
        ADD_LINK,
        [(key, record.resource.type, *link) for key, record in keyed for link in record.links],
    )
    _note_arrivals(connection, records)
    for key, record in keyed:
        record.add_emails(connection, key)
        leave_groups(connection, record.resource)


def _note_arrivals(connection: sqlite3.Connection, records: Iterable[ResourceRow]) -> None:
    """Note that groups which named new resources before they were known must be told of their entries."""
    places: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for target, target_id, *_ in record.links:
            if target_id is not None:
                places.setdefault((target, record.resource.base), []).append(record.resource.id)
    for place, ids in places.items():
        for some in _chunks(ids):
            connection.execute(_of_marks(ARRIVED, len(some)), [*place, *some])


def _suspects(connection: sqlite3.Connection, newcomers: Sequence[Newcomer]) -> set[Key]:
    """Return the keys that somebody may have: nobody has any of the others."""
    suspects: set[Key] = set()
    places: dict[tuple[str, ResourceType, str], list[str]] = {}
    for base, kind, keys, _ in newcomers:
        for key in keys:
            if key.kind in KNOWN:
                places.setdefault((base, kind, key.kind), []).append(key.value)
            else:
                suspects.add(key)
    for (base, kind, name), values in places.items():
        for some in _chunks(values):
            rows = connection.execute(_of_marks(KNOWN[name], len(some)), [base, kind, *some])
            suspects.update(Key(name, value) for (value,) in rows)
    return suspects


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def _fence(closed: tuple[str, int]) -> int:
    return closed[1]


@lru_cache(maxsize=512)
def _of_several(sql: str, count: int) -> str:
    head, _, row = sql.rpartition("VALUES")
    return f"{head}VALUES {', '.join([row] * count)}"


@lru_cache(maxsize=512)
def _of_marks(sql: str, count: int) -> str:
    return sql.format(", ".join("?" * count))
