"""Somebody looked up: by indexes where there are some, and never more of the trail than a bounded part."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.address import Secret
from gateway.audit.event import Event, Personal, Remark
from gateway.flow.journal_port import MemberRow, MemberRows, Outcome, Settlement, State
from gateway.flow.target_port import ResourceType
from gateway.journal import lookup
from gateway.journal.journal import SqliteJournal
from gateway.journal.lookup import COUNTED, GROUPS, MEMBERS, ORIGINALS, looking
from gateway.journal.reader import reading
from gateway.sqlite_file import read_only


def told(seq: int, event: str, result: str, status: int = 400, name: str = "ann") -> Event:
    target = {"name": "cx", "type": "User", "id": None, "user_name": Personal(name), "external_id": "x-new"}
    outcome = {"result": result, "status": status, "reason": Remark("title: is odd (rule cx@1:title)")}
    return Event(f"e{seq}", {"event": event, "outcome": outcome, "target": target})


@pytest.mark.parametrize("state", [State.ACTIVE, State.INACTIVE, None])
@pytest.mark.parametrize(
    "events",
    [
        [("user.create", "rejected", 400)],
        [("user.replace", "rejected", 400)],
        [("user.replace", "rejected", 500)],
        [("user.replace", "rejected", 409), ("user.delete", "rejected", 400)],
        [("user.replace", "rejected", 400), ("user.patch", "applied", 200)],
        [("user.replace", "applied", 200), ("user.patch", "rejected", 400), ("user.patch", "failed", 500)],
        [("user.create", "rejected", 400), ("user.replace", "rejected", 404)],
        [],
    ],
)
async def test_one_is_refused_as_everybody_is(path, clock, resource, events, state) -> None:
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o")
    if state is not None:
        whom = replace(resource(name="Ann"), state=state)
        await journal.operations.settle(None, Settlement(Outcome.APPLIED, Event("e", {}), whom))
    await journal.trail.append([told(n, *event) for n, event in enumerate(events)])
    await journal.close()

    with reading(path) as whole, looking(path) as bounded:
        assert list(bounded.refused("cx", "ann")) == list(whole.refused("cx", "ann"))


@pytest.mark.parametrize("sql", [MEMBERS, GROUPS, COUNTED, *ORIGINALS.values()])
async def test_a_page_reads_by_an_index(path, clock, sql: str) -> None:
    await (await SqliteJournal.open(path, "full", clock, print, owner="o")).close()
    asked = dict.fromkeys(("base", "target", "id", "after"), "x") | {"count": 5, "bases": '["cx"]'}
    with closing(read_only(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", asked)]

    assert [line for line in plan if line.startswith("SCAN") and "json_each" not in line] == []


async def test_of_a_trail_without_end_only_the_newest_is_read(path, clock, monkeypatch) -> None:
    monkeypatch.setattr(lookup, "MOST_EVENTS", 3)
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o")
    await journal.trail.append([told(n, "user.patch", "applied") for n in range(9)])
    await journal.close()

    with looking(path) as found:
        assert [event["id"] for event in found.history("ANN")] == ["e6", "e7", "e8"]


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, path: Path) -> tuple[Any, SimpleNamespace]:
    """A journal of each kind, and where it is."""
    journal = request.getfixturevalue(request.param)
    is_file = request.param == "sqlite"
    url = None if is_file else Secret(request.getfixturevalue("database_url"))
    return journal, SimpleNamespace(path=path, database=url)


async def test_somebody_is_looked_up_in_every_kind_of_journal(kept, resource) -> None:
    journal, place = kept
    ann = resource(id="a", name="Ann", external="x-a", links={"cx": "t-a"})
    desk = resource(id="g", name=None, type=ResourceType.GROUP, links={"cx": "t-g"})
    desk = replace(desk, original={"displayName": "Desk"})
    rows = {"a": MemberRow({"value": "a"}), "b": MemberRow({"value": "b"}, False)}
    members = MemberRows("cx", rows, entries={"a": "t-a"})
    for n, (one, rows) in enumerate(((ann, None), (desk, members))):
        await journal.operations.settle(None, Settlement(Outcome.APPLIED, Event(f"e{n}", {}), one, rows))
    await journal.trail.append([told(7, "user.patch", "rejected")])

    with looking(place) as found:
        by_each = [found.by_key(("cx",), ann.type, text) for text in ("a", "ANN", "x-a", "t-a", "none")]
        searched = [found.search(("cx",), kind, lambda _: True, 0, 5, lambda: False) for kind in ResourceType]
        who, groups = found.members(desk, "", 1), found.groups(ann, "", 5)
        refused, counted, names = list(found.refused("cx", "ann")), found.counted(desk), found.names([ann])
        standing = found.standing_of(ann)

    assert [[one.id for one in those] for those in by_each] == [["a"], ["a"], ["a"], ["a"], []]
    assert [[one.id for one in those.resources] for those in searched] == [["a"], ["g"]]
    assert [(one.id, one.name, one.is_delivered) for one in who.rows] == [("a", "Ann", True)]
    assert (who.after, counted, names) == ("a", (2, 1), ("ann",))
    assert [one.name for one in groups.rows] == ["Desk"]
    assert ([one.user_name for one in refused], standing) == (["ann"], None)


@pytest.mark.parametrize("kind", ResourceType)
async def test_a_look_that_is_late_says_where_it_goes_on(path, clock, resource, monkeypatch, kind) -> None:
    monkeypatch.setattr(lookup, "SLICE", 2)
    journal = await SqliteJournal.open(path, "full", clock, print, owner="o")
    for n in range(5):
        whom = resource(id=f"r{n}", name=f"ann{n}", type=kind)
        await journal.operations.settle(None, Settlement(Outcome.APPLIED, Event(f"e{n}", {}), whom))
    await journal.close()

    with looking(path) as found:
        first = found.search(("cx",), kind, lambda text: "ann3" in text, 0, 5, lambda: True)
        then = found.search(("cx",), kind, lambda text: "ann3" in text, first.after or 0, 5, lambda: True)

    assert (first.resources, first.share) == ((), 40)
    assert [one.id for one in then.resources] == ["r3"]
