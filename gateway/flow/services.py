"""What the flow is given besides its ports: metrics, alerts, times, a wake-up event, what was read lately."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Final, Protocol

from gateway.flow.journal_port import Outcome
from gateway.flow.target_port import Attributes, ResourceType
from gateway.log import get_logger
from gateway.values import frozen


class Meter(Protocol):
    """Counts. Every method returns at once and raises nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Count one call to a target: what came of it, and how long it took."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Count what became of a change."""

    def alerted(self, alert: str, target: str) -> None:
        """Count an alert; `target` "" where it is about none."""


class Unmetered:
    """Counts nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Nothing."""

    def alerted(self, alert: str, target: str) -> None:
        """Nothing."""


ALERTS: Final[Mapping[str, str]] = {  # every alert -> what is the matter, and what to do
    "target.denied": "The target refuses the gateway's credentials: mend `targets.NAME.auth`, start again.",
    "removals.held": "More people left at once than `max_removals` allows: look at `operations list`, and "
    "let them go with `operations release` where that is meant.",
    "operation.dead": "A target refused a change for `give_up`, so it is not tried any more: "
    "`operations list` says why; `operations retry` or `operations drop` ends it.",
    "journal.unwritable": "The journal cannot be written, so no change is taken: make room or mend the disk.",
    "journal.restored": "The journal is an older one than the gateway had: `reconcile` each target.",
}

log = get_logger()


@frozen
class Alert:
    """Something that only an administrator can mend; `reason` holds no value of a person and no secret."""

    name: str  # one of ALERTS
    target: str | None
    reason: str
    in_trail: bool = True  # an event says it already, or none can


Alarm = Callable[[Alert], None]  # returns at once and raises nothing


def log_alert(alert: Alert) -> None:
    """Tell the log, and nobody else."""
    log.error(alert.name, target=alert.target, reason=alert.reason)


def plus(time: str, seconds: float) -> str:
    """Return the time so many seconds later."""
    moved = datetime.fromisoformat(time) + timedelta(seconds=seconds)
    return moved.isoformat(timespec="microseconds").replace("+00:00", "Z")


def between(earlier: str, later: str) -> float:
    """Return the seconds from one time to another, negative where they are the other way round."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


class Wakeup:
    """Rung from one event loop, heard on the same."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Return what is set at the next ring: taken before work begins, it tells of a ring meanwhile."""
        return self._next

    def wake(self) -> None:
        """Wake all who wait for the next ring."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()


MOST_ENTRIES: Final = 1_000  # remembered, over all targets: whoever is listed is often changed right after

Place = tuple[str, ResourceType, str]
Tick = tuple[int, float]  # of a logical clock, which orders reads and changes; its time in monotonic seconds


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
        return next(self._orders), self._monotonic()

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
        if found is None:
            return None
        (_, at), entry = found
        return entry if self._monotonic() - at < trust else None

    def _keep(self, place: Place, tick: Tick, entry: Attributes | None) -> None:
        seen = self._seen
        known = seen.get(place)
        if tick[0] < self._forgotten or (known is not None and known[0] > tick):
            return
        seen[place] = (tick, entry)
        if known is not None:
            seen.move_to_end(place)
        elif len(seen) > MOST_ENTRIES:
            _, ((oldest, _), _) = seen.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)
