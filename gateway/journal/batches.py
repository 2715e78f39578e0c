"""What many changes ask of the writer at once: a statement for all of them, in place of one for each.

Between two statements the writer gives the interpreter away, so few of them cost less than their own work.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from gateway.errors import Uniqueness
from gateway.flow.journal_port import IdTaken, Key, Resource, State
from gateway.flow.target_port import ResourceType
from gateway.journal.members import OF_BASE, leave_groups, note_moves
from gateway.journal.mirrors import Row, mark
from gateway.journal.resources import ResourceRow, load

T = TypeVar("T")

AT_ONCE: Final = 32  # rows of one statement
_kind: Final = itemgetter(0)
ADD_OPERATION: Final = """
    INSERT INTO op (id, base, target, type, operation, resource, correlation_id, removes, intent, owner,
                    lease_until, opened, state, fence, attempts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 1, 1)"""
REMOVE: Final = "DELETE FROM op WHERE fence = ? AND id IN ({})"
REMEMBER: Final = "INSERT INTO removal (target, resource, opened, closed) VALUES (?, ?, ?, ?)"
ADD: Final = """
    INSERT INTO resource
        (base, type, id, original, name_folded, external_id, state, created, modified, replied)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
IS_LINKED: Final = """
    SELECT 1 FROM link WHERE target = ? AND type = ? AND own = 0 AND target_id IN ({}) LIMIT 1"""
IS_USED: Final = "SELECT 1 FROM resource WHERE base = ? AND type = ? AND id = ?"
STORE: Final = f"""{ADD}
    ON CONFLICT (base, type, id) DO UPDATE SET
        original = excluded.original, name_folded = excluded.name_folded, external_id = excluded.external_id,
        state = excluded.state, created = excluded.created, modified = excluded.modified,
        replied = excluded.replied"""
ADD_LINK: Final = """
    INSERT INTO link (resource, type, target, target_id, own, sent, seen) VALUES (?, ?, ?, ?, ?, ?, ?)"""
STORE_LINK: Final = """
    INSERT INTO link (resource, type, target, target_id, own, sent, seen)
    SELECT key, type, ?, ?, ?, ?, ? FROM resource WHERE base = ? AND type = ? AND id = ?
    ON CONFLICT (resource, target) DO UPDATE SET
        target_id = excluded.target_id, own = excluded.own, sent = excluded.sent, seen = excluded.seen"""
ADD_EMAIL: Final = "INSERT INTO email (resource, folded) VALUES (?, ?)"
FORGET_EMAILS: Final = """
    DELETE FROM email
    WHERE resource = (SELECT key FROM resource WHERE base = ? AND type = ? AND id = ?)"""
STORE_EMAIL: Final = """
    INSERT INTO email (resource, folded)
    SELECT key, ? FROM resource WHERE base = ? AND type = ? AND id = ?"""
ARRIVED: Final = f"""
    UPDATE member SET delivered = 0, due = 1 WHERE target = ? AND {OF_BASE} AND member IN ({{}})"""  # noqa: S608
KNOWN: Final = {  # kind of key -> which keys of that kind somebody has
    "name": """
        SELECT 'name', name_folded FROM resource
        WHERE base = ? AND type = ? AND state <> 'deleted' AND name_folded IN ({})""",
    "external": """
        SELECT 'external', external_id FROM resource
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
    new: ResourceRow | None
    changed: ResourceRow | None
    members: Callable[[sqlite3.Connection], None] | None
    event: Any  # as the trail has drafted it
    marks: Sequence[Row] = ()  # who is to be told of it beside its own target


class Mixed(Exception):
    """Not all can be written together: each is tried alone."""


def insert(connection: sqlite3.Connection, sql: str, rows: Sequence[Row]) -> int:
    """Insert rows by a statement that inserts one; return the rowid of the last."""
    last = 0
    for some in _chunks(rows):
        cursor = connection.execute(_of_several(sql, len(some)), list(chain.from_iterable(some)))
        last = cursor.lastrowid or 0
    return last


def claim_all(connection: sqlite3.Connection, rows: Sequence[Row]) -> list[None]:
    """Record intents."""
    insert(connection, ADD_OPERATION, rows)
    return [None] * len(rows)


def begin_all(connection: sqlite3.Connection, newcomers: Sequence[Newcomer]) -> list[tuple[Resource, ...]]:
    """Return whom each of the keys is known for; where that is nobody, record the intent."""
    suspects = _suspects(connection, newcomers)
    found: list[tuple[Resource, ...]] = []
    rows = []
    for base, kind, keys, row in newcomers:
        known = () if suspects.isdisjoint(keys) else load(connection, base, kind, keys)
        found.append(known)
        if not known:
            rows.append(row)
    insert(connection, ADD_OPERATION, rows)
    return found


def settle_all(
    connection: sqlite3.Connection,
    endings: Sequence[Ending],
    add_events: Callable[[sqlite3.Connection, Sequence[Any]], None],
) -> list[bool]:
    """End operations; False for one that was taken over. Raises `Mixed`, `IdTaken` and `Uniqueness`."""
    closed, removals, new, changed, members, events, marks = zip(*endings, strict=True)
    if not _close_all(connection, [at for at in closed if at is not None]):
        if len(endings) > 1:
            raise Mixed
        return [False]
    if any(removals):
        connection.executemany(REMEMBER, filter(None, removals))
    if any(changed):
        write_all(connection, list(filter(None, changed)))
    if any(new):
        _add_all(connection, list(filter(None, new)))
    for write in filter(None, members):
        write(connection)
    if any(marks):
        mark(connection, list(chain.from_iterable(marks)))
    add_events(connection, events)
    return [True] * len(endings)


def _close_all(connection: sqlite3.Connection, closed: Sequence[tuple[str, int]]) -> bool:
    """Remove operations; say whether all of them were there as their owners have them."""
    by_fence: defaultdict[int, list[str]] = defaultdict(list)
    for op_id, fence in closed:
        by_fence[fence].append(op_id)
    gone = 0
    for fence, ids in by_fence.items():
        for some in _chunks(ids):
            gone += connection.execute(_of_marks(REMOVE, len(some)), (fence, *some)).rowcount
    return gone == len(closed)


def write_all(connection: sqlite3.Connection, records: Sequence[ResourceRow]) -> None:
    """Store resources and their links, raises `Uniqueness`; links they do not name stay as they are."""
    rows = [record.row for record in records]
    own = [row[:3] for row in rows]
    if len(set(own)) < len(own):  # one after the other
        raise Mixed
    try:
        connection.executemany(STORE, rows)
    except sqlite3.IntegrityError as error:
        raise _name_taken() from error
    note_moves(connection, [record.resource for record in records])
    links = [(*link, *record.row[:3]) for record in records for link in record.links]
    connection.executemany(STORE_LINK, links)
    connection.executemany(FORGET_EMAILS, own)
    for row, _, emails, resource in records:
        if emails:
            connection.executemany(STORE_EMAIL, [(address, *row[:3]) for address in emails])
        if resource.state is State.DELETED:
            leave_groups(connection, resource)


def _add_all(connection: sqlite3.Connection, records: Sequence[ResourceRow]) -> None:
    """Store new resources and their links; one alone is told what is in its way."""
    if _are_linked(connection, records):
        raise Mixed if len(records) > 1 else IdTaken
    try:
        last = insert(connection, ADD, [record.row for record in records])
    except sqlite3.IntegrityError as error:
        if len(records) > 1:
            raise Mixed from error
        is_used = connection.execute(IS_USED, records[0].row[:3]).fetchone()
        raise (IdTaken() if is_used else _name_taken()) from error
    keyed = list(enumerate(records, last + 1 - len(records)))  # SQLite counts on from the newest
    links = [(key, record.row[1], *link) for key, record in keyed for link in record.links]
    insert(connection, ADD_LINK, links)
    _note_arrivals(connection, records)
    for key, record in keyed:
        if record.emails:
            insert(connection, ADD_EMAIL, [(key, address) for address in record.emails])
        if record.resource.state is State.DELETED:
            leave_groups(connection, record.resource)


def _are_linked(connection: sqlite3.Connection, records: Sequence[ResourceRow]) -> bool:
    """Say whether one has the id of an entry that is linked to somebody of another id."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for record in records:
        for target, target_id, own, *_ in record.links:
            if own:
                places[target, record.row[1]].append(target_id)
    return any(
        connection.execute(_of_marks(IS_LINKED, len(some)), (*place, *some)).fetchone()
        for place, ids in places.items()
        for some in _chunks(ids)
    )


def _name_taken() -> Uniqueness:
    return Uniqueness("another resource has this name already")


def _note_arrivals(connection: sqlite3.Connection, records: Sequence[ResourceRow]) -> None:
    """Note that groups which named new resources before they were known must be told of their entries."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for record in records:
        for target, target_id, *_ in record.links:
            if target_id is not None:
                places[target, record.resource.base].append(record.resource.id)
    for place, ids in places.items():
        for some in _chunks(ids):
            connection.execute(_of_marks(ARRIVED, len(some)), (*place, *some))


def _suspects(connection: sqlite3.Connection, newcomers: Sequence[Newcomer]) -> set[tuple[str, str]]:
    """Return the keys that somebody may have: nobody has any of the others."""
    suspects: set[tuple[str, str]] = set()
    places: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
    for base, type, keys, _ in newcomers:
        places[base, str(type)] += keys
    for place, wanted in places.items():
        for kind, those in groupby(sorted(wanted), key=_kind):
            if kind not in KNOWN:
                suspects.update(those)
                continue
            for some in _chunks([value for _, value in those]):
                suspects.update(connection.execute(_of_marks(KNOWN[kind], len(some)), (*place, *some)))
    return suspects


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


@lru_cache(maxsize=512)
def _of_several(sql: str, count: int) -> str:
    head, _, row = sql.rpartition("VALUES")
    return f"{head}VALUES {', '.join([row] * count)}"


@lru_cache(maxsize=512)
def _of_marks(sql: str, count: int) -> str:
    return sql.format(", ".join("?" * count))
