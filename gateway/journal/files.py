"""The files of a journal: the months that have left it, and itself."""

import sqlite3
from glob import escape
from pathlib import Path
from typing import Final

from gateway.errors import JournalUnavailable
from gateway.sqlite import StoreUnavailable, read_only

MONTH: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]"  # as in 2026-03: in order of their names
TABLES: Final = "SELECT count(*) FROM sqlite_schema WHERE name IN ('event', 'event_value')"


def archives_of(journal: Path) -> tuple[Path, ...]:
    """Return the files with the months that have left the journal, the oldest first."""
    return tuple(sorted(journal.parent.glob(f"{escape(journal.name)}.{MONTH}.archive")))


def open_archive(file: Path) -> sqlite3.Connection:
    """Open the file of a month for reading; raises `JournalUnavailable` with what to do where it is none."""
    try:
        connection = read_only(file)
    except StoreUnavailable as error:
        raise unreadable(file, error.reason) from error
    if connection.execute(TABLES).fetchone() != (2,):
        connection.close()
        raise unreadable(file, "the tables of the trail are not in it")
    return connection


def unreadable(file: Path, reason: object) -> JournalUnavailable:
    """Return the error of an archive that is damaged, or none at all."""
    mend = "put it back from a backup, or move it away to read the rest of the trail"
    return JournalUnavailable(f"{file.name} cannot be read: {reason}; {mend}")
