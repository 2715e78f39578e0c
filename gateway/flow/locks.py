"""One change at a time for each key, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from gateway.errors import Busy
from gateway.flow.journal_port import Key

Name = tuple[str, Key]


class KeyedLocks:
    """First-in, first-out locks by name; a change takes all of its names at once, in sorted order.

    The sorted order makes a deadlock impossible.
    """

    def __init__(self) -> None:
        self._waiting: dict[Name, deque[asyncio.Future[None]]] = {}

    def hold(self, base: str, keys: Iterable[Key], patience: float) -> "Hold":
        """Hold all keys within `async with`; raises Busy after `patience` seconds of waiting for others."""
        return Hold(self, base, frozenset(keys), patience)

    def take_free(self, name: Name) -> bool:
        """Take a name that nobody holds; say whether that was so."""
        if name in self._waiting:
            return False
        self._waiting[name] = deque()
        return True

    async def take(self, name: Name) -> None:
        """Take a name once all who came before have given it."""
        if self.take_free(name):
            return
        queue = self._waiting[name]
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(name)
            elif turn in queue:  # else it was passed over just now
                queue.remove(turn)
            raise

    def give(self, name: Name) -> None:
        """Give a name to whoever waits longest."""
        queue = self._waiting[name]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]


class Hold:
    """Keys held together; without a timer where all of them are free."""

    __slots__ = ("_base", "_locks", "_patience", "_taken", "keys")

    def __init__(self, locks: KeyedLocks, base: str, keys: frozenset[Key], patience: float) -> None:
        self._locks = locks
        self._base = base
        self._patience = patience
        self._taken: list[Name] = []
        self.keys = keys

    async def __aenter__(self) -> "Hold":
        names = self._names(self.keys)
        if not self._take_free(names):
            await self._wait(names)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_all()

    def extend(self, keys: frozenset[Key]) -> bool:
        """Hold these keys as well, if that needs no waiting; say whether all are held now."""
        if not self._take_free(self._names(keys - self.keys)):
            return False
        self.keys = self.keys | keys
        return True

    def _names(self, keys: Iterable[Key]) -> list[Name]:
        return sorted([(self._base, key) for key in keys])

    def _take_free(self, names: Sequence[Name]) -> bool:
        """Take names that nobody holds, up to the first that somebody does; say whether none was left."""
        for name in names:
            if not self._locks.take_free(name):
                return False
            self._taken.append(name)
        return True

    async def _wait(self, names: Sequence[Name]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                for name in names[len(self._taken) :]:
                    await self._locks.take(name)
                    self._taken.append(name)
        except TimeoutError as error:
            self._give_all()
            raise Busy("another change of this resource is still under way") from error
        except BaseException:
            self._give_all()
            raise

    def _give_all(self) -> None:
        while self._taken:
            self._locks.give(self._taken.pop())
