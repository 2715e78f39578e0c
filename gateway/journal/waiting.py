"""What waits in the journal, for the gateway or for somebody: all, a page, one, or what needs somebody."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.errors import InvalidValue
from gateway.values import frozen

BRAKES: Final = """
    SELECT NULL AS id, target, 'removals' AS what, NULL AS whom, 'braked' AS standing, NULL AS tries,
           tripped AS opened, NULL AS due,
           'removals are held until `operations release ' || target || '`' AS reason, NULL AS correlation_id
    FROM brake WHERE tripped IS NOT NULL AND target = coalesce(:target, target)"""
UNSETTLED: Final = """
    SELECT id, target, operation AS what,
           coalesce(json_extract(intent, '$.original.userName'),
                    json_extract(intent, '$.original.displayName')) AS whom,
           state AS standing, attempts AS tries, opened, nullif(due, '') AS due, reason, correlation_id
    FROM op WHERE target = coalesce(:target, target)"""
UNACKNOWLEDGED: Final = """
    SELECT id, base AS target, 'create' AS what,
           coalesce(json_extract(original, '$.userName'), json_extract(original, '$.displayName')) AS whom,
           'unacknowledged' AS standing, NULL AS tries, created AS opened, NULL AS due,
           'no answer with its id was ever delivered' AS reason, NULL AS correlation_id
    FROM resource
    WHERE replied = 0 AND created < :before AND state <> 'deleted' AND base = coalesce(:target, base)"""
UNTOLD: Final = """
    SELECT 'm' || n AS id, m.target AS target, 'mirror' AS what,
           coalesce(json_extract(original, '$.userName'), json_extract(original, '$.displayName')) AS whom,
           CASE refused WHEN 1 THEN 'refused' ELSE 'pending' END AS standing, attempts AS tries,
           since AS opened, nullif(due, '') AS due, reason, m.correlation_id AS correlation_id
    FROM mirror AS m LEFT JOIN resource AS r ON (r.base, r.type, r.id) = (m.base, m.type, m.resource)
    WHERE m.target = coalesce(:target, m.target) AND NOT EXISTS (
        SELECT 1 FROM op WHERE (op.target, op.type, op.resource) = (m.target, m.type, m.resource))"""
PARTS: Final = (  # in the order of the list, each with its own order
    (BRAKES, "opened"),
    (UNSETTLED, "opened, id"),
    (UNTOLD, "n"),
    (UNACKNOWLEDGED, "created, id"),
)
DEAD: Final = UNSETTLED.replace("WHERE target", "WHERE state = 'dead' AND target")
REFUSED: Final = UNTOLD.replace("WHERE m.target", "WHERE refused = 1 AND m.target")
NEEDING: Final = (  # what nobody but an administrator will mend
    f"{BRAKES} ORDER BY opened",
    f"{DEAD} ORDER BY opened, id",
    f"{REFUSED} ORDER BY n",
)
BEHIND: Final = """
    SELECT * FROM ({part}) AS part WHERE standing = coalesce(:standing, standing)
    AND (opened, coalesce(id, target)) > (:opened, :key) ORDER BY opened, coalesce(id, target) LIMIT :most"""
BY_ID: Final = "SELECT * FROM ({part}) AS part WHERE id = :id"
MARK: Final = "~"  # between the parts of a place


@frozen
class Waiting:
    """One thing that waits, for the gateway or for an administrator. Times are RFC 3339, UTC."""

    id: str | None  # of the operation; of the resource where it is unacknowledged
    target: str
    what: str  # create | change | delete; removals: the brake itself; mirror: what a route's first target has
    whom: str | None
    standing: str  # a Standing, or braked, or unacknowledged; of a mirror pending, or refused
    tries: int | None
    opened: str
    due: str | None
    reason: str | None
    correlation_id: str | None


class WaitingPage(NamedTuple):
    """Some of what waits, and the place behind it; None where nothing more does."""

    rows: Sequence[Waiting]
    after: str | None


def waiting(connection: sqlite3.Connection, target: str | None, before: str) -> Iterator[Waiting]:
    """Yield brakes that hold, unsettled operations, and creates from before `before` never acknowledged."""
    asked = {"target": target, "before": before}
    for part, order in PARTS:
        found = connection.execute(f"{part} ORDER BY {order}", asked).fetchall()
        yield from (Waiting(*row) for row in found)


def waiting_page(
    connection: sqlite3.Connection,
    target: str | None,
    standing: str | None,
    before: str,
    after: str | None,
    most: int,
) -> WaitingPage:
    """Return at most so much of what waits behind a place, as another page has named it."""
    first, opened, key = _place(after)
    found = list[tuple[int, Waiting]]()
    for part in range(first, len(PARTS)):
        asked = {"target": target, "standing": standing, "before": before, "opened": opened, "key": key}
        sql = BEHIND.format(part=PARTS[part][0])
        rows = connection.execute(sql, asked | {"most": most + 1 - len(found)}).fetchall()
        found += [(part, Waiting(*row)) for row in rows]
        opened, key = "", ""
        if len(found) > most:
            last, one = found[most - 1]
            place = MARK.join((str(last), one.opened, one.id or one.target))
            return WaitingPage([one for _, one in found[:most]], place)
    return WaitingPage([one for _, one in found], None)


def _place(after: str | None) -> tuple[int, str, str]:
    if after is None:
        return 0, "", ""
    part, _, rest = after.partition(MARK)
    opened, mark, key = rest.partition(MARK)
    if not mark or part not in map(str, range(len(PARTS))):
        raise InvalidValue("after: is no place in this list")
    return int(part), opened, key


def one_waiting(connection: sqlite3.Connection, id: str) -> Waiting | None:
    """Return an operation that is not settled, or what a target has still to be told, by its id."""
    asked = {"target": None, "id": id}
    found = (connection.execute(BY_ID.format(part=part), asked).fetchone() for part in (UNSETTLED, UNTOLD))
    return next((Waiting(*row) for row in found if row is not None), None)


def needing(connection: sqlite3.Connection, most: int) -> list[Waiting]:
    """Return what waits for an administrator alone, at most so much of each kind."""
    asked = {"target": None, "most": most}
    return [
        Waiting(*row) for sql in NEEDING for row in connection.execute(f"{sql} LIMIT :most", asked).fetchall()
    ]
