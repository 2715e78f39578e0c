"""One operation: what takes its place, how it is closed, and what the trail says of it."""

from dataclasses import replace
from typing import Any, Final

from gateway.audit.event import Event, Personal, Remark
from gateway.flow.journal_port import IdTaken, Intent, Operation, OperationState, Outcome, Settlement, State
from gateway.flow.model import Change, Services
from gateway.flow.target_port import ResourceType
from gateway.scim.documents import single, truth
from gateway.scim.names import CORE_USER, NAMES, get


def says_active(change: Change) -> bool | None:
    """Return what a change says in so many words of whether somebody is active; None where nothing."""
    if change.type is not ResourceType.USER:
        return None
    if change.operation == "delete":
        return False
    if change.operation == "patch":
        return _patched_active(change.body)
    active = truth(get(change.body, "active"))
    return active if isinstance(active, bool) else (True if change.operation == "create" else None)


def _patched_active(message: dict[str, Any]) -> bool | None:
    said: bool | None = None
    operations = get(message, "Operations")
    for operation in operations if isinstance(operations, list) else ():
        active = _operation_says(operation) if isinstance(operation, dict) else None
        said = active if isinstance(active, bool) else said
    return said


def _operation_says(operation: dict[str, Any]) -> Any:
    path, value = get(operation, "path"), get(operation, "value")
    if isinstance(path, str) and path.casefold() in _ACTIVE:
        return truth(single(value))
    said = (
        [own for name, own in value.items() if name.casefold() in _ACTIVE] if isinstance(value, dict) else []
    )
    return truth(single(said[-1])) if not path and said else None


_ACTIVE: Final = frozenset({"active", f"{CORE_USER}:active".casefold()})


def gives_way(
    operation: Operation, *, active: bool | None, deletes: str | None = None, whole: bool = False
) -> bool:
    """Say whether a newer change, which says whether somebody is `active`, takes an operation's place.

    `whole`: it says all there is of the resource.
    """
    intent = operation.intent
    if deletes is not None and (intent.operation, intent.resource_id) == ("change", deletes):
        return True  # it does not matter any more whether it was done, once it can be no longer
    if intent.removes and intent.state is State.ACTIVE:  # out of scope: all of a document says who is in it
        return whole
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
