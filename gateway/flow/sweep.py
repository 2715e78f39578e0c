"""Telling groups of members who could not be delivered before: their entry came, or is another one now."""

from typing import Final

from gateway.errors import Busy, GatewayError
from gateway.flow.failures import try_again_in
from gateway.flow.model import Caller, Change, ChangeHandler, Services, Target
from gateway.flow.target_port import ResourceType
from gateway.log import correlation_id, get_logger

AT_ONCE: Final = 1000  # members in one look
CALLER: Final = Caller("members", kind="gateway")

log = get_logger()


class Deliveries:
    """Looks for members who are due, and sends them; a target that cannot take them now is left in peace."""

    def __init__(self, services: Services, changes: ChangeHandler) -> None:
        self._services = services
        self._changes = changes
        self._refused: dict[tuple[str, str], tuple[str, ...]] = {}  # by target and group: not tried again
        self._failures: dict[str, tuple[int, float]] = {}  # by target: how many, and until when

    async def sweep(self, target: Target) -> None:
        """Send what is due to one target."""
        failed, not_before = self._failures.get(target.name, (0, 0.0))
        if self._services.monotonic() < not_before:
            return
        due = await self._services.memberships.due(target.name, target.name, AT_ONCE)
        for group, members in due.items():
            if self._refused.get((target.name, group)) == members:
                continue
            try:
                await self._deliver(target, group)
            except Busy:
                pause = self._services.monotonic() + try_again_in(failed + 1)
                self._failures[target.name] = (failed + 1, pause)
                return
            except GatewayError as error:
                log.warning("members.not_delivered", target=target.name, reason=type(error).__name__)
                self._refused[target.name, group] = members
        self._failures.pop(target.name, None)

    async def _deliver(self, target: Target, group: str) -> None:
        cid = self._services.new_id()
        token = correlation_id.set(cid)
        try:
            await self._changes.handle(
                Change("deliver", ResourceType.GROUP, target, CALLER, cid, group, event="group.deliver")
            )
        finally:
            correlation_id.reset(token)
