"""What an administrator may do to unsettled operations: each act leaves its event; sweeps do the rest."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from gateway.audit.event import Event, act_event, administrator
from gateway.audit.masking import masked_answer
from gateway.errors import Busy, InvalidValue, NotFound
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
from gateway.flow.model import Services, is_same_name
from gateway.scim.names import NAMES
from gateway.values import frozen

PAGE: Final = 500  # mirrors read at once
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
        return await _mirror_dropped(services, mirror)
    async with _alone(services, id) as operation:
        return operation is not None and await _dropped(services, operation)


@frozen
class Dropped:
    """How much of a target was given up, and how much was not, as somebody works on it."""

    count: int
    left: int


async def drop_operations(services: Services, target: str) -> Dropped:
    """Give up for good all that is not settled of a target, whether or not the configuration has it."""
    done = list[bool]()
    for found in await services.operations.open(target, ()):
        try:
            async with _alone_with(services, found) as operation:
                if operation is not None:
                    done.append(await _dropped(services, operation))
        except Busy:
            done.append(False)
    after = 0
    while mirrors := await services.mirrors.waiting(target, after, PAGE):
        after = mirrors[-1].n
        done += [await _mirror_dropped(services, mirror) for mirror in mirrors]
    dropped = Dropped(sum(done), len(done) - sum(done))
    if done:
        await services.trail.append([_summary(services, "operations.dropped", target, _said(dropped))])
    return dropped


def _said(dropped: Dropped) -> str:
    left = f", {dropped.left} left: they are under way" if dropped.left else ""
    return f"{dropped.count} operations dropped{left}"


async def release_removals(services: Services, target: str) -> int:
    """Let the removals go that the brake holds, and count anew; return how many are let go."""
    await services.removals.release(target, services.now())
    released = await _released(services, await _held(services, target))
    reason = f"{released} held removals let go"
    await services.trail.append([_summary(services, "removals.released", target, reason)])
    return released


async def release_some(services: Services, target: str, only: str) -> int:
    """Let go of the held removals that of one person, by userName or id, or the oldest so many.

    The brake goes on to hold. Raises NotFound where nobody's is held, InvalidValue where fewer are held.
    """
    held = await _held(services, target)
    some = [operation for operation in held if _is_of(operation, only)]
    if not some and only.isascii() and only.isdigit():
        if not 0 < int(only) <= len(held):
            raise InvalidValue(f"{len(held)} removals are held: say a number from 1 to that, or a name")
        some = held[: int(only)]
    if not some:
        raise NotFound("no removal of somebody with this userName or id is held")
    released = await _released(services, some)
    reason = f"{released} held removals let go, {len(held) - released} still held"
    await services.trail.append([_summary(services, "removals.released", target, reason)])
    return released


async def _held(services: Services, target: str) -> list[Operation]:
    """Return the removals that the brake holds, the oldest first."""
    return [o for o in await services.operations.open(target, ()) if o.standing is OperationState.HELD]


async def _released(services: Services, held: Iterable[Operation]) -> int:
    mark = Transition(OperationState.PENDING, attempts=1)
    return sum([await _marked(services, operation, mark, "operation.released") for operation in held])


def _is_of(operation: Operation, name: str) -> bool:
    intent = operation.intent
    return intent.resource_id == name or is_same_name(intent.original.get(NAMES[intent.type]), name)


async def _mirror(services: Services, id: str) -> DueMirror | None:
    """Return what a target that follows another has still to be told, by its id in the list."""
    is_number = id[:1] == "m" and id[1:].isascii() and id[1:].isdigit() and len(id) < LONGEST_NUMBER
    return await services.mirrors.numbered(int(id[1:])) if is_number else None


async def _mirror_dropped(services: Services, mirror: DueMirror) -> bool:
    if is_dropped := await services.mirrors.done(mirror):
        await services.trail.append([_mirror_event(services, mirror, "operation.dropped")])
    return is_dropped


async def _dropped(services: Services, operation: Operation) -> bool:
    """Give up an operation whose keys are taken."""
    if operation.standing is OperationState.OPEN:
        return False
    intent = operation.intent
    event = _event(services, "operation.dropped", operation, Outcome.FAILED)
    try:
        await services.operations.settle(operation, Settlement(Outcome.FAILED, event))
    except StaleFence:
        return False
    services.entry_cache.forget(intent.target, intent.type, intent.target_id or "")
    return True


def _summary(services: Services, name: str, target: str, reason: str) -> Event:
    return act_event(services.new_id(), name, target={"name": target}, reason=reason)


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
    async with _alone_with(services, found) as operation:
        yield operation


@asynccontextmanager
async def _alone_with(services: Services, found: Operation) -> AsyncIterator[Operation | None]:
    """Yield the operation as it is now, its keys taken; None where it was settled meanwhile."""
    intent = found.intent
    async with services.locks.hold(intent.target, intent.keys, patience=0):
        now = await services.operations.open(intent.base, intent.keys)
        yield next((operation for operation in now if operation.intent.op_id == intent.op_id), None)


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


def masked_waiting(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of what waits without values of people."""
    covered = masked_answer(
        {"target": {"user_name": row["whom"]}, "outcome": {"reason": row["reason"]}, "diff": []}
    )
    return {**row, "whom": covered["target"]["user_name"], "reason": covered["outcome"]["reason"]}
