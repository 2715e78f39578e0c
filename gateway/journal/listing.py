"""What waits in the journal, and who is in it: lists for commands that only read."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.journal.chain import subject
from gateway.journal.lines import page, read_salt

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
    SELECT seq, subject FROM event AS refused
    WHERE event IN ('user.create', 'user.replace', 'user.patch') AND result = 'rejected'
      AND target = ? AND subject IS NOT NULL AND seq > ?
      AND NOT EXISTS (
          SELECT 1 FROM event AS later
          WHERE later.subject = refused.subject AND later.target = refused.target AND later.seq > refused.seq
            AND (later.result IN ('applied', 'adopted', 'replayed', 'unchanged')
                 OR (later.event IN ('user.create', 'user.replace', 'user.patch')
                     AND later.result = 'rejected')))
    ORDER BY seq LIMIT ?"""
NAMES: Final = """
    SELECT name_folded FROM resource
    WHERE base = ? AND type = 'User' AND state = 'active' AND name_folded IS NOT NULL"""


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


def refused(connection: sqlite3.Connection, target: str) -> Iterator[tuple[str, str]]:
    """Yield name and reason of everybody whose newest change was refused, none having gone through since.

    Of a change of somebody known only what is said of their data counts, of a create anything.
    """
    after, salt = 0, read_salt(connection)
    # the trail may keep no name that could be looked up
    active = {subject(salt, name) for (name,) in connection.execute(NAMES, (target,))}
    while rows := connection.execute(REFUSED, (target, after, PAGE)).fetchall():
        for seq, about in rows:
            (event,) = page(connection, seq + 1, 1, None, None)
            name, outcome = event["target"]["user_name"], event["outcome"]
            is_about_data = event["event"] != "user.create" and outcome["status"] == 400
            if name and (is_about_data if about in active else event["event"] == "user.create"):
                yield name, event["outcome"]["reason"] or ""
        after = rows[-1][0]
