"""A target gets no more calls than it takes, and who is most urgent goes first."""

import asyncio
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.target_port import (
    Crowded,
    Errand,
    Page,
    Query,
    ResourceType,
    Sick,
    TargetError,
    Update,
    Urgency,
    errand,
)
from gateway.targets.gate import Gate
from gateway.targets.lanes import Lanes
from tests.support.virtual import run

USER: Final = ResourceType.USER
LEAVER, CHANGE, READ, RUN = Urgency


class Gauge:
    """A target that counts the calls it is in, and lets them go when told."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.done: list[str] = []
        self.go = asyncio.Event()

    async def _call(self, name: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go.wait()
        self.inside -= 1
        self.done.append(name)

    async def get(self, kind, id, *, members=False):
        await self._call("get")

    async def query(self, kind, query):
        await self._call("query")
        return Page(0, ())

    async def create(self, kind, wanted, *, beside=()):
        await self._call("create")

    async def change(self, kind, id, update):
        await self._call("change")

    async def delete(self, kind, id):
        await self._call("delete")

    async def check(self):
        await self._call("check")

    async def close(self):
        self.done.append("close")


async def held(lanes: Lanes, seconds: float, urgency: Urgency = RUN, left: float = 1e9) -> float:
    """Hold a turn so long; return when it came."""
    await lanes.take(urgency, left)
    began = asyncio.get_running_loop().time()
    try:
        await asyncio.sleep(seconds)
    finally:
        lanes.leave()
    return began


async def all_of(*works: Any) -> list[Any]:
    """Begin them one after another, and return what came of each, with the time since the start."""
    began = asyncio.get_running_loop().time()
    found = await asyncio.gather(*works, return_exceptions=True)
    return [round(one - began, 6) if isinstance(one, float) else one for one in found]


async def test_calls_wait_for_a_place():
    gauge = Gauge()
    limited = Gate(gauge, "book", lanes=Lanes(2))
    calls = [
        limited.get(USER, "1"),
        limited.query(USER, Query()),
        limited.create(USER, {}),
        limited.change(USER, "1", Update({}, {}, ())),
        limited.delete(USER, "1"),
        limited.check(),
    ]

    gauge.go.set()
    await asyncio.gather(*calls)

    assert gauge.most <= 2
    assert sorted(gauge.done) == ["change", "check", "create", "delete", "get", "query"]


@pytest.mark.parametrize(("lanes", "most"), [(Lanes(1), 1), (Lanes(3), 3), (None, 64)])
async def test_as_many_calls_run_as_there_are_places(lanes, most):
    gauge = Gauge()
    limited = Gate(gauge, "book", lanes=lanes)
    tasks = [asyncio.create_task(limited.get(USER, "1")) for _ in range(most + 2)]

    for _ in range(5):
        await asyncio.sleep(0)

    assert gauge.inside == most
    gauge.go.set()
    await asyncio.gather(*tasks)
    assert gauge.most == most


async def test_closing_waits_for_no_turn():
    gauge, lanes = Gauge(), Lanes(1)
    await lanes.take(RUN)

    await Gate(gauge, "book", lanes=lanes).close()

    assert gauge.done == ["close"]


@pytest.mark.parametrize(
    ("rate", "begins"),
    [
        pytest.param(4.0, [0.0, 0.25, 0.5], id="four a second"),
        pytest.param(0.5, [0.0, 2.0, 4.0], id="one in two seconds"),
        pytest.param(None, [0.0, 0.0, 0.0], id="no limit"),
    ],
)
def test_calls_are_spaced(rate, begins):
    lanes = Lanes(rate=rate)

    assert run(all_of(*(held(lanes, 0.0) for _ in range(3)))) == begins


def test_a_call_after_a_pause_does_not_wait():
    lanes = Lanes(rate=10.0)

    async def one_after_another() -> list[float]:
        began = asyncio.get_running_loop().time()
        return [round(await held(lanes, 1.0) - began, 6) for _ in range(3)]

    assert run(one_after_another()) == [0.0, 1.0, 2.0]


async def test_a_call_that_fails_gives_its_place_back():
    lanes = Lanes(1)
    limited = Gate(Failing(), "book", lanes=lanes)

    for _ in range(2):
        with pytest.raises(TargetError):
            await limited.get(USER, "1")

    assert (lanes.under_way, lanes.waiting) == (0, 0)


class Failing:
    async def get(self, *_: Any, **__: Any) -> None:
        raise TargetError("no")

    query = create = change = get


def test_a_call_that_would_wait_too_long_for_the_rate_is_told_when_its_turn_would_come():
    lanes = Lanes(rate=0.1, patience=15.0)

    first, second, third = run(all_of(*(held(lanes, 0.0) for _ in range(3))))

    assert (first, second, third.retry_after) == (0.0, 10.0, 20.0)


def test_who_was_not_let_in_takes_nobodys_turn():
    lanes = Lanes(rate=0.1, patience=5.0)

    async def later() -> float:
        await asyncio.sleep(6.0)
        return await held(lanes, 0.0)

    first, *refused, last = run(all_of(*(held(lanes, 0.0) for _ in range(4)), later()))

    assert (first, last) == (0.0, 10.0)
    assert [type(error) for error in refused] == [Crowded] * 3


def test_a_call_that_would_wait_too_long_for_a_place_is_told_to_come_again():
    lanes = Lanes(1, patience=5.0)

    first, second, third = run(all_of(held(lanes, 7.0), held(lanes, 0.0), later(6.0, lanes)))

    assert (first, third) == (0.0, 7.0)
    assert (type(second), second.retry_after) == (Crowded, 5.0)


async def later(seconds: float, lanes: Lanes, urgency: Urgency = RUN) -> float:
    await asyncio.sleep(seconds)
    return await held(lanes, 0.0, urgency)


def test_nobody_waits_longer_than_there_is_time():
    lanes = Lanes(1, patience=10.0)

    first, second = run(all_of(held(lanes, 7.0), held(lanes, 0.0, left=3.0)))

    assert (first, type(second)) == (0.0, Crowded)


def test_deactivations_go_first_then_changes_then_reads_then_runs():
    lanes, order = Lanes(1), []

    async def one(urgency: Urgency) -> None:
        await held(lanes, 1.0, urgency)
        order.append(urgency)

    run(all_of(*map(one, (RUN, RUN, READ, CHANGE, LEAVER, CHANGE))))

    assert order == [RUN, LEAVER, CHANGE, CHANGE, READ, RUN]


@pytest.mark.parametrize(("concurrency", "waiting"), [(1, 64), (32, 128), (64, 256), (500, 256)])
def test_so_many_may_wait_and_the_next_is_told_at_once_to_come_again(concurrency, waiting):
    lanes = Lanes(concurrency)

    found = run(all_of(*(held(lanes, 0.1) for _ in range(concurrency + waiting)), later(0.05, lanes)))

    assert (type(found[-1]), [one for one in found[:-1] if isinstance(one, Exception)]) == (Crowded, [])


def test_somebody_more_urgent_takes_the_place_of_the_last_of_the_least_urgent():
    lanes = Lanes(1)
    waiting = [held(lanes, 0.01, READ) for _ in range(1 + lanes.most_waiting)]

    found = run(all_of(*waiting, held(lanes, 0.0, LEAVER), held(lanes, 0.0, READ)))

    assert [number for number, one in enumerate(found) if isinstance(one, Crowded)] == [64, 66]
    assert found[65] == 0.01


def test_all_who_wait_are_refused_at_once_when_the_target_falls_ill():
    lanes = Lanes(1)

    async def falls_ill() -> float:
        await asyncio.sleep(1.0)
        lanes.refuse(lambda: Sick("ill"))
        return asyncio.get_running_loop().time()

    first, *others, at = run(all_of(held(lanes, 5.0), *(held(lanes, 0.0) for _ in range(3)), falls_ill()))

    assert (first, [type(one) for one in others], at) == (0.0, [Sick] * 3, 1.0)
    assert (lanes.under_way, lanes.waiting) == (0, 0)


async def test_a_call_waits_by_the_urgency_of_its_errand():
    gauge, lanes = Gauge(), Lanes(1)
    limited = Gate(gauge, "book", lanes=lanes)
    tasks = [asyncio.create_task(limited.get(USER, "1"))]
    for urgency, call in ((RUN, limited.query(USER, Query())), (LEAVER, limited.delete(USER, "1"))):
        token = errand.set(Errand(urgency=lambda urgency=urgency: urgency))
        tasks.append(asyncio.create_task(call))
        errand.reset(token)
    for _ in range(5):
        await asyncio.sleep(0)

    gauge.go.set()
    await asyncio.gather(*tasks)

    assert gauge.done == ["get", "delete", "query"]


Call = tuple[float, float, Urgency, float | None]  # when it comes, how long it takes, when it goes away
CALLS = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda n: n / 4),
        st.integers(0, 20).map(lambda n: n / 4),
        st.sampled_from(Urgency),
        st.none() | st.integers(0, 20).map(lambda n: n / 4 + 0.1),
    ),
    max_size=30,
)


class Watched(Lanes):
    """Notes who goes in and when, by arrival; how many are in at most, and how long somebody waits."""

    def __init__(self, *limits: Any) -> None:
        super().__init__(*limits)
        self.came: dict[Urgency, int] = dict.fromkeys(Urgency, 0)
        self.entered: dict[Urgency, dict[int, float]] = {urgency: {} for urgency in Urgency}
        self.most_inside, self.longest = 0, 0.0

    async def call(self, at: float, takes: float, urgency: Urgency) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(at)
        came = loop.time()
        number = self.came[urgency] = self.came[urgency] + 1
        try:
            await self.take(urgency)
        finally:
            self.longest = max(self.longest, loop.time() - came)
        self.entered[urgency][number] = loop.time()
        self.most_inside = max(self.most_inside, self.under_way)
        try:
            await asyncio.sleep(takes)
        finally:
            self.leave()


async def within(seconds: float | None, work: Any) -> None:
    async with asyncio.timeout(seconds):
        await work


@given(CALLS, st.integers(1, 4), st.sampled_from([None, 2.0]), st.sampled_from([1.0, 10.0]))
def test_whoever_comes_and_goes_the_bounds_hold_and_nobody_overtakes_their_like(
    calls: list[Call], concurrency: int, rate: float | None, patience: float
) -> None:
    lanes = Watched(concurrency, rate, patience)

    run(all_of(*(within(goes, lanes.call(at, takes, urgency)) for at, takes, urgency, goes in calls)))

    assert lanes.most_inside <= concurrency
    assert lanes.longest <= patience + 1e-6
    for entered in lanes.entered.values():
        times = [entered[number] for number in sorted(entered)]
        assert times == sorted(times)
    assert (lanes.under_way, lanes.waiting) == (0, 0)


async def test_who_goes_away_in_the_moment_in_which_their_turn_comes_gives_it_back() -> None:
    lanes = Lanes(1)
    await lanes.take(RUN)
    waiting = asyncio.create_task(lanes.take(RUN))
    await asyncio.sleep(0)

    lanes.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert (lanes.under_way, lanes.waiting) == (0, 0)
