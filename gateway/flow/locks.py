"""One change at a time for each key, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import repeat

from gateway.errors import Busy
from gateway.flow.journal_port import Key

Name = tuple[str, Key]
Queue = deque[asyncio.Future[None]]


class KeyedLocks:
    """First-in, first-out locks by name; a change takes all of its names at once, in sorted order.

    The sorted order makes a deadlock impossible.
    """

    def __init__(self) -> None:
        self._waiting: dict[Name, Queue | None] = {}  # who waits for each name that is held; None: nobody

    def hold(self, base: str, keys: Iterable[Key], patience: float) -> "Hold":
        """Hold all keys within `async with`; raises Busy after `patience` seconds of waiting for others."""
        return Hold(self, base, frozenset(keys), patience)

    def take_free(self, names: Collection[Name]) -> bool:
        """Take names of which nobody holds any; say whether that was so."""
        if not self._waiting.keys().isdisjoint(names):
            return False
        self._waiting.update(dict.fromkeys(names))
        return True

    async def take(self, name: Name) -> None:
        """Take a name once all who came before have given it."""
        if self.take_free((name,)):
            return
        queue = self._waiting[name]
        if queue is None:
            queue = self._waiting[name] = deque()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give((name,))
            elif turn in queue:  # else it was passed over just now
                queue.remove(turn)
            raise

    def give(self, names: Iterable[Name]) -> None:
        """Give each name to whoever waits longest for it."""
        for name in names:
            if queue := self._waiting.pop(name):
                self._hand_on(name, queue)

    def _hand_on(self, name: Name, queue: Queue) -> None:
        while queue:
            turn = queue.popleft()
            if not turn.done():
                self._waiting[name] = queue
                turn.set_result(None)
                return


class Hold:
    """Keys held together; without a timer where all of them are free."""

    __slots__ = ("_base", "_locks", "_patience", "_taken", "keys")

    def __init__(self, locks: KeyedLocks, base: str, keys: frozenset[Key], patience: float) -> None:
        self.keys = keys
        self._locks = locks
        self._base = base
        self._patience = patience
        self._taken: list[Name] = []

    async def __aenter__(self) -> "Hold":
        names = self._names(self.keys)
        if self._locks.take_free(names):
            self._taken = names
        else:
            await self._wait(sorted(names))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._locks.give(self._taken)

    def extend(self, keys: frozenset[Key]) -> bool:
        """Hold these keys as well, if that needs no waiting; say whether all are held now."""
        if more := keys - self.keys:
            names = self._names(more)
            if not self._locks.take_free(names):
                return False
            self._taken += names
            self.keys |= more
        return True

    def _names(self, keys: Iterable[Key]) -> list[Name]:
        return list(zip(repeat(self._base), keys, strict=False))

    async def _wait(self, names: Sequence[Name]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                for name in names:
                    await self._locks.take(name)
                    self._taken.append(name)
        except TimeoutError as error:
            self._locks.give(self._taken)
            raise Busy("another change of this resource is still under way") from error
        except BaseException:
            self._locks.give(self._taken)
            raise
