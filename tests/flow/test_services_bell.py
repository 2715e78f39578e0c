"""The bell: nobody who waits sleeps through it, busy or not."""

import asyncio

from gateway.flow.services import Bell


async def test_all_who_wait_are_woken() -> None:
    bell = Bell()
    async with asyncio.timeout(5), asyncio.TaskGroup() as waiting:
        for _ in range(2):
            waiting.create_task(bell.next.wait())
        await asyncio.sleep(0)
        bell.ring()


async def test_who_was_busy_when_it_rang_hears_it_afterwards_and_only_once() -> None:
    bell = Bell()
    before_the_work = bell.next
    bell.ring()

    assert before_the_work.is_set()
    assert not bell.next.is_set()
