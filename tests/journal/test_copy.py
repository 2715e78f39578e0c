"""A journal that was brought to another place is the same there, whatever happened on the way."""

import stat
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest

from gateway.admin.acts import Token
from gateway.admin.replicas import Replica
from gateway.admin.status import Standing
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import Key, KeysTaken, Outcome, Settlement
from gateway.journal import copied
from gateway.journal import copy as copying
from gateway.journal.archive import archive_of
from gateway.journal.copied import LONG_TABLES, SHORT_TABLES, CopyRefused
from gateway.journal.copy import copy, destination_of, source_of
from gateway.journal.journal import SqliteJournal
from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.journal.store import JournalLocked, archives_of, load_key
from gateway.settings.model import JournalSettings, Secret
from gateway.sqlite_file import read_only
from tests.support.journal_day import FOLLOWERS, filled

TABLES = (*LONG_TABLES, *SHORT_TABLES)
OF_ONE_ENGINE = {("resource", "version"), ("op", "waited")}  # columns that say nothing a file has
RETENTION = 30 * 86400.0  # seconds
KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.journal import copied
from gateway.journal import copied, copy as copying
from gateway.settings.model import JournalSettings, Secret
copied.MOST_ROWS = 4
def place(path, url):
    return JournalSettings(Path(path), database=Secret(url) if url else None)
def see(rows):
    if rows >= 12:
        os.kill(os.getpid(), signal.SIGKILL)
source, destination = place(*sys.argv[1:3]), place(*sys.argv[3:5])
with copying.source_of(source) as one, copying.destination_of(destination) as other:
    copying.copy(one, other, see, see)
"""


def bring(source, destination, see=lambda rows: None):
    """Copy a journal; return how many events it has."""
    with source_of(source) as one, destination_of(destination) as other:
        return copy(one, other, see, lambda seq: None)


def rows_of(place):
    """Return all that a journal holds, by table, and the number of its newest mark."""
    with source_of(place) as side, side.snapshot():
        found = {
            table.name: sorted(repr(row) for page in side.rows(table, ()) for row in page) for table in TABLES
        }
        meta = side.connection.execute("SELECT name, value FROM meta WHERE name NOT IN ('salt', 'probe')")
        return found | {"meta": sorted(meta.fetchall()), "mark": side.newest_mark()}


def beside(place, what):
    return place.path.with_name(f"{place.path.name}.{what}")


def keys_of(url):
    with psycopg.connect(url) as connection:
        return sorted(connection.execute("SELECT value, kind, type, target, op FROM op_key").fetchall())


async def lived(journal, clock, intent, resource, event):
    """Have a day, and one two months later, before which months leave a file, and somebody was erased."""
    await filled(journal, clock, intent, resource, event)
    clock.turn(2 * RETENTION)
    await journal.retention.retire(RETENTION)
    held = await journal.operations.claim(intent("op-late", "late", resource_id="id-late"))
    late = resource("id-late", "late", links={"cx": "t-late"})
    await journal.operations.settle(held, Settlement(Outcome.APPLIED, event("e-late"), late, is_new=True))
    gone = await journal.operations.claim(intent("op-gone", "gone", resource_id="id-gone", removes=True))
    await journal.operations.settle(gone, Settlement(Outcome.APPLIED, event("e-gone")))
    await journal.operations.claim(intent("op-left", "left", resource_id="id-left"))
    await journal.tokens.add(Token("tok_1", "okta", "0" * 64, "2026", None, None))
    await journal.alerts.note(Standing("journal.full", "", "", "2026", "2027", "full"))
    await journal.database.write(
        lambda connection: connection.execute("INSERT INTO erasing VALUES (3, NULL)")
    )
    await journal.close()


@pytest.fixture
async def file(path, clock, intent, resource, event) -> JournalSettings:
    """A file with what a gateway leaves."""
    journal = await SqliteJournal.open(path, "full", clock, print, "me", followers=FOLLOWERS)
    await lived(journal, clock, intent, resource, event)
    return JournalSettings(path)


@pytest.fixture
def database(path, database_url) -> JournalSettings:
    """A database with nothing in it, of a gateway in another folder."""
    folder = path.parent.parent / "database"
    folder.mkdir()
    return JournalSettings(folder / "gateway.db", database=Secret(database_url))


@pytest.fixture
def elsewhere(path) -> JournalSettings:
    return JournalSettings(path.parent.parent / "elsewhere" / "other.db")


def test_what_went_to_a_database_and_back_is_what_it_was(form, file, database, elsewhere):
    before = rows_of(file)
    load_key(beside(file, "key"))

    there, back = bring(file, database), bring(database, elsewhere)

    assert there == back == 14
    assert rows_of(database) == rows_of(elsewhere) == before
    empty = {table.name for table in TABLES if not before[table.name]}
    assert empty == ({"event_value"} if form == "new" else set())
    archives = archives_of(elsewhere.path)
    assert [file.read_bytes() for file in archives] == [kept.read_bytes() for kept in archives_of(file.path)]
    assert beside(elsewhere, "key").read_bytes() == beside(file, "key").read_bytes()
    assert stat.S_IMODE(beside(elsewhere, "key").stat().st_mode) == 0o600
    assert archives == (archive_of(elsewhere.path, "2026-11"),)


async def test_what_came_from_a_database_and_went_back_has_the_same_rows_and_keys(
    database, postgres_url, clock, intent, resource, event, elsewhere
):
    url = database.database.reveal()
    journal = await PostgresJournal.reach(url, database.path, "full", clock, print, "me", followers=FOLLOWERS)
    await lived(journal, clock, intent, resource, event)
    again = JournalSettings(elsewhere.path.with_name("again.db"), database=Secret(postgres_url))

    bring(database, elsewhere)
    bring(elsewhere, again)

    assert rows_of(again) == rows_of(database)
    assert keys_of(postgres_url) == keys_of(url) != []


async def test_a_gateway_works_on_in_the_database(file, database, clock, intent, resource, event):
    bring(file, database)
    url = database.database.reveal()
    journal = await PostgresJournal.reach(url, database.path, "full", clock, print, "me", followers=FOLLOWERS)
    with pytest.raises(KeysTaken):
        await journal.operations.claim(intent("op-new", "left"))
    new = await journal.operations.claim(intent("op-new", "new", resource_id="id-new"))
    made = resource("id-new", "new", links={"cx": "t-new"})
    await journal.operations.settle(
        new, Settlement(Outcome.APPLIED, event("e-new", "new"), made, is_new=True)
    )
    found = await journal.resources.find("cx", made.type, [Key("name", "new"), Key("name", "late")])
    await journal.close()

    assert [one.id for one in found] == ["id-late", "id-new"]
    with reading(database) as reader:
        assert str(reader.verify().state) == "whole"
        assert reader.history("new")


Pair = tuple[JournalSettings, JournalSettings]


@pytest.fixture(params=["to a database", "to a file"])
def way(request, file, database, elsewhere) -> Pair:
    """From where to where, by both ways."""
    if request.param == "to a database":
        return file, database
    bring(file, database)
    return database, elsewhere


def test_what_was_killed_is_gone_on_with(way):
    source, destination = way
    sides = [
        str(part) for place in way for part in (place.path, place.database.reveal() if place.database else "")
    ]
    killed = subprocess.run([sys.executable, "-c", KILLED, *sides], check=False)
    assert killed.returncode == -9
    brought = []

    bring(source, destination, brought.append)

    expected = rows_of(source)
    assert rows_of(destination) == expected
    assert 0 < brought[-1] <= sum(len(expected[table.name]) for table in LONG_TABLES) - 12


class Cut(Exception):
    """Something broke."""


def cut_after(rows: int) -> Callable[[int], None]:
    def see(brought: int) -> None:
        if brought >= rows:
            raise Cut

    return see


def test_wherever_it_was_cut_it_is_gone_on_with(file, elsewhere, monkeypatch):
    monkeypatch.setattr(copied, "MOST_ROWS", 1)
    monkeypatch.setattr(copied, "AT_ONCE", 1)

    cuts = 0
    while True:
        try:
            bring(file, elsewhere, cut_after(1))
        except Cut:
            cuts += 1
        else:
            break

    expected = rows_of(file)
    assert rows_of(elsewhere) == expected
    assert cuts == sum(len(expected[table.name]) for table in LONG_TABLES)


def cut(source, destination) -> None:
    with pytest.raises(Cut):
        bring(source, destination, cut_after(1))


async def test_no_gateway_takes_a_part_for_a_journal(file, database, elsewhere, clock):
    cut(file, database)
    cut(file, elsewhere)

    with pytest.raises(JournalUnavailable, match="a part of another"):
        await SqliteJournal.open(elsewhere.path, "full", clock, print, "me")
    with pytest.raises(JournalUnavailable, match="a part of another"):
        await PostgresJournal.reach(database.database.reveal(), database.path, "full", clock, print, "me")


async def test_of_a_journal_that_went_on_a_part_is_begun_anew(way, clock, event):
    source, destination = way
    cut(source, destination)
    url = source.database.reveal() if source.database else None
    opened = (SqliteJournal.open,) if url is None else (PostgresJournal.reach, url)
    journal = await opened[0](*opened[1:], source.path, "full", clock, print, "me")
    await journal.trail.append([event("e-newer")])
    await journal.close()

    bring(source, destination)

    assert rows_of(destination) == rows_of(source)


def test_a_place_that_has_a_journal_is_refused(way):
    bring(*way)
    before = rows_of(way[1])

    with pytest.raises(CopyRefused, match="has a journal already"):
        bring(*way)
    assert rows_of(way[1]) == before


async def test_a_place_that_has_a_part_of_another_journal_is_refused(file, elsewhere, clock, path, event):
    cut(file, elsewhere)
    other = await SqliteJournal.open(path.with_name("another.db"), "full", clock, print, "me")
    await other.trail.append([event()])
    await other.close()

    with pytest.raises(CopyRefused, match="a part of another journal"):
        bring(JournalSettings(path.with_name("another.db")), elsewhere)


def test_a_place_beside_months_of_another_journal_is_refused(file, elsewhere):
    elsewhere.path.parent.mkdir()
    archive_of(elsewhere.path, "2020-01").touch()

    with pytest.raises(CopyRefused, match="months of another journal"):
        bring(file, elsewhere)


@pytest.mark.parametrize("at", [0, 1], ids=["from", "to"])
async def test_a_file_that_a_gateway_has_open_is_refused(file, elsewhere, clock, at):
    pair = [file, elsewhere]
    journal = await SqliteJournal.open(pair[at].path, "full", clock, print, "me")

    with pytest.raises(JournalLocked):
        bring(*pair)
    await journal.close()


@pytest.mark.parametrize("at", [0, 1], ids=["from", "to"])
async def test_a_database_that_a_gateway_works_on_is_refused(file, database, elsewhere, clock, at):
    if at == 0:
        bring(file, database)
    url = database.database.reveal()
    journal = await PostgresJournal.reach(url, database.path, "full", clock, print, "me")
    await journal.replicas.meet(Replica("me", "2026", "1", "c", {}, ""))

    with pytest.raises(JournalLocked, match="work on one of the journals"):
        bring(*((file, database) if at else (database, elsewhere)))
    await journal.replicas.leave("me")
    await journal.close()


async def test_a_journal_that_changes_meanwhile_is_not_taken_for_copied(
    file, database, elsewhere, clock, event
):
    bring(file, database)
    with psycopg.connect(database.database.reveal(), autocommit=True) as connection:

        def change(rows: int) -> None:
            connection.execute("UPDATE trail_head SET seq = seq + 1")

        with pytest.raises(CopyRefused, match="changed while it was copied"):
            bring(database, elsewhere, change)
    with pytest.raises(JournalUnavailable, match="a part of another"):
        await SqliteJournal.open(elsewhere.path, "full", clock, print, "me")


def test_a_place_that_somebody_else_fills_meanwhile_is_refused(file, database, monkeypatch):
    monkeypatch.setattr(copied, "MOST_ROWS", 1)
    monkeypatch.setattr(copied, "AT_ONCE", 1)
    with psycopg.connect(database.database.reveal(), autocommit=True) as connection:

        def fill(rows: int) -> None:
            connection.execute(
                "INSERT INTO event (seq, id, published, body, hash)"
                " SELECT 14, 'x', '', '{}', '' FROM event WHERE seq = 12 ON CONFLICT DO NOTHING"
            )

        with pytest.raises(CopyRefused, match="somebody else writes"):
            bring(file, database, fill)


def test_a_trail_that_is_not_whole_is_said_and_not_taken(file, database, elsewhere):
    bring(file, database)
    with psycopg.connect(database.database.reveal(), autocommit=True) as connection:
        connection.execute("UPDATE event SET body = body || ' ' WHERE id = 'e-late'")

    with pytest.raises(CopyRefused, match=r"not whole.*of event"):
        bring(database, elsewhere)


async def test_a_value_that_a_database_cannot_have_is_named_by_its_row(
    file, database, clock, resource, event
):
    journal = await SqliteJournal.open(file.path, "full", clock, print, "me")
    odd = resource("id-odd", "a\x00b", links={"cx": "t-odd"})
    await journal.operations.settle(None, Settlement(Outcome.APPLIED, event("e-odd"), odd, is_new=True))
    await journal.close()
    with read_only(file.path) as connection:
        (key,) = connection.execute("SELECT key FROM resource WHERE id = 'id-odd'").fetchone()

    with pytest.raises(CopyRefused, match=f"resource {key}: .*a NUL character"):
        bring(file, database)


def test_a_journal_of_another_release_is_refused(file, elsewhere, monkeypatch):
    monkeypatch.setattr(copying, "load_migrations", lambda folder: ((99, ""),))

    with pytest.raises(CopyRefused, match=r"schema version 9\b.*99"):
        bring(file, elsewhere)


def test_every_column_of_both_engines_is_copied(file, database):
    bring(file, database)
    known = {(table.name, column.strip('"')) for table in TABLES for column in table.columns}
    known = {(table, "n" if column == "rowid" else column) for table, column in known}
    shared = {table for table, _ in known}
    with read_only(file.path) as connection:
        found = connection.execute(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
            " WHERE t.type = 'table'"
        )
        of_file = {row for row in found if row[0] not in {"meta", "schema_version", "sqlite_sequence"}}
    with psycopg.connect(database.database.reveal()) as connection:
        of_database = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema()"
        ).fetchall()

    assert of_file | {("op", "n")} == known
    assert {row for row in of_database if row[0] in shared} - OF_ONE_ENGINE == known
    others = {"meta", "schema_version", "op_key", "receipt", "replica"}
    assert {table for table, _ in of_database} - shared == others
