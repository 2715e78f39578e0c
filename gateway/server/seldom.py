"""What goes on and on, told once in a while, with how often it was not told since."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final

MOST: Final = 1000  # kinds told apart at a time; the others share one place of their crowd


@dataclass(frozen=True, slots=True)
class Told:
    """When something was told, and how often the same happened since."""

    at: float  # monotonic seconds
    since: int = 0


class Seldom:
    """Knows what was told of late: once in `pause` seconds is enough."""

    def __init__(self, monotonic: Callable[[], float], pause: float, most: int = MOST) -> None:
        self._monotonic = monotonic
        self._pause = pause
        self._most = most
        self._told: dict[Hashable, Told] = {}  # in the order of `at`

    def untold(self, kind: Hashable, crowd: Hashable) -> int | None:
        """Return how often this happened since it was last told; None where it is not to be told now.

        Where too many kinds are known already, it counts as one of its crowd.
        """
        now = self._monotonic()
        self._forget(now)
        key = kind if kind in self._told or len(self._told) < self._most else crowd
        told = self._told.get(key)
        if told is not None and now < told.at + self._pause:
            self._told[key] = replace(told, since=told.since + 1)
            return None
        self._told.pop(key, None)
        self._told[key] = Told(now)
        return told.since if told else 0

    def _forget(self, now: float) -> None:
        """Make room where all places are taken, by the oldest whose pause is over."""
        while len(self._told) >= self._most:
            key, oldest = next(iter(self._told.items()))
            if now < oldest.at + self._pause:
                return
            del self._told[key]
