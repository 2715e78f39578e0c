"""Who stands beside every call to a target: hears what came of it, and lets no change through a pause."""

from dataclasses import dataclass, replace
from typing import Final, Protocol

from gateway.flow.model import Services
from gateway.flow.services import Alert
from gateway.flow.target_port import CannotFilter, Conflict, Denied, Missing, Refused, TargetError

ANSWERS: Final = (Refused, Conflict, Missing, CannotFilter)  # said by a target that is well
WELL: Final = "ok"


class Watch(Protocol):
    """What a watched connector tells."""

    def admit(self, target: str) -> None:
        """Let a call that alters something go out; raises `Paused`."""

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Hear that a call has ended, and how."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a target was when it was called last; times are RFC 3339, UTC, None where that never was."""

    answered: str | None = None
    failed: str | None = None
    failure: str | None = None  # the kind of the newest failure

    @property
    def state(self) -> str:
        """Say "ok", "failing", or "unknown" where it was never called."""
        if self.answered is None and self.failed is None:
            return "unknown"
        return "failing" if (self.failed or "") > (self.answered or "") else "ok"


class Watcher:
    """Counts calls, remembers the newest of each target, and raises the alarm where one is denied."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seen: dict[str, Seen] = {}

    def admit(self, target: str) -> None:
        """Let a call that alters something go out; raises `Paused`."""
        self._services.refuse_paused(target)

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Hear that a call has ended, and how."""
        kind = WELL if error is None else type(error).__name__.lower()
        self._services.meter.called(target, kind, seconds)
        now, seen = self._services.now(), self.seen(target)
        if error is None or isinstance(error, ANSWERS):
            self._seen[target] = replace(seen, answered=now)
        else:
            self._seen[target] = replace(seen, failed=now, failure=kind)
        if isinstance(error, Denied):
            reason = f"the target does not accept targets.{target}.auth (status {error.status})"
            if error.status is None:  # it was not asked: these are our own words
                reason = error.reason
            self._services.alarm(Alert("target.denied", target, reason, in_trail=False))

    def seen(self, target: str) -> Seen:
        """Return how the target was when it was called last."""
        return self._seen.get(target, Seen())
