"""How a comparison goes through a target: page by page, patiently, in bounded memory."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from gateway.admin.reconcile import Finding, Reconciliation
from gateway.admin.runs import SIDE_BY_SIDE, End, Progress
from gateway.flow.change import Changes
from gateway.flow.journal_port import Link, Resource, State
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import (
    Broken,
    Denied,
    Page,
    Query,
    ResourceType,
    TargetError,
    Throttled,
    Unreachable,
)
from gateway.targets.gate import Gate
from tests.support.house import USER, FakeTarget, House


async def reconciled(gateway: House, repair: bool = False) -> tuple[list[Finding], End]:
    changes = Changes(gateway.services, Recovery(gateway.services))
    run = Reconciliation(gateway.services, changes, gateway.target, repair)
    lines = [line async for line in run.lines()]
    return [line for line in lines if isinstance(line, Finding)], lines[-1]


class Shaky(FakeTarget):
    """Fails its pages so often, and every look at one entry where told so."""

    troubles: list[TargetError]
    get_trouble: TargetError | None = None

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if self.troubles:
            raise self.troubles.pop(0)
        return await super().query(kind, query)

    async def get(self, kind: ResourceType, id: str) -> Any:
        if self.get_trouble is not None:
            self.calls.append(("get", id))
            raise self.get_trouble
        return await super().get(kind, id)


@pytest.fixture
async def shaky(house) -> House:
    fake = Shaky()
    fake.troubles = []
    made = house(fake=fake, page_size=2)
    for n in range(5):
        await made.send("create", {"userName": f"b{n}", "externalId": f"e{n}"})
    return made


@pytest.mark.parametrize(
    ("troubles", "slept"),
    [
        pytest.param([Broken("oops", 500), Unreachable("no")], [0.5, 1.0], id="a little ill"),
        pytest.param([Throttled("slow", 429, 7), Throttled("slow", 429)], [7, 30.0], id="busy"),
    ],
)
async def test_a_page_is_asked_for_again(shaky, troubles, slept) -> None:
    shaky.fake.troubles = troubles

    assert (await reconciled(shaky))[1].verdict == "well"
    assert shaky.slept == slept


@pytest.mark.parametrize("trouble", [Unreachable("refused"), Denied("no", 401), Throttled("slow", 429)])
async def test_a_target_that_cannot_be_read_ends_the_run_and_nobody_is_called_missing(shaky, trouble) -> None:
    shaky.fake.troubles = [trouble] * 9

    findings, end = await reconciled(shaky)

    assert (findings, end.verdict) == ([], "unreachable")
    assert (await shaky.events())[-1]["outcome"] == {"result": "failed", "status": None, "reason": end.reason}


async def test_a_sick_target_ends_the_run_and_the_reason_can_be_read(shaky) -> None:
    gate = Gate(shaky.fake, "phonebook", clock=shaky.services.monotonic)
    shaky.target = replace(shaky.target, connector=gate, admission=gate)
    shaky.fake.troubles = [Unreachable("refused")] * 9

    for _ in range(3):
        findings, end = await reconciled(shaky)

    assert (findings, end.verdict) == ([], "unreachable")
    assert end.reason == "phonebook: sick: no call goes out until it answers again; `status` shows since when"


async def test_a_target_that_goes_away_between_ends_the_run(shaky) -> None:
    for n in range(40):
        know(shaky, f"t{n}", {"userName": f"c{n}", "active": True})
        shaky.fake.entries[f"t{n}"] = shaky.fake.entries[f"t{n}"] | {"title": "Boss"}
    shaky.fake.get_trouble = Denied("no", 401)
    shaky.fake.calls.clear()

    findings, end = await reconciled(shaky, repair=True)

    assert (findings, end.verdict, shaky.fake.writes) == ([], "unreachable", [])
    assert len([name for name, _ in shaky.fake.calls if name == "get"]) <= 2 * SIDE_BY_SIDE


async def test_nobody_is_missing_who_slipped_between_two_pages(shaky) -> None:
    class Slipping(Shaky):
        async def query(self, kind: ResourceType, query: Query) -> Page:
            page = await super().query(kind, query)
            return replace(page, entries=page.entries[1:] if query.start == 3 else page.entries)

    shaky.fake.__class__ = Slipping

    assert (await reconciled(shaky))[0] == []


class Counted(dict[str, Any]):
    """An entry that can be counted while somebody holds it."""


class Counting(FakeTarget):
    """Hands out entries and knows how many of them are still held."""

    held = 0
    most = 0

    async def query(self, kind: ResourceType, query: Query) -> Page:
        gc.collect()
        page = await super().query(kind, query)
        return Page(page.total, tuple(self._counted(entry) for entry in page.entries))

    async def get(self, kind: ResourceType, id: str) -> Any:
        return self._counted(self.entries[id])

    def _counted(self, entry: dict[str, Any]) -> Counted:
        counted = Counted(entry)
        self.held += 1
        self.most = max(self.most, self.held)
        weakref.finalize(counted, self._let_go)
        return counted

    def _let_go(self) -> None:
        self.held -= 1


def know(gateway: House, id: str, original: dict[str, Any]) -> None:
    """Have somebody known and there, as if created long ago."""
    entry = gateway.fake.entries[id] = original | {"id": id}
    link = Link("phonebook", id, gateway.target.mapping.forward(original).form, entry)
    resource = Resource("phonebook", USER, id, original, State.ACTIVE, "", "", True, {"phonebook": link})
    gateway.journal.store(resource)


async def test_hundreds_of_people_are_compared_a_page_at_a_time(house) -> None:
    gateway = house(fake=Counting(), page_size=50)
    for n in range(200):
        know(gateway, f"t{n}", {"userName": f"b{n}", "title": "Agent", "active": True})
    for n in range(0, 200, 10):
        gateway.fake.entries[f"t{n}"] = gateway.fake.entries[f"t{n}"] | {"title": "Boss"}

    findings, end = await reconciled(gateway)

    assert (len(findings), end.people) == (20, 200)
    assert gateway.fake.most <= 2 * 50  # a page, and the one before it while it is replaced


async def test_progress_is_told_once_a_second_at_most(shaky) -> None:
    class Slow(Shaky):
        async def query(self, kind: ResourceType, query: Query) -> Page:
            shaky.clock[0] += 0.6
            return await super().query(kind, query)

    shaky.fake.__class__ = Slow
    changes = Changes(shaky.services, Recovery(shaky.services))

    lines = [line async for line in Reconciliation(shaky.services, changes, shaky.target).lines()]

    assert [line for line in lines if isinstance(line, Progress)] == [Progress(4, 1.2)]


async def test_a_page_is_asked_for_again_within_five_minutes_whatever_the_target_says(shaky) -> None:
    shaky.fake.troubles = [Throttled("slow", 429, 86400.0)]

    assert (await reconciled(shaky))[1].verdict == "well"
    assert shaky.slept == [300.0]
