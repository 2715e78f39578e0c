"""What the audit trail will say of one change, gathered on its way (docs/audit.md); how operations end."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Final

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.masking import MOST_VALUES, blotted, without_values
from gateway.errors import Busy, GatewayError
from gateway.flow.journal_port import IdTaken, Intent, Operation, OperationState, Outcome, Settlement, State
from gateway.flow.model import Caller, Change, Plan, Send, Services, Situation, Target
from gateway.flow.target_port import Attributes, ResourceType, TargetError
from gateway.scim.difference import Lines
from gateway.scim.documents import single, truth
from gateway.scim.members import Added
from gateway.scim.names import CORE_USER, NAMES, get
from gateway.values import frozen


class Attempt:
    """Times one call to the target, within `with`, and notes what it said."""

    __slots__ = ("_begun", "_record")

    def __init__(self, record: "ChangeEvent") -> None:
        self._record = record

    def __enter__(self) -> None:
        self._begun = self._record.clock()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        record = self._record
        status = 200 if error is None else error.status if isinstance(error, TargetError) else None
        took = round((record.clock() - self._begun) * 1000, 1)
        attempt: dict[str, Any] = {"n": len(record.attempts) + 1, "status": status, "ms": took}
        if isinstance(error, TargetError):
            if record.plan is not None and record.plan.secret:  # no level keeps a password
                error.reason = without_values(error.reason, (record.plan.secret,))
            attempt["reason"] = Remark(record.blotted(error.reason))
        record.attempts.append(attempt)


@dataclass(slots=True)
class ChangeEvent:
    """The one thing that a change writes while it is handled."""

    change: Change
    event_id: str
    clock: Callable[[], float]  # monotonic seconds
    started: float
    plan: Plan | None = None
    target_id: str | None = None
    name: str | None = None  # as it was known before, where the request does not say it
    attempts: list[dict[str, Any]] = field(default_factory=list)
    is_written: bool = False

    @property
    def entry(self) -> str:
        """The target's id of what was planned for; empty where there is none yet."""
        return (self.plan.target_id if self.plan else None) or ""

    def attempt(self) -> "Attempt":
        """Return what times one call to the target and notes what it said."""
        return Attempt(self)

    def seconds(self) -> float:
        """Return how long the change has been under way."""
        return self.clock() - self.started

    def event(self, outcome: Outcome, status: int | None = None, reason: str | None = None) -> Event:
        """Return the event as things stand now; `status` None is what the plan answers with."""
        change, plan, target = self.change, self.plan, self.change.target
        original = plan.original if plan else change.body
        if status is None and plan is not None:
            status = plan.status
        fields: dict[str, Any] = {
            "event": plan.event if plan else change.event_name,
            "outcome": {"result": str(outcome), "status": status, "reason": self._remark(reason)},
            **caller_fields(change.caller),
            "target": {
                "name": target.name,
                "type": str(change.type),
                "id": change.id or self.target_id,
                "user_name": _personal(original.get(NAMES[change.type]) or self.name),
            },
            "diff": self._other_lines(plan) if plan else [],
            "held": list(plan.mapped.held) if plan else [],
            "dropped": list(plan.mapped.dropped) if plan else [],
            "attempts": self.attempts,
            "correlation_id": change.correlation_id,
            "timing": {"total_ms": round(self.seconds() * 1000, 1)},
        }
        if plan is not None and plan.mapped.reasons:
            fields["reasons"] = [asdict(reason) for reason in plan.mapped.reasons]
        return Event(self.event_id, fields, self._lines(plan) if plan else Lines())

    def refusal(self, error: GatewayError, status: int) -> Event:
        """Return the event of a change that was not made; whose that was is in no other place, maybe."""
        made = self.event(outcome_of(error, status), status, error.verbatim or error.detail)
        if isinstance(external := get(self.change.body, "externalId"), str):
            target = {**made.fields["target"], "external_id": Personal(external)}
            return replace(made, fields={**made.fields, "target": target})
        return made

    def quotes(self) -> tuple[Any, ...]:
        """Return what a target may repeat of: what was asked, and what is held and sent because of it."""
        return tuple(_asked(self.change)) + (tuple(_held(self.plan)) if self.plan else ())

    def blotted(self, text: str) -> str:
        """Return what a target said as everybody may read it."""
        return blotted(text, self.quotes())

    def _remark(self, reason: str | None) -> Remark | None:
        return None if reason is None else Remark(reason, self.quotes())

    def _lines(self, plan: Plan) -> Lines:
        """Return what is sent of each attribute; of a create the form itself is the difference."""
        index = self.change.mapping.index_for(plan.original)
        if plan.send is Send.CREATE:
            return index.lines(plan.mapped.form)
        return Lines.of(map(index.line, plan.differences))

    def _other_lines(self, plan: Plan) -> list[dict[str, Any]]:
        """Return a line for all who come, one for all who go, by our ids, and one for a password."""
        lines = []
        if plan.members.update:
            ours = {id: member for member, id in plan.members.targets.items()}
            come = [ours[element["value"]] for element in plan.members.update.add]
            gone = [ours[id] for id in plan.members.update.remove]
            if come:
                lines.append(_plain_line("members", "add", after=come))
            if gone:
                lines.append(_plain_line("members", "remove", before=gone))
        if plan.secret:
            lines.append(_plain_line("password", "replace"))
        return lines


_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def _asked(change: Change) -> Iterator[Any]:
    """Yield what of a request is a person's: neither the words of a PATCH nor the ids of members."""
    operations = get(change.body, "Operations") if change.operation == "patch" else None
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict):
            yield get(operation, "value")
            yield _LITERAL.findall(str(get(operation, "path") or ""))
    if operations is None:
        yield change.body
    for edit in change.members:
        if isinstance(edit, Added):
            elements = islice(edit.elements.values(), MOST_VALUES + 1)
            yield [{**element, "value": None} for element in elements if len(element) > 1]


def _held(plan: Plan) -> Iterator[Any]:
    yield from (plan.original, plan.mapped.form)
    if plan.update is not None:
        yield plan.update.present


def _plain_line(path: str, op: str, before: Any = None, after: Any = None) -> dict[str, Any]:
    return {"path": path, "op": op, "before": before, "after": after, "rule": None}


def caller_fields(caller: Caller) -> dict[str, Any]:
    """Return who asked, as an event names it."""
    return {
        "actor": {"type": caller.kind, "name": caller.provider or None, "token": caller.token or None},
        "client": {"ip": caller.ip or None, "user_agent": caller.user_agent or None},
    }


@frozen
class Attempted:
    """As much as the path of a refused request says."""

    type: ResourceType | None = None
    operation: str = ""
    id: str | None = None


NOTHING: Final = Attempted()


def refused_event(
    event_id: str,
    caller: Caller,
    target: Target | None,
    correlation_id: str,
    error: GatewayError,
    asked: Attempted = NOTHING,
) -> Event:
    """Return the event of a request refused before it was known what it would change."""
    status = error.status_for(caller.busy_status)
    refused = "auth.refused" if status in (401, 403) else "request.refused"
    fields: dict[str, Any] = {
        "event": f"{asked.type.lower()}.{asked.operation}" if asked.type else refused,
        "outcome": {"result": outcome_of(error, status).value, "status": status, "reason": error.detail},
        **caller_fields(caller),
        "target": {
            "name": target.name if target else None,
            "type": asked.type.value if asked.type else None,
            "id": asked.id,
            "user_name": None,
        },
        "correlation_id": correlation_id,
    }
    return Event(event_id, fields)


def outcome_of(error: GatewayError, status: int) -> Outcome:
    """Return what became of a change that was answered with this error and status."""
    if isinstance(error, Busy):
        return Outcome.PENDING if error.is_kept else Outcome.DEFERRED
    return Outcome.REJECTED if status < 500 else Outcome.FAILED


def name_of(change: Change, situation: Situation) -> str | None:
    """Return the userName or displayName of whom a change is about, as it was before."""
    resource, present = situation.resource, situation.present
    return name_in(resource.original if resource else change.mapping.reverse(present or {}), change.type)


def name_in(document: Attributes, type: ResourceType) -> str | None:
    """Return the userName or displayName that a document says."""
    name = document.get(NAMES[type])
    return name if isinstance(name, str) else None


def _personal(value: Any) -> Personal | None:
    return None if value is None else Personal(value)


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


def is_sent_again(intent: Intent, *, waited_for: bool) -> bool:
    """A leaver always leaves; a create nobody waits for is not sent again (docs/recovery.md).

    What came after a change of members does not say those members again, so they are.
    """
    return intent.removes or (intent.operation != "create" and (bool(intent.members) or not waited_for))


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
