"""Months that leave the journal: complete, in order, and whatever ends the gateway meanwhile."""

import asyncio
import os
import sqlite3
import stat
from contextlib import closing

import pytest

from gateway.audit.chain import hash_of
from gateway.audit.event import Event
from gateway.audit.query import AuditQuery
from gateway.errors import JournalUnavailable
from gateway.journal import archive, erase
from gateway.journal.archive import ArchiveFlawed, archive_of
from gateway.journal.store import archives_of
from gateway.journal.verify import verify
from gateway.sqlite_file import read_only
from tests.support.trails import seqs as told

DAY = 86400

pytestmark = pytest.mark.usefixtures("form")


@pytest.fixture
async def filled(sqlite, event, clock):
    """Eight events, ten days apart, from 22 November to 31 January."""
    for n in range(1, 9):
        await sqlite.trail.append([event(f"e-{n}")])
        clock.turn(10 * DAY)
    return sqlite


def judged(path):
    with closing(read_only(path)) as connection:
        return str(verify(connection).state)


def seqs(file):
    with closing(read_only(file)) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM event ORDER BY seq")]


@pytest.mark.parametrize(
    ("days", "moved"),
    [
        pytest.param(0, ["2026-11", "2026-12"], id="all that ended"),
        pytest.param(9.9, ["2026-11", "2026-12"], id="a month that ended longer ago"),
        pytest.param(41, ["2026-11"], id="a month whose last event is older, but not its end"),
        pytest.param(400, [], id="nothing is old enough"),
    ],
)
async def test_months_leave_that_ended_before_the_retention(filled, path, days, moved):
    assert list(await filled.retention.retire(days * DAY)) == moved
    assert archives_of(path) == tuple(archive_of(path, month) for month in moved)
    assert judged(path) == "whole"


async def test_what_has_left_is_in_the_archives_and_nowhere_else(filled, path):
    await filled.retention.retire(0)

    assert [seqs(file) for file in (*archives_of(path), path)] == [[1], [2, 3, 4], [5, 6, 7, 8]]
    with closing(read_only(path)) as connection:
        assert list(told(connection, path, AuditQuery(q="ann"))) == list(range(8, 0, -1))


async def test_an_archive_cannot_be_written(filled, path):
    await filled.retention.retire(0)

    assert {stat.S_IMODE(file.stat().st_mode) for file in archives_of(path)} == {0o400}
    assert [file for file in path.parent.iterdir() if file.name.endswith(".draft")] == []


async def test_the_newest_event_never_leaves(sqlite, event, clock):
    await sqlite.trail.append([event("e-1"), event("e-2")])
    clock.turn(100 * DAY)

    assert await sqlite.retention.retire(0) == ()


async def test_an_empty_trail_has_nothing_to_move(sqlite):
    assert await sqlite.retention.retire(0) == ()


@pytest.mark.parametrize("step", ["archive_month", "remove_until"])
async def test_a_run_that_was_cut_off_is_finished_by_the_next(filled, path, monkeypatch, step):
    done = getattr(erase, step)

    def cut_off(*arguments, **named):
        done(*arguments, **named)
        raise RuntimeError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(erase, step, cut_off)
        with pytest.raises(RuntimeError):
            await filled.retention.retire(0)
    assert judged(path) == "whole"

    await filled.retention.retire(0)
    assert judged(path) == "whole"
    assert [seqs(file) for file in (*archives_of(path), path)] == [[1], [2, 3, 4], [5, 6, 7, 8]]


async def test_long_months_leave_in_small_steps(filled, path, monkeypatch):
    monkeypatch.setattr(erase, "BATCH", 2)
    monkeypatch.setattr(archive, "PAGE", 2)

    await filled.retention.retire(0)
    assert judged(path) == "whole"
    assert seqs(path) == [5, 6, 7, 8]


async def test_a_month_that_goes_on_after_it_has_left_is_added_to_its_archive(filled, path, event, clock):
    await filled.retention.retire(0)
    clock.turn(-10 * DAY)  # somebody sets the clock back
    await filled.trail.append([event("e-9")])
    clock.turn(40 * DAY)
    await filled.trail.append([event("e-10")])
    await filled.retention.retire(0)
    assert judged(path) == "whole"
    assert [seqs(file) for file in archives_of(path)] == [[1], [2, 3, 4], [5, 6, 7, 8, 9]]


async def test_nothing_leaves_for_an_archive_that_is_not_what_the_journal_holds(filled, path):
    await filled.retention.retire(41 * DAY)
    archive_of(path, "2026-11").rename(archive_of(path, "2026-12"))

    with pytest.raises(ArchiveFlawed, match="event 1 is of another month"):
        await filled.retention.retire(0)
    assert seqs(path) == [2, 3, 4, 5, 6, 7, 8]


FORGED = """
    UPDATE event SET body = replace(body, '201', '200'),
        hash = sealed((SELECT hash FROM event WHERE seq = 3),
                      iif(personal IS NULL, '', json_array(seq, id, published, event, correlation_id))
                          || replace(body, '201', '200'))
    WHERE seq = 4"""


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        pytest.param("UPDATE event SET actor = 'x' WHERE seq = 3", 3, id="changed"),
        pytest.param("DELETE FROM event WHERE seq = 3", 3, id="deleted"),
        pytest.param("INSERT INTO event_value VALUES (3, 9, x'00', '1')", 3, id="a value more"),
        pytest.param("INSERT INTO event_value VALUES (5, 0, x'00', '1')", 5, id="a value after the last"),
        pytest.param(FORGED, 4, id="forged with a right hash"),
    ],
)
async def test_nothing_leaves_for_a_copy_that_differs(filled, path, monkeypatch, statement, seq):
    await filled.retention.retire(41 * DAY)
    with monkeypatch.context() as patch:
        patch.setattr(erase, "remove_until", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await filled.retention.retire(0)
    file = archive_of(path, "2026-12")
    file.chmod(0o600)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.create_function("sealed", 2, hash_of)
        connection.execute(statement)

    with pytest.raises(ArchiveFlawed, match=f"event {seq} is not the journal's"):
        await filled.retention.retire(0)


async def test_nothing_leaves_for_an_archive_that_cannot_be_read(filled, path):
    archive_of(path, "2026-11").write_bytes(b"something else" * 99)

    with pytest.raises(JournalUnavailable, match=r"2026-11\.archive cannot be read: the file is no SQLite"):
        await filled.retention.retire(0)
    assert seqs(path)[0] == 1


async def test_nothing_leaves_for_an_archive_that_is_another_file(filled, path):
    with closing(sqlite3.connect(archive_of(path, "2026-11"))) as connection:
        connection.execute("CREATE TABLE other (x)")

    with pytest.raises(JournalUnavailable, match=r"2026-11\.archive cannot be read: the tables of the trail"):
        await filled.retention.retire(0)


async def test_nothing_leaves_where_no_archive_can_be_written(filled, path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(JournalUnavailable, match="No space left"):
            await filled.retention.retire(0)
    assert (seqs(path)[0], archives_of(path)) == (1, ())


async def test_drafts_that_a_crash_left_are_removed(filled, path):
    draft = path.with_name(f"{path.name}.2026-11.archive.0a1b2c3d.draft")
    draft.touch()

    await filled.retention.retire(400 * DAY)
    assert not draft.exists()


async def test_events_go_on_while_months_leave(filled, path):
    retired = asyncio.create_task(filled.retention.retire(0))
    for n in range(20):
        await filled.trail.append([Event(f"late-{n}", {"event": "late"})])

    assert (await retired)[:2] == ("2026-11", "2026-12")
    assert judged(path) == "whole"


async def test_retention_goes_on_after_a_failure_and_every_day(filled, path, monkeypatch):
    days = []

    async def sleep(seconds):
        days.append(seconds)
        archive_of(path, "2026-11").unlink(missing_ok=True)
        if len(days) == 3:
            raise asyncio.CancelledError

    archive_of(path, "2026-11").write_bytes(b"something else" * 99)
    monkeypatch.setattr(erase, "asyncio", type("Slept", (), {"sleep": sleep, "to_thread": asyncio.to_thread}))
    with pytest.raises(asyncio.CancelledError):
        await filled.retention.run(lambda: 0)
    assert (days, seqs(path)) == ([DAY] * 3, [5, 6, 7, 8])
