"""Whose call goes out next: calls at a time, calls a second, and a few that wait for their turn."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.flow.target_port import Crowded, TargetError, Urgency

LEAST_WAITING: Final = 64  # calls that may wait, however few go out at a time
MOST_WAITING: Final = 256

Turn = asyncio.Future[TargetError | None]  # what it ends with: why there is none


class Lanes:
    """Places for calls to one target. Who waits is let in by urgency, and in order of arrival within one.

    Who finds a place free, and no `rate` to keep, adds to `under_way` by itself.
    """

    def __init__(
        self,
        concurrency: int = 64,  # calls at a time
        rate: float | None = None,  # calls a second, evenly spaced
        patience: float = 10.0,  # seconds that a call waits for its turn at most
    ) -> None:
        self.most = concurrency
        self.most_waiting = min(max(4 * concurrency, LEAST_WAITING), MOST_WAITING)
        self.under_way = 0
        self.waiting = 0
        self.is_paced = rate is not None
        self._gap = 1.0 / rate if rate else 0.0
        self._patience = patience
        self._lanes: tuple[deque[Turn], ...] = tuple(deque() for _ in Urgency)
        self._next = -math.inf  # when the rate lets the next one go; the loop's seconds
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, urgency: Urgency, left: float = math.inf) -> None:
        """Take a place within `left` seconds; raises Crowded, and what `refuse` says meanwhile."""
        loop = asyncio.get_running_loop()
        now, patience = loop.time(), min(self._patience, left)
        if not self.waiting and self.under_way < self.most and now >= self._next:
            self._let_go(now)
            return
        self._refuse_hopeless(urgency, now, patience)
        turn: Turn = loop.create_future()
        self._lanes[urgency].append(turn)
        self.waiting += 1
        self.let_in()
        try:
            async with asyncio.timeout(patience):
                refused = await turn
        except TimeoutError as error:
            self._forget(turn, urgency)
            raise self._crowded() from error
        except asyncio.CancelledError:
            self._forget(turn, urgency)
            raise
        if refused is not None:
            raise refused

    def leave(self) -> None:
        """Give a place back."""
        self.under_way -= 1
        if self.waiting:
            self.let_in()

    def let_in(self) -> None:
        """Give places that are free to who waits."""
        loop = asyncio.get_running_loop()
        while self.waiting and self.under_way < self.most:
            now = loop.time()
            if now < self._next:
                if self._timer is None:
                    self._timer = loop.call_at(self._next, self._rung)
                return
            if self._end(next(lane for lane in self._lanes if lane).popleft(), None):
                self._let_go(now)

    def refuse(self, why: Callable[[], TargetError]) -> None:
        """End the waiting of all."""
        for lane in self._lanes:
            while lane:
                self._end(lane.popleft(), why())

    def _rung(self) -> None:
        self._timer = None
        self.let_in()

    def _let_go(self, now: float) -> None:
        self.under_way += 1
        self._next = now + self._gap

    def _end(self, turn: Turn, refused: TargetError | None) -> bool:
        """End somebody's waiting; say whether they have not gone away just now."""
        self.waiting -= 1
        if turn.done():
            return False
        turn.set_result(refused)
        return True

    def _refuse_hopeless(self, urgency: Urgency, now: float, patience: float) -> None:
        """Raise Crowded where a turn would come too late; a more urgent call takes the place of another."""
        ahead = sum(map(len, self._lanes[: urgency + 1]))
        if self._gap and (wait := self._next - now + self._gap * ahead) > patience:
            raise self._crowded(wait)
        if self.waiting < self.most_waiting:
            return
        last = max(other for other in Urgency if self._lanes[other])
        if last <= urgency:
            raise self._crowded()
        self._end(self._lanes[last].pop(), self._crowded())

    def _forget(self, turn: Turn, urgency: Urgency) -> None:
        """Take somebody out who goes away."""
        if turn in self._lanes[urgency]:
            self._lanes[urgency].remove(turn)
            self.waiting -= 1
        elif not turn.cancelled() and turn.result() is None:
            self.leave()

    def _crowded(self, wait: float | None = None) -> Crowded:
        return Crowded("too many calls wait for `concurrency` or `rate`", None, wait or self._patience)
