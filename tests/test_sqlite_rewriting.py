"""A file written anew: pages that were divided keep copies of what left them, with `secure_delete` too."""

import random
import sqlite3
from contextlib import closing

import pytest

from gateway.sqlite import Database
from gateway.sqlite_file import StoreUnavailable, read_only

MANY = 400


@pytest.fixture
async def database(tmp_path):
    """A table whose rows grew and shrank until its pages were divided, and are all empty now."""
    database = await Database.open(tmp_path / "x.db", "normal", pytest.fail)
    chance = random.Random(1)

    def fill(connection):
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
        for _ in range(4):
            for k in chance.sample(range(MANY), MANY):
                row = (k, f"person{k:03}" + "y" * chance.randrange(600))
                connection.execute("INSERT OR REPLACE INTO t VALUES (?, ?)", row)

    await database.write(fill)
    await database.write(lambda connection: connection.execute("UPDATE t SET v = NULL").rowcount)
    yield database
    await database.close()


def left(path):
    return [k for k in range(MANY) if f"person{k:03}".encode() in path.read_bytes()]


async def test_nothing_is_left_in_a_file_that_was_written_anew(database, tmp_path):
    assert await database.rewrite()

    assert left(tmp_path / "x.db") == left(tmp_path / "x.db-wal") == []
    with closing(read_only(tmp_path / "x.db")) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (MANY,)


async def test_without_it_there_is(database, tmp_path):
    await database.close()

    assert left(tmp_path / "x.db")


async def test_the_log_cannot_be_emptied_while_somebody_reads_it(database, tmp_path):
    with closing(read_only(tmp_path / "x.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        assert not await database.rewrite()

    assert await database.rewrite()


async def test_writes_go_on_after_it_failed(database, tmp_path):
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process has locked the file"):
            await database.rewrite()

    await database.write(lambda connection: connection.execute("DELETE FROM t").rowcount)


async def test_a_closed_file_is_not_written_anew(database):
    await database.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        await database.rewrite()
