"""Waiting for what is about to be so, for no longer than that."""

import asyncio
from collections.abc import Callable


async def until(is_so: Callable[[], object]) -> None:
    """Let others go on until it is so, for ten seconds at most."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.001)  # threads are let on, too: a turn that never ends would starve them
