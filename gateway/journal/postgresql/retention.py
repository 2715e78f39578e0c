"""Months that leave a database for files beside one gateway, and people who are erased from both."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.admin.acts import Erased
from gateway.audit.event import ERASURE, Event
from gateway.errors import JournalUnavailable
from gateway.journal.archive import Month, archive_month, archive_of, make_tables, remove_until, span_of
from gateway.journal.copied import LONG_TABLES
from gateway.journal.erase import HELD, Retention, Traces, erase, found_in
from gateway.journal.events import read_head
from gateway.journal.store import SCHEMA, JournalLocked, answered, archives_of, locked, open_archive
from gateway.scim.documents import fold
from gateway.sqlite_file import load_migrations
from gateway.values import frozen

AT_ONCE: Final = 500  # events
TRAIL: Final = tuple(table for table in LONG_TABLES if table.name in {"event", "event_value"})
LOCK_BASE: Final = "SELECT seq FROM trail_base FOR UPDATE"  # a month leaves, or somebody is erased
ERASED_SINCE: Final = "SELECT 1 FROM event WHERE event = ? AND seq > ? LIMIT 1"


@frozen
class PostgresRetention(Retention):
    """Erases people, and moves months where it was told to: their files are beside one gateway of several."""

    moves: bool = False

    def by_hand(self) -> "PostgresRetention":
        """Return what moves months because somebody says so: never by itself, as each gateway would do it."""
        return replace(self, moves=True)

    async def erase(self, name: str, tell: Callable[[Erased], Event]) -> Erased:
        """Remove a person's values everywhere, and record the event.

        Raises `JournalUnavailable`, also where months have left for files that are not here.
        """
        with self._files_alone():
            return await Retention.erase(self, name, tell)

    async def retire(self, retention: float) -> tuple[str, ...]:
        """Finish what is unfinished, and move months if that is wanted; raises as a file's does."""
        with self._files_alone():
            return await Retention.retire(self, retention)

    @contextmanager
    def _files_alone(self) -> Iterator[None]:
        """Keep other processes of this machine from the files of months; raises `JournalUnavailable`."""
        file = self.path.with_name(f"{self.path.name}.archives.lock")
        try:
            with answered(), locked(file, "the lock", "another process works on the months of the trail now"):
                yield
        except JournalLocked as error:
            raise JournalUnavailable(str(error)) from error

    def _erasing(self, traces: Traces, tell: Callable[[Erased], Event]) -> Callable[[Any], Erased]:
        return partial(erase_from_all, traces=traces, appender=self.appender, tell=tell)

    async def _traces(self, name: str) -> Traces:
        def work(connection: sqlite3.Connection) -> Traces:
            line: Any = connection
            line.take_time()  # while files are looked through
            held = frozenset(connection.execute(HELD, (fold(name),)))
            with ExitStack() as stack:
                archives = [
                    stack.enter_context(closing(open_archive(file))) for file in archives_of(self.path)
                ]
                return found_in([*archives, connection], name, self.salt, held)

        return await self.database.read_aside(work)

    async def _oldest(self, before: datetime) -> Month | None:
        return await Retention._oldest(self, before) if self.moves else None

    async def _move(self, month: Month) -> None:
        """Archive the month and remove it; where somebody was erased meanwhile, only forget the archive."""
        file = archive_of(self.path, month.name)
        if span_of(file)[0] > month.before.seq:  # nothing of it has left yet: it may be of before an erasure
            file.unlink()
        work = partial(_archived, path=self.path, month=month, salt=self.salt)
        since = await self.database.read_aside(work)
        for end in self._steps(month):
            if not await self.database.write(partial(_removed, seq=end, since=since)):
                file.unlink()
                return

    def _are_here(self, newest: int) -> bool:
        """Say whether the archives here hold an event that has left the database, and all before it."""
        return max((span_of(file)[1] for file in archives_of(self.path)), default=0) >= newest


def erase_from_all(connection: sqlite3.Connection, traces: Traces, **told: Any) -> Erased:
    """Remove what was found of a person; raises `JournalUnavailable` where that was not all there is."""
    (base,) = connection.execute(LOCK_BASE).fetchone()
    if base > traces.archived:
        raise JournalUnavailable(
            f"events up to {base} have left the database for files that are not here: erase beside them"
        )
    return erase(connection, traces, **told)


def _archived(connection: sqlite3.Connection, path: Path, month: Month, salt: bytes) -> int:
    """Write the file of a month out of one snapshot; return the newest event of that."""
    line: Any = connection
    line.take_time()
    archive_month(path, month, salt, partial(_fill, connection))
    return read_head(connection).seq


def _fill(connection: sqlite3.Connection, archive: sqlite3.Connection, first: int, last: int) -> None:
    with closing(sqlite3.connect(":memory:")) as blank:
        for _, script in load_migrations(SCHEMA):
            blank.executescript(script)
        make_tables(archive, blank, "main")
    for table in TRAIL:
        marks = ", ".join("?" * len(table.columns))
        add = f"INSERT INTO {table.name} ({table.listed}) VALUES ({marks})"  # noqa: S608 - our words
        some = f"SELECT {table.listed} FROM {table.name} WHERE seq BETWEEN ? AND ?"  # noqa: S608
        for start in range(first, last + 1, AT_ONCE):
            archive.executemany(add, connection.execute(some, (start, min(start + AT_ONCE - 1, last))))


def _removed(connection: sqlite3.Connection, seq: int, since: int) -> bool:
    """Let the journal begin after this event; False where somebody was erased after the archive was made."""
    (base,) = connection.execute(LOCK_BASE).fetchone()
    if connection.execute(ERASED_SINCE, (ERASURE, since)).fetchone() is not None:
        return False
    if base < seq:
        remove_until(connection, seq)
    return True
