"""Commands on a journal in a database that will not do: each says why in one line, and ends with 3."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway import build
from gateway.admin.acts import Export, note_export
from gateway.journal.postgresql import fitness
from gateway.journal.postgresql.journal import PostgresJournal
from tests.support.real_postgres import OWNER, PASSWORD, RealPostgres, without_password

CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "{url}"
password = {{ env = "JOURNAL_PASSWORD" }}
[providers.okta]
token = {{ sha256 = "{digest}" }}
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
"""
DIGEST = "0" * 64

Write = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNAL_PASSWORD", PASSWORD)

    def write_config(url: str) -> None:
        (tmp_path / "config.toml").write_text(CONFIG.format(url=without_password(url), digest=DIGEST))

    return write_config


@pytest.fixture
def reader(postgres: RealPostgres) -> Iterator[str]:
    """A role that may connect, and nothing else."""
    postgres.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    yield "reader"
    postgres.execute("DROP ROLE reader")


def says_in_one_line(run, *words: str) -> None:
    for command in (["serve"], ["check", "--online"]):
        ended = run(*command)

        lines = [line for line in ended.err.splitlines() if line.startswith(("journal", "the journal"))]
        assert (ended.status, len(lines)) == (3, 1), ended
        assert all(word in lines[0] for word in words), lines
        assert PASSWORD not in ended.err + ended.out


def test_a_wrong_password_is_said(run, write: Write, postgres_url: str, monkeypatch) -> None:
    write(postgres_url)
    monkeypatch.setenv("JOURNAL_PASSWORD", "a-wrong-one")

    says_in_one_line(run, "password authentication failed", OWNER)


def test_a_database_that_is_not_there_is_said(run, write: Write, postgres: RealPostgres) -> None:
    write(postgres.url("nowhere"))

    says_in_one_line(run, 'database "nowhere" does not exist')


def test_a_server_that_nobody_started_is_said(run, write: Write, postgres: RealPostgres) -> None:
    write("postgresql://gateway@127.0.0.1:9/journal")

    says_in_one_line(run, "Connection refused")


def test_a_role_that_takes_no_writes_is_said(run, write: Write, postgres: RealPostgres) -> None:
    with postgres.room() as url:
        name = urlsplit(url).path.strip("/")
        postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        write(url)

        says_in_one_line(run, "takes no writes", "default_transaction_read_only")


def test_a_standby_is_said(run, write: Write, postgres: RealPostgres) -> None:
    with postgres.standby() as standby, postgres.room() as url:
        write(standby.url(urlsplit(url).path.strip("/")))
        standby.await_what_is_written(postgres)

        says_in_one_line(run, "is a standby", "target_session_attrs=read-write")


def test_the_trail_is_read_and_verified_on_a_standby(run, write: Write, postgres: RealPostgres) -> None:
    with postgres.standby() as standby, postgres.room() as url:
        asyncio.run(kept(url))
        standby.await_what_is_written(postgres)
        write(standby.url(urlsplit(url).path.strip("/")))

        verified, asked, exported = (run("audit", command) for command in ("verify", "query", "export"))

    assert (verified.status, verified.out[:15]) == (0, "whole: 1 events"), verified
    assert (asked.status, "export  applied" in asked.out) == (0, True), asked
    assert (exported.status, "is a standby" in exported.err) == (3, True), (
        exported
    )  # it is noted in the trail


async def kept(url: str) -> None:
    """Make a journal with an event."""
    own = (Path("maker"), "full", lambda: datetime.now(UTC), print, "maker")
    journal = await PostgresJournal.reach(url, *own)
    await note_export(journal.trail, Export("csv", None, None, None, None, 0), "an-export")
    await journal.close()


def test_an_old_server_is_said(run, write: Write, postgres_url: str, monkeypatch) -> None:
    write(postgres_url)
    monkeypatch.setattr(fitness, "OLDEST", 99)

    says_in_one_line(run, "the database is PostgreSQL", "99 or newer is needed")


@pytest.mark.parametrize("ahead", [timedelta(seconds=60), timedelta(seconds=-60)])
def test_a_clock_that_is_off_by_a_minute_is_said(
    run, write: Write, postgres_url: str, monkeypatch, ahead
) -> None:
    write(postgres_url)
    own = build.utc
    monkeypatch.setattr(build, "utc", lambda: own() + ahead)

    says_in_one_line(run, "the clock here is 60 s", "ahead of" if ahead > timedelta() else "behind")


def test_a_role_that_may_not_make_tables_is_said(
    run, write: Write, postgres: RealPostgres, reader: str
) -> None:
    with postgres.room() as url:
        write(url.replace(OWNER, reader))

        says_in_one_line(
            run, f'"{reader}" may not make tables in the schema public', "make it the owner of that"
        )


def test_a_table_that_the_role_may_not_write_is_said(
    run, write: Write, postgres: RealPostgres, reader: str
) -> None:
    with postgres.room() as url:
        database = urlsplit(url).path.strip("/")
        write(url)
        assert run("pause", "phonebook").status == 0
        postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}", database)
        write(url.replace(OWNER, reader))

        says_in_one_line(run, f'"{reader}" may not read and write the table')


def test_a_database_that_does_is_told_with_its_version(run, write: Write, postgres_url: str) -> None:
    write(postgres_url)

    ended = run("check", "--online")

    assert ended.status == 0
    assert ended.out.startswith("journal: reachable, PostgreSQL ")


def test_commands_that_read_show_the_password_too(run, write: Write, postgres_url: str) -> None:
    write(postgres_url)

    assert run("pause", "phonebook").status == 0
    assert "phonebook" in run("status").out


def test_whoever_is_erased_is_looked_for_in_the_database(run, write: Write, postgres_url: str) -> None:
    write(postgres_url)
    assert run("pause", "phonebook").status == 0

    ended = run("audit", "erase", "ann@example.com", "--yes")

    assert ended.status == 1
    assert "nobody of this name" in ended.err
