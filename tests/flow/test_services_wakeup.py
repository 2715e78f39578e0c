"""The wake-up event: nobody who waits sleeps through it, busy or not."""

import asyncio

from gateway.flow.services import Wakeup


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
