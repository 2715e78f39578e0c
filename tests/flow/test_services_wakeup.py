"""The wake-up event, and turns at large work: nobody who waits sleeps through it, busy or not."""

import asyncio

import pytest

from gateway.flow.services import Wakeup, off_loop, on_behalf


async def test_all_who_wait_are_woken() -> None:
    wakeup = Wakeup()
    async with asyncio.timeout(5), asyncio.TaskGroup() as waiting:
        for _ in range(2):
            waiting.create_task(wakeup.next.wait())
        await asyncio.sleep(0)
        wakeup.wake()


async def test_who_was_busy_when_it_rang_hears_it_afterwards_and_only_once() -> None:
    wakeup = Wakeup()
    before_the_work = wakeup.next
    wakeup.wake()

    assert before_the_work.is_set()
    assert not wakeup.next.is_set()


async def test_large_work_of_one_provider_keeps_that_of_another_waiting_for_one_of_it_at_most() -> None:
    done: list[str] = []

    async def work(provider: str) -> None:
        on_behalf.set(provider)
        await off_loop(done.append, provider)

    async with asyncio.timeout(5), asyncio.TaskGroup() as working:
        for provider in (*["okta"] * 20, "entra", "entra"):
            working.create_task(work(provider))

    assert done[:4] == ["okta", "entra"] * 2
    assert len(done) == 22


async def test_large_work_that_fails_lets_the_next_have_its_turn() -> None:
    with pytest.raises(ZeroDivisionError):
        await off_loop(divmod, 1, 0)

    assert await off_loop(divmod, 3, 2) == (1, 1)
