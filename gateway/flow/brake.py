"""The removal brake: more people leaving at once than is believable are held until somebody says so."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.flow.alert import Alert
from gateway.flow.journal_port import Event
from gateway.flow.model import Services, Target
from gateway.flow.times import plus


class Brake:
    """Counts removals for each target, and holds when there are too many."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def turn(self, target: Target) -> AsyncIterator[str | None]:
        """Yield why a removal must be held, None where it need not be; record it before leaving.

        One at a time for each target, so that none slips through between the count and the record.
        """
        if target.policy.max_removals is None:
            yield None
            return
        async with self._turns[target.name]:
            yield await self._reason(target)

    async def _reason(self, target: Target) -> str | None:
        assert target.policy.max_removals is not None
        most, seconds = target.policy.max_removals
        tripped, released = await self._services.removals.brake(target.name)
        if tripped is None:
            now = self._services.now()
            since = max(plus(now, -seconds), released or "")
            if await self._services.removals.count(target.name, since) < most:
                return None
            await self._trip(target, now, most)
        return (
            f"{target.name}: more than {most} people removed within {seconds:g} seconds; "
            f"held until an administrator runs `operations release {target.name}`"
        )

    async def _trip(self, target: Target, now: str, most: int) -> None:
        await self._services.removals.trip(target.name, now)
        await self._services.trail.append([self._event(target, most)])
        reason = f"more than {most} removals: held until `operations release {target.name}`"
        self._services.alarm(Alert("removals.held", target.name, reason))

    def _event(self, target: Target, most: int) -> Event:
        return Event(
            self._services.new_id(),
            {
                "event": "removals.held",
                "outcome": {"result": "pending", "status": None, "reason": f"more than {most} removals"},
                "actor": {"type": "gateway", "name": "brake", "token": None},
                "client": {"ip": None, "user_agent": None},
                "target": {"name": target.name, "type": None, "id": None, "user_name": None},
                "correlation_id": None,
            },
        )
