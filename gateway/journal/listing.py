"""What waits in the journal, and who is in it: lists for commands that only read."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.journal.lines import page
from gateway.scim.documents import fold

PAGE: Final = 500  # rows of one read

BRAKES: Final = """
    SELECT NULL, target, 'removals', NULL, 'braked', NULL, tripped, NULL,
           'removals are held until `operations release ' || target || '`', NULL
    FROM brake WHERE tripped IS NOT NULL AND target = coalesce(:target, target) ORDER BY tripped"""
UNSETTLED: Final = """
    SELECT id, target, operation,
           coalesce(json_extract(original, '$.userName'), json_extract(original, '$.displayName')),
           state, attempts, opened, nullif(due, ''), reason, correlation_id
    FROM op WHERE state <> 'closed' AND target = coalesce(:target, target) ORDER BY opened, id"""
UNACKNOWLEDGED: Final = """
    SELECT id, base, 'create',
           coalesce(json_extract(original, '$.userName'), json_extract(original, '$.displayName')),
           'unacknowledged', NULL, created, NULL, 'no answer with its id was ever delivered', NULL
    FROM resource
    WHERE replied = 0 AND created < :before AND state <> 'deleted' AND base = coalesce(:target, base)
    ORDER BY created, id"""
ACTIVE: Final = """
    SELECT id, original FROM resource
    WHERE base = ? AND type = 'User' AND state = 'active' AND id > ? ORDER BY id LIMIT ?"""
REFUSED: Final = """
    SELECT seq FROM event AS refused
    WHERE event = 'user.create' AND result = 'rejected' AND target = ? AND subject IS NOT NULL AND seq > ?
      AND NOT EXISTS (
          SELECT 1 FROM event AS later
          WHERE later.subject = refused.subject AND later.target = refused.target AND later.seq > refused.seq
            AND (later.result IN ('applied', 'adopted', 'replayed', 'unchanged')
                 OR (later.event = 'user.create' AND later.result = 'rejected')))
    ORDER BY seq LIMIT ?"""
IS_ACTIVE: Final = """
    SELECT 1 FROM resource WHERE base = ? AND type = 'User' AND name_folded = ? AND state = 'active'"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits, for the gateway or for an administrator. Times are RFC 3339, UTC."""

    id: str | None  # of the operation; of the resource where it is unacknowledged
    target: str
    what: str  # create | change | delete; removals: the brake itself
    whom: str | None
    standing: str  # a Standing, or braked, or unacknowledged
    tries: int | None
    opened: str
    due: str | None
    reason: str | None
    correlation_id: str | None


def waiting(connection: sqlite3.Connection, target: str | None, before: str) -> Iterator[Waiting]:
    """Yield brakes that hold, unsettled operations, and creates from before `before` never acknowledged."""
    asked = {"target": target, "before": before}
    for sql in (BRAKES, UNSETTLED, UNACKNOWLEDGED):
        yield from (Waiting(*row) for row in connection.execute(sql, asked).fetchall())


def active_people(connection: sqlite3.Connection, base: str) -> Iterator[dict[str, Any]]:
    """Yield the originals of active people, page by page, each a short read."""
    after = ""
    while rows := connection.execute(ACTIVE, (base, after, PAGE)).fetchall():
        yield from (orjson.loads(original) for _, original in rows)
        after = rows[-1][0]


def refused_creates(connection: sqlite3.Connection, target: str) -> Iterator[tuple[str, str]]:
    """Yield name and reason of everybody whose newest create was refused, and who did not get there since."""
    after = 0
    while rows := connection.execute(REFUSED, (target, after, PAGE)).fetchall():
        for (seq,) in rows:
            (event,) = page(connection, seq + 1, 1, None, None)
            name = event["target"]["user_name"]
            if name and connection.execute(IS_ACTIVE, (target, fold(name))).fetchone() is None:
                yield name, event["outcome"]["reason"] or ""
        after = rows[-1][0]
