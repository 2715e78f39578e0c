"""What the trail remembers of refused requests: all whose token is known, but not each of a stranger's."""

from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import GatewayError
from gateway.flow.model import Caller, Services, Target
from gateway.flow.record import NOTHING, Attempted, refused_event
from gateway.log import correlation_id

PAUSE: Final = 60.0  # seconds between two events of the same refusal
MOST: Final = 1000  # clients told apart at a time; the others share one place for each reason


@dataclass(frozen=True, slots=True)
class Told:
    """When an event was written, and how often the same happened since."""

    at: float  # monotonic seconds
    since: int = 0


class Refusals:
    """Writes events of refusals: to strangers, of one reason and client, one a minute."""

    def __init__(self, services: Services, most: int = MOST) -> None:
        self._services = services
        self._most = most
        self._told: dict[tuple[str, str], Told] = {}  # reason, client; in the order of `at`

    async def remember(
        self, caller: Caller, target: Target | None, error: GatewayError, attempted: Attempted = NOTHING
    ) -> None:
        """Append the event of a refusal, with how often the same went without one since the last."""
        repeated = self._repeated(error.detail, caller.ip) if caller.kind == "unknown" else 0
        if repeated is None:
            return
        event = refused_event(self._services.new_id(), caller, target, correlation_id.get(), error, attempted)
        if repeated:
            event = replace(event, fields={**event.fields, "repeated": repeated})
        await self._services.trail.append([event])

    def _repeated(self, reason: str, client: str) -> int | None:
        """Return how often this was refused since its last event, None where it gets none now."""
        now = self._services.monotonic()
        self._forget(now)
        key = (reason, client)
        if key not in self._told and len(self._told) >= self._most:
            key = (reason, "")
        told = self._told.get(key)
        if told is not None and now < told.at + PAUSE:
            self._told[key] = replace(told, since=told.since + 1)
            return None
        self._told.pop(key, None)
        self._told[key] = Told(now)
        return told.since if told else 0

    def _forget(self, now: float) -> None:
        """Make room where all places are taken, by the oldest whose minute is over."""
        while len(self._told) >= self._most:
            key, oldest = next(iter(self._told.items()))
            if now < oldest.at + PAUSE:
                return
            del self._told[key]
