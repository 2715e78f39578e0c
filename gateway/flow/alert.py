"""What an administrator must hear of at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

ALERTS: Final[Mapping[str, str]] = {  # every alert -> what is the matter, and what to do
    "target.denied": "The target refuses the gateway's credentials: mend `targets.NAME.auth`, start again.",
    "removals.held": "More people left at once than `max_removals` allows: look at `operations list`, and "
    "let them go with `operations release` where that is meant.",
    "operation.dead": "A change was tried ten times and given up: `operations list` says why; "
    "`operations retry` or `operations drop` ends it.",
    "journal.unwritable": "The journal cannot be written, so no change is taken: make room or mend the disk.",
    "journal.restored": "The journal is an older one than the gateway had: `reconcile` each target.",
}

log = structlog.get_logger()


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
