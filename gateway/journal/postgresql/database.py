"""The database behind the ports: functions in batches as transactions, the hot ones as calls."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from threading import Thread as Worker
from time import monotonic, sleep
from typing import Any, Final, TypeVar, cast
from uuid import uuid4

from psycopg import DatabaseError

from gateway.flow.services import Wakeup
from gateway.journal.postgresql.migrate import migrate
from gateway.journal.postgresql.session import BLOCKED, Again, Lost, ServerSession
from gateway.sqlite import Database, hop
from gateway.sqlite_file import Alike, Durability, Lane, Migration, StoreUnavailable, Work, run_all

T = TypeVar("T")

PATIENCE: Final = 10.0  # seconds in which a write is tried again
PAUSE: Final = 0.05  # seconds between two tries, at first
PURGE: Final = "DELETE FROM receipt WHERE at < now() - interval '1 hour'"
CONFIRM: Final = "INSERT INTO receipt (id) VALUES (gen_random_uuid())"
HEARD: Final = 0.5  # seconds between two looks whether to end
BATCHES: Final = 2000  # between two looks at old receipts


class Thread:
    """A thread with a connection of its own, as `aiosqlite` has them."""

    def __init__(self, line: ServerSession) -> None:
        self._conn = line
        self._thread = ThreadPoolExecutor(1, "postgresql")

    def _execute(self, work: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def close(self) -> None:
        """End the connection and the thread."""
        with suppress(RuntimeError):  # ended before
            await self._execute(self._conn.close)
        self._thread.shutdown(wait=False)


class Ear:
    """Rings a bell whenever another gateway says that keys are free; from the first time that one waits."""

    def __init__(self, url: str) -> None:
        self.bell = Wakeup()
        self._url = url
        self._is_closed = Event()
        self._thread: Worker | None = None
        self.is_listening = False

    def listen(self) -> None:
        """Begin, unless it has; a pooler tells nothing, so nobody relies on it."""
        if self._thread is None:
            ring = partial(asyncio.get_running_loop().call_soon_threadsafe, self.bell.wake)
            self._thread = Worker(target=self._hear, args=(ring,), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Hear nothing any more."""
        self._is_closed.set()

    def _hear(self, ring: Callable[[], object]) -> None:
        session = ServerSession(self._url)
        while not self._is_closed.is_set():
            try:
                session.run("LISTEN gateway_keys")
                self.is_listening = True
                while not self._is_closed.is_set():
                    for _ in session.connection.notifies(timeout=HEARD, stop_after=1):
                        ring()
            except (StoreUnavailable, DatabaseError, RuntimeError):  # lost, or the loop has ended
                session.close()
                self._is_closed.wait(HEARD)
        session.close()


class PostgresDatabase(Database):
    """An open database. What waits goes batch by batch; a lost answer is found out by asking again."""

    def __init__(
        self,
        url: str,
        durability: Durability,
        on_fatal: Callable[[str], None],
        told: Callable[..., Exception],
    ) -> None:
        self._url = url
        writer = ServerSession(url)
        writer.durable = durability == "full"
        # by what works are run by: those that are one call, and so a transaction of their own
        self.calls: set[Callable[..., Any]] = set()
        super().__init__(Path(), Thread(writer), Thread(ServerSession(url)), on_fatal, told)

    @classmethod
    async def reach(
        cls,
        url: str,
        durability: Durability,
        on_fatal: Callable[[str], None],
        migrations: Sequence[Migration],
        told: Callable[..., Exception],
    ) -> "PostgresDatabase":
        """Connect, and bring the schema up to date; raises what `told` makes of `StoreUnavailable`."""
        database = cls(url, durability, on_fatal, told)
        try:
            await hop(database._writer, migrate, migrations)
        except StoreUnavailable as error:
            await database.close()
            raise told(error) from error
        except BaseException:
            await database.close()
            raise
        return database

    async def look(self) -> None:
        """See that the database answers; raises `StoreUnavailable`."""
        await self.read(lambda connection: connection.execute("SELECT 1").fetchone())

    async def rewrite(self) -> bool:
        """Free the room of what was deleted, so that the next rows overwrite it."""
        await hop(self._writer, _vacuumed)
        return True

    def _commit(self, connection: Any, works: Sequence[Work[Any]]) -> list[Any]:
        """Write calls as what they are, and all that stands between them as one transaction each."""
        if self._over is not None:
            return self._refused(works, self._over)
        values: list[Any] = [None] * len(works)
        for run, places in self._parts(works):
            some = [works[place] for place in places]
            for place, value in zip(places, self._part(connection, run, some), strict=True):
                values[place] = value
        if self.batches % BATCHES == 0:
            with suppress(StoreUnavailable):
                connection.run(PURGE)
        return values

    def _parts(self, works: Sequence[Work[Any]]) -> Iterator[tuple[Any, list[int]]]:
        """Yield places of works: all of one call together, where its first stands, and runs of the others."""
        calls: dict[Any, list[int]] = {}
        found: list[tuple[Any, list[int]]] = []
        for place, work in enumerate(works):
            run = work.run if isinstance(work, Alike) and work.run in self.calls else None
            if run is None:
                if not found or found[-1][0] is not None:
                    found.append((None, []))
                found[-1][1].append(place)
            elif run in calls:
                calls[run].append(place)
            else:
                calls[run] = [place]
                found.append((run, calls[run]))
        yield from found

    def _part(self, line: ServerSession, run: Any, works: Sequence[Work[Any]]) -> list[Any]:
        try:
            if run is None:
                values = self._transacted(line, works)
            else:
                rows = [cast(Alike[Any], work).row for work in works]
                values = self._called(line, run, rows)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller of the function
            return self._refusals(line, run, works, error)
        self._failure = None
        return values

    def _refusals(
        self, line: ServerSession, run: Any, works: Sequence[Work[Any]], error: Exception
    ) -> list[Any]:
        if isinstance(error, StoreUnavailable):
            self._note(error)
            return self._refused(works, error.reason)
        if len(works) == 1:
            return [error]
        return [result for work in works for result in self._part(line, run, [work])]

    def _called(self, line: ServerSession, run: Any, rows: Sequence[Any]) -> list[Any]:
        """Run a call until it is answered: its receipt says whether one before it was written."""
        line.receipt = uuid4()
        try:
            return _tried(line, lambda: list(run(line, rows)))
        finally:
            line.receipt = None

    def _transacted(self, line: ServerSession, works: Sequence[Work[Any]]) -> list[Any]:
        """Run functions as one transaction; where its end is not known, its receipt tells."""
        receipt, connection = uuid4(), cast(sqlite3.Connection, line)
        values: list[Any] = []

        def attempt() -> list[Any]:
            nonlocal values
            line.run("BEGIN")
            try:
                if not line.call("receive", (("uuid", receipt), ("boolean", line.durable))):
                    return values  # of the time before, whose answer was lost
                if self.bracket is not None:
                    self.bracket.begin(connection)
                values = run_all(connection, works)
                if self.bracket is not None:
                    self.bracket.end(connection)
                line.run("COMMIT")
            finally:
                line.roll_back()
            return values

        return _tried(line, attempt)

    def _look_up(self, connection: Any, works: Sequence[Work[Any]]) -> list[Any]:
        """Run functions on one snapshot, each with its own result or error."""
        try:
            return _tried(connection, lambda: self._looked_at(connection, works))
        except StoreUnavailable as error:
            return [self._misread(error) for _ in works]

    def _looked_at(self, line: ServerSession, works: Sequence[Work[Any]]) -> list[Any]:
        line.execute("BEGIN")
        try:
            return [self._seen(line, work) for work in works]
        finally:
            line.roll_back()

    def _seen(self, line: ServerSession, work: Work[T]) -> T | Exception:
        try:
            return work(cast(sqlite3.Connection, line))
        except (Again, Lost):
            raise
        except Exception as error:  # noqa: BLE001 - it belongs to the caller of the function
            return self._misread(error)

    async def _another_reader(self) -> Lane:
        return Thread(ServerSession(self._url))

    async def _put_away(self) -> None:
        """Nothing: the database has it all."""


def _tried(line: ServerSession, attempt: Callable[[], list[T]]) -> list[T]:
    """Do it until it is done or its patience is over; raises `StoreUnavailable`."""
    until, pause = monotonic() + PATIENCE, PAUSE
    while True:
        try:
            values = attempt()
            while line.is_alone:  # a standby has to have it: a later write that it has says so
                line.is_alone = False
                line.run(CONFIRM)
        except StoreUnavailable as error:
            if monotonic() + pause > until:
                raise StoreUnavailable(str(error)) from error
            if str(error) == BLOCKED:
                line.rescue()
        else:
            return values
        sleep(pause)
        pause = min(2 * pause, 1.0)


def _vacuumed(line: ServerSession) -> None:
    for table in ("event", "resource", "link", "email", "op"):
        line.run(f"VACUUM {table}")
