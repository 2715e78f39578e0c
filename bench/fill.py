"""Fills a journal in minutes where the gateway would take an hour: people, and events of creates.

It is written in the form of the first release; a newer gateway brings it up to date when it opens the file.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from bench.events import Trail, rows, stamp
from bench.people import dumps, member_id, original, sent, user_name

T = TypeVar("T")
JOURNAL: Final = ("journal/schema/sqlite", 4)  # folder of its schema, version of the first release
DIRECTORY: Final = ("targets/embedded", 2)
DAYS: Final = 300  # over which events are spread: fewer than a journal keeps
BATCH: Final = 2_000  # rows
FAST: Final = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -262144")
INDEXES: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
VERSIONS: Final = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)"
ADD_VERSION: Final = "INSERT INTO schema_version VALUES (?, ?)"
ADD_EVENT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_VALUE: Final = "INSERT INTO event_value VALUES (?, ?, ?, ?)"
HEAD: Final = """
    UPDATE trail_head SET (seq, hash, published) =
        (SELECT seq, hash, published FROM event ORDER BY seq DESC LIMIT 1)"""
ADD_OP: Final = """
    INSERT INTO op (id, base, target, type, operation, resource, correlation_id, becomes, removes, state,
        outcome, fence, owner, lease_until, attempts, opened, closed)
    SELECT id, target, target, 'User', 'create', '', correlation_id, 'active', 0, 'closed',
        'applied', 1, 'filled', published, 1, published, published FROM event"""
ADD_RESOURCE: Final = """
    INSERT INTO resource
        (key, base, type, id, original, name_folded, external_id, state, created, modified, replied)
    VALUES (?, ?, 'User', ?, ?, ?, ?, 'active', ?, ?, 1)"""
ADD_LINK: Final = "INSERT INTO link VALUES (?, ?, 'User', ?, ?, ?)"
ADD_ENTRY: Final = "INSERT INTO entry VALUES (?, 'User', ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Filling:
    """How much is in a journal, of the people of one target."""

    target: str
    people: int = 0
    events: int = 0

    @property
    def name(self) -> str:
        return f"{self.target}-{self.people}-{self.events}.db"


def fill_journal(file: Path, root: Path, filling: Filling, now: datetime) -> None:
    """Make a journal whose newest event is of a minute ago; `root` is a checkout of the gateway."""
    with made(file, root, *JOURNAL) as connection:
        key: bytes = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
        step = timedelta(days=DAYS) / max(filling.events, 1)
        first = now - timedelta(days=DAYS, minutes=1)
        events = rows(Trail(filling.target, filling.events, first, step, key))
        for batch in batches(events):
            connection.executemany(ADD_EVENT, (event for event, _ in batch))
            connection.executemany(ADD_VALUE, (value for _, values in batch for value in values))
        if filling.events:
            connection.execute(HEAD)
            connection.execute(ADD_OP)
        for numbers in batches(range(filling.people)):
            connection.executemany(ADD_RESOURCE, (resource(filling.target, n, stamp(first)) for n in numbers))
            connection.executemany(ADD_LINK, (link(filling.target, n) for n in numbers))


def fill_directory(file: Path, root: Path, people: int, now: datetime) -> None:
    """Make a directory of the connector `embedded` with the same people."""
    with made(file, root, *DIRECTORY) as connection:
        for numbers in batches(range(people)):
            connection.executemany(ADD_ENTRY, (entry(n, stamp(now)) for n in numbers))


def resource(target: str, number: int, moment: str) -> tuple[Any, ...]:
    """Return the row of a person."""
    body = dumps(original(number)).decode()
    id, name = member_id(number), user_name(number)
    return (number + 1, target, id, body, name, original(number)["externalId"], moment, moment)


def link(target: str, number: int) -> tuple[Any, ...]:
    """Return the row of what a target has of a person."""
    body, id = sent(number), member_id(number)
    texts = [dumps(one).decode() for one in (body, {"id": id, **body})]
    return (number + 1, target, id, *texts)


def entry(number: int, moment: str) -> tuple[Any, ...]:
    """Return the row of a person in a directory."""
    body, id = sent(number), member_id(number)
    text = dumps({**body, "id": id, "meta": {"resourceType": "User"}}).decode()
    return (number + 1, id, user_name(number), body["externalId"], text, moment, moment)


@contextmanager
def made(file: Path, root: Path, folder: str, version: int) -> Iterator[sqlite3.Connection]:
    """Make a database with a schema of the gateway's; its indexes come last, which is fastest."""
    with closing(sqlite3.connect(file)) as connection:
        for pragma in FAST:
            connection.execute(pragma).fetchall()
        connection.execute(VERSIONS)
        for script in sorted((root / "gateway" / folder).glob("[0-9]*.sql"))[:version]:
            connection.executescript(script.read_text())
            connection.execute(ADD_VERSION, (int(script.stem), stamp(datetime.now(UTC))))
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        yield connection
        for _, sql in indexes:
            connection.execute(sql)
        connection.commit()
    file.chmod(0o600)


def batches(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the values, some at a time."""
    left = iter(values)
    while batch := list(islice(left, BATCH)):
        yield batch
