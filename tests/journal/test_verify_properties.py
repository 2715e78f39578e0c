"""Whatever one does to one row, one cell or one byte of a trail is found."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin.acts import erase_person
from gateway.audit.event import Event, Personal
from gateway.audit.masking import Masking, masked
from gateway.journal.journal import SqliteJournal
from gateway.journal.verify import TrailState, verify
from gateway.sqlite_file import StoreUnavailable, read_only
from tests.support.old_events import write_as_before

NAMES = ("gateway.db", "gateway.db.2026-01.archive", "gateway.db.2026-02.archive")
TABLES = ("event", "event_value")
RECORDS = ("trail_head", "trail_base")  # of the journal alone
SALT = "UPDATE meta SET value = zeroblob(32) WHERE name = 'salt'"


async def filled(path, old):
    """Twelve events of three months about two people, one of whom was erased, in part for a masked target.

    The first `old` of them are as releases before schema 5 wrote them.
    """
    days = count(step=8)
    journal = await SqliteJournal.open(
        path,
        "normal",
        lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=next(days)),
        pytest.fail,
        "o",
        random=lambda size: (SALT * 9)[:size].encode(),
        maskings={"masked": Masking("masked", masked)},
    )
    with pytest.MonkeyPatch.context() as patch:
        write_as_before(patch)
        await append(journal, range(old))
    await append(journal, range(old, 11))
    assert len(await journal.retention.retire(0)) == 2
    await erase_person(journal.retention, "zoe", "erasure")
    await journal.close()


async def append(journal, numbers):
    for n in numbers:
        target = {"name": ("cx", "masked")[n % 2], "type": "User", "id": f"{n % 3}"}
        target["user_name"] = Personal(("ann", "bob", "zoe")[n % 3])
        diff = [{"path": "title", "before": Personal(n), "after": Personal("Agent")}]
        await journal.trail.append(
            [Event(f"e-{n}", {"event": "user.create", "target": target, "diff": diff})]
        )


@pytest.fixture(scope="module", params=[0, 6], ids=["of this release", "some of an older one"])
def template(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(filled(folder / NAMES[0], request.param))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tampered")


def copied(template, folder):
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
        shutil.copyfile(template / name, folder / name)


def state(folder):
    with closing(read_only(folder / NAMES[0])) as connection:
        return verify(connection).state


def rows(folder):
    """Return all that the trail says, as bytes."""
    found = []
    for name in NAMES:
        with closing(read_only(folder / name)) as connection:
            connection.text_factory = bytes
            found += [
                connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES
            ]
    return found


def changed(cell, how):
    """Return something else than what stands in a cell."""
    if isinstance(cell, int):
        return cell + how + 1
    if cell is None:
        return b"x" if how % 2 else "x"
    at = how % max(len(cell), 1)
    if isinstance(cell, bytes):
        return cell[:at] + bytes([cell[at] ^ (1 << how % 8)]) + cell[at + 1 :]
    return cell[:at] + chr(ord(cell[at]) ^ (1 << how % 5)) + cell[at + 1 :] if cell else "x"


def change_cell(connection, table, place, how):
    """Change one cell of a table; False where there is none."""
    cells = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cells.description]
    found = cells.fetchall()
    if not found:
        return False
    row = found[place % len(found)]
    at = place // len(found) % len(names)
    where = " AND ".join(f'"{name}" IS ?' for name in names)
    try:
        sql = f'UPDATE {table} SET "{names[at]}" = ? WHERE {where}'
        connection.execute(sql, (changed(row[at], how), *row))
    except sqlite3.IntegrityError:  # such as a number that another row has
        return False
    return True


@pytest.fixture(scope="module")
def whole(template):
    return rows(template)


def test_the_template_is_whole(template):
    assert state(template) is TrailState.WHOLE


@settings(max_examples=80)
@given(
    name=st.sampled_from(NAMES),
    table=st.sampled_from(TABLES + RECORDS),
    place=st.integers(0, 2000),
    how=st.integers(0, 300),
)
def test_a_changed_cell_is_found(template, folder, name, table, place, how):
    if table in RECORDS:
        name = NAMES[0]
    copied(template, folder)
    with closing(sqlite3.connect(folder / name, isolation_level=None)) as connection:
        was_changed = change_cell(connection, table, place, how)

    assert not was_changed or state(folder) is not TrailState.WHOLE


@settings(max_examples=25)
@given(name=st.sampled_from(NAMES), table=st.sampled_from(TABLES), place=st.integers(0, 100))
def test_a_missing_row_is_found(template, folder, name, table, place):
    copied(template, folder)
    with closing(sqlite3.connect(folder / name, isolation_level=None)) as connection:
        seqs = connection.execute(f"SELECT seq FROM {table} ORDER BY seq").fetchall()
        if seqs:
            connection.execute(f"DELETE FROM {table} WHERE seq = ?", seqs[place % len(seqs)])

    assert not seqs or state(folder) is not TrailState.WHOLE


@settings(max_examples=60)
@given(name=st.sampled_from(NAMES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_byte_is_found_or_changes_nothing_that_is_told(template, folder, whole, name, place, bit):
    copied(template, folder)
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)

    try:
        is_whole = state(folder) is TrailState.WHOLE
    except (StoreUnavailable, sqlite3.Error):  # the command says so, too
        is_whole = False
    assert not is_whole or rows(folder) == whole


def test_another_key_of_subjects_is_found(template, folder):
    copied(template, folder)
    with closing(sqlite3.connect(folder / NAMES[0], isolation_level=None)) as connection:
        assert connection.execute(SALT).rowcount == 1

    assert state(folder) is TrailState.CHANGED
