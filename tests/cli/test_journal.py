"""`journal copy`: from a file to a database and back, and what it refuses."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from gateway.audit.event import Event
from gateway.ids import new_id
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.store import JournalLock
from tests.support.real_postgres import PASSWORD, RealPostgres, without_password

CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "{url}"
{password}
[providers.okta]
token = {{ sha256 = "{digest}" }}
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
"""
DIGEST = "0" * 64
FILE = "sqlite:var/gateway.db"

Write = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNAL_PASSWORD", PASSWORD)

    def write_config(url: str) -> None:
        password = "" if url.startswith("sqlite") else 'password = { env = "JOURNAL_PASSWORD" }'
        text = CONFIG.format(url=without_password(url), digest=DIGEST, password=password)
        (tmp_path / "config.toml").write_text(text)

    return write_config


def test_a_journal_moves_to_a_database_and_back(run, write: Write, postgres_url: str, monkeypatch) -> None:
    database, other = without_password(postgres_url), "sqlite:var/back.db"
    write(FILE)
    assert run("pause", "phonebook").status == 0
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # the configuration does not know of the database yet

    there = run("journal", "copy", FILE, database)
    write(postgres_url)
    monkeypatch.delenv("PGPASSWORD")
    seen = run("status")
    back = run("journal", "copy", database, other)

    assert (there.status, back.status) == (0, 0), (there, back)
    assert there.out == back.out
    assert there.out.startswith("copied: 1 events, each in its place")
    assert "paused" in seen.out
    write(other)
    assert run("audit", "verify").out == "whole: 1 events, each in its place\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((FILE, FILE), 2, "FROM and TO are the same journal"),
        ((FILE, "postgresql://me:word@localhost/x"), 2, "TO: holds a password"),
        (("mysql://x", FILE), 2, "FROM: must be"),
        (("sqlite:none.db", "sqlite:other.db"), 3, "there is no journal"),
        ((FILE, "postgresql://me@127.0.0.1:9/x?sslmode=disable"), 3, "Connection refused"),
    ],
    ids=["the same", "a password", "no journal's url", "none", "nobody there"],
)
def test_what_cannot_be_is_said_in_one_line(run, write: Write, words, status, said) -> None:
    write(FILE)
    assert run("pause", "phonebook").status == 0

    ended = run("journal", "copy", *words)

    assert (ended.status, ended.out) == (status, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_an_empty_database_is_no_journal(
    run, write: Write, postgres: RealPostgres, postgres_url: str
) -> None:
    write(postgres_url)

    ended = run("journal", "copy", without_password(postgres_url), "sqlite:var/other.db")

    assert ended.status == 3
    assert "there is no journal in the database" in ended.err


def test_a_journal_in_use_and_a_place_that_is_taken_are_refused(run, write: Write, tmp_path: Path) -> None:
    write(FILE)
    assert run("pause", "phonebook").status == 0
    lock = JournalLock(tmp_path / "var" / "gateway.db")
    in_use = run("journal", "copy", FILE, "sqlite:var/other.db")
    lock.release()
    copied, again = (run("journal", "copy", FILE, "sqlite:var/other.db") for _ in range(2))

    assert (in_use.status, copied.status, again.status) == (3, 0, 1)
    assert "another gateway has the journal" in in_use.err
    assert again.err == "the destination has a journal already: empty it, or take another\n"


async def happened(url: str, path: Path, *moments: datetime) -> None:
    for moment in moments:
        journal = await PostgresJournal.reach(url, path, "full", lambda now=moment: now, print, "me")
        await journal.trail.append([Event(new_id(), {"event": "gateway.started"})])
        await journal.close()


def test_months_leave_a_database_for_files_here(run, write: Write, tmp_path: Path, postgres_url: str) -> None:
    write(postgres_url)
    moments = [datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2, 3)]
    asyncio.run(happened(postgres_url, tmp_path / "beside.db", *moments))

    moved, again = run("journal", "archive"), run("journal", "archive")

    assert (moved.out, again.out) == ("moved: 2024-01\nmoved: 2024-02\n", "no month is old enough\n")
    assert {file.name for file in (tmp_path / "var").glob("*.archive")} == {
        "gateway.db.2024-01.archive", "gateway.db.2024-02.archive",
    }  # fmt: skip
    assert run("audit", "verify").out == "whole: 3 events, each in its place\n"
    assert len(run("audit", "query", "--format", "ndjson").out.splitlines()) == 3


def test_an_archive_that_the_database_does_not_hold_so_is_refused(
    run, write: Write, tmp_path: Path, postgres_url: str
) -> None:
    write(postgres_url)
    moments = [datetime(2024, month, 5, tzinfo=UTC) for month in (1, 2)]
    asyncio.run(happened(postgres_url, tmp_path / "beside.db", *moments))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE event SET target = 'other' WHERE seq = 1")

    ended = run("journal", "archive")

    assert (ended.status, ended.out) == (1, "")
    assert "nothing left the journal: event 1" in ended.err
