"""Trails of any length, made fast, and months that leave them."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from gateway.audit.chain import subject
from gateway.audit.event import Event
from gateway.audit.query import AuditQuery
from gateway.journal.events import Appender, read_salt
from gateway.journal.search import find
from gateway.journal.store import SCHEMA
from gateway.sqlite_file import load_migrations

STARTED = datetime(2026, 3, 1, tzinfo=UTC)
RARE = 40  # events of each rare kind in a trail of any length
FILL = """
    WITH RECURSIVE number(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM number WHERE seq < :count)
    INSERT INTO event SELECT
        seq, 'id-' || seq, strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1772323200 + seq, 'unixepoch'),
        iif(seq % (:count / :rare) = 0, 'user.delete', 'user.create'), 'cx',
        iif(seq % (:count / :rare) = 1, 'rejected', 'applied'), 'cid-' || seq,
        iif(seq % (:count / :rare) = 2, 'alice', 'okta'),
        iif(seq % (:count / :rare) = 3, :subject, 'nobody'),
        json_object('seq', seq, 'id', 'id-' || seq,
            'event', iif(seq % (:count / :rare) = 0, 'user.delete', 'user.create'),
            'published', strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1772323200 + seq, 'unixepoch'),
            'correlation_id', 'cid-' || seq,
            'actor', json_object('name', iif(seq % (:count / :rare) = 2, 'alice', 'okta')),
            'outcome', json_object('result', iif(seq % (:count / :rare) = 1, 'rejected', 'applied')),
            'target', json_object('name', 'cx',
                'user_name', iif(seq % (:count / :rare) = 3, 'Ann', 'Bob'))),
        'hash-' || seq, NULL
    FROM number"""


def empty_trail(path: Path | str = ":memory:") -> sqlite3.Connection:
    """Open a journal without a gateway; it has no event yet."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for _, script in load_migrations(SCHEMA):
        connection.executescript(script)
    return connection


def damaged_trail() -> bytes:
    """Return the file of a journal of which the head of the first page alone is whole."""
    with closing(empty_trail()) as connection:
        content = connection.serialize()
    return content[:100] + bytes(len(content) - 100)


def long_trail(events: int) -> sqlite3.Connection:
    """Return so many events, almost all alike, a second apart."""
    connection = empty_trail()
    about = subject(read_salt(connection), "ann")
    connection.execute(FILL, {"count": events, "rare": RARE, "subject": about})
    return connection


def append(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Add events to a journal, a day apart."""
    days = count(connection.execute("SELECT seq FROM trail_head").fetchone()[0])
    appender = Appender(read_salt(connection), lambda: STARTED + timedelta(days=next(days)), os.urandom)
    connection.execute("BEGIN")
    appender.begin(connection)
    appender.write(connection, events)
    appender.end(connection)
    connection.execute("COMMIT")


def leave(connection: sqlite3.Connection, path: Path, month: str, last: int, delete: bool = True) -> None:
    """Move the events up to `last` into the file of a month; without `delete` they stay here as well."""
    archive = path.with_name(f"{path.name}.{month}.archive")
    connection.execute("VACUUM INTO ?", (str(archive),))
    with closing(sqlite3.connect(archive)) as file, file:
        file.execute("PRAGMA synchronous = OFF")
        for table in ("event", "event_value"):
            file.execute(f"DELETE FROM {table} WHERE seq > ?", (last,))
    if delete:
        for table in ("event", "event_value"):
            connection.execute(f"DELETE FROM {table} WHERE seq <= ?", (last,))


def seqs(connection: sqlite3.Connection, path: Path, question: AuditQuery) -> Iterator[int]:
    """Walk a trail to its end, slice after slice."""
    is_over = False
    while not is_over:
        part = find(connection, path, question)
        yield from (event["seq"] for event in part.events)
        question, is_over = question.behind(part.seen), part.is_over
