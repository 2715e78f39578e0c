"""What every call to a target passes: its limits, its pause, its timing and its metrics."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from gateway.admin.alerts import Watch
from gateway.flow.target_port import Attributes, Page, Query, ResourceType, TargetError, Throttled, Update
from gateway.targets.address import OpenTarget, TargetFinding


class Limits:
    """A gate before a target: `async with limits.turn()` waits for a turn and holds it."""

    def __init__(
        self,
        rate: float | None = None,  # turns per second, evenly spaced
        concurrency: int | None = None,  # turns held at a time
        patience: float = 10.0,  # seconds that a call waits for its turn at most
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gap = 1.0 / rate if rate else 0.0
        self._places = asyncio.Semaphore(concurrency) if concurrency else None
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0
        self._patience = patience

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a turn; raises Throttled where it would come too late."""
        if self._places is None:
            await self._wait()
            yield
            return
        await self._take(self._places)
        try:
            await self._wait()
            yield
        finally:
            self._places.release()

    async def _take(self, places: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await places.acquire()
        except TimeoutError as error:
            raise Throttled("too many calls wait for `concurrency`") from error

    async def _wait(self) -> None:
        now = self._clock()
        mine = max(now, self._next)
        if mine - now > self._patience:
            raise Throttled("too many calls wait for `rate`", retry_after=mine - now)
        self._next = mine + self._gap
        if mine > now:
            await self._sleep(mine - now)


class Limited:
    """A connector whose every call waits for its turn."""

    def __init__(self, target: OpenTarget, limits: Limits) -> None:
        self._target = target
        self._limits = limits

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        async with self._limits.turn():
            return await self._target.get(kind, id, members=members)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        async with self._limits.turn():
            return await self._target.query(kind, query)

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        async with self._limits.turn():
            return await self._target.create(kind, wanted)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        async with self._limits.turn():
            return await self._target.change(kind, id, update)

    async def delete(self, kind: ResourceType, id: str) -> None:
        async with self._limits.turn():
            await self._target.delete(kind, id)

    async def has_groups(self) -> bool:
        return await self._target.has_groups()

    async def check(self) -> tuple[TargetFinding, ...]:
        async with self._limits.turn():
            return await self._target.check()

    async def close(self) -> None:
        await self._target.close()


class Watched:
    """A connector whose calls somebody hears of."""

    def __init__(
        self,
        target: OpenTarget,
        name: str,
        watch: Watch,
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._target = target
        self._name = name
        self._watch = watch
        self._clock = clock

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        with self._told():
            return await self._target.get(kind, id, members=members)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        with self._told():
            return await self._target.query(kind, query)

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        self._watch.admit(self._name)
        with self._told():
            return await self._target.create(kind, wanted)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        self._watch.admit(self._name)
        with self._told():
            return await self._target.change(kind, id, update)

    async def delete(self, kind: ResourceType, id: str) -> None:
        self._watch.admit(self._name)
        with self._told():
            await self._target.delete(kind, id)

    async def has_groups(self) -> bool:
        return await self._target.has_groups()

    async def check(self) -> tuple[TargetFinding, ...]:
        with self._told():
            return await self._target.check()

    async def close(self) -> None:
        await self._target.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        begun = self._clock()
        try:
            yield
        except TargetError as error:
            self._watch.called(self._name, self._clock() - begun, error)
            raise
        self._watch.called(self._name, self._clock() - begun, None)
