"""What an administrator may do to unsettled operations: each act leaves its event."""

from dataclasses import dataclass

import structlog

from gateway.flow.model import Services
from gateway.flow.ports import Event, Mark, Operation, Outcome, Settlement, StaleFence, Standing
from gateway.flow.recovery import recovery_event

log = structlog.get_logger()

RETRIABLE = (Standing.DEAD, Standing.PENDING, Standing.DOUBT)


@dataclass(frozen=True, slots=True)
class OperationDesk:
    """Retries, drops and releases; the next sweep does the rest."""

    services: Services
    targets: tuple[str, ...]

    async def retry(self, id: str) -> bool:
        """Have a dead or waiting operation tried again now; False where there is no such."""
        operation = await self._find(id)
        if operation is None or operation.standing not in RETRIABLE:
            return False
        return await self._marked(operation, "operation.retried")

    async def drop(self, id: str) -> bool:
        """Give an operation up for good, whatever became of it; False where there is no such."""
        operation = await self._find(id)
        if operation is None or operation.standing is Standing.OPEN:
            return False
        event = self._event("operation.dropped", operation, Outcome.FAILED)
        try:
            await self.services.operations.settle(operation, Settlement(Outcome.FAILED, event))
        except StaleFence:
            return False
        return True

    async def release(self, target: str) -> int:
        """Let the removals go that the brake holds, and count anew; return how many are let go."""
        await self.services.removals.release(target, self.services.now())
        held = [o for o in await self.services.operations.open(target, ()) if o.standing is Standing.HELD]
        released = [await self._marked(operation, "operation.released") for operation in held]
        log.info("removals.released", target=target, count=sum(released))
        await self.services.trail.append([self._release_event(target, sum(released))])
        return sum(released)

    async def _find(self, id: str) -> Operation | None:
        for target in self.targets:
            for operation in await self.services.operations.open(target, ()):
                if operation.intent.op_id == id:
                    return operation
        return None

    async def _marked(self, operation: Operation, name: str) -> bool:
        standing = Standing.DOUBT if operation.standing is not Standing.HELD else Standing.PENDING
        event = self._event(name, operation, Outcome.PENDING)
        try:
            await self.services.operations.mark(operation, Mark(standing, attempts=1), event)
        except StaleFence:
            return False  # settled in the meantime
        return True

    def _event(self, name: str, operation: Operation, outcome: Outcome) -> Event:
        return recovery_event(
            self.services.new_id(), operation.intent, name, outcome, operation.reason, actor="administrator"
        )

    def _release_event(self, target: str, count: int) -> Event:
        return Event(
            self.services.new_id(),
            {
                "event": "removals.released",
                "outcome": {"result": "applied", "status": None, "reason": f"{count} held removals let go"},
                "actor": {"type": "administrator", "name": None, "token": None},
                "client": {"ip": None, "user_agent": None},
                "target": {"name": target, "type": None, "id": None, "user_name": None},
                "correlation_id": None,
            },
        )
