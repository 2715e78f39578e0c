"""The journal over a PostgreSQL database, opened."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.audit.masking import NO_MASKING, Masking
from gateway.errors import JournalUnavailable
from gateway.journal.events import read_salt
from gateway.journal.journal import LEASE, NOBODY_FOLLOWS, SqliteJournal, SqliteTrail
from gateway.journal.members import SqliteMemberships
from gateway.journal.mirrors import SqliteMirrors, join
from gateway.journal.operations import Owner
from gateway.journal.postgresql.database import Ear, PostgresDatabase
from gateway.journal.postgresql.operations import PostgresAppender, PostgresOperations
from gateway.journal.postgresql.replicas import PostgresReplicas
from gateway.journal.postgresql.retention import PostgresRetention
from gateway.journal.resources import SqliteResources
from gateway.journal.state import SharedAlerts, SqlitePauses, SqliteRemovals, SqliteTokens
from gateway.journal.store import Clock, Random, refuse_part, unavailable
from gateway.sqlite_file import Durability, load_migrations
from gateway.values import frozen

SCHEMA: Final = Path(__file__).parents[1] / "schema" / "postgresql"
PROBE: Final = "INSERT INTO meta VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@frozen
class PostgresJournal(SqliteJournal):
    """An open journal that others have open, too."""

    operations: PostgresOperations
    ear: Ear = field(kw_only=True)

    @classmethod
    async def reach(  # noqa: PLR0913 - one for each thing it is open with
        cls,
        url: str,
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
    ) -> "PostgresJournal":
        """Connect, bring the schema up to date, and doubt what nobody is trusted to be at any more.

        `path` names what this gateway keeps beside itself. Raises `JournalUnavailable`.
        """
        async with AsyncExitStack() as opened:
            database = await PostgresDatabase.reach(
                url, durability, on_fatal, load_migrations(SCHEMA), unavailable
            )
            opened.push_async_callback(database.close)
            await database.read(refuse_part)
            salt = await database.read(read_salt)
            database.bracket = appender = PostgresAppender(salt, clock, random, maskings)
            await database.write(lambda connection: join(connection, followers))
            mirrors, resources = SqliteMirrors(database, followers), SqliteResources(database)
            own = Owner(owner, timedelta(seconds=lease))
            ear = Ear(url)
            operations = PostgresOperations(database, resources, appender, mirrors, own, ear=ear)
            await operations.orphan()
            journal = cls(
                operations=operations,
                resources=resources,
                memberships=SqliteMemberships(database),
                trail=SqliteTrail(database, path, appender),
                tokens=SqliteTokens(database, clock),
                removals=SqliteRemovals(database),
                database=database,
                lock=None,
                pauses=SqlitePauses(database, appender),
                retention=PostgresRetention(path, salt, database, appender, clock),
                mirrors=mirrors,
                alerts=SharedAlerts(database),
                replicas=PostgresReplicas(database),
                ear=ear,
            )
            opened.pop_all()
        return journal

    async def health(self) -> str | None:
        """Return why the journal cannot be written, None where it can; after a failure it is tried."""
        with suppress(JournalUnavailable):
            await self.database.look()
            if self.database.failure is not None:
                await self.database.write(lambda connection: connection.execute(PROBE).rowcount)
        return self.database.failure

    async def close(self) -> None:
        """Write what waits, let others have what stands open, and end the connections."""
        with suppress(JournalUnavailable):
            await self.operations.leave()
        self.ear.close()
        await self.database.close()
