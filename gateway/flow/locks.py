"""One change at a time for each key, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from gateway.errors import Busy
from gateway.flow.journal_port import Key

Name = tuple[str, Key]


class KeyedLocks:
    """First-in, first-out locks by name; a change takes all of its names at once, in sorted order.

    The sorted order makes a deadlock impossible.
    """

    def __init__(self) -> None:
        self._waiting: dict[Name, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def hold(self, base: str, keys: Iterable[Key], patience: float) -> AsyncIterator[None]:
        """Hold all keys; raises Busy after `patience` seconds of waiting for others."""
        taken: list[Name] = []
        try:
            try:
                async with asyncio.timeout(patience):
                    for name in sorted(((base, key) for key in keys), key=_order):
                        await self._take(name)
                        taken.append(name)
            except TimeoutError as error:
                raise Busy("another change of this resource is still under way") from error
            yield
        finally:
            for name in reversed(taken):
                self._give(name)

    async def _take(self, name: Name) -> None:
        queue = self._waiting.get(name)
        if queue is None:
            self._waiting[name] = deque()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give(name)
            elif turn in queue:  # else it was passed over just now
                queue.remove(turn)
            raise

    def _give(self, name: Name) -> None:
        queue = self._waiting[name]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]


def _order(name: Name) -> tuple[str, str, str]:
    base, key = name
    return base, key.kind, key.value
