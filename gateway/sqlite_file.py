"""An SQLite file: how it is opened, what its schema is brought up to date with, and what its errors say."""

import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

Durability = Literal["full", "normal"]

Migration = tuple[int, str]  # schema version, SQL script

BUSY_MS: Final = 5000

WRITER: Final = (
    "PRAGMA journal_mode = WAL",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_size_limit = 67108864",  # a long reader grows the WAL; this shrinks it afterwards
    "PRAGMA wal_autocheckpoint = 4000",  # pages, 16 MB: most are written many times before
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",  # what is erased leaves the file too
)

READER: Final = (f"PRAGMA busy_timeout = {BUSY_MS}", "PRAGMA query_only = ON")

OPTIONS: Final[dict[str, Any]] = {"isolation_level": None, "cached_statements": 256}

VERSIONS: Final = (
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)"
)

NOTE_VERSION: Final = "INSERT INTO schema_version VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))"

NO_SPACE_FOR_SHM: Final = sqlite3.SQLITE_IOERR_SHMSIZE  # an I/O error by name, a full disk in truth

REASONS: Final = {  # SQLite result code -> what an administrator reads
    NO_SPACE_FOR_SHM: "the disk is full",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "reading or writing the disk failed",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_PERM: "the file may not be opened",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_BUSY: "another process has locked the file",
    sqlite3.SQLITE_LOCKED: "another process has locked the file",
    sqlite3.SQLITE_PROTOCOL: "another process has locked the file",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
}

FATAL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class StoreUnavailable(Exception):
    """The file cannot be used now, and nothing was written; `reason` says why, for an administrator.

    `fatal` means that what is on disk is not known any more, so the process must end and read it anew.
    """

    def __init__(self, reason: str, fatal: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal


class QueueFull(StoreUnavailable):
    """More is waiting to be written than the disk can take."""

    def __init__(self) -> None:
        super().__init__("too many writes are waiting")


def load_migrations(folder: Path) -> tuple[Migration, ...]:
    """Return the scripts NNN.sql of a folder as migrations, in order."""
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return tuple(sorted((int(entry.name[:-4]), entry.read_text("utf-8")) for entry in scripts))


def read_only(path: Path) -> sqlite3.Connection:
    """Open the file for reading, while another process may write it; raises `StoreUnavailable`."""
    try:
        connection: sqlite3.Connection = sqlite3.connect(reading_uri(path), uri=True, **OPTIONS)
    except sqlite3.Error as error:
        raise judged(error) from error
    try:
        run_pragmas(connection, READER)
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise judged(error) from error
    return connection


def judged(error: Exception) -> Exception:
    """Return what an error says about the file, or the error itself where it says nothing."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    primary = code & 0xFF
    reason = REASONS.get(code, REASONS.get(primary))
    if reason is None:
        return error
    return StoreUnavailable(reason, primary in FATAL and code != NO_SPACE_FOR_SHM)


def make_file(path: Path) -> None:
    """Make the file unless it is there; raises `StoreUnavailable`, also where it has a second name."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.is_file():  # else not opened: to close it would drop what SQLite has locked of it here
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        links = os.stat(path).st_nlink
    except OSError as error:
        raise StoreUnavailable(f"the file {path} cannot be opened: {error.strerror}") from error
    if links > 1:  # SQLite names the log after the file: under two names it has two
        raise StoreUnavailable("the file has a second name, a hard link: remove that")


Opened = Mapping[str, tuple[int, ...]]  # path -> device, inode, links, and inode of the link that it may be


def opened_files(path: Path) -> Opened:
    """Return what the file and what SQLite keeps beside it are, once they are open."""
    own = os.path.realpath(path)  # what is beside it is called after this, whatever it is opened by
    names = (str(path), own, f"{own}-wal", f"{own}-shm")
    return {name: _identity(name) for name in names if os.path.exists(name)}


def check_in_place(opened: Opened) -> None:
    """Raise `StoreUnavailable` where a file was removed or replaced: what is written there is lost."""
    for path, known in opened.items():
        try:
            if _identity(path) == known:
                continue
            reason = "was replaced, or has another name"
        except OSError as error:
            reason = f"is not there any more: {error.strerror}"
        raise StoreUnavailable(f"{os.path.basename(path)} {reason}", fatal=True)


def _identity(path: str) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_nlink, os.lstat(path).st_ino


def reading_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def run_pragmas(connection: sqlite3.Connection, pragmas: Sequence[str]) -> None:
    for pragma in pragmas:
        connection.execute(pragma).fetchall()


def set_up(connection: sqlite3.Connection, durability: Durability, migrations: Sequence[Migration]) -> None:
    run_pragmas(connection, (*WRITER, f"PRAGMA synchronous = {durability}"))
    _migrate(connection, migrations)


def _migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Apply what the file does not have yet, all in one transaction."""
    applied = _version(connection)
    newest = max((version for version, _ in migrations), default=0)
    if applied > newest:
        raise StoreUnavailable(f"the file has schema version {applied}, this release knows {newest}")
    missing = [(version, script) for version, script in migrations if version > applied]
    try:
        # executescript would commit a transaction begun before it
        connection.executescript("\n".join(["BEGIN IMMEDIATE;", *(script for _, script in missing)]))
        connection.executemany(NOTE_VERSION, [(version,) for version, _ in missing])
        connection.execute("COMMIT")
    finally:
        roll_back(connection)


def _version(connection: sqlite3.Connection) -> int:
    connection.execute(VERSIONS)
    version: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
    return version


def roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@dataclass(slots=True)  # frozen would cost more than all else that is done to hand it over
class Alike(Generic[T]):
    """A function of the writer that others of its kind may join: `run` gets the rows of all, in order."""

    run: Callable[[sqlite3.Connection, Sequence[Any]], Sequence[T]]  # returns a result for each row
    row: Any

    def __call__(self, connection: sqlite3.Connection) -> T:
        return self.run(connection, [self.row])[0]


class Lane(Protocol):
    """A thread with a connection of its own."""

    async def close(self) -> None:
        """End both."""


class Bracket(Protocol):
    """What is done around the functions of each transaction; where it fails, the transaction does."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """Do what comes before the first of them; what an earlier transaction left is void."""

    def end(self, connection: sqlite3.Connection) -> None:
        """Do what comes after the last of them."""


def transaction(
    connection: sqlite3.Connection, works: Sequence[Work[Any]], bracket: Bracket | None
) -> list[Any]:
    """Run functions as one transaction, and return what each of them does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if bracket is not None:
            bracket.begin(connection)
        values = run_all(connection, works)
        if bracket is not None:
            bracket.end(connection)
        connection.execute("COMMIT")
    finally:
        roll_back(connection)
    return values


def run_all(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """Run functions in order; those that are alike run together, up to the next that is like none."""
    values: dict[int, Any] = {}  # by place
    alike: defaultdict[Any, dict[int, Any]] = defaultdict(dict)  # by what they are run by: rows by place

    def run_alike() -> None:
        for run, rows in alike.items():
            values.update(zip(rows, run(connection, list(rows.values())), strict=True))
        alike.clear()

    for at, work in enumerate(works):
        if isinstance(work, Alike):
            alike[work.run][at] = work.row
        else:
            run_alike()
            values[at] = work(connection)
    run_alike()
    return list(map(values.__getitem__, range(len(works))))


def checkpoint(connection: sqlite3.Connection) -> None:
    """Bring what is in the log beside it into the file, as far as nobody reads it."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


REWRITING: Final = (
    "PRAGMA busy_timeout = 500",  # writes wait while a reader keeps the log from being emptied
    "PRAGMA temp_store = FILE",  # the copy may be larger than memory
    "VACUUM",
)

REWRITTEN: Final = ("PRAGMA temp_store = MEMORY", f"PRAGMA busy_timeout = {BUSY_MS}")


def rewritten(connection: sqlite3.Connection) -> bool:
    """Write the file anew; False where somebody reads, so that the log beside it could not be emptied."""
    try:
        run_pragmas(connection, REWRITING)
        is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        run_pragmas(connection, REWRITTEN)
    return not is_busy
