"""What is remembered of a directory between two calls: long lists half read, and where entries stand."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

LASTS: Final = 60.0  # seconds that the order of a long list is kept after its last page was asked for
LISTS: Final = 4  # long lists kept at a time
PLACES: Final = 10_000  # entries whose place is remembered


@dataclass(slots=True)
class Walk:
    """The DNs of a long list, in the order in which its pages show them."""

    dns: list[str]
    used: float  # monotonic seconds


@dataclass(slots=True)
class Walks:
    """The long lists that somebody reads page by page; every connection shares them."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, Walk] = field(default_factory=dict)  # by filter
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, text: str, dns: list[str]) -> Walk:
        """Keep a list; those that nobody reads any more, or has asked for longest, are forgotten."""
        walk = Walk(dns, self.clock())
        with self._lock:
            self._kept = {text: kept for text, kept in self._kept.items() if not self._is_over(kept)}
            self._kept[text] = walk
            while len(self._kept) > LISTS:
                del self._kept[min(self._kept, key=lambda text: self._kept[text].used)]
        return walk

    def recall(self, text: str) -> Walk | None:
        """Return a list that was read from lately."""
        walk = self._kept.get(text)
        if walk is None or self._is_over(walk):
            return None
        walk.used = self.clock()
        return walk

    def _is_over(self, walk: Walk) -> bool:
        return self.clock() - walk.used > LASTS


class Places:
    """Where entries stood when they were last seen: a guess that spares a search without an index."""

    def __init__(self) -> None:
        self._dns: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, id: str, dn: str) -> None:
        """Remember where an entry stands; whoever was not seen longest is forgotten."""
        with self._lock:
            self._dns[id] = dn
            self._dns.move_to_end(id)
            if len(self._dns) > PLACES:
                self._dns.popitem(last=False)

    def recall(self, id: str) -> str | None:
        """Return where an entry stood."""
        return self._dns.get(id)
