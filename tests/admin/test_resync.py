"""Everybody pushed again: what the rules make of them now reaches the target, and nothing else does."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.resync import Resync, Unpushed
from gateway.admin.runs import SIDE_BY_SIDE, End, Progress, render_line
from gateway.errors import JournalUnavailable
from gateway.flow.change import Changes
from gateway.flow.journal_port import StaleFence
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Broken, Denied, Refused, ResourceType, TargetError, Throttled
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.targets.gate import Gate
from tests.support.house import FakeTarget, House
from tests.support.rules import make_rule

LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}


def titles(*via: dict[str, Any]) -> TargetMapping:
    return TargetMapping([make_rule("title", via=[compile_transform(one, {}) for one in via])])


def person(n: int, **more: Any) -> dict[str, Any]:
    return {"userName": f"b{n}", "externalId": f"e{n}", "title": "Agent", **more}


UPPER = titles({"name": "upper"})
PICKY = titles({"name": "allow", "values": ["Boss"]})


@pytest.fixture
async def gateway(house) -> House:
    """A house with three people in it: t1, t2, and t3, who has left."""
    made = house(titles())
    for n in (1, 2, 3):
        await made.send("create", person(n, title="BOSS" if n == 2 else "Agent"))
    await made.send("patch", LEAVE, "t3")
    made.fake.calls.clear()
    return made


def run_of(gateway: House, changed: bool = False, changes: Changes | None = None) -> Resync:
    changes = changes or Changes(gateway.services, Recovery(gateway.services))
    return Resync(gateway.services, changes, gateway.target, changed)


async def resynced(gateway: House, changed: bool = False) -> tuple[list[Unpushed], End]:
    lines = [line async for line in run_of(gateway, changed).lines()]
    return [line for line in lines if isinstance(line, Unpushed)], lines[-1]


def ruled(gateway: House, mapping: TargetMapping) -> None:
    gateway.target = replace(gateway.target, mapping=mapping)


def titles_of(gateway: House) -> list[Any]:
    return [entry.get("title") for entry in gateway.fake.entries.values()]


async def test_nothing_is_sent_where_the_target_has_it_all(gateway) -> None:
    before = await gateway.events()

    rows, end = await resynced(gateway)

    assert (rows, end.verdict, end.people, end.counts) == ([], "well", 3, {"unchanged": 3})
    assert gateway.fake.writes == []
    assert len(await gateway.events()) == len(before) + 1


@pytest.mark.parametrize("changed", [False, True])
async def test_what_a_changed_rule_makes_of_people_reaches_the_target(gateway, changed: bool) -> None:
    ruled(gateway, UPPER)

    rows, end = await resynced(gateway, changed)

    assert (rows, end.verdict, end.counts) == ([], "well", {"applied": 2, "unchanged": 1})
    assert titles_of(gateway) == ["AGENT", "BOSS", "AGENT"]
    assert [entry["active"] for entry in gateway.fake.entries.values()] == [True, True, False]
    assert (await resynced(gateway, changed))[1].counts == {"unchanged": 3}


async def test_only_those_who_changed_are_looked_at_where_that_is_asked(gateway) -> None:
    ruled(gateway, UPPER)

    await resynced(gateway, changed=True)

    assert {id for name, id in gateway.fake.calls if name == "get"} == {"t1", "t3"}


@pytest.mark.parametrize("changed", [False, True])
async def test_an_edit_at_the_target_is_undone_only_where_everybody_is_pushed(gateway, changed: bool) -> None:
    gateway.fake.entries["t1"] = gateway.fake.entries["t1"] | {"title": "Edited"}

    await resynced(gateway, changed)

    assert titles_of(gateway)[0] == ("Edited" if changed else "Agent")


async def test_what_a_rule_no_longer_sends_is_removed(gateway) -> None:
    ruled(gateway, TargetMapping([make_rule("nickName", ["title"])]))

    await resynced(gateway, changed=True)

    assert titles_of(gateway) == [None] * 3
    assert gateway.fake.entries["t1"]["nickName"] == "Agent"


async def test_a_provider_s_own_push_brings_what_a_changed_rule_makes_too(gateway) -> None:
    ruled(gateway, UPPER)

    await gateway.send("replace", person(1), "t1")

    assert titles_of(gateway) == ["AGENT", "BOSS", "Agent"]


async def test_who_is_refused_is_listed_and_stops_nobody(gateway) -> None:
    ruled(gateway, PICKY)

    rows, end = await resynced(gateway)

    assert sorted((row.id, row.path, row.outcome) for row in rows) == [
        ("t1", "title", "rejected"),
        ("t2", "title", "rejected"),
    ]
    assert all("title" in row.rule and row.reason for row in rows)
    assert (end.verdict, end.counts) == (
        "differs",
        {"rejected": 2, "unchanged": 1},
    )  # a leaver is never refused


async def test_what_the_target_refuses_is_listed_with_its_reason(gateway) -> None:
    ruled(gateway, UPPER)
    gateway.fake.faults = [Refused("title is too loud", 400)]

    (row,), end = await resynced(gateway)

    assert (row.path, row.rule) == (None, None)
    assert "too loud" in row.reason
    assert end.counts == {"rejected": 1, "applied": 1, "unchanged": 1}


async def test_somebody_removed_by_deactivation_is_no_concern(house) -> None:
    gateway = house(titles(), on_deactivate="delete")
    await gateway.send("create", person(1))
    await gateway.send("patch", LEAVE, "t1")
    gateway.fake.calls.clear()
    ruled(gateway, UPPER)

    assert (await resynced(gateway, changed=True))[1].counts == {"unchanged": 1}
    assert gateway.fake.calls == []


@pytest.mark.parametrize(
    ("on_missing", "counts"),
    [
        pytest.param("recreate", {"applied": 1, "unchanged": 2}, id="made again"),
        pytest.param("error", {"rejected": 1, "unchanged": 2}, id="reported"),
    ],
)
async def test_an_entry_that_vanished_is_treated_as_the_target_says(gateway, on_missing, counts) -> None:
    gateway.target = replace(gateway.target, policy=replace(gateway.target.policy, on_missing=on_missing))
    del gateway.fake.entries["t1"]

    assert (await resynced(gateway))[1].counts == counts


async def test_an_entry_that_a_leaver_lost_is_remembered_as_lost(gateway) -> None:
    del gateway.fake.entries["t3"]

    assert (await resynced(gateway))[1].counts == {"unchanged": 3}
    gateway.fake.calls.clear()
    await resynced(gateway)

    assert ("get", "t3") not in gateway.fake.calls


async def crowd(house: Any, people: int = 40, fake: FakeTarget | None = None) -> House:
    made = house(titles(), fake, attempts=1)
    for n in range(people):
        await made.send("create", person(n))
    ruled(made, UPPER)
    made.fake.calls.clear()
    return made


@pytest.mark.parametrize(
    ("fault", "most"),
    [
        pytest.param(Broken("down", 500), 2 * SIDE_BY_SIDE, id="down"),
        pytest.param(Denied("no", 401), 2 * SIDE_BY_SIDE, id="credentials"),
    ],
)
async def test_a_target_that_is_down_ends_the_run(house, fault, most) -> None:
    gateway = await crowd(house)
    gateway.fake.faults = [None] * 3 + [fault] * 999

    rows, end = await resynced(gateway)

    assert (end.verdict, end.counts["applied"]) == ("unreachable", 3)
    assert len(rows) == end.counts["deferred"] <= most
    assert (await gateway.events())[-1]["outcome"]["result"] == "failed"


async def test_what_a_target_that_is_down_says_of_a_person_is_not_told(house) -> None:
    gateway = await crowd(house, people=1)
    gateway.fake.faults = [Broken(f"{person(0)['userName']}: locked", 500)] * 9

    _, end = await resynced(gateway)

    assert end.reason == "phonebook: broken: ***: locked"
    assert (await gateway.events())[-1]["outcome"]["reason"] == end.reason


async def test_credentials_refused_once_end_a_run_whoever_gets_through_meanwhile(house) -> None:
    gateway = await crowd(house)
    gateway.fake.faults = [None] * 3 + [Denied("no", 401)]

    rows, end = await resynced(gateway)

    assert (end.verdict, len(rows)) == ("unreachable", 1)
    assert end.people <= 2 * SIDE_BY_SIDE


async def test_one_person_whom_the_target_chokes_on_does_not_end_the_run(house) -> None:
    gateway = await crowd(house)
    gateway.fake.faults = [Broken("oops", 500)]

    _, end = await resynced(gateway)

    assert (end.verdict, end.counts) == ("unreachable", {"applied": 39, "deferred": 1})


@pytest.mark.parametrize(
    ("times", "verdict"),
    [pytest.param(3, "well", id="for a while"), pytest.param(99, "unreachable", id="ever")],
)
async def test_a_target_that_asks_to_slow_down_is_waited_for(house, times: int, verdict: str) -> None:
    gateway = await crowd(house, people=1)
    gateway.fake.faults = [Throttled("slow", 429, 7)] * times

    _, end = await resynced(gateway)

    assert end.verdict == verdict
    assert gateway.slept == [7] * min(times, 5)


@pytest.mark.parametrize("fault", [Broken("busy", 503, 7), Throttled("slow", 429, 7)], ids=["503", "429"])
async def test_a_target_that_has_asked_somebody_else_to_be_left_alone_is_waited_for(
    house, fault: TargetError
) -> None:
    gateway = await crowd(house, people=4)
    gate = Gate(gateway.fake, "phonebook", clock=gateway.services.monotonic)
    gateway.target = replace(gateway.target, connector=gate, admission=gate)
    gateway.fake.faults = [fault]
    with pytest.raises(type(fault)):
        await gate.delete(ResourceType.USER, "t1")

    _, end = await resynced(gateway)

    assert (end.verdict, end.counts, gateway.slept) == ("well", {"applied": 4}, [7])


async def test_a_journal_that_fails_ends_the_run(gateway) -> None:
    async def fail(*_: Any) -> Any:
        raise JournalUnavailable("disk full")

    gateway.services.operations.claim = fail
    ruled(gateway, UPPER)

    with pytest.raises(JournalUnavailable):
        await resynced(gateway)

    assert (await gateway.events())[-1]["outcome"]["reason"] == "ended early"


async def test_an_operation_that_an_administrator_drops_meanwhile_is_listed(gateway) -> None:
    async def settle(*_: Any) -> Any:
        raise StaleFence

    gateway.services.operations.settle = settle
    ruled(gateway, UPPER)

    rows, end = await resynced(gateway)

    assert [row.reason for row in rows] == ["an administrator dropped the operation"] * 2
    assert end.counts == {"failed": 2, "unchanged": 1}


async def test_a_resync_is_no_answer_that_the_provider_got(gateway) -> None:
    ruled(gateway, UPPER)

    await resynced(gateway)

    assert (await gateway.send("create", person(2, title="BOSS"))).status == 201


async def test_everybody_changed_leaves_an_event_and_the_run_one_more(gateway) -> None:
    ruled(gateway, UPPER)

    await resynced(gateway)

    *_, one, other, run = await gateway.events()
    assert [event["event"] for event in (one, other, run)] == ["resync"] * 3
    assert {one["target"]["id"], other["target"]["id"], run["target"]["id"]} == {"t1", "t3", None}
    assert {"path": "title", "before": "Agent", "after": "AGENT"}.items() <= one["diff"][0].items()
    assert run["counts"] == {"applied": 2, "unchanged": 1}
    assert one["correlation_id"] == run["correlation_id"]


class Wide(FakeTarget):
    """Knows how many changes were under way at once."""

    now = 0
    most = 0

    async def change(self, kind: ResourceType, id: str, update: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(2 + 5 * (int(id[1:]) % 7)):  # one takes longer than another
            await asyncio.sleep(0)
        self.now -= 1
        return await super().change(kind, id, update)


async def test_several_people_are_pushed_at_once_and_not_too_many(house) -> None:
    gateway = await crowd(house, fake=Wide())

    await resynced(gateway)

    assert 1 < gateway.fake.most <= SIDE_BY_SIDE


async def test_a_run_that_is_closed_ends_after_those_under_way(house) -> None:
    gateway = await crowd(house, fake=Wide())
    gateway.services = replace(gateway.services, monotonic=iter(range(10_000)).__next__)

    async with aclosing(run_of(gateway).lines()) as lines:
        first = await anext(lines)

    last = (await gateway.events())[-1]
    assert isinstance(first, Progress)
    assert gateway.fake.now == 0
    assert SIDE_BY_SIDE <= len(gateway.fake.writes) < 40
    assert last["counts"] == {"applied": len(gateway.fake.writes)}
    assert last["outcome"] == {"result": "failed", "status": None, "reason": "ended early"}


@pytest.mark.parametrize(
    ("line", "name"),
    [(Progress(3, 1.5), "progress"), (End("well", 3, {}), "end"), (Unpushed(*"abcdef"), "row")],
)
def test_a_line_goes_under_its_name(line: Any, name: str) -> None:
    assert list(render_line(line)) == [name]


async def test_a_push_is_sent_again_within_five_minutes_whatever_the_target_says(gateway) -> None:
    ruled(gateway, UPPER)
    gateway.fake.faults = [Throttled("slow", 429, 86400.0)]

    assert (await resynced(gateway))[1].verdict == "well"
    assert max(gateway.slept) == 300.0
