"""What an administrator may do to unsettled operations: each act leaves its event; sweeps do the rest."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from gateway.audit.event import Event, act_event, administrator
from gateway.flow.change_event import recovery_event
from gateway.flow.journal_port import (
    DueMirror,
    Operation,
    OperationState,
    Outcome,
    Settlement,
    StaleFence,
    Transition,
)
from gateway.flow.model import Services

LONGEST_NUMBER: Final = 19  # characters of "m" and a number that the journal may hold
RETRIED: Final = {  # what may be tried again -> as what
    OperationState.DEAD: OperationState.DOUBT,
    OperationState.DOUBT: OperationState.DOUBT,
    OperationState.PENDING: OperationState.PENDING,  # certainly not done, so there is nothing to wait for
}


async def retry_operation(services: Services, targets: Collection[str], id: str) -> bool:
    """Have a dead or waiting operation tried again now; False where there is no such.

    Only what is of one of these targets, the configuration's, can be. Raises Busy while somebody works on it.
    """
    if (mirror := await _mirror(services, id)) is not None:
        if is_due := mirror.target in targets and services.mirrors.is_brought(mirror):
            await services.mirrors.put_off(replace(mirror, attempts=-1), "", None)
            await services.trail.append([_mirror_event(services, mirror, "operation.retried")])
        return is_due
    async with _alone(services, id) as operation:
        if operation is None or operation.standing not in RETRIED or operation.intent.target not in targets:
            return False
        mark = Transition(RETRIED[operation.standing], operation.reason, attempts=1)
        return await _marked(services, operation, mark, "operation.retried")


async def drop_operation(services: Services, id: str) -> bool:
    """Give an operation up for good, whatever became of it; False where there is no such.

    Raises Busy while somebody works on it.
    """
    if (mirror := await _mirror(services, id)) is not None:
        if is_dropped := await services.mirrors.done(mirror):
            await services.trail.append([_mirror_event(services, mirror, "operation.dropped")])
        return is_dropped
    async with _alone(services, id) as operation:
        if operation is None or operation.standing is OperationState.OPEN:
            return False
        intent = operation.intent
        event = _event(services, "operation.dropped", operation, Outcome.FAILED)
        try:
            await services.operations.settle(operation, Settlement(Outcome.FAILED, event))
        except StaleFence:
            return False
        services.entry_cache.forget(intent.target, intent.type, intent.target_id or "")
        return True


async def release_removals(services: Services, target: str) -> int:
    """Let the removals go that the brake holds, and count anew; return how many are let go."""
    await services.removals.release(target, services.now())
    held = [o for o in await services.operations.open(target, ()) if o.standing is OperationState.HELD]
    mark = Transition(OperationState.PENDING, attempts=1)
    released = [await _marked(services, operation, mark, "operation.released") for operation in held]
    reason = f"{sum(released)} held removals let go"
    event = act_event(services.new_id(), "removals.released", target={"name": target}, reason=reason)
    await services.trail.append([event])
    return sum(released)


async def _mirror(services: Services, id: str) -> DueMirror | None:
    """Return what a target that follows another has still to be told, by its id in the list."""
    is_number = id[:1] == "m" and id[1:].isascii() and id[1:].isdigit() and len(id) < LONGEST_NUMBER
    return await services.mirrors.numbered(int(id[1:])) if is_number else None


def _mirror_event(services: Services, mirror: DueMirror, name: str) -> Event:
    about = {"name": mirror.target, "type": str(mirror.type), "id": mirror.id}
    event = act_event(services.new_id(), name, target=about)
    return replace(event, fields={**event.fields, "correlation_id": mirror.correlation_id})


@asynccontextmanager
async def _alone(services: Services, id: str) -> AsyncIterator[Operation | None]:
    """Yield the operation with its keys taken, so that neither its change nor a sweep is at it."""
    found = await _find(services, id)
    if found is None:
        yield None
        return
    async with services.locks.hold(found.intent.target, found.intent.keys, patience=0):
        yield await _find(services, id)


async def _find(services: Services, id: str) -> Operation | None:
    unsettled = await services.operations.open(None, ())
    return next((operation for operation in unsettled if operation.intent.op_id == id), None)


async def _marked(services: Services, operation: Operation, mark: Transition, name: str) -> bool:
    event = _event(services, name, operation, Outcome.PENDING)
    try:
        await services.operations.mark(operation, mark, event)
    except StaleFence:
        return False  # settled in the meantime
    return True


def _event(services: Services, name: str, operation: Operation, outcome: Outcome) -> Event:
    event = recovery_event(services.new_id(), operation.intent, name, outcome, operation.reason)
    return replace(event, fields={**event.fields, "actor": administrator()})
