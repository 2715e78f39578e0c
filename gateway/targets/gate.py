"""What every call to a target passes: its limits, its pause, its timing and its metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from gateway.admin.alerts import CallObserver
from gateway.flow.target_port import Attributes, Page, Query, ResourceType, TargetError, Throttled, Update
from gateway.targets.transport import OpenTarget, TargetFinding

T = TypeVar("T")
Answer = Coroutine[Any, Any, T]


class Limits:
    """What a target takes at a time and a second: `async with limits` waits for a turn and holds it."""

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

    async def __aenter__(self) -> None:
        """Take a turn; raises Throttled where it would come too late."""
        if self._places is not None:
            await self._take(self._places)
        try:
            if self._gap:
                await self._wait()
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        if self._places is not None:
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


class NoObserver:
    """Observes nothing, and lets every call go out."""

    def admit(self, target: str) -> None:
        """Let every call go out."""

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Nothing."""


class Gate:
    """A connector whose calls are kept within limits, timed and observed; no change passes a pause."""

    def __init__(
        self,
        target: OpenTarget,
        name: str,
        observer: CallObserver | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._target = target
        self._name = name
        self._observer = observer or NoObserver()
        self._limits = limits
        self._clock = clock
        self._call: Callable[..., Answer[Any]] = self._made if limits is None else self._made_in_turn

    def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Answer[Attributes | None]:
        return self._call(False, self._target.get, kind, id, members=members)

    def query(self, kind: ResourceType, query: Query) -> Answer[Page]:
        return self._call(False, self._target.query, kind, query)

    def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Answer[Attributes | None]:
        return self._call(True, self._target.create, kind, wanted, beside=beside)

    def change(self, kind: ResourceType, id: str, update: Update) -> Answer[Attributes | None]:
        return self._call(True, self._target.change, kind, id, update)

    async def delete(self, kind: ResourceType, id: str) -> None:
        await self._call(True, self._target.delete, kind, id)

    def has_groups(self) -> Answer[bool]:
        return self._target.has_groups()

    def check(self) -> Answer[tuple[TargetFinding, ...]]:
        return self._call(False, self._target.check)

    def close(self) -> Answer[None]:
        return self._target.close()

    async def _made_in_turn(
        self, alters: bool, call: Callable[..., Awaitable[T]], *args: Any, **named: Any
    ) -> T:
        """Make a call within the limits; raises Throttled, too."""
        assert self._limits is not None
        async with self._limits:
            return await self._made(alters, call, *args, **named)

    async def _made(self, alters: bool, call: Callable[..., Awaitable[T]], *args: Any, **named: Any) -> T:
        """Make a call, and say how it ended; raises Paused in a pause."""
        if alters:
            self._observer.admit(self._name)
        begun = self._clock()
        try:
            answer = await call(*args, **named)
        except TargetError as error:
            self._observer.called(self._name, self._clock() - begun, error)
            raise
        self._observer.called(self._name, self._clock() - begun, None)
        return answer
