"""What targets that follow another in a route have still to be told, in SQLite; and whose ids they have."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson

from gateway.flow.journal_port import DueMirror, Intent, Operation, Settlement, State
from gateway.flow.services import Wakeup
from gateway.flow.target_port import ResourceType
from gateway.journal.members import KEY, OF_BASE
from gateway.journal.resources import TYPES
from gateway.scim.members import Delta
from gateway.sqlite import Database

Row = tuple[Any, ...]

MARK: Final = """
    INSERT INTO mirror (base, type, resource, target, leaves, since, correlation_id, version)
    VALUES (?, ?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT (target, base, type, resource) DO UPDATE SET
        version = mirror.version + 1, leaves = excluded.leaves, correlation_id = excluded.correlation_id,
        attempts = 0, due = '', refused = 0, reason = NULL"""
MARK_ALL: Final = """
    INSERT INTO mirror (base, type, resource, target, leaves, since, correlation_id, version)
    SELECT base, type, id, :target, CASE WHEN type = 'User' AND state <> 'active' THEN 1 ELSE 0 END, :now,
           :cid, 1
    FROM resource WHERE base = :base AND (state = 'active' OR EXISTS (
        SELECT 1 FROM resource AS own
        WHERE own.base = :target AND own.type = resource.type AND own.id = resource.id
          AND own.state <> 'deleted'))
    ORDER BY type = 'Group', key
    ON CONFLICT (target, base, type, resource) DO UPDATE SET
        version = mirror.version + 1, attempts = 0, due = '', refused = 0, reason = NULL"""
COLUMNS: Final = "n, base, type, resource, target, version, correlation_id, attempts, refused"
DUE: Final = f"""
    SELECT {COLUMNS} FROM mirror
    WHERE target = ? AND base = ? AND due <= ? ORDER BY leaves DESC, n LIMIT ?"""  # noqa: S608 - our words
OF: Final = f"""
    SELECT {COLUMNS} FROM mirror
    WHERE target = ? AND base = ? AND type = ? AND resource = ?"""  # noqa: S608
NUMBERED: Final = f"SELECT {COLUMNS} FROM mirror WHERE n = ?"  # noqa: S608
WAITING: Final = f"SELECT {COLUMNS} FROM mirror WHERE target = ? AND n > ? ORDER BY n LIMIT ?"  # noqa: S608
COUNT: Final = "SELECT count(*), coalesce(sum(refused), 0) FROM mirror WHERE target = ? AND base = ?"
REFUSED: Final = """
    SELECT m.resource, coalesce(json_extract(r.original, '$.userName'),
                                json_extract(r.original, '$.displayName')), coalesce(m.reason, '')
    FROM mirror AS m JOIN resource AS r ON (r.base, r.type, r.id) = (m.base, m.type, m.resource)
    WHERE m.target = ? AND m.base = ? AND m.refused = 1 ORDER BY m.n"""
DONE: Final = "DELETE FROM mirror WHERE n = ? AND version = ?"
PUT_OFF: Final = """
    UPDATE mirror SET attempts = ?, due = ?, refused = ?, reason = ? WHERE n = ? AND version = ?"""
RENEW: Final = "UPDATE mirror SET due = ''"  # the configuration may be another
ONE_SIDED: Final = f"""
    SELECT m.member, m.element, m.seq FROM member AS m
    WHERE m."group" = {KEY} AND m.target = ? AND NOT EXISTS (
        SELECT 1 FROM member AS o WHERE o."group" = {KEY} AND o.target = ? AND o.member = m.member)"""  # noqa: S608


class SqliteMirrors:
    """Marks who is to be told of what, and knows who has not been."""

    def __init__(self, database: Database, followers: Mapping[str, Sequence[str]]) -> None:
        self._database = database
        self._followers = followers
        self.are_any = bool(followers)
        self._bells = {target: Wakeup() for behind in followers.values() for target in behind}

    def bell(self, target: str) -> Wakeup:
        """Return what is rung when there is something to tell a target that follows another."""
        return self._bells[target]

    def settled(self, operation: Operation | None, settlement: Settlement, now: str) -> Sequence[Row]:
        """Return the rows that mark what is settled for each target that follows its own.

        Who was about to leave, and does not after all, has perhaps left there.
        """
        resource = settlement.resource
        if resource is None:
            leaves = operation is not None and operation.intent.removes
            return self.kept(operation.intent, now) if operation is not None and leaves else ()
        is_leaver = resource.type is ResourceType.USER and resource.state is not State.ACTIVE
        since = (now, settlement.event.fields["correlation_id"] or "")
        return self._rows(resource.base, (str(resource.type), resource.id), is_leaver, since)

    def kept(self, intent: Intent, now: str) -> Sequence[Row]:
        """Return the rows that mark somebody who leaves, though their own target cannot be told now."""
        about = (str(intent.type), intent.resource_id)
        return self._rows(intent.base, about, leaves=True, since=(now, intent.correlation_id))

    def _rows(self, base: str, about: tuple[str, str], leaves: bool, since: tuple[str, str]) -> Sequence[Row]:
        behind = self._followers.get(base, ())
        return [(base, *about, target, int(leaves), *since) for target in behind]

    def ring(self, rows: Sequence[Row]) -> None:
        """Wake those who are marked by these rows."""
        for _, _, _, target, *_ in rows:
            self._bells[target].wake()

    async def renew(self) -> None:
        """Have all that was put off looked at again: the configuration is another."""
        await self._database.write(lambda connection: connection.execute(RENEW).rowcount)
        for bell in self._bells.values():
            bell.wake()

    async def due(self, base: str, target: str, now: str, count: int) -> tuple[DueMirror, ...]:
        """Return up to `count` of what a target is to be told now, leavers first."""
        found = await self._database.read(
            lambda connection: connection.execute(DUE, (target, base, now, count)).fetchall()
        )
        return tuple(map(_due, found))

    async def of(self, base: str, target: str, type: ResourceType, id: str) -> DueMirror | None:
        """Return what a target is still to be told of one resource."""
        return await self._one(OF, (target, base, str(type), id))

    async def numbered(self, n: int) -> DueMirror | None:
        """Return one by its number."""
        return await self._one(NUMBERED, (n,))

    async def _one(self, sql: str, about: Row) -> DueMirror | None:
        row = await self._database.read(lambda connection: connection.execute(sql, about).fetchone())
        return None if row is None else _due(row)

    async def waiting(self, target: str, after: int, count: int) -> tuple[DueMirror, ...]:
        """Return up to `count` of what a target is to be told, due or not, in order of their numbers."""
        found = await self._database.read(
            lambda connection: connection.execute(WAITING, (target, after, count)).fetchall()
        )
        return tuple(map(_due, found))

    async def count(self, base: str, target: str) -> tuple[int, int]:
        """Return of how many resources a target is still to be told, and how many of them it refuses."""
        found = await self._database.read(
            lambda connection: connection.execute(COUNT, (target, base)).fetchone()
        )
        return int(found[0]), int(found[1])

    async def refused(self, base: str, target: str) -> tuple[tuple[str, str | None, str], ...]:
        """Return id, name and reason of everything that a target refuses."""
        return tuple(await self._database.read(lambda file: file.execute(REFUSED, (target, base)).fetchall()))

    async def members(self, due: DueMirror) -> Delta:
        """Return what differs between a group's members here and there: read is what differs, no more."""
        ours, theirs = (due.base, due.id), (due.target, due.id)

        def work(connection: sqlite3.Connection) -> Delta:
            come = connection.execute(ONE_SIDED, (*ours, due.base, *theirs, due.target)).fetchall()
            gone = connection.execute(ONE_SIDED, (*theirs, due.target, *ours, due.base)).fetchall()
            come.sort(key=lambda row: row[2])
            add = {member: {"value": member, **orjson.loads(said or "{}")} for member, said, _ in come}
            return Delta(add, tuple(member for member, *_ in gone))

        return await self._database.read(work)

    async def done(self, due: DueMirror) -> bool:
        """Know that a target was told; False where there is news of the resource meanwhile."""
        return await self._database.write(lambda file: file.execute(DONE, (due.n, due.version)).rowcount) == 1

    def is_brought(self, due: DueMirror) -> bool:
        """Say whether the target is told at all: one that is in the route no more is not."""
        return due.target in self._followers.get(due.base, ())

    async def put_off(self, due: DueMirror, until: str, reason: str | None, *, refused: bool = False) -> None:
        """Try it again then, unless there is news of the resource before."""
        row = (due.attempts + 1, until, int(refused), reason, due.n, due.version)
        await self._database.write(lambda connection: connection.execute(PUT_OFF, row).rowcount)
        if not until and due.target in self._bells:
            self._bells[due.target].wake()

    async def mark_all(self, base: str, target: str, now: str, cid: str) -> int:
        """Mark everybody whom a target shall have, or has and shall not; return how many these are."""
        asked = {"base": base, "target": target, "now": now, "cid": cid}
        count = await self._database.write(lambda connection: connection.execute(MARK_ALL, asked).rowcount)
        self._bells[target].wake()
        return int(count)

    async def become(self, base: str, type: ResourceType, old: str, new: str) -> None:
        """Give somebody the id that they have at the target which theirs follows."""
        await self._database.write(lambda connection: _rename(connection, (base, str(type)), old, new))


def mark(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows that mark resources."""
    connection.executemany(MARK, rows)


def _due(row: Row) -> DueMirror:
    n, base, type, id, target, version, cid, attempts, refused = row
    return DueMirror(n, base, TYPES[type], id, target, version, cid, attempts, bool(refused))


OTHER_LEADS: Final = "SELECT DISTINCT base FROM mirror WHERE target = ? AND base <> ?"
TAKE_OVER: Final = (  # what is marked already stays so
    """UPDATE mirror SET base = :lead WHERE target = :target AND base = :former AND NOT EXISTS (
        SELECT 1 FROM mirror AS o
        WHERE (o.target, o.base, o.type, o.resource) = (:target, :lead, mirror.type, mirror.resource))""",
    "DELETE FROM mirror WHERE target = :target AND base = :former",
)
LEAD: Final = "SELECT value FROM meta WHERE name = 'first with ids of ' || ?"
KEEP_LEAD: Final = """
    INSERT INTO meta VALUES ('first with ids of ' || ?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
KNOW_TOO: Final = (  # their ids are given: to nobody else, and a provider may say them
    """INSERT INTO resource
        (base, type, id, original, name_folded, external_id, state, created, modified, replied)
    SELECT :lead, type, id, original, name_folded, external_id, state, created, modified, replied
    FROM resource AS r WHERE base = :former AND type = 'User' AND substr(id, 1, 1) <> '/' AND NOT EXISTS (
        SELECT 1 FROM resource AS o WHERE (o.base, o.type, o.id) = (:lead, r.type, r.id))
    ON CONFLICT DO NOTHING""",
    """INSERT INTO email (resource, folded)
    SELECT r.key, e.folded FROM resource AS r
        JOIN resource AS o ON (o.base, o.type, o.id) = (:former, r.type, r.id)
        JOIN email AS e ON e.resource = o.key
    WHERE r.base = :lead AND NOT EXISTS (SELECT 1 FROM link WHERE resource = r.key)
        AND NOT EXISTS (SELECT 1 FROM email WHERE resource = r.key)
    ON CONFLICT DO NOTHING""",
)
FAMILY: Final = "SELECT value FROM meta WHERE name = 'ids of ' || ?"
KEEP_FAMILY: Final = """
    INSERT INTO meta VALUES ('ids of ' || ?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
FAMILIES: Final = "SELECT substr(name, 8) FROM meta WHERE substr(name, 1, 7) = 'ids of '"
LEAVE_FAMILY: Final = "DELETE FROM meta WHERE name = 'ids of ' || ?"
SET_APART: Final = (
    """UPDATE resource SET id = '/' || base || '/' || id WHERE base = :base""",
    """UPDATE link SET own = 0 WHERE resource IN (SELECT key FROM resource WHERE base = :base)""",
    f"""UPDATE member SET member = '/' || :base || '/' || member
        WHERE {OF_BASE.replace("?", ":base")}""",  # noqa: S608
)
AS_BEFORE: Final = (  # of those whose ids nobody else in the route has got meanwhile
    """UPDATE resource SET id = substr(id, :cut)
    WHERE base = :base AND substr(id, 1, :cut - 1) = :apart AND NOT EXISTS (
        SELECT 1 FROM resource AS o WHERE o.type = resource.type AND o.id = substr(resource.id, :cut)
          AND o.base IN (SELECT value FROM json_each(:route)))""",
    """UPDATE link SET own = 1 WHERE own = 0 AND target_id IS (
        SELECT id FROM resource WHERE key = link.resource AND base = :base)""",
    f"""UPDATE member SET member = substr(member, :cut)
        WHERE member >= :apart AND substr(member, 1, :cut - 1) = :apart AND {OF_BASE.replace("?", ":base")}
          AND NOT EXISTS (SELECT 1 FROM resource AS o WHERE o.base = :base AND o.id = member.member)
          AND NOT EXISTS (SELECT 1 FROM member AS o WHERE (o."group", o.target, o.member)
                          = (member."group", member.target, substr(member.member, :cut)))""",  # noqa: S608
)
IS_APART: Final = "SELECT 1 FROM resource WHERE base = ? AND id = ?"
OPERATIONS: Final = "SELECT id, resource, intent FROM op WHERE base = ?"
KEEP_OPERATION: Final = "UPDATE op SET resource = ?, intent = ? WHERE id = ?"
RENAME: Final = (
    "UPDATE resource SET id = :new WHERE base = :base AND type = :type AND id = :old",
    """UPDATE link SET own = CASE WHEN target_id = :new THEN 1 ELSE 0 END WHERE resource =
        (SELECT key FROM resource WHERE base = :base AND type = :type AND id = :new)""",
    f"UPDATE member SET member = :new WHERE member = :old AND {OF_BASE.replace('?', ':base')}",  # noqa: S608
)


def set_apart(base: str, id: str) -> str:
    """Return how an id is kept that a target gave before it followed another: no provider can say it."""
    return f"/{base}/{id}"


def is_set_apart(base: str, id: str) -> bool:
    """Say whether an id is of the time before a target followed another."""
    return id.startswith(f"/{base}/")


def join(connection: sqlite3.Connection, followers: Mapping[str, Sequence[str]]) -> None:
    """Have targets that follow another know people by its ids, at the start.

    What a target gave as ids before it followed may be those of others: they are set apart, and each person
    gets the right one once they are met by their names.
    """
    connection.execute(RENEW)
    for lead, behind in followers.items():
        for target in behind:
            _take_over(connection, lead, target)
    routes = {name: (lead, *behind) for lead, behind in followers.items() for name in (lead, *behind)}
    for (one,) in connection.execute(FAMILIES).fetchall():
        if one not in routes:
            connection.execute(LEAVE_FAMILY, (one,))
        if routes.get(one, (one,))[0] == one:  # follows no more
            _set_back(connection, one, routes.get(one, (one,)))
    for lead, behind in followers.items():
        family = _family(connection, lead)
        _know_too(connection, lead, family)
        for target in behind:
            if _family(connection, target) != family:
                _set_all_apart(connection, target)
                connection.execute(KEEP_FAMILY, (target, family))


def _take_over(connection: sqlite3.Connection, lead: str, target: str) -> None:
    """Have a target told by the first of its route what another, the first before, had still to tell it."""
    for (former,) in connection.execute(OTHER_LEADS, (target, lead)).fetchall():
        if _family(connection, former) == _family(connection, lead):
            for sql in TAKE_OVER:
                connection.execute(sql, {"lead": lead, "target": target, "former": former})


def _know_too(connection: sqlite3.Connection, lead: str, family: str) -> None:
    """Have the new first of a route know the people whom it was never told of, without entries."""
    found = connection.execute(LEAD, (family,)).fetchone()
    if found is not None and found[0] != lead:
        for sql in KNOW_TOO:
            connection.execute(sql, {"lead": lead, "former": found[0]})
    connection.execute(KEEP_LEAD, (family, lead))


def _family(connection: sqlite3.Connection, target: str) -> str:
    found = connection.execute(FAMILY, (target,)).fetchone()
    return target if found is None else str(found[0])


def _set_all_apart(connection: sqlite3.Connection, base: str) -> None:
    for sql in SET_APART:
        connection.execute(sql, {"base": base})
    _rewrite_operations(connection, base, partial(set_apart, base))


def _set_back(connection: sqlite3.Connection, base: str, route: Sequence[str]) -> None:
    """Give those whom nobody has met their own ids again: a provider knows them by these."""
    apart = set_apart(base, "")
    asked = {"base": base, "apart": apart, "cut": len(apart) + 1}
    for sql in AS_BEFORE:
        connection.execute(
            sql, {**asked, "route": orjson.dumps(route).decode()} if ":route" in sql else asked
        )

    def own(id: str) -> str:
        is_left = not is_set_apart(base, id) or connection.execute(IS_APART, (base, id)).fetchone()
        return id if is_left else id.removeprefix(apart)

    _rewrite_operations(connection, base, own)


def _rewrite_operations(connection: sqlite3.Connection, base: str, own: Callable[[str], str]) -> None:
    """Have the unsettled operations of a target say ids as they are now."""
    for id, resource, text in connection.execute(OPERATIONS, (base,)).fetchall():
        said = orjson.loads(text)
        said["keys"] = [[kind, own(value) if kind == "id" else value] for kind, value in said["keys"]]
        new = own(resource) if resource else resource
        connection.execute(KEEP_OPERATION, (new, orjson.dumps(said).decode(), id))


def _rename(connection: sqlite3.Connection, place: tuple[str, str], old: str, new: str) -> None:
    about = {"base": place[0], "type": place[1], "old": old, "new": new}
    for sql in RENAME:
        connection.execute(sql, about)
