"""What the removal brake has to know, in SQLite."""

import sqlite3
from typing import Final

from gateway.journal.store import Store

COUNT: Final = """
    SELECT count(DISTINCT coalesce(nullif(resource, ''), id)) FROM op
    WHERE target = :target AND removes = 1
      AND (state IN ('open', 'doubt', 'pending')
           OR (closed >= :since AND opened >= :since AND outcome IN ('applied', 'adopted', 'replayed')))"""
BRAKE: Final = "SELECT tripped, released FROM brake WHERE target = ?"
TRIP: Final = """
    INSERT INTO brake (target, tripped) VALUES (?, ?)
    ON CONFLICT (target) DO UPDATE SET tripped = excluded.tripped"""
RELEASE: Final = """
    INSERT INTO brake (target, released) VALUES (?, ?)
    ON CONFLICT (target) DO UPDATE SET tripped = NULL, released = excluded.released"""


class SqliteRemovals:
    """Removals counted over the operations; the brake in a table of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def count(self, target: str, since: str) -> int:
        """Return how many people were removed since then, those under way included."""

        def work(connection: sqlite3.Connection) -> int:
            found: int = connection.execute(COUNT, {"target": target, "since": since}).fetchone()[0]
            return found

        return await self._store.read(work)

    async def brake(self, target: str) -> tuple[str | None, str | None]:
        """Return since when the brake holds, None where it does not, and when it was last released."""
        row = await self._store.read(lambda connection: connection.execute(BRAKE, (target,)).fetchone())
        return row or (None, None)

    async def trip(self, target: str, at: str) -> None:
        """Hold from now on."""
        await self._store.write(lambda connection: connection.execute(TRIP, (target, at)).rowcount)

    async def release(self, target: str, at: str) -> None:
        """Hold no longer; what is counted begins anew."""
        await self._store.write(lambda connection: connection.execute(RELEASE, (target, at)).rowcount)
