"""What the targets showed lately: a read that is young enough may stand for the next one."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.flow.ports import Attributes, ResourceType

MOST: Final = 10_000  # entries remembered, over all targets

Place = tuple[str, ResourceType, str]


class Sights:
    """The last answer about each entry and when it came; forgets the oldest first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[Place, tuple[float, Attributes]] = OrderedDict()

    def note(self, target: str, kind: ResourceType, entry: Attributes) -> None:
        """Remember what a target has just shown."""
        place = (target, kind, entry["id"])
        self._seen[place] = (self._monotonic(), entry)
        self._seen.move_to_end(place)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def forget(self, target: str, kind: ResourceType, target_id: str) -> None:
        """Trust nothing about this entry until it is read again."""
        self._seen.pop((target, kind, target_id), None)

    def recall(self, target: str, kind: ResourceType, target_id: str, trust: float) -> Attributes | None:
        """Return the entry as read less than `trust` seconds ago; 0 recalls nothing."""
        found = self._seen.get((target, kind, target_id))
        if found is None or self._monotonic() - found[0] >= trust:
            return None
        return found[1]
