"""What the journal's ports stand on: its lock, its key, and the files it is kept in."""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import orjson

from gateway.address import Secret
from gateway.errors import JournalUnavailable
from gateway.log import get_logger
from gateway.sqlite_file import StoreUnavailable, read_only
from gateway.users import why

SCHEMA: Final = Path(__file__).parent / "schema" / "sqlite"  # of a file

Clock = Callable[[], datetime]  # aware, UTC
Random = Callable[[int], bytes]  # so many bytes


class JournalPlace(Protocol):
    """Where a journal is: in a file, or in a database."""

    @property
    def path(self) -> Path:
        """The file; with a database, what stands beside the gateway is named after it."""

    @property
    def database(self) -> Secret | None:
        """The url of the database."""


def unavailable(error: StoreUnavailable) -> JournalUnavailable:
    """Return what the caller of an unusable database is told."""
    return JournalUnavailable(f"the journal cannot be used now: {error.reason}")


COPYING: Final = "copying"  # in `meta`, as long as a copy into the journal is not complete
IS_PART: Final = "SELECT 1 FROM meta WHERE name = 'copying'"


def refuse_part(connection: sqlite3.Connection) -> None:
    """Raise `StoreUnavailable` where a journal is a copy that was not brought to its end."""
    if connection.execute(IS_PART).fetchone() is not None:
        raise StoreUnavailable("it is a part of another: bring `journal copy` to its end")


@contextmanager
def answered() -> Iterator[None]:
    """Turn an unusable file into what its caller is told."""
    try:
        yield
    except StoreUnavailable as error:
        raise unavailable(error) from error


class JournalLocked(Exception):
    """Another process has this journal."""


class JournalLock:
    """Holds `<journal>.lock` and the journal until released, or until the process ends however it ends.

    The journal, too, as it may have another name, and its lock may have been removed. What SQLite locks it by
    is something else.
    """

    def __init__(self, journal: Path, makes: bool = True) -> None:
        """Take the lock; raises `JournalLocked`, or `StoreUnavailable` where a file cannot be made.

        `makes`: a journal that is not there is made, so that it is locked from the beginning.
        """
        with ExitStack() as held:
            taken = f"another gateway has the journal {journal}"
            held.enter_context(locked(journal.with_name(f"{journal.name}.lock"), "its lock", taken))
            if makes or journal.exists():
                held.enter_context(locked(journal, "the file", taken))
            self._held = held.pop_all()

    def release(self) -> None:
        """Let the next one have it. The lock's file stays: removing it would let two in."""
        self._held.close()


def locked(path: Path, what: str, taken: str) -> BinaryIO:
    """Lock a file until it is closed, made where it is not there; raises `JournalLocked` with `taken`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open(path, "ab", opener=_open_private)  # noqa: SIM115 - held until released
    except OSError as error:
        raise StoreUnavailable(f"{what} {path} cannot be opened: {why(error, path)}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalLocked(taken) from error
    return file


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


LEAST: Final = 32  # characters

log = get_logger()


def load_key(file: Path, what: str = "audit") -> bytes:
    """Return the key in the file, which only its owner can read; raises `JournalUnavailable`.

    `what` it is for, as the log and errors say.
    """
    try:
        if not file.exists():
            _make_key(file)
            log.info(f"{what}_key.made", file=str(file))
        key = file.read_bytes().strip()
    except OSError as error:
        raise JournalUnavailable(f"the {what} key {file} cannot be read: {why(error, file)}") from error
    if len(key) < LEAST:
        raise JournalUnavailable(f"the {what} key {file} must have {LEAST} characters or more")
    return key


def _make_key(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{secrets.token_hex(32)}\n")
        stream.flush()
        os.fsync(stream.fileno())


def note_beside(journal: Path) -> Path:
    """Return the file that says how far the journal had come."""
    return journal.with_name(f"{journal.name}.head")


def read_note(note: Path) -> tuple[int, str] | None:
    """Return seq and hash of the newest event that was noted; None where no note is whole."""
    try:
        said = orjson.loads(note.read_bytes())
        return int(said["seq"]), str(said["hash"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


MONTH: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]"  # as in 2026-03: in order of their names
TABLES: Final = "SELECT count(*) FROM sqlite_schema WHERE name IN ('event', 'event_value')"


def archives_of(journal: Path) -> tuple[Path, ...]:
    """Return the files with the months that have left the journal, the oldest first."""
    return tuple(sorted(journal.parent.glob(f"{escape(journal.name)}.{MONTH}.archive")))


def open_archive(file: Path) -> sqlite3.Connection:
    """Open the file of a month for reading; raises `JournalUnavailable` with what to do where it is none."""
    try:
        with ExitStack() as opened:
            connection = opened.enter_context(closing(read_only(file)))
            if connection.execute(TABLES).fetchone() == (2,):
                opened.pop_all()
                return connection
    except StoreUnavailable as error:
        raise unreadable(file, error.reason) from error
    except sqlite3.Error as error:
        raise unreadable(file, error) from error
    raise unreadable(file, "the tables of the trail are not in it")


def unreadable(file: Path, reason: object) -> JournalUnavailable:
    """Return the error of an archive that is damaged, or none at all."""
    mend = "put it back from a backup, or move it away to read the rest of the trail"
    return JournalUnavailable(f"{file.name} cannot be read: {reason}; {mend}")
