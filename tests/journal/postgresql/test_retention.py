"""Months that leave a database by a command, for files beside one of several gateways."""

import asyncio
import fcntl
from urllib.parse import urlsplit

import psycopg
import pytest

from gateway.admin.acts import erase_person
from gateway.audit.query import AuditQuery
from gateway.errors import JournalUnavailable
from gateway.journal import erase
from gateway.journal.archive import ArchiveFlawed, archive_of
from gateway.journal.postgresql import retention as module
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.journal.store import archives_of
from gateway.settings.model import JournalSettings, Secret
from gateway.sqlite_file import read_only

DAY = 86400.0  # seconds
KEPT = 20 * DAY
MONTHS = ("2026-11", "2026-12")


@pytest.fixture
async def filled(postgresql, event, clock):
    """Eight events about eight people, ten days apart, from 22 November to 31 January."""
    for n in range(1, 9):
        await postgresql.trail.append([event(f"e-{n}", f"person{n}")])
        clock.turn(10 * DAY)
    return postgresql


@pytest.fixture
async def other(filled, database_url, path, clock):
    """A gateway on another machine."""
    beside = path.with_name("other.db")
    journal = await PostgresJournal.reach(database_url, beside, "full", clock, print, owner="other")
    yield journal
    await journal.close()


@pytest.fixture
def verdict(database_url, path):
    def judge(path=path):
        with reading(JournalSettings(path, database=Secret(database_url))) as reader:
            return str(reader.verify().state)

    return judge


def rows(url, sql):
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()


def in_database(url):
    return [seq for (seq,) in rows(url, "SELECT seq FROM event ORDER BY seq")]


def content(file):
    with read_only(file) as connection:
        return connection.execute("SELECT seq, subject, personal FROM event ORDER BY seq").fetchall()


async def test_months_leave_by_hand_alone_and_the_trail_is_whole_over_both(
    filled, path, database_url, verdict
):
    before = rows(database_url, "SELECT seq, subject, personal FROM event ORDER BY seq")

    assert await filled.retention.retire(KEPT) == ()
    assert await filled.retention.by_hand().retire(KEPT) == MONTHS

    assert archives_of(path) == tuple(archive_of(path, month) for month in MONTHS)
    assert [row for file in archives_of(path) for row in content(file)] == before[:4]
    assert in_database(database_url) == [5, 6, 7, 8]
    assert verdict() == "whole"
    with reading(JournalSettings(path, database=Secret(database_url))) as reader:
        told = list(reader.answers(AuditQuery(newest_first=False)))
    assert [one["seq"] for one in told] == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_no_transaction_is_ended_while_files_are_read(
    filled, path, database_url, postgres, monkeypatch
):
    patience = set()

    def see(connection):
        for what in ("statement_timeout", "idle_in_transaction_session_timeout"):
            patience.add((what, *connection.execute(f"SHOW {what}").fetchone()))

    def looked_through(files, *told):
        see(files[-1])
        return found_in(files, *told)

    found_in = module.found_in
    monkeypatch.setattr(module, "found_in", looked_through)
    room = urlsplit(database_url).path.strip("/")
    postgres.execute(f"ALTER DATABASE {room} SET idle_in_transaction_session_timeout = '5s'")
    try:
        await filled.retention.by_hand().retire(KEPT)
        with reading(JournalSettings(path, database=Secret(database_url))) as reader:
            assert str(reader.verify(see=lambda seq: see(reader.connection)).state) == "whole"
        verified, patience = patience, set()
        await erase_person(filled.retention, "person2", "erasure")
    finally:
        postgres.execute(f"ALTER DATABASE {room} RESET idle_in_transaction_session_timeout")

    unbounded = {("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")}
    assert verified == patience == unbounded


async def test_where_the_files_are_not_the_rest_is_read_and_the_gap_is_told(filled, other, path, verdict):
    await filled.retention.by_hand().retire(KEPT)

    asked = await other.trail.find(AuditQuery(newest_first=False))
    assert [one["seq"] for one in asked.events] == [5, 6, 7, 8]
    assert verdict(path.with_name("other.db")) == "gap"


async def test_whoever_is_erased_leaves_the_files_too(filled, path, database_url, verdict):
    await filled.retention.by_hand().retire(KEPT)

    erased = await erase_person(filled.retention, "person2", "erasure")

    assert (erased.events, erased.archived, erased.is_done) == ((2,), 1, True)
    assert b"person2" not in b"".join(file.read_bytes() for file in archives_of(path))
    assert rows(database_url, "SELECT * FROM erasing") == []
    assert verdict() == "whole"


async def test_nobody_is_erased_where_the_files_are_not(filled, other, database_url):
    await filled.retention.by_hand().retire(KEPT)

    with pytest.raises(JournalUnavailable, match=r"up to 4 .* files that are not here"):
        await erase_person(other.retention, "person7", "erasure")
    assert in_database(database_url) == [5, 6, 7, 8]


async def test_an_erasure_of_the_files_is_left_to_who_has_them(
    filled, other, path, database_url, monkeypatch
):
    await filled.retention.by_hand().retire(KEPT)

    def cut(*_):
        raise JournalUnavailable("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(erase, "erase_archived", cut)
        assert not (await erase_person(filled.retention, "person2", "erasure")).is_done
    await other.retention.retire(KEPT)
    left = rows(database_url, "SELECT seq FROM erasing WHERE seq > 0")
    await filled.retention.retire(KEPT)

    assert left == [(2,)]
    assert rows(database_url, "SELECT * FROM erasing") == []
    assert b"person2" not in archive_of(path, "2026-12").read_bytes()


async def test_who_is_erased_elsewhere_while_a_month_is_copied_is_not_in_its_file(
    filled, other, path, verdict, monkeypatch
):
    copied, loop, erased = module._archived, asyncio.get_running_loop(), []

    def with_an_erasure(connection, **month):
        since = copied(connection, **month)
        if not erased:
            work = erase_person(other.retention, "person1", "erasure")
            erased.append(asyncio.run_coroutine_threadsafe(work, loop).result(20))
        return since

    monkeypatch.setattr(module, "_archived", with_an_erasure)

    assert await filled.retention.by_hand().retire(KEPT) == MONTHS
    assert erased[0].events == (1,)
    assert b"person1" not in archive_of(path, "2026-11").read_bytes()
    assert verdict() == "whole"


async def test_a_file_that_was_made_before_an_erasure_elsewhere_is_made_anew(
    filled, other, path, verdict, monkeypatch
):
    def cut(*_, **__):
        raise JournalUnavailable("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_removed", cut)
        with pytest.raises(JournalUnavailable):
            await filled.retention.by_hand().retire(KEPT)
    assert b"person1" in archive_of(path, "2026-11").read_bytes()
    await erase_person(other.retention, "person1", "erasure")

    await filled.retention.by_hand().retire(KEPT)

    assert b"person1" not in archive_of(path, "2026-11").read_bytes()
    assert verdict() == "whole"


@pytest.mark.parametrize("events", [1, 2, 3])
async def test_a_removal_that_was_cut_off_is_finished_by_the_next(
    filled, path, database_url, verdict, monkeypatch, events
):
    monkeypatch.setattr(erase, "BATCH", 1)
    removed = module._removed

    def until(connection, seq, since):
        if seq > events:
            raise JournalUnavailable("cut off")
        return removed(connection, seq=seq, since=since)

    with monkeypatch.context() as patched:
        patched.setattr(module, "_removed", until)
        with pytest.raises(JournalUnavailable):
            await filled.retention.by_hand().retire(KEPT)
    assert verdict() == "whole"

    await filled.retention.by_hand().retire(KEPT)

    assert in_database(database_url) == [5, 6, 7, 8]
    assert verdict() == "whole"


async def test_two_on_one_machine_do_not_work_on_the_files_at_once(filled, path, event):
    path.parent.mkdir()
    with path.with_name(f"{path.name}.archives.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        for work in (filled.retention.by_hand().retire(0), erase_person(filled.retention, "person1", "x")):
            with pytest.raises(JournalUnavailable, match="another process works on the months"):
                await work


async def test_nothing_leaves_for_a_file_that_is_not_what_the_database_holds(
    filled, path, database_url, verdict
):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE event SET result = 'failed' WHERE seq = 2")

    with pytest.raises(ArchiveFlawed, match="event 2"):
        await filled.retention.by_hand().retire(KEPT)
    assert 2 in in_database(database_url)
