"""The SQLite journal's own statements, run where they are called: on a virtual clock no thread may wait."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from gateway.journal.events import Appender, read_salt
from gateway.journal.journal import SCHEMA, SqliteTrail
from gateway.journal.members import SqliteMemberships
from gateway.journal.operations import Owner, SqliteOperations
from gateway.journal.resources import SqliteResources
from gateway.journal.state import SqliteRemovals
from gateway.journal.store import Clock, Store
from gateway.sqlite import load_migrations
from tests.support.memory_journal import MemoryJournal


class InlineDatabase:
    """A `Database` without a thread: each function is its own transaction, in memory."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        for _, script in load_migrations(SCHEMA):
            self._connection.executescript(script)
        self.salt = read_salt(self._connection)

    async def write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            value = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return value

    async def read(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        return work(self._connection)

    def later(self, work: Callable[[sqlite3.Connection], Any]) -> "asyncio.Future[Any]":
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(work(self._connection))
        return done


class ForgetfulJournal(MemoryJournal):
    """The double of the journal; another process finds it as it was."""

    async def restart(self) -> None:
        """Nothing was in memory only."""


class InlineJournal:
    """The ports of `SqliteJournal` on such a database; `restart` is what another process finds."""

    def __init__(self, clock: Clock) -> None:
        self._database: Any = InlineDatabase()
        self._store, self._clock = Store(self._database), clock
        self._appender = Appender(self._database.salt, clock, bytes)
        self._runs = count(1)
        self._open()

    def _open(self) -> None:
        owner = Owner(f"run {next(self._runs)}", timedelta(seconds=90))
        self.operations = SqliteOperations(self._store, self._appender, self._clock, owner)
        self.resources = SqliteResources(self._store, self._database)
        self.operations.resources = self.resources
        self.memberships = SqliteMemberships(self._store)
        self.removals = SqliteRemovals(self._store)
        self.trail = SqliteTrail(self._store, Path(), self._appender)

    async def restart(self) -> None:
        """Forget what was in memory only, and doubt what was left open."""
        self._open()
        await self.operations.orphan()
