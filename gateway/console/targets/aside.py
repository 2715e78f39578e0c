"""What lasts, done beside the pages: one at a time, with how far it has come; somebody may end it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from gateway.errors import GatewayError

T = TypeVar("T")

STEP: Final = 50  # people
REST: Final = 0.005  # seconds after each so many, in which the gateway has the processor to itself


class Ended(GatewayError):
    """Somebody has ended it, or the gateway stops."""

    status = 503


class Aside(Generic[T]):
    """One piece of work, which says how far it has come."""

    def __init__(self, now: Callable[[], str]) -> None:
        """`now`: RFC 3339, UTC."""
        self._now = now
        self._running: asyncio.Task[None] | None = None
        self._is_ending = False
        self.begun = ""
        self.ended = ""
        self.seen = 0
        self.result: T | None = None  # of the latest
        self.failure: str | None = None  # why the latest has none

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._running is not None

    def begin(self, work: Callable[[Callable[[], None]], T]) -> bool:
        """Have the work done in a thread of its own, where it says `see` for each step; as `begin_here`."""
        return self.begin_here(lambda: asyncio.to_thread(work, self._see))

    def begin_here(self, work: Callable[[], Awaitable[T]]) -> bool:
        """Have the work done, which may raise a GatewayError; False where other work is under way."""
        if self._running is not None:
            return False
        self.begun, self.seen, self._is_ending, self.failure = self._now(), 0, False, None
        self._running = asyncio.create_task(self._run(work))
        return True

    def tell(self, seen: int) -> None:
        """Note how far the work has come; raises Ended where it is to end."""
        if self._is_ending:
            raise Ended("it was ended before it was through")
        self.seen = seen

    async def wait(self, seconds: float) -> None:
        """Wait for its end, for so long at most."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=seconds)

    async def close(self) -> None:
        """End what is under way."""
        self.end()
        if self._running is not None:
            await asyncio.wait([self._running])

    def end(self) -> None:
        """End what is under way, with its next step."""
        self._is_ending = True

    async def _run(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            self.result, self.failure = await work(), None
        except GatewayError as error:
            self.result, self.failure = None, error.detail
        finally:
            self.ended = self._now()
            self._running = None

    def _see(self) -> None:
        self.tell(self.seen + 1)
        if self.seen % STEP == 0:
            time.sleep(REST)
