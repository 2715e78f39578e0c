"""A note beside the journal of how far it had come: a journal that has come less far was restored (F10)."""

import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import orjson

from gateway.audit.chain import Head
from gateway.errors import JournalUnavailable
from gateway.flow.services import Alert
from gateway.journal.events import read_head
from gateway.journal.store import note_beside, read_note
from gateway.sqlite import Database

NOTED: Final = """
    INSERT INTO meta VALUES ('restored', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
RESTORED: Final = "SELECT CAST(value AS TEXT) FROM meta WHERE name = 'restored'"
HASH_AT: Final = "SELECT hash FROM event WHERE seq = ?"

RESTORED_ALERT: Final = Alert(
    "journal.restored",
    None,
    "the journal has come less far than when it was last seen: what stood open waits for retry or drop, "
    "creates look their people up first from now on, and `reconcile` shows what the targets have",
)


@dataclass(slots=True)
class RestoreCheck:
    """Notes the newest event in `<journal>.head`, and tells at the start whether the journal still has it."""

    path: Path
    database: Database
    noted: Head | None = None

    @classmethod
    def beside(cls, journal: Path, database: Database) -> "RestoreCheck":
        return cls(note_beside(journal), database)

    async def check(self, now: str) -> tuple[str | None, bool]:
        """Return when the journal was found to be restored, None for never, and whether that is now.

        Raises `JournalUnavailable`.
        """
        said = read_note(self.path)
        is_new = said is not None and await self.database.read(_lacks(*said))
        if is_new:
            await self.database.write(lambda connection: connection.execute(NOTED, (now,)).rowcount)
        since = await self.database.read(lambda connection: connection.execute(RESTORED).fetchone())
        return (since[0] if since else None), is_new

    async def run(self, sleep: Callable[[float], Awaitable[None]], every: float) -> NoReturn:
        """Note it again and again, until cancelled."""
        while True:
            await self.note()
            await sleep(every)

    async def note(self) -> None:
        """Write down how far the journal has come; where that cannot be done, the older note stays."""
        with suppress(JournalUnavailable, OSError):
            head = await self.database.read(read_head)
            if head != self.noted:
                _replace(self.path, orjson.dumps({"seq": head.seq, "hash": head.hash}))
                self.noted = head


def _lacks(seq: int, hash: str) -> Callable[[sqlite3.Connection], bool]:
    def work(connection: sqlite3.Connection) -> bool:
        newest = read_head(connection).seq
        row = connection.execute(HASH_AT, (seq,)).fetchone()
        return newest < seq or (row is not None and row[0] != hash)

    return work


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # whoever put it there, and whatever it is a link to
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)
    os.replace(fresh, path)
