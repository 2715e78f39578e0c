"""Paused targets, in SQLite."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from gateway.flow.journal_port import Event
from gateway.journal.lines import Appender
from gateway.journal.store import Store

READ: Final = "SELECT target, since FROM pause"
ADD: Final = "INSERT OR REPLACE INTO pause (target, since) VALUES (?, ?)"
REMOVE: Final = "DELETE FROM pause WHERE target = ?"


class SqlitePauses:
    """Which targets are paused; each act is kept together with its event."""

    def __init__(self, store: Store, appender: Appender) -> None:
        self._store = store
        self._appender = appender

    async def read(self) -> Mapping[str, str]:
        """Return since when each paused target is paused (RFC 3339, UTC)."""
        return await self._store.read(read_pauses)

    async def note(self, target: str, since: str | None, event: Event) -> None:
        """Keep a pause, or None for no longer one, and its event; raises `JournalUnavailable`."""

        def work(connection: sqlite3.Connection) -> None:
            if since is None:
                connection.execute(REMOVE, (target,))
            else:
                connection.execute(ADD, (target, since))
            self._appender.write(connection, [event])

        await self._store.write(work)


def read_pauses(connection: sqlite3.Connection) -> dict[str, str]:
    """Return since when each paused target is paused, without a gateway."""
    return dict(connection.execute(READ).fetchall())
