"""One SQLite file: a thread that writes with group commit, and a thread that reads.

Only one connection writes and checkpoints: SQLite before 3.51.3 can damage a WAL file that two of them reset.
"""

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import aiosqlite

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Durability = Literal["full", "normal"]
Migration = tuple[int, str]  # schema version, SQL script

BATCH: Final = 256  # functions in one transaction
QUEUE: Final = 4096  # functions waiting for one
BUSY_MS: Final = 5000

WRITER: Final = (
    "PRAGMA journal_mode = WAL",
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_size_limit = 67108864",  # a long reader grows the WAL; this shrinks it afterwards
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",  # what is erased leaves the file too
)
REWRITING: Final = (
    "PRAGMA busy_timeout = 500",  # writes wait while a reader keeps the log from being emptied
    "PRAGMA temp_store = FILE",  # the copy may be larger than memory
    "VACUUM",
)
REWRITTEN: Final = ("PRAGMA temp_store = MEMORY", f"PRAGMA busy_timeout = {BUSY_MS}")
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


def load_migrations(folder: Traversable) -> tuple[Migration, ...]:
    """Return the scripts NNN.sql of a folder as migrations, in order."""
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return tuple(sorted((int(entry.name[:-4]), entry.read_text("utf-8")) for entry in scripts))


def read_only(path: Path) -> sqlite3.Connection:
    """Open the file for reading, while another process may write it; raises `StoreUnavailable`."""
    try:
        connection: sqlite3.Connection = sqlite3.connect(_reading(path), uri=True, **OPTIONS)
    except sqlite3.Error as error:
        raise _judged(error) from error
    try:
        _pragmas(connection, READER)
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise _judged(error) from error
    return connection


class _Job(NamedTuple):
    """A function that waits to be written, and whoever waits for it."""

    work: Work[Any]
    future: asyncio.Future[Any]

    def resolve(self, result: "_Result") -> None:
        if self.future.done():  # its caller was cancelled; what it wrote stays
            return
        if result.error is not None:
            self.future.set_exception(result.error)
        else:
            self.future.set_result(result.value)


class _Result(NamedTuple):
    """What became of one function."""

    value: Any = None
    error: Exception | None = None


class Database:
    """An open file. `write` is durable when it returns; `read` sees all that was written before it."""

    def __init__(
        self, writer: aiosqlite.Connection, reader: aiosqlite.Connection, on_fatal: Callable[[str], None]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._on_fatal = on_fatal
        self._waiting: deque[_Job] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._over: str | None = None  # why nothing can be done any more
        self._failure: str | None = None
        self.batches = 0  # transactions begun so far
        self.writes = 0  # functions in these

    @classmethod
    async def open(
        cls,
        path: Path,
        durability: Durability,
        on_fatal: Callable[[str], None],
        migrations: Sequence[Migration] = (),
    ) -> "Database":
        """Open or create the file and bring its schema up to date; raises `StoreUnavailable`.

        `on_fatal` is called on the writing thread, before any caller hears of it, and does not raise.
        """
        _make_file(path)
        async with AsyncExitStack() as opened:
            try:
                writer = await opened.enter_async_context(aiosqlite.connect(path, **OPTIONS))
                await _hop(writer, _set_up, durability, migrations)
                reader = await opened.enter_async_context(
                    aiosqlite.connect(_reading(path), uri=True, **OPTIONS)
                )
                await _hop(reader, _pragmas, READER)
            except sqlite3.Error as error:
                raise _judged(error) from error
            opened.pop_all()
        return cls(writer, reader, on_fatal)

    @property
    def failure(self) -> str | None:
        """Why the newest write found the file unusable; None where it did not."""
        return self._over or self._failure

    @property
    def waiting(self) -> int:
        """How many functions wait to be written."""
        return len(self._waiting)

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction and return its result once that is durable.

        The function may run twice, so it changes nothing but the database. What it raises undoes only its
        own writes. Raises `StoreUnavailable`. A caller that is cancelled does not stop its write.
        """
        future = self._enqueue(work)
        self._wake()
        return await future

    def later(self, work: Work[T]) -> asyncio.Future[T]:
        """Write with the next function that cannot wait, or at close; raises as `write` does."""
        future = self._enqueue(work)
        if len(self._waiting) >= BATCH:
            self._wake()
        return future

    async def read(self, work: Work[T]) -> T:
        """Run a function on one snapshot of the file; raises `StoreUnavailable`."""
        self._refuse_when_over()
        try:
            return await _hop(self._reader, _snapshot, work)
        except sqlite3.Error as error:
            cause = _judged(error)
            if isinstance(cause, StoreUnavailable) and cause.fatal:
                self._note(cause)
            raise cause from error

    async def rewrite(self) -> bool:
        """Write the file anew, so that nothing is left of what was deleted; writes wait meanwhile.

        False where somebody reads, so that the log beside it could not be emptied. Raises `StoreUnavailable`.
        """
        self._refuse_when_over()
        return await _hop(self._writer, self._rewritten)

    async def close(self) -> None:
        """Write what waits, checkpoint, and end both threads."""
        if self._over == "closed":
            return
        await self._wake()
        self._over = "closed"
        try:
            await self._reader.close()
        finally:
            with suppress(sqlite3.Error):  # the WAL still has everything
                await _hop(self._writer, _checkpoint)
            await self._writer.close()

    def _enqueue(self, work: Work[T]) -> "asyncio.Future[T]":
        self._refuse_when_over()
        if len(self._waiting) >= QUEUE:
            raise QueueFull
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(work, future))
        return future

    def _refuse_when_over(self) -> None:
        if self._over is not None:
            raise StoreUnavailable(self._over)

    def _wake(self) -> asyncio.Task[None]:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return self._draining

    async def _drain(self) -> None:
        """Write batch after batch: while one is being committed, the next fills itself."""
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self.batches, self.writes = self.batches + 1, self.writes + len(batch)
                results = await self._written([job.work for job in batch])
                for job, result in zip(batch, results, strict=True):
                    job.resolve(result)
        finally:
            self._draining = None

    async def _written(self, works: Sequence[Work[Any]]) -> list[_Result]:
        """Run functions on the writing thread; whatever becomes of that, every caller gets an answer."""
        try:
            return await _hop(self._writer, self._commit, works)
        except Exception as error:  # noqa: BLE001 - a thread that is gone must leave nobody waiting
            reason = f"the writing thread failed: {type(error).__name__}"
            return [_Result(error=StoreUnavailable(reason)) for _ in works]

    def _commit(self, connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[_Result]:
        """Run functions as one transaction; where one of them fails, each as its own."""
        if self._over is not None:
            return [_Result(error=StoreUnavailable(self._over)) for _ in works]
        try:
            values = _transaction(connection, works)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller of the function
            return self._failed(connection, works, error)
        self._failure = None
        return [_Result(value) for value in values]

    def _failed(
        self, connection: sqlite3.Connection, works: Sequence[Work[Any]], error: Exception
    ) -> list[_Result]:
        cause = _judged(error)
        if isinstance(cause, StoreUnavailable):
            self._note(cause)
            return [_Result(error=StoreUnavailable(cause.reason, cause.fatal)) for _ in works]
        if len(works) == 1:
            return [_Result(error=error)]
        return [result for work in works for result in self._commit(connection, [work])]

    def _rewritten(self, connection: sqlite3.Connection) -> bool:
        try:
            _pragmas(connection, REWRITING)
            is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            cause = _judged(error)
            if isinstance(cause, StoreUnavailable):
                self._note(cause)
            raise cause from error
        finally:
            _pragmas(connection, REWRITTEN)
        return not is_busy

    def _note(self, cause: StoreUnavailable) -> None:
        self._failure = cause.reason
        if cause.fatal:  # never again on this handle: the kernel may have dropped the pages (F6)
            self._over = cause.reason
            self._on_fatal(cause.reason)


async def _hop(connection: aiosqlite.Connection, work: Callable[..., T], *arguments: Any) -> T:
    """Run a whole function in one hop on the connection's thread; only here aiosqlite's inside is used."""
    result: T = await connection._execute(work, connection._conn, *arguments)  # type: ignore[no-untyped-call]
    return result


def _judged(error: Exception) -> Exception:
    """Return what an error says about the file, or the error itself where it says nothing."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    primary = code & 0xFF
    reason = REASONS.get(code, REASONS.get(primary))
    if reason is None:
        return error
    return StoreUnavailable(reason, primary in FATAL and code != NO_SPACE_FOR_SHM)


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"the file cannot be opened: {error.strerror}") from error


def _reading(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _pragmas(connection: sqlite3.Connection, pragmas: Sequence[str]) -> None:
    for pragma in pragmas:
        connection.execute(pragma).fetchall()


def _set_up(connection: sqlite3.Connection, durability: Durability, migrations: Sequence[Migration]) -> None:
    _pragmas(connection, (*WRITER, f"PRAGMA synchronous = {durability}"))
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
        _roll_back(connection)


def _version(connection: sqlite3.Connection) -> int:
    connection.execute(VERSIONS)
    version: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
    return version


def _transaction(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        values = [work(connection) for work in works]
        connection.execute("COMMIT")
    finally:
        _roll_back(connection)
    return values


def _snapshot(connection: sqlite3.Connection, work: Work[T]) -> T:
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        _roll_back(connection)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
