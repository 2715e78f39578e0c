"""How long to wait before the next attempt, and whether there is one. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway.flow.target_port import Broken, Paused, Silent, TargetError, Unreachable

GAVE_UP: Final = frozenset({408, 502, 504, *range(520, 525)})  # somebody on the way no longer waits
_WORTH_ANOTHER = (Broken, Silent, Unreachable)


@dataclass(frozen=True, slots=True)
class Retry:
    """The rule of one target: attempts in all, and the back-off in seconds."""

    attempts: int = 3
    base: float = 0.5
    ceiling: float = 10.0

    def pause(self, attempt: int, error: TargetError, left: float) -> float | None:
        """Return the seconds to wait after `attempt` (from 1), None for no further one.

        `left` are the seconds to the deadline.
        """
        if attempt >= self.attempts or not isinstance(error, _WORTH_ANOTHER):
            return None
        backoff = min(self.base * 2.0 ** (attempt - 1), self.ceiling)
        pause = error.retry_after if error.retry_after is not None else backoff
        return pause if pause < left else None

    def quiet(self, error: TargetError, settle: float) -> float:
        """Return the seconds after which a request that got no answer can no longer take effect."""
        if isinstance(error, Silent) or error.status in GAVE_UP:
            return settle
        return 0.0


MOST_TRIES: Final = 10  # of an operation that nobody waits for; then it is an administrator's
LONGEST_PAUSE: Final = 300.0  # seconds


def try_again_in(attempts: int, error: TargetError | None = None) -> float:
    """Return the seconds until an operation is tried again on our own: not before the target asked for.

    For a paused target that is at once: nothing is tried there until it is resumed.
    """
    if isinstance(error, Paused):
        return 0.0
    asked = (error.retry_after or 0.0) if error is not None else 0.0
    return min(max(2.0**attempts, asked), LONGEST_PAUSE)


def is_dead(attempts: int) -> bool:
    """Say whether an operation was tried often enough."""
    return attempts >= MOST_TRIES
