"""Keeps the trail's files: months that leave the journal, and people who leave all of them."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from gateway.errors import JournalUnavailable
from gateway.flow.erasure import Erased
from gateway.flow.journal_port import Event
from gateway.journal.archive import ArchiveFlawed, Month, archive_month, clear_drafts
from gateway.journal.erase import Part, erase, erase_archived, find
from gateway.journal.lines import Appender
from gateway.journal.retention import BATCH, oldest_month, remove_until
from gateway.journal.store import Clock, Store, answered
from gateway.sqlite import Database

DAY: Final = 86400.0  # seconds

PENDING: Final = "SELECT seq, n FROM erasing"
ARCHIVES_DONE: Final = "DELETE FROM erasing WHERE seq > 0"
ALL_DONE: Final = "DELETE FROM erasing"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Moves months and erases people, one at a time."""

    path: Path
    salt: bytes = field(repr=False)
    database: Database
    store: Store
    appender: Appender
    clock: Clock
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def erase(self, name: str, tell: Callable[[Erased], Event]) -> Erased:
        """Remove a person's values everywhere, and record the event; raises `JournalUnavailable`."""
        async with self._alone:
            traces = await asyncio.to_thread(find, self.path, name, self.salt)
            erased = await self.store.write(lambda connection: erase(connection, traces, self.appender, tell))
            try:
                return replace(erased, is_done=await self._finish())
            except JournalUnavailable:  # as on a full disk: the rest is done at the next try
                return replace(erased, is_done=False)

    async def retire(self, retention: float) -> tuple[str, ...]:
        """Move every month that ended so many seconds ago to its archive, and return them.

        What an earlier run or erasure left unfinished is finished first. Raises `JournalUnavailable`, and
        `ArchiveFlawed` where an archive is not what the journal holds: then nothing leaves it.
        """
        async with self._alone:
            await asyncio.to_thread(clear_drafts, self.path)
            await self._finish()
            moved: list[str] = []
            before = self.clock() - timedelta(seconds=retention)
            while month := await self.store.read(partial(oldest_month, before=before)):
                await self._move(month)
                moved.append(month.name)
            return tuple(moved)

    async def run(self, retention: float) -> None:
        """Retire what is old enough now and every day, until cancelled."""
        while True:
            try:
                for month in await self.retire(retention):
                    log.info("trail.archived", month=month)
            except (JournalUnavailable, ArchiveFlawed, OSError) as error:
                log.warning("trail.not_archived", reason=str(error))
            await asyncio.sleep(DAY)

    async def _move(self, month: Month) -> None:
        await asyncio.to_thread(archive_month, self.path, month, self.salt)
        last = month.last.seq
        for end in range(month.before.seq + BATCH, last + BATCH, BATCH):
            await self.store.write(partial(remove_until, seq=min(end, last)))

    async def _finish(self) -> bool:
        """Take what was erased out of the archives, and out of what the journal's file has freed.

        False where somebody reads, so that its log cannot be emptied yet.
        """
        parts: list[Part] = [{"seq": seq, "n": n} for seq, n in await self.store.read(_pending)]
        if not parts:
            return True
        await asyncio.to_thread(erase_archived, self.path, [part for part in parts if part["seq"]])
        await self.store.write(lambda connection: connection.execute(ARCHIVES_DONE).rowcount)
        with answered():
            if not await self.database.rewrite():
                return False
        await self.store.write(lambda connection: connection.execute(ALL_DONE).rowcount)
        return True


def _pending(connection: sqlite3.Connection) -> list[tuple[int, int | None]]:
    return connection.execute(PENDING).fetchall()
