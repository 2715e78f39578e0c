"""What the targets showed lately: a read that is young enough may stand for the next one."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from gateway.flow.target_port import Attributes, ResourceType

MOST: Final = 1_000  # entries remembered, over all targets: whoever is listed is often changed right after

Place = tuple[str, ResourceType, str]


class Tick(NamedTuple):
    """One tick of a logical clock, which orders reads and changes, and its time in monotonic seconds."""

    order: int
    at: float


class EntryCache:
    """What is known of each entry and since when; forgets the oldest first.

    An answer counts from when its read was sent: one that was asked for before a change and came after it
    says nothing of what is there now, and where such a change may have been forgotten for want of room,
    neither does any answer that was asked for before it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._orders = count()
        self._forgotten = -1  # the order up to which changes may have been forgotten
        self._seen: OrderedDict[Place, tuple[Tick, Attributes | None]] = OrderedDict()

    def tick(self) -> Tick:
        """Return the next tick, for a read that is about to be sent."""
        return Tick(next(self._orders), self._monotonic())

    def note(self, target: str, kind: ResourceType, entry: Attributes, asked: Tick | None = None) -> None:
        """Remember what a target has shown, to a read sent at `asked` or just now."""
        if kind is ResourceType.GROUP and "members" in entry:  # thousands, perhaps, and a change needs none
            entry = {name: value for name, value in entry.items() if name != "members"}
        self._keep((target, kind, entry["id"]), asked or self.tick(), entry)

    def forget(self, target: str, kind: ResourceType, target_id: str) -> None:
        """Trust nothing about this entry until it is read again, by a read sent from now on."""
        self._keep((target, kind, target_id), self.tick(), None)

    def recall(self, target: str, kind: ResourceType, target_id: str, trust: float) -> Attributes | None:
        """Return the entry as read less than `trust` seconds ago; 0 recalls nothing."""
        found = self._seen.get((target, kind, target_id))
        if found is None or self._monotonic() - found[0].at >= trust:
            return None
        return found[1]

    def _keep(self, place: Place, tick: Tick, entry: Attributes | None) -> None:
        known = self._seen.get(place)
        if tick.order < self._forgotten or (known is not None and known[0].order > tick.order):
            return
        self._seen[place] = (tick, entry)
        self._seen.move_to_end(place)
        if len(self._seen) > MOST:
            _, (oldest, _) = self._seen.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest.order)
