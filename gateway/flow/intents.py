"""What is recorded before a target is asked, and what a request says of somebody's coming or going. Pure."""

from typing import Any

from gateway.flow.decide import Plan, Send, Situation
from gateway.flow.held import is_still_active
from gateway.flow.journal_port import Intent, Key, State
from gateway.flow.model import Change, keys_of_resource
from gateway.flow.target_port import ResourceType
from gateway.scim.documents import truth
from gateway.scim.names import get


def intent_of(change: Change, situation: Situation, plan: Plan, op_id: str) -> Intent:
    """Return what is recorded before the target is asked."""
    resource = situation.resource
    keys = plan.keys | (keys_of_resource(resource) if resource else frozenset())
    if change.id:
        keys = keys | {Key("id", change.id)}
    return Intent(
        op_id=op_id,
        base=change.target.name,
        target=change.target.name,
        type=change.type,
        operation=plan.send.value,
        keys=tuple(sorted(keys, key=lambda key: (key.kind, key.value))),
        resource_id=resource.id if resource else (change.id or ""),
        target_id=plan.target_id,
        wanted=plan.mapped.form,
        original=plan.original,
        state=plan.state,
        correlation_id=change.correlation_id,
        removes=_removes(change, situation, plan),
        members=plan.members.delta,
    )


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
    if isinstance(path, str) and path.casefold() == "active":
        return truth(value)
    return truth(get(value, "active")) if not path and isinstance(value, dict) else None


def _removes(change: Change, situation: Situation, plan: Plan) -> bool:
    """Say whether somebody active becomes inactive or is deleted; groups never count."""
    if change.type is not ResourceType.USER or plan.state is State.ACTIVE or plan.send is Send.CREATE:
        return False
    resource, present = situation.resource, situation.present
    if resource is None or resource.state is State.ACTIVE:
        return True
    return present is not None and is_still_active(change.mapping, resource, present)
