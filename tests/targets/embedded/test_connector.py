"""What only the directory of our own does."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from importlib import resources
from itertools import count
from pathlib import Path

import pytest

from gateway.flow.target_port import Broken, Missing, Page, Query, Refused, ResourceType, Unreachable, Update
from gateway.scim.grammar import parse_filter
from gateway.sqlite_file import StoreUnavailable
from gateway.targets.embedded.connector import EmbeddedConnector
from gateway.targets.embedded.filters import narrow

USER, GROUP = ResourceType.USER, ResourceType.GROUP
DAWN = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "directory.db"


@pytest.fixture
async def directory(path: Path) -> AsyncIterator[EmbeddedConnector]:
    """A directory whose ids are 1, 2, 3 and whose days have one moment each."""
    ids, days = count(1), count()
    opened = await EmbeddedConnector.open(
        path, pytest.fail, lambda: str(next(ids)), lambda: DAWN + timedelta(days=next(days))
    )
    yield opened
    await opened.close()


async def test_an_entry_has_an_id_and_a_meta(directory):
    ann = await directory.create(USER, {"userName": "ann", "ID": "mine", "meta": {"version": "x"}})

    moment = "2026-01-01T00:00:00.000Z"
    assert ann == {
        "userName": "ann",
        "id": "1",
        "meta": {"resourceType": "User", "created": moment, "lastModified": moment},
    }


async def test_a_change_keeps_when_the_entry_was_created(directory):
    ann = await directory.create(USER, {"userName": "ann"})

    changed = await directory.change(USER, "1", Update(ann, {"userName": "ann", "title": "Agent"}, ()))

    assert changed["meta"]["created"] == "2026-01-01T00:00:00.000Z"
    assert changed["meta"]["lastModified"] == "2026-01-02T00:00:00.000Z"
    assert await directory.get(USER, "1") == changed


async def test_what_is_stored_is_what_was_sent(directory):
    sent = {"schemas": ["urn:x"], "userName": "Ann\x00", "urn:x:User": {"a": [1, 2.5, None, {"b": True}]}}

    await directory.create(USER, sent)

    shown = await directory.get(USER, "1")
    assert {name: shown[name] for name in sent} == sent


@pytest.mark.parametrize("wanted", [{}, {"userName": ""}, {"userName": 7}, {"userName": None}])
async def test_a_person_without_a_name_is_refused(directory, wanted):
    with pytest.raises(Refused, match="userName"):
        await directory.create(USER, wanted)


async def test_a_name_counts_however_its_attribute_is_written(directory):
    await directory.create(USER, {"USERNAME": "ann"})

    assert (await directory.query(USER, Query(parse_filter('userName eq "ann"')))).total == 1


async def test_a_password_is_never_stored(directory, path):
    ann = await directory.create(USER, {"userName": "ann", "password": "canary-1"})
    await directory.change(USER, "1", Update(ann, {"userName": "ann", "Password": "canary-2"}, ()))
    await directory.close()

    assert b"canary" not in path.read_bytes()


async def test_groups_may_share_a_name(directory):
    for _ in range(2):
        await directory.create(GROUP, {"displayName": "Sales"})

    assert (await directory.query(GROUP, Query(parse_filter('displayName eq "sales"')))).total == 2


async def test_an_entry_is_found_by_its_new_values_only(directory):
    ann = await directory.create(USER, {"userName": "ann", "emails": [{"value": "old@x"}]})
    await directory.change(USER, "1", Update(ann, {"userName": "ann", "emails": [{"value": "new@x"}]}, ()))

    totals = [
        (await directory.query(USER, Query(parse_filter(f'emails.value eq "{value}"')))).total
        for value in ("old@x", "new@x")
    ]

    assert totals == [0, 1]


@pytest.mark.parametrize(("start", "count"), [(0, 2), (-5, 2), (1, 2)])
async def test_a_page_before_the_first_is_the_first(directory, start, count):
    for name in ("a", "b", "c"):
        await directory.create(USER, {"userName": name})

    page = await directory.query(USER, Query(start=start, count=count))

    assert [entry["userName"] for entry in page.entries] == ["a", "b"]


async def test_a_page_of_less_than_none_is_empty(directory):
    await directory.create(USER, {"userName": "a"})

    assert await directory.query(USER, Query(count=-1)) == Page(1, ())


async def test_half_a_character_is_the_id_of_nothing(directory):
    assert await directory.get(USER, "\ud800") is None
    with pytest.raises(Missing):
        await directory.delete(USER, "\ud800")


async def test_a_directory_is_there_again_after_it_was_closed(directory, path):
    ann = await directory.create(USER, {"userName": "ann"})
    await directory.close()

    again = await EmbeddedConnector.open(path, on_fatal=pytest.fail)

    assert await again.get(USER, "1") == ann
    await again.close()


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "p50000@example.test"',
        'externalId eq "50000"',
        'emails.value eq "P50000@example.test"',
        'phoneNumbers[type eq "work" and value eq "+4450000"]',
        'displayName eq "Person 50000"',
    ],
)
def test_an_index_answers_the_usual_look_ups(text, path):
    condition = narrow(parse_filter(text))
    statement = (
        f"EXPLAIN QUERY PLAN SELECT document FROM entry WHERE type = ? AND ({condition.sql}) ORDER BY seq"
    )

    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((resources.files("gateway.targets.embedded") / "001.sql").read_text())
        plan = connection.execute(statement, ("User", *condition.parameters)).fetchall()

    assert [step[3] for step in plan if "SCAN" in step[3] or "(type=?)" in step[3]] == []


class Unusable:
    """A database whose disk gave up."""

    def __init__(self, fatal: bool) -> None:
        self._error = StoreUnavailable("the disk is full", fatal)

    async def read(self, work):
        raise self._error

    write = read


@pytest.mark.parametrize(("fatal", "error"), [(False, Unreachable), (True, Broken)], ids=["full", "damaged"])
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda directory: directory.get(USER, "1"), id="get"),
        pytest.param(lambda directory: directory.create(USER, {"userName": "a"}), id="create"),
        pytest.param(lambda directory: directory.check(), id="check"),
    ],
)
async def test_a_file_that_cannot_be_used_is_a_target_that_is_down(act, fatal, error):
    with pytest.raises(error, match="the disk is full"):
        await act(EmbeddedConnector(Unusable(fatal)))
