"""One writer with group commit: durable when it returns, one hop a batch, each caller its own error."""

import asyncio
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import sqlite
from gateway.sqlite import BATCH, QUEUE, Database, QueueFull
from gateway.sqlite_file import Alike, StoreUnavailable, load_migrations, read_only, set_up

MIGRATIONS = ((1, "CREATE TABLE note (text TEXT UNIQUE NOT NULL);"),)
Opener = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "notes #1?.db"


@pytest.fixture
def fatal() -> list[str]:
    return []


@pytest.fixture
def opened(path: Path, fatal: list[str]) -> Opener:
    @asynccontextmanager
    async def open_database(migrations: Any = MIGRATIONS) -> AsyncIterator[Database]:
        database = await Database.open(path, "full", fatal.append, migrations)
        try:
            yield database
        finally:
            await database.close()

    return open_database


@pytest.fixture
async def database(opened: Opener) -> AsyncIterator[Database]:
    async with opened() as database:
        yield database


def add(text: str | None, connection: sqlite3.Connection) -> str | None:
    connection.execute("INSERT INTO note VALUES (?)", (text,))
    return text


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]


def sql(statement: str) -> Callable[[sqlite3.Connection], Any]:
    return lambda connection: connection.execute(statement).fetchall()


def failing(code: int) -> Callable[[sqlite3.Connection], None]:
    def work(connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("as SQLite says it")
        error.sqlite_errorcode = code
        raise error

    return work


def hops_of(database: Database, thread: str = "_writer") -> list[Any]:
    """Count how often a thread is asked for something."""
    writer, hops = getattr(database, thread), []
    execute = writer._execute

    def counted(fn: Callable[..., Any], *arguments: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        hops.append(fn)
        return execute(fn, *arguments, **options)

    writer._execute = counted
    return hops


class Gate:
    """Holds the writing thread inside a batch, so that the next one fills itself."""

    def __init__(self) -> None:
        self._entered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._go = threading.Event()

    def work(self, connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self._entered.set)
        assert self._go.wait(10)

    async def entered(self) -> None:
        await self._entered.wait()

    async def held(self, database: Database) -> "asyncio.Future[None]":
        task = database.write(self.work)
        await self._entered.wait()
        return task

    def open(self) -> None:
        self._go.set()


async def test_what_nobody_waits_for_is_written_by_itself_soon(database, monkeypatch):
    monkeypatch.setattr(sqlite, "SOON", 0.0)
    written = asyncio.Event()

    database.later(partial(add, "later"), lambda result: written.set())
    await asyncio.wait_for(written.wait(), 10)

    assert await database.read(notes) == ["later"]


async def test_what_cannot_be_written_is_tried_once_for_each_time_it_is_asked_for(database):
    tries = []

    def fail(connection):
        tries.append(connection)
        raise ValueError("no")

    def again(result):
        with suppress(StoreUnavailable):  # closed by now
            database.later(fail, again)

    database.later(fail, again)
    await database.flush()

    assert len(tries) == 1


async def test_what_was_written_is_read_back_and_survives_reopening(opened):
    async with opened() as database:
        assert await database.write(partial(add, "a")) == "a"
        assert await database.read(notes) == ["a"]

    async with opened() as database:
        assert await database.read(notes) == ["a"]


async def test_folder_and_file_are_for_the_owner_only(database, path):
    await database.write(partial(add, "a"))

    files = {file.suffix: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == {".db": 0o600, ".db-wal": 0o600, ".db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_deleted_is_overwritten_whatever_sqlite_was_built_to_do(tmp_path):
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        set_up(connection, "full", MIGRATIONS)
        add("canary" * 9, connection)
        assert connection.execute("DELETE FROM note").rowcount == 1

    assert b"canary" not in file.read_bytes()


@pytest.mark.parametrize(
    ("durability", "synchronous"),
    [pytest.param("full", 2, id="full"), pytest.param("normal", 1, id="normal")],
)
async def test_durability_says_when_the_disk_is_flushed(path, durability, synchronous):
    database = await Database.open(path, durability, print)

    pragmas = [await database.write(sql(f"PRAGMA {name}")) for name in ("synchronous", "journal_mode")]
    await database.close()
    assert pragmas == [[(synchronous,)], [("wal",)]]


async def test_a_batch_is_one_hop_on_the_writing_thread(database):
    hops, gate = hops_of(database), Gate()
    held = await gate.held(database)
    writes = [database.write(partial(add, str(n))) for n in range(100)]
    await asyncio.sleep(0)

    gate.open()
    await asyncio.gather(held, *writes)
    assert len(hops) == 2
    assert await database.read(notes) == [str(n) for n in range(100)]


async def test_a_batch_has_a_most(database):
    hops, gate = hops_of(database), Gate()
    held = await gate.held(database)
    writes = [database.write(partial(add, str(n))) for n in range(BATCH + 1)]
    await asyncio.sleep(0)

    gate.open()
    await asyncio.gather(held, *writes)
    assert len(hops) == 3


async def test_nobody_hears_of_a_write_before_it_is_committed(database, path):
    with closing(read_only(path)) as other:
        await asyncio.gather(*(database.write(partial(add, str(n))) for n in range(5)))

        assert len(notes(other)) == 5


async def test_only_the_guilty_caller_gets_the_error(database):
    hops, gate = hops_of(database), Gate()
    held = await gate.held(database)
    texts = ["a", "b", "a", None, "c"]
    writes = [database.write(partial(add, text)) for text in texts]
    await asyncio.sleep(0)

    gate.open()
    results = await asyncio.gather(held, *writes, return_exceptions=True)
    assert [type(result).__name__ for result in results[1:]] == ["str", "str"] + ["IntegrityError"] * 2 + [
        "str"
    ]
    assert await database.read(notes) == ["a", "b", "c"]
    assert len(hops) == 2


async def test_an_error_undoes_all_of_its_own_function(database):
    def half(connection: sqlite3.Connection) -> None:
        add("half", connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(half)
    assert await database.read(notes) == []
    assert database.failure is None


async def test_a_cancelled_caller_does_not_stop_its_write(database):
    gate = Gate()
    held = await gate.held(database)
    cancelled = database.write(partial(add, "kept"))
    await asyncio.sleep(0)

    cancelled.cancel()
    gate.open()
    await asyncio.gather(held, cancelled, return_exceptions=True)
    await database.write(partial(add, "next"))
    assert cancelled.cancelled()
    assert await database.read(notes) == ["kept", "next"]


async def test_a_full_queue_refuses(database):
    gate = Gate()
    held = await gate.held(database)
    for n in range(QUEUE):
        database.later(partial(add, str(n)))

    for refused in (database.write, partial(asyncio.to_thread, database.later)):
        with pytest.raises(QueueFull):
            await refused(notes)
    gate.open()
    await held
    await database.write(partial(add, "next"))
    assert len(await database.read(notes)) == QUEUE + 1


async def test_what_can_wait_goes_with_the_next_write(database):
    hops = hops_of(database)

    results = []
    database.later(partial(add, "later"), results.append)
    await asyncio.sleep(0)
    assert (results, hops) == ([], [])
    await database.write(partial(add, "now"))
    assert (results, len(hops)) == (["later"], 1)
    assert await database.read(notes) == ["later", "now"]


async def test_what_can_wait_makes_no_batch_of_its_own(database):
    hops, gate, results = hops_of(database), Gate(), []
    held = await gate.held(database)
    database.later(partial(add, "later"), results.append)
    gate.open()
    await held

    assert (results, len(hops)) == ([], 1)
    await database.write(partial(add, "now"))
    assert len(hops) == 2
    assert await database.read(notes) == ["later", "now"]


async def test_what_can_wait_does_not_wait_for_ever(database):
    written = asyncio.Event()
    for n in range(BATCH):
        database.later(partial(add, str(n)), lambda result: written.set())

    await asyncio.wait_for(written.wait(), 5)
    assert len(await database.read(notes)) == BATCH


async def test_what_can_wait_is_written_at_close(opened):
    async with opened() as database:
        database.later(partial(add, "later"))

    async with opened() as database:
        assert await database.read(notes) == ["later"]


async def test_what_is_asked_for_at_once_is_read_in_one_hop_and_each_caller_gets_its_own(database):
    await database.write(partial(add, "a"))
    hops = hops_of(database, "_reader")

    asked = [notes, lambda connection: {}["a"], sql("SELECT * FROM absent"), partial(add, "b"), notes]
    found = await asyncio.gather(*(database.read(work) for work in asked), return_exceptions=True)
    assert [type(result).__name__ for result in found] == [
        "list",
        "KeyError",
        "OperationalError",
        "StoreUnavailable",
        "list",
    ]
    assert (found[0], found[4], len(hops)) == (["a"], ["a"], 1)


async def test_a_cancelled_reader_is_in_nobodys_way(database):
    waiting = [database.read(notes) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()

    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result).__name__ for result in found] == ["CancelledError", "list", "list"]


async def test_reading_sees_one_state_and_cannot_write(database):
    with pytest.raises(StoreUnavailable, match="read-only"):
        await database.read(partial(add, "a"))
    with pytest.raises(LookupError):
        await database.read(lambda connection: {}["a"])
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read(sql("SELECT * FROM absent"))
    assert await database.read(lambda connection: connection.in_transaction)


async def test_what_is_looked_up_is_read_at_once_on_one_state_and_with_all_that_was_written(database):
    hops = hops_of(database, "_reader")
    for count in range(3):
        assert len(await database.look_up(notes)) == count
        await database.write(partial(add, str(count)))
    assert await database.look_up(lambda connection: connection.in_transaction)
    with pytest.raises(LookupError):
        await database.look_up(lambda connection: {}["a"])
    assert hops == []


async def test_what_cannot_be_looked_up_at_once_is_read_in_turn_and_says_what_is_wrong(database, fatal):
    hops = hops_of(database, "_reader")
    works = iter([failing(sqlite3.SQLITE_BUSY), notes])

    def busy_at_first(connection: sqlite3.Connection) -> Any:
        return next(works)(connection)

    assert await database.look_up(busy_at_first) == []
    assert len(hops) == 1

    with pytest.raises(StoreUnavailable, match="read-only"):
        await database.look_up(partial(add, "a"))
    assert fatal == []
    with pytest.raises(StoreUnavailable):
        await database.look_up(failing(sqlite3.SQLITE_CORRUPT))
    assert fatal == [database.failure]
    with pytest.raises(StoreUnavailable):
        await database.look_up(notes)


async def test_what_is_written_a_turn_of_the_loop_later_goes_with_the_same_batch(database):
    hops = hops_of(database)
    first = database.write(partial(add, "a"))
    await asyncio.sleep(0)

    await asyncio.gather(first, database.write(partial(add, "b")))
    assert len(hops) == 1


async def test_a_closed_database_refuses_and_leaves_no_wal(opened, path):
    async with opened() as database:
        await database.write(partial(add, "a"))
        assert await database.look_up(notes) == ["a"]

    await database.close()
    for use in (database.write, database.read):
        with pytest.raises(StoreUnavailable, match="closed"):
            await use(notes)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_full_disk_refuses_and_comes_back(database, fatal):
    (pages,) = (await database.write(sql("PRAGMA page_count")))[0]
    await database.write(sql(f"PRAGMA max_page_count = {pages}"))

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="full"):
            await database.write(partial(add, "x" * 100_000))
    assert database.failure == "the disk is full"
    await database.write(sql("PRAGMA max_page_count = 100000"))
    await database.write(partial(add, "x" * 100_000))
    assert (database.failure, fatal) == (None, [])


async def test_a_transaction_that_writes_nothing_does_not_say_that_the_disk_is_well(database):
    (pages,) = (await database.write(sql("PRAGMA page_count")))[0]
    await database.write(sql(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StoreUnavailable, match="full"):
        await database.write(partial(add, "x" * 100_000))

    await database.write(notes)
    assert database.failure == "the disk is full"
    await database.write(partial(add, "a"))
    assert database.failure is None


@pytest.mark.parametrize(
    ("code", "reason", "is_fatal"),
    [
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, "disk failed", True, id="failed fsync"),
        pytest.param(sqlite3.SQLITE_IOERR, "disk failed", True, id="input/output error"),
        pytest.param(sqlite3.SQLITE_CORRUPT, "damaged", True, id="damaged"),
        pytest.param(sqlite3.SQLITE_IOERR_SHMSIZE, "full", False, id="no space for shared memory"),
        pytest.param(sqlite3.SQLITE_READONLY_DBMOVED, "read-only", False, id="read-only"),
        pytest.param(sqlite3.SQLITE_BUSY_SNAPSHOT, "locked", False, id="locked"),
    ],
)
async def test_a_fault_of_the_disk_is_named_and_a_fatal_one_is_told(database, fatal, code, reason, is_fatal):
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        await database.write(failing(code))

    assert caught.value.fatal == is_fatal
    assert [reason in told for told in fatal] == [True] * is_fatal


async def test_after_a_fatal_fault_nothing_is_written_any_more(database, fatal):
    waiting: list[Any] = []
    for n in range(BATCH - 1):
        database.later(partial(add, str(n)), waiting.append)
    writes = (
        database.write(failing(sqlite3.SQLITE_IOERR)),
        database.write(notes),
    )  # the second is a batch later
    refused = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(error) for error in refused] == [StoreUnavailable] * 2
    with pytest.raises(StoreUnavailable, match="disk failed"):
        await database.write(partial(add, "a"))
    assert {type(result) for result in waiting} == {StoreUnavailable}
    assert len(fatal) == 1


async def test_a_writing_thread_that_fails_leaves_nobody_waiting(database, monkeypatch):
    def broken(*_: Any) -> None:
        raise ValueError("Connection closed")

    monkeypatch.setattr(database._writer, "_execute", broken)

    first, second = database.write(partial(add, "a")), database.write(partial(add, "b"))
    for written in await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 5):
        assert isinstance(written, StoreUnavailable)


async def test_a_lock_of_another_process_is_named(database, path):
    await database.write(sql("PRAGMA busy_timeout = 0"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailable, match="locked"):
            await database.write(partial(add, "a"))


async def test_what_is_no_database_is_refused(path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to have a header of one hundred bytes" * 9)

    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        await Database.open(path, "full", print)
    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        read_only(path)


async def test_a_file_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(StoreUnavailable, match="directory"):
        await Database.open(tmp_path, "full", print)


def test_reading_alone_does_not_make_a_file(path):
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        read_only(path)
    assert not path.exists()


async def test_reading_alone_needs_no_gateway_and_cannot_write(opened, path):
    async with opened() as database:
        await database.write(partial(add, "a"))

    with closing(read_only(path)) as connection:
        assert notes(connection) == ["a"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            add("b", connection)


async def test_migrations_are_applied_once_and_in_order(opened):
    more = (*MIGRATIONS, (2, "ALTER TABLE note ADD COLUMN more TEXT; CREATE TABLE other (x);"))
    for migrations in (MIGRATIONS, more, more):
        async with opened(migrations) as database:
            versions = await database.read(sql("SELECT version FROM schema_version ORDER BY version"))

            assert versions == [(version,) for version, _ in migrations]


async def test_a_broken_migration_leaves_nothing(opened):
    broken = ((1, "CREATE TABLE note (text TEXT); CREATE TABLE note (text TEXT);"),)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        async with opened(broken):
            pass

    async with opened() as database:
        assert await database.read(notes) == []


async def test_a_file_of_a_newer_release_is_refused(opened):
    async with opened(((7, "CREATE TABLE note (text TEXT);"),)):
        pass

    with pytest.raises(StoreUnavailable, match="schema version 7, this release knows 1"):
        async with opened():
            pass


def test_migrations_are_the_numbered_scripts_of_a_folder(tmp_path):
    for name, text in {"002.sql": "B", "001.sql": "A", "__init__.py": "C"}.items():
        (tmp_path / name).write_text(text)

    assert load_migrations(tmp_path) == ((1, "A"), (2, "B"))


async def test_no_thread_is_left_behind(opened):
    before = set(threading.enumerate())
    async with opened():
        threads = set(threading.enumerate()) - before

    with pytest.raises(StoreUnavailable):
        async with opened(()):
            pass
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert len(threads) == 2
    assert set(threading.enumerate()) <= before  # what was ending then may have ended


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_CORRUPT], ids=["I/O error", "damaged"]
)
async def test_a_fatal_fault_that_a_read_meets_is_known_and_told_like_a_writes(database, fatal, code):
    with pytest.raises(StoreUnavailable):
        await database.read(failing(code))

    assert database.failure is not None
    assert fatal == [database.failure]
    with pytest.raises(StoreUnavailable):
        await database.write(partial(add, "a"))


async def test_a_read_that_meets_no_fatal_fault_ends_nothing(database, fatal):
    with pytest.raises(StoreUnavailable):
        await database.read(failing(sqlite3.SQLITE_BUSY))

    assert (database.failure, fatal) == (None, [])


async def test_what_takes_long_keeps_neither_reads_nor_writes_waiting(database):
    await database.write(partial(add, "a"))
    gate = Gate()
    long = asyncio.create_task(database.read_aside(gate.work))
    await gate.entered()
    behind = asyncio.create_task(database.read_aside(notes))

    await asyncio.wait_for(database.write(partial(add, "b")), 10)
    assert await asyncio.wait_for(database.read(notes), 10) == ["a", "b"]
    assert not long.done()
    assert not behind.done()

    gate.open()
    await long
    assert await behind == ["a", "b"]


async def test_reading_aside_cannot_write_and_tells_what_went_wrong(database):
    with pytest.raises(StoreUnavailable, match="read-only"):
        await database.read_aside(partial(add, "a"))
    with pytest.raises(LookupError):
        await database.read_aside(lambda connection: {}["a"])
    await database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.read_aside(notes)


async def test_no_thread_is_left_behind_by_reading_aside(opened):
    before = set(threading.enumerate())
    async with opened() as database:
        await database.read_aside(notes)
        threads = set(threading.enumerate()) - before

    for thread in threads:
        thread.join(10)
    assert len(threads) == 3
    assert set(threading.enumerate()) <= before  # what was ending then may have ended


def removed(file: Path) -> None:
    file.unlink()


def replaced(file: Path) -> None:
    shutil.copy(file, f"{file}.new")
    os.replace(f"{file}.new", file)


def named_twice(file: Path) -> None:
    os.link(file, f"{file}.too")


def moved(file: Path) -> None:
    file.rename(f"{file}.old")


def moved_behind_a_link(file: Path) -> None:
    moved(file)
    file.symlink_to(f"{file}.old")


DISPLACED = [
    pytest.param(removed, "", "not there any more", id="removed"),
    pytest.param(moved, "", "not there any more", id="moved"),
    pytest.param(replaced, "", "was replaced", id="replaced"),
    pytest.param(named_twice, "", "another name", id="with a second name"),
    pytest.param(moved_behind_a_link, "", "another name", id="moved behind a link"),
    pytest.param(removed, "-wal", "not there any more", id="log removed"),
    pytest.param(replaced, "-wal", "was replaced", id="log replaced"),
    pytest.param(moved_behind_a_link, "-wal", "another name", id="log moved behind a link"),
    pytest.param(removed, "-shm", "not there any more", id="index of the log removed"),
    pytest.param(replaced, "-shm", "was replaced", id="index of the log replaced"),
]


@pytest.mark.parametrize(("displace", "suffix", "reason"), DISPLACED)
async def test_what_is_written_to_a_file_that_is_gone_is_acknowledged_to_nobody(
    database, path, fatal, displace, suffix, reason
):
    await database.write(partial(add, "kept"))
    displace(Path(f"{path}{suffix}"))

    with pytest.raises(StoreUnavailable, match=reason) as caught:
        await database.write(partial(add, "lost"))

    assert caught.value.fatal
    assert fatal == [database.failure] == [str(caught.value)]
    with pytest.raises(StoreUnavailable, match=reason):
        await database.write(partial(add, "later"))


@pytest.mark.parametrize(("displace", "suffix", "reason"), DISPLACED)
async def test_a_file_that_is_gone_is_noticed_though_nothing_is_written(
    database, path, fatal, displace, suffix, reason
):
    await database.look()
    displace(Path(f"{path}{suffix}"))

    with pytest.raises(StoreUnavailable, match=reason):
        await database.look()

    assert fatal == [database.failure]


async def test_a_batch_looks_at_its_files_once(database, monkeypatch):
    looks, stat_of = [], os.stat
    monkeypatch.setattr(os, "stat", lambda name, **more: looks.append(name) or stat_of(name, **more))

    await asyncio.gather(*(database.write(partial(add, str(n))) for n in range(20)))

    assert [Path(name).suffix for name in looks] == [".db", ".db-wal", ".db-shm"]


async def test_a_file_with_a_second_name_is_not_opened(opened, path):
    async with opened():
        pass
    named_twice(path)

    with pytest.raises(StoreUnavailable, match="hard link"):
        async with opened():
            pass


def pointed_elsewhere(file: Path) -> None:
    link = file.parent.parent / "link.db"
    link.unlink()
    link.symlink_to(f"{file}.other")
    shutil.copy(file, f"{file}.other")


@pytest.mark.parametrize(
    ("displace", "suffix", "reason"),
    [
        pytest.param(removed, "-wal", "not there any more", id="log removed"),
        pytest.param(moved_behind_a_link, "", "another name", id="moved behind a second link"),
        pytest.param(pointed_elsewhere, "", "was replaced", id="link to another"),
    ],
)
async def test_a_file_by_a_symbolic_link_is_watched_with_its_own_log(
    path, tmp_path, fatal, displace, suffix, reason
):
    path.parent.mkdir()
    (tmp_path / "link.db").symlink_to(path)
    database = await Database.open(tmp_path / "link.db", "full", fatal.append, MIGRATIONS)
    await database.write(partial(add, "a"))

    displace(Path(f"{path}{suffix}"))

    with pytest.raises(StoreUnavailable, match=reason):
        await database.write(partial(add, "b"))
    await database.close()


async def test_functions_that_are_alike_run_together_and_none_of_them_before_its_turn(database):
    ran = []

    def add_all(connection, rows):
        ran.append(list(rows))
        return [add(row, connection) for row in rows]

    works = [Alike(add_all, "1"), Alike(add_all, "2"), partial(add, "3"), Alike(add_all, "4")]
    results = await asyncio.gather(*(database.write(work) for work in works))

    assert (results, ran) == (["1", "2", "3", "4"], [["1", "2"], ["4"]])
    assert await database.read(notes) == ["1", "2", "3", "4"]


async def test_where_one_of_those_that_are_alike_fails_the_others_are_written(database):
    def add_all(connection, rows):
        if "bad" in rows:
            raise ValueError("bad")
        return [add(row, connection) for row in rows]

    works = [database.write(Alike(add_all, text)) for text in ("1", "bad", "2")]
    results = await asyncio.gather(*works, return_exceptions=True)

    assert (results[0], type(results[1]), results[2]) == ("1", ValueError, "2")
    assert await database.read(notes) == ["1", "2"]
