"""The months that have left the journal: read-only SQLite files beside it, with its tables of the trail."""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from glob import escape
from pathlib import Path
from typing import Final

from gateway.audit.chain import Head, stamp
from gateway.errors import JournalUnavailable
from gateway.journal.events import READ_BASE, READ_HEAD, changed_part, first_from, is_old_file, rows
from gateway.journal.store import open_archive, unreadable
from gateway.values import frozen

PAGE: Final = 5000  # events copied in one read
READ_ONLY: Final = 0o400

ATTACH: Final = "ATTACH ? AS journal"
TABLES: Final = """
    SELECT sql FROM {}.sqlite_schema WHERE tbl_name IN ('event', 'event_value') AND sql IS NOT NULL
    ORDER BY type DESC"""  # tables before their indexes
ADD_PERSONAL: Final = "ALTER TABLE main.event ADD COLUMN personal TEXT"  # to a file of an older release
IS_MADE: Final = "SELECT 1 FROM main.sqlite_schema LIMIT 1"
SPAN: Final = """
    SELECT coalesce((SELECT min(seq) FROM event), 0), coalesce((SELECT max(seq) FROM event), 0)"""
STRANGER: Final = "SELECT seq FROM event WHERE substr(published, 1, 7) <> ? LIMIT 1"
COPY: Final = (
    "INSERT INTO main.event SELECT * FROM journal.event WHERE seq BETWEEN ? AND ?",
    "INSERT INTO main.event_value SELECT * FROM journal.event_value WHERE seq BETWEEN ? AND ?",
)
DRAFT: Final = (  # a crash leaves a draft behind, which nobody reads
    "PRAGMA journal_mode = MEMORY",
    "PRAGMA synchronous = OFF",
    "PRAGMA secure_delete = ON",
)


class ArchiveFlawed(Exception):
    """What was written for a month is not what the journal holds of it."""


@frozen
class Month:
    """A month that the journal still holds: the event before its first one there, and its last one."""

    name: str  # as in 2026-03
    before: Head
    last: Head


def archive_of(journal: Path, month: str) -> Path:
    """Return the file of a month."""
    return journal.with_name(f"{journal.name}.{month}.archive")


Fill = Callable[[sqlite3.Connection, int, int], None]  # adds events from one seq to another


def archive_month(journal: Path, month: Month, salt: bytes, fill: Fill | None = None) -> None:
    """Write the file of a month that has ended, durably, and see that it holds what the journal does.

    Where the file is there already, as after a crash, what it lacks is added: by `fill`, or out of the
    journal's file. Raises `ArchiveFlawed`, `JournalUnavailable`.
    """
    file = archive_of(journal, month.name)
    if span_of(file)[1] >= month.last.seq:
        with reading(file) as archive:
            _check(archive, month, salt)
        return
    with rewriting(file) as archive:
        first = max(month.before.seq, _newest(archive)) + 1
        (fill or partial(_copied, journal))(archive, first, month.last.seq)
        _check(archive, month, salt)


def span_of(file: Path) -> tuple[int, int]:
    """Return the first and the last event of an archive, zeros where there is none."""
    if not file.exists():
        return 0, 0
    with reading(file) as archive:
        first, last = archive.execute(SPAN).fetchone()
        return first, last


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """Open an archive; raises `JournalUnavailable` where it cannot be read."""
    try:
        with closing(open_archive(file)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise unreadable(file, error) from error


@contextmanager
def rewriting(file: Path) -> Iterator[sqlite3.Connection]:
    """Yield a copy of an archive, empty where there is none; in the end it takes the archive's place.

    Raises `JournalUnavailable` where it cannot be written: then the archive is what it was.
    """
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.draft")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if file.exists():
            shutil.copyfile(file, draft)
        uri = f"{draft.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            for pragma in DRAFT:
                connection.execute(pragma).fetchall()
            yield connection
        draft.chmod(READ_ONLY)
        sync(draft)
        draft.replace(file)
        sync(file.parent)
    except (OSError, sqlite3.Error) as error:
        raise JournalUnavailable(f"{file.name} cannot be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def clear_drafts(journal: Path) -> None:
    """Remove what a process that was ended in the middle of a rewriting has left behind."""
    for draft in journal.parent.glob(f"{escape(journal.name)}.*.archive.*.draft*"):
        draft.unlink(missing_ok=True)


def _newest(archive: sqlite3.Connection) -> int:
    is_made = archive.execute(IS_MADE).fetchone() is not None
    return int(archive.execute(SPAN).fetchone()[1]) if is_made else 0


def make_tables(archive: sqlite3.Connection, journal: sqlite3.Connection, name: str) -> None:
    """Give an archive its tables, if it has none yet, as a journal has them that a connection calls so."""
    if archive.execute(IS_MADE).fetchone() is None:
        for (sql,) in journal.execute(TABLES.format(name)).fetchall():
            archive.execute(sql)
    elif is_old_file(archive):
        archive.execute(ADD_PERSONAL)


def _copied(journal: Path, archive: sqlite3.Connection, first: int, last: int) -> None:
    """Copy events page by page: no read lasts, so the journal's log can be emptied between them."""
    archive.execute(ATTACH, (f"{journal.absolute().as_uri()}?mode=ro",))
    make_tables(archive, archive, "journal")
    for start in range(first, last + 1, PAGE):
        for sql in COPY:
            archive.execute(sql, (start, min(start + PAGE - 1, last)))
    archive.execute("DETACH journal")


def _check(archive: sqlite3.Connection, month: Month, salt: bytes) -> None:
    """Walk from the event before the month to its last one; raises `ArchiveFlawed`."""
    if stranger := archive.execute(STRANGER, (month.name,)).fetchone():
        raise ArchiveFlawed(f"event {stranger[0]} is of another month")
    newest = month.before
    for row in rows(archive, month.before.seq):
        if row.body is None or changed_part(row, row.body, newest.hash, salt):
            raise ArchiveFlawed(f"event {newest.seq + 1} is not the journal's")
        newest = Head(row.seq, row.hash, row.published)
    if newest != month.last:
        raise ArchiveFlawed(f"event {month.last.seq} is not the journal's")


def sync(path: Path) -> None:
    """Have what was written of a file, or in a folder, be there whatever happens."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


BATCH: Final = 250  # events removed in one transaction: nobody waits long for it

PUBLISHED: Final = "SELECT published FROM event WHERE seq = ?"
LAST_BEFORE: Final = "SELECT seq, hash, published FROM event WHERE seq < ? ORDER BY seq DESC LIMIT 1"
HASH: Final = "SELECT hash FROM event WHERE seq = ?"
REMOVE: Final = (  # from where the journal begins: what a database has deleted it would go through again
    "DELETE FROM event_value WHERE seq > ? AND seq <= ?",
    "DELETE FROM event WHERE seq > ? AND seq <= ?",
)
MOVE_BASE: Final = "UPDATE trail_base SET seq = ?, hash = ?"


def oldest_month(connection: sqlite3.Connection, before: datetime) -> Month | None:
    """Return the journal's oldest month where it had ended at `before`; the newest event never leaves."""
    base = Head(*connection.execute(READ_BASE).fetchone())
    first = connection.execute(PUBLISHED, (base.seq + 1,)).fetchone()
    if first is None or (end := _end(first[0])) > stamp(before):
        return None
    last = Head(*connection.execute(LAST_BEFORE, (first_from(connection, end),)).fetchone())
    if last.seq >= connection.execute(READ_HEAD).fetchone()[0]:
        return None
    return Month(first[0][:7], base, last)


def remove_until(connection: sqlite3.Connection, seq: int) -> None:
    """Let the journal begin after this event, which an archive has."""
    (hash,), (base, _) = connection.execute(HASH, (seq,)).fetchone(), connection.execute(READ_BASE).fetchone()
    for sql in REMOVE:
        connection.execute(sql, (base, seq))
    connection.execute(MOVE_BASE, (seq, hash))


def _end(published: str) -> str:
    """Return when the month of a time is over."""
    year, month = int(published[:4]), int(published[5:7])
    return f"{year + month // 12:04}-{month % 12 + 1:02}-01T00:00:00.000000Z"
