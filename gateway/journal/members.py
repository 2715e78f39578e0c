"""Who is in which group, in SQLite: rows, so that a change of one costs the same in a group of thousands."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from gateway.flow.journal_port import MemberRow, MemberRows, Resource
from gateway.flow.target_port import ResourceType
from gateway.sqlite import Database

MOST: Final = 500  # parameters of one statement

KEY: Final = "(SELECT key FROM resource WHERE base = ? AND type = 'Group' AND id = ?)"
ROWS: Final = f"""
    SELECT member, element, delivered, due FROM member
    WHERE "group" = {KEY} AND target = ? ORDER BY seq"""  # noqa: S608 - our words
KEEP: Final = f"""
    INSERT INTO member ("group", target, member, element, delivered, due) VALUES ({KEY}, ?, ?, ?, ?, ?)
    ON CONFLICT ("group", target, member) DO UPDATE SET
        element = coalesce(excluded.element, member.element), delivered = excluded.delivered,
        due = excluded.due"""  # noqa: S608
REMOVE: Final = f'DELETE FROM member WHERE "group" = {KEY} AND target = ? AND member = ?'  # noqa: S608
EMPTY: Final = f'DELETE FROM member WHERE "group" = {KEY}'  # noqa: S608
MEMBERS: Final = f'SELECT member FROM member WHERE "group" = {KEY} AND target = ?'  # noqa: S608
OF_BASE: Final = 'EXISTS (SELECT 1 FROM resource AS g WHERE g.key = member."group" AND g.base = ?)'
LEAVE: Final = f"DELETE FROM member WHERE member = ? AND {OF_BASE}"  # noqa: S608
TOUCHED: Final = """
    UPDATE resource SET modified = ?
    WHERE base = ? AND key IN (SELECT "group" FROM member WHERE member = ?)"""
MOVED: Final = f"""
    UPDATE member SET delivered = 0, due = ? WHERE member = ? AND target = ? AND {OF_BASE}
    AND ? IS NOT (SELECT l.target_id FROM link AS l JOIN resource AS r ON r.key = l.resource
                  WHERE l.target = ? AND r.base = ? AND r.type = ? AND r.id = ?)"""  # noqa: S608
TARGET_IDS: Final = """
    SELECT r.id, CASE WHEN r.state = 'deleted' THEN NULL ELSE l.target_id END
    FROM resource AS r LEFT JOIN link AS l ON l.resource = r.key AND l.target = ?
    WHERE r.base = ? AND r.type IN ('User', 'Group') AND r.id IN ({marks})"""
NOW: Final = """
    SELECT r.id, r.state = 'deleted', l.target_id
    FROM resource AS r LEFT JOIN link AS l ON l.resource = r.key AND l.target = ?
    WHERE r.base = ? AND r.type IN ('User', 'Group') AND r.id IN ({marks})"""
OWNERS: Final = (  # by an id that is not ours, and by one that is
    """
    SELECT l.target_id, r.id FROM link AS l JOIN resource AS r ON r.key = l.resource
    WHERE l.target = ? AND r.base = ? AND l.type IN ('User', 'Group') AND r.state <> 'deleted'
    AND l.own = 0 AND l.target_id IN ({marks})""",
    """
    SELECT r.id, r.id FROM resource AS r JOIN link AS l ON l.resource = r.key
    WHERE l.target = ? AND r.base = ? AND r.type IN ('User', 'Group') AND r.state <> 'deleted'
    AND l.own = 1 AND r.id IN ({marks})""",
)
DUE: Final = """
    SELECT r.id, m.member FROM member AS m JOIN resource AS r ON r.key = m."group"
    WHERE m.target = ? AND m.due = 1 AND r.base = ? AND NOT EXISTS (
        SELECT 1 FROM link AS l WHERE l.resource = r.key AND l.target = m.target AND l.target_id IS NULL)
    ORDER BY m."group", m.seq LIMIT ?"""


class SqliteMemberships:
    """Who is in which group."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, base: str, group: str, target: str) -> Mapping[str, MemberRow]:
        """Return a group's members by id, in the order they came."""
        return await self._database.read(lambda connection: _rows(connection, (base, group, target)))

    async def target_ids(self, base: str, target: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        """Return the entries of our resources on a target: None for one without, nothing for one unknown."""
        return dict(await self._pairs((TARGET_IDS,), (target, base), ids))

    async def owners(self, base: str, target: str, target_ids: Sequence[str]) -> Mapping[str, str]:
        """Return our ids by those of a target."""
        return dict(await self._pairs(OWNERS, (target, base), target_ids))

    async def due(self, base: str, target: str, count: int) -> Mapping[str, tuple[str, ...]]:
        """Return up to `count` members who are not delivered and could be, by group."""
        pairs = await self._database.read(lambda file: file.execute(DUE, (target, base, count)).fetchall())
        groups: dict[str, list[str]] = {}
        for group, member in pairs:
            groups.setdefault(group, []).append(member)
        return {group: tuple(members) for group, members in groups.items()}

    async def _pairs(
        self, asked: Sequence[str], before: tuple[str, ...], ids: Sequence[str]
    ) -> list[tuple[Any, Any]]:
        def work(connection: sqlite3.Connection) -> list[tuple[Any, Any]]:
            return [
                pair
                for some in _chunks(ids)
                for sql in asked
                for pair in _some(connection, sql, before, some)
            ]

        return await self._database.read(work) if ids else []


def keep_members(resource: Resource, members: MemberRows) -> Callable[[sqlite3.Connection], None]:
    """Return what writes a group's rows, made ready before the writer's turn."""
    place = (resource.base, resource.id)
    said = {member: _said(row) for member, row in members.rows.items()}
    removed = [(*place, members.target, member) for member in members.removed]

    def write(connection: sqlite3.Connection) -> None:
        rows = settled(members, _standing(connection, members, resource.base))
        kept = [(*place, members.target, m, said[m], row.delivered, row.due) for m, row in rows.items()]
        if members.whole:
            stood = connection.execute(MEMBERS, (*place, members.target)).fetchall()
            gone = [(*place, members.target, member) for (member,) in stood if member not in members.rows]
            connection.executemany(REMOVE, gone)
        connection.executemany(REMOVE, removed)
        connection.executemany(KEEP, kept)

    return write


def settled(members: MemberRows, now: Mapping[str, tuple[bool, str | None]]) -> dict[str, MemberRow]:
    """Return the rows as they are true now: by member whether that one is deleted, and its entry."""
    rows = {}
    for member, row in members.rows.items():
        known = members.entries.get(member)
        is_deleted, entry = now.get(member, (False, known))
        if not is_deleted:
            moved = replace(row, delivered=False, due=entry is not None)
            rows[member] = row if entry == known else moved
    return rows


def note_moves(connection: sqlite3.Connection, resources: Sequence[Resource]) -> None:
    """Note, before the links of resources are written, that groups must be told of their new entries."""
    moves = []
    for r in resources:
        own = (r.base, str(r.type), r.id)
        for target, link in r.links.items():
            is_due = int(link.target_id is not None)
            moves.append((is_due, r.id, target, r.base, link.target_id, target, *own))
    connection.executemany(MOVED, moves)


def leave_groups(connection: sqlite3.Connection, resource: Resource) -> None:
    """Take what was deleted out of every group, and everybody out of a deleted group."""
    connection.execute(TOUCHED, (resource.modified, resource.base, resource.id))
    connection.execute(LEAVE, (resource.id, resource.base))
    if resource.type is ResourceType.GROUP:
        connection.execute(EMPTY, (resource.base, resource.id))


def _rows(connection: sqlite3.Connection, place: tuple[str, str, str]) -> dict[str, MemberRow]:
    return {
        member: MemberRow(_element(member, said), bool(delivered), bool(due))
        for member, said, delivered, due in connection.execute(ROWS, place)
    }


def _element(member: str, said: str | None) -> dict[str, Any]:
    return {"value": member, **(orjson.loads(said) if said else {})}


def _said(row: MemberRow) -> str | None:
    said = {name: value for name, value in row.element.items() if name != "value"}
    return orjson.dumps(said).decode() if said else None


def _standing(
    connection: sqlite3.Connection, members: MemberRows, base: str
) -> dict[str, tuple[bool, str | None]]:
    found = (
        row
        for some in _chunks(list(members.rows))
        for row in _some(connection, NOW, (members.target, base), some)
    )
    return {member: (bool(is_deleted), entry) for member, is_deleted, entry in found}


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + MOST] for start in range(0, len(ids), MOST))


def _some(connection: sqlite3.Connection, sql: str, before: tuple[str, ...], ids: Sequence[str]) -> list[Any]:
    return connection.execute(sql.format(marks=", ".join("?" * len(ids))), (*before, *ids)).fetchall()
