"""When a target is sick: its circuit breaker, and how much may be sent again. No I/O; times are seconds."""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.admin.status import BreakerState

IN_A_ROW: Final = 5  # failures that open it
SHARE: Final = 0.5  # of the calls of the last WINDOW that open it where they fail,
LEAST: Final = 20  # of so many
WINDOW: Final = 10.0
SHORTEST: Final = 5.0  # pause
LONGEST: Final = 60.0
FORGOTTEN: Final = 300.0  # of being well: then the next pause is a short one again

MINUTE: Final = 60.0
RETRIES: Final = 0.2  # of the calls of the last minute
FEW: Final = 10  # retries that a quiet target gets in a minute all the same


class CallCount:
    """Calls that have ended and those that say the target is not well, over the last minute.

    Who counts adds to them by itself: a method would be one more call for every call. Before `calls` grows,
    once `due` is over, it marks when that was and how many there were, and sets it a second later.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.failed = 0
        self.due = 0.0
        self.marks: deque[tuple[float, int, int]] = deque(maxlen=int(MINUTE) + 1)

    def within(self, seconds: float, now: float) -> tuple[int, int]:
        """Return how many calls ended in the last seconds, or a second less, and how many failed."""
        for at, calls, failed in self.marks:
            if at >= now - seconds:
                return self.calls - calls, self.failed - failed
        return 0, 0


class Breaker:
    """Keeps calls from a target that is sick, in pauses that grow from 5 to 60 seconds with chance in them.

    Only what says that the target was not there counts as a failure; one probe at a time closes it.
    """

    def __init__(self, counted: CallCount, chance: Callable[[], float] = random.random) -> None:
        self.state = BreakerState.CLOSED
        self.failures = 0  # in a row; whoever sees a call that was answered sets it to 0
        self.until = 0.0  # no call goes out before, but for a probe that is asked for
        self._counted = counted
        self._chance = chance
        self._openings = 0  # in a row: of a target that was not well for long between them
        self._probed = 0.0
        self._closed = float("-inf")

    def failed(self, begun: float, now: float) -> bool:
        """Note that a call failed which had begun then; say whether that opens it."""
        if self.state is not BreakerState.CLOSED or begun < self._closed:
            return False  # what began before it was closed says nothing of the target as it is now
        self.failures += 1
        self._counted.failed += 1
        calls, failed = self._counted.within(min(WINDOW, now - self._closed), now)
        if self.failures < IN_A_ROW and (calls < LEAST or failed < calls * SHARE):
            return False
        if now - self._closed >= FORGOTTEN:
            self._openings = 0
        self._open(now)
        return True

    def may_probe(self, now: float, every: float | None = None) -> bool:
        """Say whether one may ask now: after the pause, or `every` so many seconds where that is said."""
        if self.state is not BreakerState.OPEN:
            return False
        return now >= self.until or (every is not None and now - self._probed >= every)

    def begin_probe(self, now: float) -> None:
        """Let one call out, and no other until it ends."""
        self.state, self._probed = BreakerState.HALF_OPEN, now

    def end_probe(self, now: float, *, is_well: bool) -> None:
        """Close it where the probe was answered; else go on with the pause, or begin a longer one."""
        if is_well:
            self.state, self.failures, self._closed = BreakerState.CLOSED, 0, now
        elif now < self.until:
            self.state = BreakerState.OPEN
        else:
            self._open(now)

    def left(self, now: float) -> float:
        """Return the seconds until it is of use to come again."""
        return max(self.until - now, 1.0)

    def _open(self, now: float) -> None:
        self._openings += 1
        longest = min(SHORTEST * 2.0 ** min(self._openings, 9), LONGEST)
        self.state, self._probed = BreakerState.OPEN, now
        self.until = now + longest * (1.0 + self._chance()) / 2.0


class RetryBudget:
    """Lets a fifth of a target's calls of the last minute be sent again, but a few in any case."""

    def __init__(self, counted: CallCount) -> None:
        self._counted = counted
        self._taken: deque[float] = deque()
        self.taken = 0  # ever
        self.refused = 0  # ever

    def take(self, calls: int, now: float) -> bool:
        """Take so many calls out of it; say whether there were as many."""
        while self._taken and self._taken[0] <= now - MINUTE:
            self._taken.popleft()
        made, _ = self._counted.within(MINUTE, now)
        again = len(self._taken)
        if again + calls > max(FEW, RETRIES * (made - again)):
            self.refused += 1
            return False
        self._taken.extend([now] * calls)
        self.taken += calls
        return True
