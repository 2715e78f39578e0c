"""The journal in one SQLite file."""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.admin.replicas import ReplicasKept
from gateway.admin.status import Counts, WriterStats
from gateway.audit.event import Event
from gateway.audit.masking import NO_MASKING, Masking
from gateway.audit.query import AuditQuery, Batch
from gateway.errors import JournalUnavailable
from gateway.journal.erase import Retention
from gateway.journal.events import Appender, Drafted, page, read_head, read_salt
from gateway.journal.members import SqliteMemberships
from gateway.journal.mirrors import SqliteMirrors, join
from gateway.journal.operations import Owner, SqliteOperations
from gateway.journal.resources import SqliteResources
from gateway.journal.search import count_outcomes, find
from gateway.journal.state import SqliteAlerts, SqlitePauses, SqliteRemovals, SqliteTokens, counts
from gateway.journal.store import SCHEMA, Clock, JournalLock, Random, answered, refuse_part, unavailable
from gateway.sqlite import Database
from gateway.sqlite_file import Durability, load_migrations
from gateway.values import frozen


class SqliteTrail:
    """The audit trail: seq without gaps, each event chained to the one before it."""

    def __init__(self, database: Database, path: Path, appender: Appender) -> None:
        self._database = database
        self._path = path
        self._appender = appender
        self._waiting: list[Drafted] = []  # for the next batch
        self._is_queued = False

    async def append(self, events: Sequence[Event]) -> None:
        """Add events durably, in order."""
        made = [self._appender.drafted(event) for event in events]
        await self._database.write(lambda connection: self._appender.add(connection, made))

    def later(self, event: Event) -> None:
        """Add an event with what is written next, or at the close; raises `JournalUnavailable`."""
        if (failure := self._database.failure) is not None:
            raise JournalUnavailable(f"the journal cannot be used now: {failure}")
        made = self._appender.drafted(event)
        if not self._is_queued:
            self._write_waiting()
        self._waiting.append(made)

    async def page(
        self, before: int | None, count: int, since: str | None, until: str | None
    ) -> tuple[Mapping[str, Any], ...]:
        """Return up to `count` events with seq < `before`, newest first, personal values in place."""
        await self._flush()
        return await self._database.read(lambda connection: page(connection, before, count, since, until))

    async def find(self, question: AuditQuery) -> Batch:
        """Look at the next events of a question, those of months that have left the journal included."""
        await self._flush()
        return await self._database.read_aside(lambda connection: find(connection, self._path, question))

    async def outcomes(self, since: str, until: str) -> Mapping[str, int]:
        """Return how many events of each outcome there are from one time until before another."""
        return await self._database.read_aside(
            lambda connection: count_outcomes(connection, self._path, since, until)
        )

    async def head(self) -> tuple[int, str]:
        """Return the newest seq and hash; (0, "") for an empty trail."""
        await self._flush()
        head = await self._database.read(read_head)
        return head.seq, head.hash

    async def _flush(self) -> None:
        """Let nobody read the trail without what was told before."""
        if self._is_queued:
            await self._database.flush()

    def _write_waiting(self) -> None:
        """Write with the next batch all that wait by then, in order; where that fails, with a later one."""
        written = 0

        def work(connection: sqlite3.Connection) -> None:
            nonlocal written
            events = tuple(self._waiting)
            self._appender.add(connection, events)
            written = len(events)

        def done(result: Any) -> None:
            self._is_queued = False
            if not isinstance(result, Exception):
                del self._waiting[:written]
            if self._waiting:  # those that came meanwhile, or that could not be written
                with suppress(JournalUnavailable):
                    self._write_waiting()

        self._database.later(work, done)
        self._is_queued = True


NOBODY_FOLLOWS: Final[Mapping[str, Sequence[str]]] = {}
LEASE: Final = 90.0  # seconds
PROBES: Final = (  # as much as a full batch needs: a full disk may have room for a page
    "INSERT OR REPLACE INTO meta VALUES ('probe', randomblob(1048576))",
    "INSERT OR REPLACE INTO meta VALUES ('probe', randomblob(16))",
)


def _probe(sql: str, connection: sqlite3.Connection) -> None:
    connection.execute(sql)


@frozen
class SqliteJournal:
    """An open journal: its ports, its health, its end."""

    operations: SqliteOperations
    resources: SqliteResources
    memberships: SqliteMemberships
    trail: SqliteTrail
    tokens: SqliteTokens
    removals: SqliteRemovals
    database: Database
    lock: JournalLock | None  # None: others may have it, too
    pauses: SqlitePauses
    retention: Retention
    mirrors: SqliteMirrors
    alerts: SqliteAlerts
    replicas: ReplicasKept | None = None  # None: no other gateway has it

    @classmethod
    async def open(  # noqa: PLR0913 - one for each thing it is open with
        cls,
        path: Path,
        durability: Durability,
        clock: Clock,
        on_fatal: Callable[[str], None],
        owner: str,
        *,
        lease: float = LEASE,
        random: Random = os.urandom,
        maskings: Mapping[str, Masking] = NO_MASKING,
        followers: Mapping[str, Sequence[str]] = NOBODY_FOLLOWS,
    ) -> "SqliteJournal":
        """Take the journal's lock, open it, and doubt what an earlier run left open.

        `owner` is unique to this run; `lease` is for how many seconds others trust it to be alive;
        `maskings` are of the targets whose people's values the trail does not keep as they are; `followers`
        are the targets of a route that follow its first, by that.
        Raises `JournalLocked` where another process has it, `JournalUnavailable` where it cannot be used.
        """
        async with AsyncExitStack() as opened:
            with answered():
                lock = JournalLock(path)
            opened.callback(lock.release)
            database = await Database.open(path, durability, on_fatal, load_migrations(SCHEMA), unavailable)
            opened.push_async_callback(database.close)
            own = Owner(owner, timedelta(seconds=lease))
            await database.read(refuse_part)
            salt = await database.read(read_salt)
            database.bracket = appender = Appender(salt, clock, random, maskings)
            retention = Retention(path, salt, database, appender, clock)
            await database.write(lambda connection: join(connection, followers))
            journal = await cls._over(retention, lock, own, SqliteMirrors(database, followers))
            opened.pop_all()
        return journal

    @classmethod
    async def _over(
        cls, retention: Retention, lock: JournalLock, owner: Owner, mirrors: SqliteMirrors
    ) -> "SqliteJournal":
        database, appender, clock = retention.database, retention.appender, retention.clock
        resources, trail = SqliteResources(database), SqliteTrail(database, retention.path, appender)
        operations = SqliteOperations(database, resources, appender, mirrors, owner)
        await operations.orphan()
        memberships, tokens = SqliteMemberships(database), SqliteTokens(database, clock)
        removals, pauses = SqliteRemovals(database), SqlitePauses(database, appender)
        ports = (operations, resources, memberships, trail, tokens, removals)
        return cls(*ports, database, lock, pauses, retention, mirrors, SqliteAlerts(database))

    def mask(self, maskings: Mapping[str, Masking]) -> None:
        """Keep people's values in the trail of these targets as they say, from the next event on."""
        self.retention.appender.maskings = maskings

    async def health(self) -> str | None:
        """Return why the journal cannot be written, None where it can; after a failure it is tried."""
        with suppress(JournalUnavailable):
            await self.database.look()
            for sql in PROBES if self.database.failure is not None else ():
                await self.database.write(partial(_probe, sql))
        return self.database.failure

    async def counts(self) -> Counts:
        """Return what the journal holds, counted; raises `JournalUnavailable`."""
        return await self.database.read(counts)

    def writer_stats(self) -> WriterStats:
        """Return how writing goes."""
        database = self.database
        return WriterStats(database.failure, database.waiting, database.batches, database.writes)

    async def close(self) -> None:
        """Write what waits, close the file, and let the next one have it."""
        try:
            await self.database.close()
        finally:
            if self.lock is not None:
                self.lock.release()
