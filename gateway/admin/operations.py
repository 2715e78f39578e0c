"""What an administrator may do to unsettled operations: each act leaves its event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from gateway.audit.event import Event, act_event, administrator
from gateway.flow.journal_port import Operation, OperationState, Outcome, Settlement, StaleFence, Transition
from gateway.flow.model import Services
from gateway.flow.recovery import recovery_event

RETRIED: Final = {  # what may be tried again -> as what
    OperationState.DEAD: OperationState.DOUBT,
    OperationState.DOUBT: OperationState.DOUBT,
    OperationState.PENDING: OperationState.PENDING,  # certainly not done, so there is nothing to wait for
}


@dataclass(frozen=True, slots=True)
class OperationDesk:
    """Retries, drops and releases; the next sweep does the rest."""

    services: Services
    targets: tuple[str, ...]  # of the configuration: only what is theirs can be tried again

    async def retry(self, id: str) -> bool:
        """Have a dead or waiting operation tried again now; False where there is no such.

        Raises Busy while somebody works on it.
        """
        async with self._alone(id) as operation:
            if operation is None or operation.standing not in RETRIED:
                return False
            if operation.intent.target not in self.targets:
                return False
            mark = Transition(RETRIED[operation.standing], operation.reason, attempts=1)
            return await self._marked(operation, mark, "operation.retried")

    async def drop(self, id: str) -> bool:
        """Give an operation up for good, whatever became of it; False where there is no such.

        Raises Busy while somebody works on it.
        """
        async with self._alone(id) as operation:
            if operation is None or operation.standing is OperationState.OPEN:
                return False
            intent = operation.intent
            event = self._event("operation.dropped", operation, Outcome.FAILED)
            try:
                await self.services.operations.settle(operation, Settlement(Outcome.FAILED, event))
            except StaleFence:
                return False
            self.services.entry_cache.forget(intent.target, intent.type, intent.target_id or "")
            return True

    async def release(self, target: str) -> int:
        """Let the removals go that the brake holds, and count anew; return how many are let go."""
        await self.services.removals.release(target, self.services.now())
        held = [
            o for o in await self.services.operations.open(target, ()) if o.standing is OperationState.HELD
        ]
        mark = Transition(OperationState.PENDING, attempts=1)
        released = [await self._marked(operation, mark, "operation.released") for operation in held]
        await self.services.trail.append([self._release_event(target, sum(released))])
        return sum(released)

    @asynccontextmanager
    async def _alone(self, id: str) -> AsyncIterator[Operation | None]:
        """Yield the operation with its keys taken, so that neither its change nor a sweep is at it."""
        found = await self._find(id)
        if found is None:
            yield None
            return
        async with self.services.locks.hold(found.intent.target, found.intent.keys, patience=0):
            yield await self._find(id)

    async def _find(self, id: str) -> Operation | None:
        unsettled = await self.services.operations.open(None, ())
        return next((operation for operation in unsettled if operation.intent.op_id == id), None)

    async def _marked(self, operation: Operation, mark: Transition, name: str) -> bool:
        event = self._event(name, operation, Outcome.PENDING)
        try:
            await self.services.operations.mark(operation, mark, event)
        except StaleFence:
            return False  # settled in the meantime
        return True

    def _event(self, name: str, operation: Operation, outcome: Outcome) -> Event:
        id, intent = self.services.new_id(), operation.intent
        event = recovery_event(id, intent, name, outcome, operation.reason)
        return replace(event, fields={**event.fields, "actor": administrator()})

    def _release_event(self, target: str, count: int) -> Event:
        reason = f"{count} held removals let go"
        return act_event(self.services.new_id(), "removals.released", target={"name": target}, reason=reason)
