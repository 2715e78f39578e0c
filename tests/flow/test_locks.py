"""One change at a time for each key, in order of arrival."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack

import pytest

from gateway.errors import Busy
from gateway.flow.journal_port import Key
from gateway.flow.locks import KeyedLocks

ANN, BOB, CARL = Key("name", "ann"), Key("name", "bob"), Key("external", "carl")
SOON = 60.0  # seconds; no test waits so long


@pytest.fixture
def locks() -> KeyedLocks:
    return KeyedLocks()


async def turn() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def work(locks: KeyedLocks, name: str, keys: Iterable[Key], log: list[str], base: str = "a") -> None:
    async with locks.hold(base, keys, SOON):
        log.append(f"{name} in")
        await turn()
        log.append(f"{name} out")


@pytest.mark.parametrize(
    ("keys", "in_turn"),
    [
        pytest.param([{ANN}, {ANN}, {ANN}], True, id="the same key"),
        pytest.param([{ANN, BOB}, {BOB, CARL}, {BOB}], True, id="a key in common"),
        pytest.param([{ANN}, {BOB}, {CARL}], False, id="nothing in common"),
        pytest.param([set(), set()], False, id="no keys"),
    ],
)
async def test_changes_wait_for_each_other_only_where_they_share_a_key(locks, keys, in_turn: bool) -> None:
    log: list[str] = []

    await asyncio.gather(*(work(locks, str(n), own, log) for n, own in enumerate(keys)))

    one_by_one = [f"{n} {what}" for n in range(len(keys)) for what in ("in", "out")]
    assert (log == one_by_one) is in_turn
    assert sorted(log) == sorted(one_by_one)


async def test_keys_of_another_target_are_others(locks) -> None:
    log: list[str] = []

    await asyncio.gather(work(locks, "1", {ANN}, log, "a"), work(locks, "2", {ANN}, log, "b"))

    assert log == ["1 in", "2 in", "1 out", "2 out"]


async def test_who_takes_keys_in_opposite_order_does_not_deadlock(locks) -> None:
    log: list[str] = []

    async with asyncio.timeout(SOON):
        await asyncio.gather(
            *(work(locks, str(n), (ANN, BOB) if n % 2 else (BOB, ANN), log) for n in range(20))
        )

    assert len(log) == 40


async def test_who_waits_too_long_is_busy_and_holds_nothing(locks) -> None:
    async with locks.hold("a", {BOB}, SOON):
        with pytest.raises(Busy, match="still under way"):
            async with locks.hold("a", {ANN, BOB}, 0):
                pytest.fail("taken twice")
        async with locks.hold("a", {ANN}, 0.0 + SOON):
            pass

    assert locks._waiting == {}


async def test_who_gives_up_lets_the_next_one_through(locks) -> None:
    log: list[str] = []
    async with locks.hold("a", {ANN}, SOON):
        first, second = (asyncio.create_task(work(locks, name, {ANN}, log)) for name in "12")
        await turn()
        first.cancel()
        await turn()
    await second

    assert log == ["2 in", "2 out"]
    assert first.cancelled()
    assert locks._waiting == {}


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
async def test_who_is_cancelled_just_when_it_is_their_turn_passes_it_on(locks, is_first: bool) -> None:
    log: list[str] = []
    stack = AsyncExitStack()
    await stack.enter_async_context(locks.hold("a", {ANN}, SOON))
    first, second = (asyncio.create_task(work(locks, name, {ANN}, log)) for name in "12")
    await turn()

    if is_first:
        first.cancel()
    await stack.aclose()  # hands the key on, and the first does not run before it is cancelled
    first.cancel()
    await second

    assert log == ["2 in", "2 out"]
    assert first.cancelled()
    assert locks._waiting == {}


async def test_an_error_gives_the_keys_back(locks) -> None:
    with pytest.raises(KeyError):
        async with locks.hold("a", {ANN, BOB}, SOON):
            raise KeyError

    assert locks._waiting == {}
