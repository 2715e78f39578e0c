"""The journal in one SQLite file."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

from gateway.journal.lines import Appender, read_salt
from gateway.journal.lock import JournalLock
from gateway.journal.operations import Owner, SqliteOperations
from gateway.journal.removals import SqliteRemovals
from gateway.journal.resources import SqliteResources
from gateway.journal.store import Clock, Random, Store, answered
from gateway.journal.tokens import SqliteTokens
from gateway.journal.trail import SqliteTrail
from gateway.sqlite import Database, Durability, StoreUnavailable, load_migrations

LEASE: Final = 90.0  # seconds
SCHEMA: Final = files("gateway.journal").joinpath("schema", "sqlite")
PROBE: Final = "INSERT OR REPLACE INTO meta VALUES ('probe', randomblob(16))"


@dataclass(frozen=True, slots=True)
class SqliteJournal:
    """An open journal: its ports, its health, its end."""

    operations: SqliteOperations
    resources: SqliteResources
    trail: SqliteTrail
    tokens: SqliteTokens
    removals: SqliteRemovals
    database: Database
    lock: JournalLock

    @classmethod
    async def open(
        cls,
        path: Path,
        durability: Durability,
        clock: Clock,
        on_fatal: Callable[[str], None],
        owner: str,
        lease: float = LEASE,
        random: Random = os.urandom,
    ) -> "SqliteJournal":
        """Take the journal's lock, open it, and doubt what an earlier run left open.

        `owner` is unique to this run; `lease` is for how many seconds others trust it to be alive.
        Raises `JournalLocked` where another process has it, `JournalUnavailable` where it cannot be used.
        """
        async with AsyncExitStack() as opened:
            with answered():
                lock = JournalLock(path)
                opened.callback(lock.release)
                database = await Database.open(path, durability, on_fatal, load_migrations(SCHEMA))
                opened.push_async_callback(database.close)
            journal = await cls._over(database, lock, clock, Owner(owner, timedelta(seconds=lease)), random)
            opened.pop_all()
        return journal

    @classmethod
    async def _over(
        cls, database: Database, lock: JournalLock, clock: Clock, owner: Owner, random: Random
    ) -> "SqliteJournal":
        store = Store(database)
        appender = Appender(await store.read(read_salt), clock, random)
        operations = SqliteOperations(store, appender, clock, owner)
        await operations.orphan()
        resources, trail = SqliteResources(store, database), SqliteTrail(store, appender)
        return cls(
            operations, resources, trail, SqliteTokens(store, clock), SqliteRemovals(store), database, lock
        )

    async def health(self) -> str | None:
        """Return why the journal cannot be written, None where it can; after a failure it is tried."""
        if self.database.failure is None:
            return None
        with suppress(StoreUnavailable):
            await self.database.write(lambda connection: connection.execute(PROBE).rowcount)
        return self.database.failure

    async def close(self) -> None:
        """Write what waits, close the file, and let the next one have it."""
        try:
            await self.database.close()
        finally:
            self.lock.release()
