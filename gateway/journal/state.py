"""What administrators set, were told, and what is counted for them: tokens, pauses, alerts, the brake."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from gateway.admin.acts import Token
from gateway.admin.status import Counts, Key, Pause, Standing
from gateway.audit.chain import stamp
from gateway.audit.event import Event
from gateway.journal.events import Appender, read_head
from gateway.journal.store import Clock
from gateway.sqlite import Database

ADD: Final = "INSERT INTO token (id, provider, sha256, created, expires, revoked) VALUES (?, ?, ?, ?, ?, ?)"
LIST: Final = "SELECT id, provider, sha256, created, expires, revoked FROM token ORDER BY created, id"
REVOKE: Final = "UPDATE token SET revoked = ? WHERE id = ? AND revoked IS NULL"


class SqliteTokens:
    """The tokens in the journal, beside those in the configuration."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, token: Token) -> None:
        """Let the token in from now on."""
        t = token
        row = (t.id, t.provider, t.sha256, t.created, t.expires, t.revoked)
        await self._database.write(lambda connection: connection.execute(ADD, row).rowcount)

    async def list(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first, those that are over too."""
        return await self._database.read(list_tokens)

    async def active(self) -> tuple[Token, ...]:
        """Return the tokens that are neither expired nor revoked."""
        now = stamp(self._clock())
        return tuple(token for token in await self.list() if token.is_active(now))

    async def revoke(self, id: str) -> bool:
        """End a token; False where there is none, or it is revoked already."""
        now = stamp(self._clock())
        return await self._database.write(lambda file: file.execute(REVOKE, (now, id)).rowcount) == 1


def list_tokens(connection: sqlite3.Connection) -> tuple[Token, ...]:
    """Return all tokens, the oldest first, without a gateway."""
    return tuple(Token(*row) for row in connection.execute(LIST))


READ_PAUSES: Final = "SELECT target, since, until, reason FROM pause"
ADD_PAUSE: Final = """
    INSERT INTO pause (target, since, until, reason) VALUES (?, ?, ?, ?)
    ON CONFLICT (target) DO UPDATE SET
        since = excluded.since, until = excluded.until, reason = excluded.reason"""
REMOVE_PAUSE: Final = "DELETE FROM pause WHERE target = ?"


class SqlitePauses:
    """Which targets are paused; each act is kept together with its event."""

    def __init__(self, database: Database, appender: Appender) -> None:
        self._database = database
        self._appender = appender

    async def read(self) -> Mapping[str, Pause]:
        """Return the pause of each paused target."""
        return await self._database.read(read_pauses)

    async def note(self, target: str, pause: Pause | None, event: Event) -> None:
        """Keep a pause, or None for no longer one, and its event; raises `JournalUnavailable`."""
        made = self._appender.drafted(event)

        def work(connection: sqlite3.Connection) -> None:
            if pause is None:
                if connection.execute(REMOVE_PAUSE, (target,)).rowcount == 0:
                    return  # another gateway has resumed it, and said so
            else:
                connection.execute(ADD_PAUSE, (target, pause.since, pause.until, pause.reason))
            self._appender.add(connection, [made])

        await self._database.write(work)


def read_pauses(connection: sqlite3.Connection) -> dict[str, Pause]:
    """Return the pause of each paused target, without a gateway."""
    return {target: Pause(*said) for target, *said in connection.execute(READ_PAUSES)}


READ_ALERTS: Final = "SELECT name, target, about, since, told, reason FROM alert ORDER BY since"
ADD_ALERT: Final = """
    INSERT INTO alert (name, target, about, since, told, reason) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (name, target, about) DO UPDATE SET
        since = excluded.since, told = excluded.told, reason = excluded.reason"""
REMOVE_ALERT: Final = "DELETE FROM alert WHERE (name, target, about) = (?, ?, ?)"


class SqliteAlerts:
    """What administrators were told of, and what is not over."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> tuple[Standing, ...]:
        """Return all that is not over, the oldest first."""
        rows = await self._database.read(lambda connection: connection.execute(READ_ALERTS).fetchall())
        return tuple(Standing(*row) for row in rows)

    async def note(self, standing: Standing) -> None:
        """Keep it, in place of what was kept of the same."""
        one = standing
        row = (*one.key, one.since, one.told, one.reason)
        await self._database.write(lambda connection: connection.execute(ADD_ALERT, row).rowcount)

    async def forget(self, key: Key) -> None:
        """Know that it is over."""
        await self._database.write(lambda connection: connection.execute(REMOVE_ALERT, key).rowcount)

    async def take(self, standing: Standing, since: str, *, is_over: bool) -> bool:
        """Take it on to tell it: nobody else works on this file."""
        return True


TAKE_ALERT: Final = f"{ADD_ALERT} WHERE alert.told < ?"


class SharedAlerts(SqliteAlerts):
    """What administrators were told of by several gateways, each time by one of them."""

    async def take(self, standing: Standing, since: str, *, is_over: bool) -> bool:
        """Take it on to tell it; False where another gateway did after `since`, or ended it."""
        one = standing
        row = (*one.key, one.since, one.told, one.reason, since)

        def work(connection: sqlite3.Connection) -> bool:
            if is_over:
                return connection.execute(REMOVE_ALERT, one.key).rowcount > 0
            return connection.execute(TAKE_ALERT, row).rowcount > 0

        return await self._database.write(work)


COUNT_REMOVALS: Final = """
    SELECT count(*) FROM (
        SELECT coalesce(nullif(resource, ''), id) FROM op
        WHERE target = :target AND removes = 1 AND state IN ('open', 'doubt', 'pending')
        UNION SELECT resource FROM removal
        WHERE target = :target AND closed >= :since AND opened >= :since) AS leavers"""
FORGET_REMOVALS: Final = "DELETE FROM removal WHERE closed < ?"
BRAKE: Final = "SELECT tripped, released FROM brake WHERE target = ?"
TRIP: Final = """
    INSERT INTO brake (target, tripped) VALUES (?, ?)
    ON CONFLICT (target) DO UPDATE SET tripped = excluded.tripped"""
RELEASE: Final = """
    INSERT INTO brake (target, released) VALUES (?, ?)
    ON CONFLICT (target) DO UPDATE SET tripped = NULL, released = excluded.released"""


class SqliteRemovals:
    """Removals counted over the operations; the brake in a table of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, target: str, since: str) -> int:
        """Return how many people were removed since then, those under way included."""

        def work(connection: sqlite3.Connection) -> int:
            found: int = connection.execute(COUNT_REMOVALS, {"target": target, "since": since}).fetchone()[0]
            return found

        return await self._database.read(work)

    async def brake(self, target: str) -> tuple[str | None, str | None]:
        """Return since when the brake holds, None where it does not, and when it was last released."""
        row = await self._database.read(lambda connection: connection.execute(BRAKE, (target,)).fetchone())
        return row or (None, None)

    async def trip(self, target: str, at: str) -> None:
        """Hold from now on."""
        await self._database.write(lambda connection: connection.execute(TRIP, (target, at)).rowcount)

    async def release(self, target: str, at: str) -> None:
        """Hold no longer; what is counted begins anew."""
        await self._database.write(lambda connection: connection.execute(RELEASE, (target, at)).rowcount)


COUNT_UNSETTLED: Final = """
    SELECT target, state, CAST(sum(n) AS BIGINT) FROM (
        SELECT target, state, count(*) AS n FROM op GROUP BY target, state
        UNION ALL SELECT target, 'pending', count(*) FROM mirror AS m
        WHERE NOT EXISTS (
            SELECT 1 FROM op WHERE (op.target, op.type, op.resource) = (m.target, m.type, m.resource))
        GROUP BY target) AS each
    GROUP BY target, state"""
BRAKED: Final = "SELECT target, tripped FROM brake WHERE tripped IS NOT NULL"
SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


def counts(connection: sqlite3.Connection) -> Counts:
    """Count what waits, and measure the file."""
    counted = connection.execute(COUNT_UNSETTLED).fetchall()
    return Counts(
        {(target, state): count for target, state, count in counted},
        dict(connection.execute(BRAKED).fetchall()),
        read_pauses(connection),
        read_head(connection).seq,
        connection.execute(SIZE).fetchone()[0],
    )
