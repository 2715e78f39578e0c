"""What the flow is given besides its ports: metrics, alerts, a wake-up event, arithmetic on times."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.flow.journal_port import Outcome
from gateway.log import get_logger


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
    "operation.dead": "A change was tried ten times and given up: `operations list` says why; "
    "`operations retry` or `operations drop` ends it.",
    "journal.unwritable": "The journal cannot be written, so no change is taken: make room or mend the disk.",
    "journal.restored": "The journal is an older one than the gateway had: `reconcile` each target.",
}

log = get_logger()


@dataclass(frozen=True, slots=True)
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
