"""A target gets no more calls than it takes."""

import asyncio

import pytest

from gateway.flow.target_port import Page, Query, ResourceType, TargetError, Throttled, Update
from gateway.targets.gate import Gate, Limits

USER = ResourceType.USER


class Time:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


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


async def test_calls_wait_for_a_place():
    gauge = Gauge()
    limited = Gate(gauge, "book", limits=Limits(concurrency=2))
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


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (None, 5)])
async def test_as_many_calls_run_as_there_are_places(concurrency, most):
    gauge = Gauge()
    limited = Gate(gauge, "book", limits=Limits(concurrency=concurrency))
    tasks = [asyncio.create_task(limited.get(USER, "1")) for _ in range(5)]

    for _ in range(5):
        await asyncio.sleep(0)

    assert gauge.inside == most
    gauge.go.set()
    await asyncio.gather(*tasks)
    assert gauge.most == most


@pytest.mark.parametrize(
    ("rate", "slept"),
    [
        pytest.param(4.0, [0.25, 0.25], id="four a second"),
        pytest.param(0.5, [2.0, 2.0], id="one in two seconds"),
        pytest.param(None, [], id="no limit"),
    ],
)
async def test_calls_are_spaced(rate, slept):
    time = Time()
    limits = Limits(rate, clock=lambda: time.now, sleep=time.sleep)

    for _ in range(3):
        async with limits:
            pass

    assert time.slept == slept


async def test_a_call_after_a_pause_does_not_wait():
    time = Time()
    limits = Limits(10.0, clock=lambda: time.now, sleep=time.sleep)

    for _ in range(3):
        async with limits:
            time.now += 1.0

    assert time.slept == []


async def test_a_call_that_fails_gives_its_place_back():
    limits = Limits(concurrency=1)

    for _ in range(2):
        with pytest.raises(TargetError):
            async with limits:
                raise TargetError("no")


async def test_closing_waits_for_no_turn():
    gauge = Gauge()
    limits = Limits(concurrency=1)

    async with limits:
        await Gate(gauge, "book", limits=limits).close()

    assert gauge.done == ["close"]


async def test_a_call_that_would_wait_too_long_for_the_rate_is_told_when_its_turn_would_come():
    time = Time()
    limits = Limits(0.1, patience=15.0, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(2):
        async with limits:
            pass
    time.now -= 10.0  # as if both had come at once

    with pytest.raises(Throttled) as raised:
        async with limits:
            pass

    assert (raised.value.retry_after, time.slept) == (20.0, [10.0])


async def test_who_was_not_let_in_takes_nobodys_turn():
    time = Time()
    limits = Limits(0.1, patience=5.0, clock=lambda: time.now, sleep=time.sleep)
    async with limits:
        pass
    for _ in range(3):
        with pytest.raises(Throttled):
            async with limits:
                pass

    time.now += 6.0
    async with limits:
        pass

    assert time.slept == [4.0]


async def test_a_call_that_would_wait_too_long_for_a_place_is_told_to_slow_down():
    limits = Limits(concurrency=1, patience=0.01)

    async with limits:
        with pytest.raises(Throttled):
            async with limits:
                pass
    async with limits:
        pass


async def test_a_call_that_is_told_to_slow_down_by_the_rate_gives_its_place_back():
    time = Time()
    limits = Limits(0.1, 1, 5.0, lambda: time.now, time.sleep)
    async with limits:
        pass
    with pytest.raises(Throttled):
        async with limits:
            pass

    time.now += 10.0
    async with asyncio.timeout(1), limits:
        pass
