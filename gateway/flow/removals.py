"""Removals: first in line, within a limit, never lost; changes for one version (RFC 7644 section 3.14)."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial

from gateway.audit.event import Event
from gateway.errors import Busy, GatewayError, InvalidValue, PreconditionFailed, Uniqueness
from gateway.flow.change_event import ChangeEvent, replaced, says_active
from gateway.flow.failures import answer_to_change, crowded, try_again_in
from gateway.flow.find import in_the_way, recall_situation
from gateway.flow.groups import GroupMembers
from gateway.flow.journal_port import (
    Key,
    KeysTaken,
    Operation,
    OperationState,
    Outcome,
    StaleFence,
    Transition,
)
from gateway.flow.model import Change, Plan, Services, Situation, Target
from gateway.flow.plan import decide, intent_of
from gateway.flow.resource import Members, version_of, view_of
from gateway.flow.services import Alert, is_large, off_loop_if, plus
from gateway.flow.target_port import Errand, ResourceType, TargetError, Urgency
from gateway.scim.messages import is_meant, tells_members


def urgency_of(change: Change) -> Urgency:
    """Say whose turn it is before whose: who leaves goes first, and nobody waits for a run over many."""
    if change.caller.kind == "provider":
        return Urgency.LEAVER if says_active(change) is False else Urgency.CHANGE
    return Urgency.RUN


def errand_of(change: Change, now: float) -> Errand:
    """Return the errand of a change that begins now; only a provider waits no longer than the deadline."""
    policy, waits = change.target.policy, change.caller.kind == "provider"
    ends = now + policy.deadline if waits else math.inf
    return Errand(now + policy.begins, partial(urgency_of, change), ends)


def refuse_crowd(change: Change) -> None:
    """Raise Busy for what has to come again where too many requests are in progress: who leaves need not."""
    if urgency_of(change) is not Urgency.LEAVER:
        raise crowded(change.target.name, change.target.policy.timeout)


class RemovalClaims:
    """Records removals: within the brake, and even where the target cannot be asked."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._brake = RemovalLimit(services)

    async def claim(self, change: Change, situation: Situation, plan: Plan, record: ChangeEvent) -> Operation:
        """Record the intent; raises Busy where it is a removal too many, which is then held."""
        intent = intent_of(change, situation, plan, self._services.new_id())
        operations = self._services.operations
        if not intent.removes:
            return await operations.claim(intent)
        async with self._brake.turn(change.target) as reason:
            operation = await operations.claim(intent)
            if reason is None:
                return operation
            event = record.event(Outcome.PENDING, change.caller.busy_status, reason)
            await operations.mark(operation, Transition(OperationState.HELD, reason), event)
        record.is_written = True
        held = Busy(reason)
        held.is_kept = True
        raise held

    async def keep(
        self,
        change: Change,
        keys: frozenset[Key],
        record: ChangeEvent,
        answer: GatewayError,
        fault: TargetError | None = None,
    ) -> None:
        """Record a deactivation that cannot be made now, in place of what stood before it under these keys.

        It stays pending until it is applied or replaced. What is no deactivation is not kept.
        """
        situation = await recall_situation(self._services, change, keys)
        if situation is None:
            return
        with suppress(InvalidValue, PreconditionFailed, Uniqueness, KeysTaken, StaleFence):
            await refuse_outdated(self._services, change, situation)
            is_odd = is_large(change.body, situation.present)
            plan = await off_loop_if(is_odd, decide, change, situation)
            intent = intent_of(change, situation, plan, "")
            if not intent.removes or not frozenset(intent.keys) <= keys:
                return
            unsettled = await self._services.operations.open(change.target.name, tuple(keys))
            of_type = [operation for operation in unsettled if operation.intent.type is change.type]
            earlier = in_the_way(situation.resource, keys, of_type)
            if any(operation.intent.removes for operation in earlier):
                return
            await self._replace(earlier)
            record.plan = plan
            operation = await self.claim(change, situation, plan, record)
            mark = self._mark(change, earlier, answer, fault)
            if isinstance(answer, Busy):
                answer.is_kept = True
            event = record.refusal(answer, answer.status_for(change.caller.busy_status))
            await self._services.operations.mark(operation, mark, event)
            record.is_written = True

    def _mark(
        self, change: Change, earlier: Iterable[Operation], answer: GatewayError, fault: TargetError | None
    ) -> Transition:
        """Return how the removal stands: what was in doubt before it may still take effect after it."""
        now = self._services.now()
        if any(o.standing in (OperationState.OPEN, OperationState.DOUBT) for o in earlier):
            return Transition(OperationState.DOUBT, answer.detail, plus(now, change.target.policy.settle))
        return Transition(OperationState.PENDING, answer.detail, plus(now, try_again_in(1, fault)))

    async def _replace(self, earlier: Iterable[Operation]) -> None:
        for operation in earlier:
            await replaced(self._services, operation)


class RemovalLimit:
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


async def refuse_outdated(services: Services, change: Change, situation: Situation) -> None:
    """Raise PreconditionFailed where the change is meant for another version than there is now."""
    if not change.if_match or (situation.resource is None and situation.present is None):
        return
    view = view_of(change.mapping, situation)
    members = await _members(services, change, situation)
    if not is_meant(change.if_match, version_of(change.type, change.id or "", view, members)):
        raise PreconditionFailed(
            f"this {change.type.lower()} is not the version that If-Match names: read it again"
        )


async def _members(services: Services, change: Change, situation: Situation) -> Members:
    """Return the members a provider is shown, read only where the version depends on them."""
    present, target, own = situation.present, change.target, situation.resource
    if change.type is not ResourceType.GROUP or not tells_members(change.if_match):
        return None
    if own is not None and change.mapping.leaves_out(own.original):
        return await GroupMembers(services).shown(target, own, None)
    if present is None:
        return None
    try:
        entry = await target.connector.get(change.type, present["id"], members=True) or present
        return await GroupMembers(services).shown(target, situation.resource, entry)
    except TargetError as error:
        raise answer_to_change(target.name, error, (change.body,)) from error
