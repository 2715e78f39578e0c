"""What the trail remembers of refused requests: all whose token is known, but not each of a stranger's."""

from dataclasses import replace
from typing import Final

from gateway.errors import GatewayError
from gateway.flow.change_event import NOTHING, Attempted, refused_event
from gateway.flow.model import Caller, Services, Target
from gateway.log import correlation_id
from gateway.server.seldom import MOST, Seldom

PAUSE: Final = 60.0  # seconds between two events of the same refusal


class Refusals:
    """Writes events of refusals: to strangers, of one reason and client, one a minute."""

    def __init__(self, services: Services, most: int = MOST) -> None:
        self._services = services
        self._seldom = Seldom(services.monotonic, PAUSE, most)

    async def remember(
        self, caller: Caller, target: Target | None, error: GatewayError, attempted: Attempted = NOTHING
    ) -> None:
        """Append the event of a refusal, with how often the same went without one since the last."""
        reason = error.detail
        is_known = caller.kind != "unknown"
        repeated = 0 if is_known else self._seldom.untold((reason, caller.ip), (reason, ""))
        if repeated is None:
            return
        event = refused_event(self._services.new_id(), caller, target, correlation_id.get(), error, attempted)
        if repeated:
            event = replace(event, fields={**event.fields, "repeated": repeated})
        await self._services.trail.append([event])
