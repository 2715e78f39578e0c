"""One SQLite file: a thread that writes with group commit, one that reads, one for what takes long.

Only one connection writes and checkpoints: SQLite before 3.51.3 can damage a WAL file that two of them reset.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import aiosqlite

from gateway.sqlite_file import (
    OPTIONS,
    READER,
    Bracket,
    Durability,
    Lane,
    Migration,
    Opened,
    QueueFull,
    StoreUnavailable,
    Work,
    check_in_place,
    checkpoint,
    judged,
    make_file,
    opened_files,
    read_only,
    reading_uri,
    rewritten,
    roll_back,
    run_pragmas,
    set_up,
    transaction,
)

T = TypeVar("T")

BATCH: Final = 256  # functions in one transaction
QUEUE: Final = 4096  # functions waiting for one
READS: Final = 64  # functions on one snapshot
SOON: Final = 0.25  # seconds until what nobody waits for is written for itself

After = Callable[[Any], None]  # is told what a function returned, or the exception that it raised


class _Job(NamedTuple):
    """A function that waits for its thread, and whoever waits for it."""

    work: Work[Any]
    future: asyncio.Future[Any] | None  # None: nobody waits
    after: After | None


class Database:
    """An open file. `write` is durable when it returns; `read` sees all that was written before it."""

    def __init__(
        self,
        path: Path,
        writer: Lane,
        reader: Lane,
        on_fatal: Callable[[str], None],
        told: Callable[["StoreUnavailable"], Exception],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._own: sqlite3.Connection | None = None  # a file's third reader, on the loop's thread
        self._aside: Lane | None = None  # a second reader, from its first question on
        self._one_aside = asyncio.Lock()
        self._path = path
        self._opened: Opened = opened_files(path)
        self._on_fatal = on_fatal
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Job] = []
        self._due = 0  # how many functions, counted like `writes`, cannot wait any longer
        self._closing = False
        self._soon: asyncio.TimerHandle | None = None  # when all of them are due
        self._asked: list[_Job] = []
        self._draining: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self._over: str | None = None  # why nothing can be done any more
        self._failure: str | None = None
        self.bracket: Bracket | None = None
        self.batches = 0  # transactions begun so far
        self.writes = 0  # functions in these

    @classmethod
    async def open(
        cls,
        path: Path,
        durability: Durability,
        on_fatal: Callable[[str], None],
        migrations: Sequence[Migration] = (),
        told: Callable[["StoreUnavailable"], Exception] = lambda error: error,
    ) -> "Database":
        """Open or create the file and bring its schema up to date; raises `StoreUnavailable`.

        `on_fatal` is called on the writing thread, before any caller hears of it, and does not raise.
        `told` makes of a `StoreUnavailable` what is raised in its place, here too.
        """
        try:
            make_file(path)
            async with AsyncExitStack() as opened:
                writer = await opened.enter_async_context(aiosqlite.connect(path, **OPTIONS))
                await hop(writer, set_up, durability, migrations)
                reader = await opened.enter_async_context(_reader(path))
                await hop(reader, run_pragmas, READER)
                own = opened.enter_context(closing(read_only(path)))
                own.execute("PRAGMA busy_timeout = 0")  # the loop waits for nobody
                opened.pop_all()
        except (sqlite3.Error, StoreUnavailable) as error:
            cause = judged(error)
            raise told(cause) if isinstance(cause, StoreUnavailable) else cause from error
        database = cls(path, writer, reader, on_fatal, told)
        database._own = own
        return database

    @property
    def failure(self) -> str | None:
        """Why the newest write found the file unusable; None where it did not."""
        return self._over or self._failure

    @property
    def waiting(self) -> int:
        """How many functions wait to be written."""
        return len(self._waiting)

    def write(self, work: Work[T], after: After | None = None) -> "asyncio.Future[T]":
        """Run a function in a transaction; its result is there once that is durable.

        The function may run twice, so it changes nothing but the database. What it raises undoes only its
        own writes. Raises `StoreUnavailable`. A caller that is cancelled does not stop its write: `after` is
        told what became of it, on the event loop and before the caller, cancelled or not.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._enqueue(_Job(work, future, after))
        self._due = self.writes + len(self._waiting)
        if self._draining is None:
            self._wake()
        return future

    def later(self, work: Work[Any], after: After | None = None) -> None:
        """Write with the next function that cannot wait, or soon; nobody waits for it."""
        if self._closing:
            raise self._told(StoreUnavailable("closed"))
        self._enqueue(_Job(work, None, after))
        if len(self._waiting) >= BATCH:
            self._wake()
        elif self._soon is None:
            self._soon = self._loop.call_later(SOON, self._press)

    async def flush(self) -> None:
        """Write all that waits: for somebody who is about to read it."""
        if self._waiting:
            await asyncio.shield(self._press())

    def read(self, work: Work[T]) -> "asyncio.Future[T]":
        """Run a function on one snapshot of the file; raises `StoreUnavailable`."""
        if self._over is not None:
            raise self._told(StoreUnavailable(self._over))
        future: asyncio.Future[T] = self._loop.create_future()
        self._asked.append(_Job(work, future, None))
        if self._answering is None:
            self._answering = self._loop.create_task(self._answer())
        return future

    async def look_up(self, work: Work[T]) -> T:
        """Read a few rows by an index, as `read` does, on the loop's thread: a hand-over costs more.

        Where that fails, it is read in turn, and patiently.
        """
        if self._own is not None and self._over is None:
            try:
                self._own.execute("BEGIN")
                return work(self._own)
            except sqlite3.Error:
                pass
            finally:
                roll_back(self._own)
        return await self.read(work)

    async def read_aside(self, work: Work[T]) -> T:
        """Read on a thread and a snapshot of its own, for what takes long; raises `StoreUnavailable`.

        It keeps neither reads nor writes waiting, but others of its kind.
        """
        async with self._one_aside:
            if self._over is not None:
                raise self._told(StoreUnavailable(self._over))
            if self._aside is None:
                self._aside = await self._another_reader()
            future: asyncio.Future[T] = self._loop.create_future()
            await self._served(self._aside, self._look_up, [_Job(work, future, None)])
        return await future

    async def look(self) -> None:
        """See that the file is where it was opened, as each write does; raises `StoreUnavailable`."""
        await self.read(lambda _: check_in_place(self._opened))

    async def rewrite(self) -> bool:
        """Write the file anew, so that nothing is left of what was deleted; writes wait meanwhile.

        False where somebody reads, so that the log beside it could not be emptied. Raises `StoreUnavailable`.
        """
        if self._over is not None:
            raise self._told(StoreUnavailable(self._over))
        try:
            return await hop(self._writer, self._rewritten)
        except StoreUnavailable as error:
            raise self._told(error) from error

    async def close(self) -> None:
        """Write what waits, checkpoint, and end both threads."""
        if self._over == "closed":
            return
        self._closing = True
        if self._soon is not None:
            self._soon.cancel()
        await self._wake()
        self._over = "closed"
        try:
            if self._answering is not None:
                await self._answering
            await self._reader.close()
            if self._own is not None:
                self._own.close()
            if self._aside is not None:
                await self._aside.close()
        finally:
            await self._put_away()
            await self._writer.close()

    async def _another_reader(self) -> Lane:
        try:
            reader = await _reader(self._path)
            await hop(reader, run_pragmas, READER)
        except sqlite3.Error as error:
            raise self._misread(error) from error
        return reader

    async def _put_away(self) -> None:
        """Do what comes after the last write."""
        with suppress(sqlite3.Error):  # the WAL still has everything
            await hop(self._writer, checkpoint)

    def _enqueue(self, job: _Job) -> None:
        if self._over is not None:
            raise self._told(StoreUnavailable(self._over))
        if len(self._waiting) >= QUEUE:
            raise self._told(QueueFull())
        self._waiting.append(job)

    def _press(self) -> asyncio.Task[None]:
        self._soon, self._due = None, self.writes + len(self._waiting)
        return self._wake()

    def _wake(self) -> asyncio.Task[None]:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())
        return self._draining

    async def _drain(self) -> None:
        """Write batch after batch: while one is being committed, the next fills itself."""
        try:
            while (n := len(self._waiting)) and (self._due > self.writes or n >= BATCH or self._closing):
                if n < BATCH:  # two turns of the loop, for what is about to be written, too
                    turned = asyncio.Event()
                    self._loop.call_soon(turned.set)
                    await turned.wait()
                batch = self._waiting[:BATCH]
                del self._waiting[:BATCH]
                self.batches, self.writes = self.batches + 1, self.writes + len(batch)
                await self._served(self._writer, self._commit, batch)
        finally:
            self._draining = None

    async def _answer(self) -> None:
        """Read for all who wait, on one snapshot, and then for those who have come meanwhile."""
        try:
            while self._asked:
                batch = self._asked[:READS]
                del self._asked[:READS]
                await self._served(self._reader, self._look_up, batch)
        finally:
            self._answering = None

    async def _served(
        self,
        connection: Lane,
        serve: Callable[[sqlite3.Connection, Sequence[Work[Any]]], list[Any]],
        batch: Sequence[_Job],
    ) -> None:
        """Run functions on their thread; whatever becomes of that, every caller gets an answer."""
        works, futures, afters = zip(*batch, strict=True)
        try:
            results = await hop(connection, serve, works)
        except Exception as error:  # noqa: BLE001 - a thread that is gone must leave nobody waiting
            results = self._refused(works, f"the thread of the file failed: {type(error).__name__}")
        for result, future, after in zip(results, futures, afters, strict=True):
            if after is not None:
                after(result)
            if future is None or future.done():  # its caller was cancelled; what it wrote stays
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _refused(self, works: Sequence[Work[Any]], reason: str, fatal: bool = False) -> list[Any]:
        return [self._told(StoreUnavailable(reason, fatal)) for _ in works]

    def _commit(self, connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
        """Run functions as one transaction; where one of them fails, each as its own.

        Returns what each returned, or the exception that it raised, as `asyncio.gather` can.
        """
        if self._over is not None:
            return self._refused(works, self._over)
        changes = connection.total_changes
        try:
            values = transaction(connection, works, self.bracket)
            check_in_place(self._opened)  # behind it, so that nobody hears of what a removed file has
        except Exception as error:  # noqa: BLE001 - it belongs to the caller of the function
            return self._failed(connection, works, error)
        if connection.total_changes != changes:  # what writes nothing succeeds on a full disk, too
            self._failure = None
        return values

    def _failed(
        self, connection: sqlite3.Connection, works: Sequence[Work[Any]], error: Exception
    ) -> list[Any]:
        cause = judged(error)
        if isinstance(cause, StoreUnavailable):
            self._note(cause)
            return self._refused(works, cause.reason, cause.fatal)
        if len(works) == 1:
            return [error]
        return [result for work in works for result in self._commit(connection, [work])]

    def _look_up(self, connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
        """Run functions on one snapshot, each with its own result or error."""
        try:
            connection.execute("BEGIN")
            return [self._looked_up(connection, work) for work in works]
        except sqlite3.Error as error:
            return [self._misread(error) for _ in works]
        finally:
            roll_back(connection)

    def _looked_up(self, connection: sqlite3.Connection, work: Work[Any]) -> Any:
        try:
            return work(connection)
        except (sqlite3.Error, StoreUnavailable) as error:
            return self._misread(error)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller of the function
            return error

    def _misread(self, error: Exception) -> Exception:
        cause = judged(error)
        if not isinstance(cause, StoreUnavailable):
            return cause
        if cause.fatal:
            self._note(cause)
        return self._told(cause)

    def _rewritten(self, connection: sqlite3.Connection) -> bool:
        try:
            return rewritten(connection)
        except sqlite3.Error as error:
            cause = judged(error)
            if isinstance(cause, StoreUnavailable):
                self._note(cause)
            raise cause from error

    def _note(self, cause: StoreUnavailable) -> None:
        self._failure = cause.reason
        if cause.fatal:  # never again on this handle: the kernel may have dropped the pages (F6)
            self._over = cause.reason
            self._on_fatal(cause.reason)


def _reader(path: Path) -> aiosqlite.Connection:
    return aiosqlite.connect(reading_uri(path), uri=True, **OPTIONS)


def hop(connection: Any, work: Callable[..., T], *arguments: Any) -> Awaitable[T]:
    """Run a whole function in one hop on the connection's thread; only here aiosqlite's inside is used."""
    result: Awaitable[T] = connection._execute(work, connection._conn, *arguments)
    return result
