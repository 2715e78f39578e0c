"""One operation: what takes its place, how it is closed, and what the trail says of it."""

from dataclasses import replace
from typing import Any

from gateway.audit.event import Event, Personal, Remark
from gateway.flow.journal_port import IdTaken, Intent, Operation, OperationState, Outcome, Settlement
from gateway.flow.model import Services
from gateway.scim.names import NAMES


def gives_way(operation: Operation, *, active: bool | None, deletes: str | None = None) -> bool:
    """Say whether a newer change, which says whether somebody is `active`, takes an operation's place."""
    intent = operation.intent
    if deletes is not None and (intent.operation, intent.resource_id) == ("change", deletes):
        return True  # it does not matter any more whether it was done, once it can be no longer
    if active is None:
        return False
    if operation.standing is OperationState.DEAD and operation.intent.operation != "create" and not active:
        return True  # a leaver always leaves; what never was made certain must be looked for first
    return active and operation.intent.removes


async def replaced(services: Services, operation: Operation) -> None:
    """Close an operation whose place a newer change takes; raises KeysTaken and StaleFence."""
    owned = await services.operations.take_over(operation)
    intent, id = owned.intent, services.new_id()
    reason = "a later change of this resource takes its place"
    event = recovery_event(id, intent, "operation.replaced", Outcome.FAILED, reason)
    await services.operations.settle(owned, Settlement(Outcome.FAILED, event))
    services.doubts.pop(intent.op_id, None)
    services.entry_cache.forget(intent.target, intent.type, intent.target_id or "")


async def settled(services: Services, operation: Operation, settlement: Settlement) -> None:
    """Settle an operation; who would get an id that was somebody's before gets one of ours."""
    try:
        await services.operations.settle(operation, settlement)
    except IdTaken:
        assert settlement.resource is not None
        resource = replace(settlement.resource, id=services.new_id())
        await services.operations.settle(operation, replace(settlement, resource=resource))


def quotes_of(intent: Intent) -> tuple[Any, ...]:
    """Return what a target may repeat of an operation."""
    return intent.original, intent.wanted


def recovery_event(
    id: str,
    intent: Intent,
    name: str,
    outcome: Outcome,
    reason: str | None,
    actor: str = "recovery",
) -> Event:
    """Return the event of something done to an operation by the gateway or its administrator."""
    return Event(
        id,
        {
            "event": name,
            "outcome": {
                "result": outcome.value,
                "status": None,
                "reason": None if reason is None else Remark(reason, quotes_of(intent)),
            },
            "actor": {"type": "gateway", "name": actor, "token": None},
            "client": {"ip": None, "user_agent": None},
            "target": {
                "name": intent.target,
                "type": intent.type.value,
                "id": intent.resource_id or None,
                "user_name": Personal(intent.original.get(NAMES[intent.type])),
            },
            "correlation_id": intent.correlation_id,
        },
    )
