"""The SQLite journal's own statements, run where they are called: on a virtual clock no thread may wait."""

import sqlite3
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from gateway.flow.journal_port import Resource
from gateway.journal.batches import write_all
from gateway.journal.events import Appender, read_salt
from gateway.journal.journal import SqliteTrail
from gateway.journal.members import SqliteMemberships
from gateway.journal.mirrors import SqliteMirrors
from gateway.journal.operations import Owner, SqliteOperations
from gateway.journal.resources import ResourceRow, SqliteResources
from gateway.journal.state import SqliteAlerts, SqlitePauses, SqliteRemovals, SqliteTokens
from gateway.journal.store import SCHEMA, Clock
from gateway.sqlite import After
from gateway.sqlite_file import load_migrations

Work = Callable[[sqlite3.Connection], Any]


@cache
def empty_journal() -> bytes:
    """Return the file of a journal in which nothing has happened yet."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for _, script in load_migrations(SCHEMA):
            connection.executescript(script)
        return connection.serialize()


class InlineDatabase:
    """A `Database` without a thread: each function is its own transaction, in memory."""

    failure = None

    def __init__(self) -> None:
        # whichever thread collects it closes it
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.deserialize(empty_journal())
        weakref.finalize(self, self._connection.close)
        self._waiting: list[tuple[Work, After | None]] = []
        self.bracket: Any = None
        self.salt = read_salt(self._connection)

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for job in waiting:
            self._written(*job)

    async def write(self, work: Work, after: After | None = None) -> Any:
        await self.flush()
        return self.run(work, after)

    def run(self, work: Work, after: After | None = None) -> Any:
        """Run a function in a transaction."""
        result = self._written(work, after)
        if isinstance(result, Exception):
            raise result
        return result

    async def read(self, work: Work) -> Any:
        return work(self._connection)

    read_aside = look_up = read

    def later(self, work: Work, after: After | None = None) -> None:
        self._waiting.append((work, after))

    def forget(self) -> None:
        """Lose what was to be written with the next function."""
        self._waiting = []

    def _written(self, work: Work, after: After | None) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self.bracket is not None:
                self.bracket.begin(self._connection)
            result = work(self._connection)
            if self.bracket is not None:
                self.bracket.end(self._connection)
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._connection.execute("ROLLBACK")
            if not isinstance(error, Exception):
                raise
            result = error
        if after is not None:
            after(result)
        return result


class InlineJournal:
    """The ports of `SqliteJournal` on such a database; `restart` is what another process finds."""

    def __init__(self, clock: Clock, followers: Mapping[str, Sequence[str]] = {}) -> None:
        self._followers = followers
        self._database: Any = InlineDatabase()
        self._clock = clock
        self._database.bracket = self._appender = Appender(self._database.salt, clock, bytes)
        self._runs = count(1)
        self._open()

    def _open(self) -> None:
        owner = Owner(f"run {next(self._runs)}", timedelta(seconds=90))
        database, appender, clock = self._database, self._appender, self._clock
        self.resources = SqliteResources(database)
        self.mirrors = SqliteMirrors(database, self._followers)
        self.operations = SqliteOperations(database, self.resources, appender, self.mirrors, owner)
        self.memberships = SqliteMemberships(database)
        self.removals = SqliteRemovals(database)
        self.trail = SqliteTrail(database, Path(), appender)
        self.tokens = SqliteTokens(database, clock)
        self.pauses = SqlitePauses(database, appender)
        self.alerts = SqliteAlerts(database)

    def store(self, resource: Resource) -> None:
        """Have a resource as if a change had made it, without an event."""
        record = ResourceRow.of(resource)
        self._database.run(lambda connection: write_all(connection, [record]))

    async def restart(self) -> None:
        """Forget what was in memory only, and doubt what was left open."""
        self._database.forget()
        self._open()
        await self.operations.orphan()
