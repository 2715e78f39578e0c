"""The way of a change: take the keys, settle doubt, read, decide, record, deliver, settle, reply."""

from dataclasses import replace
from typing import Final

from gateway.errors import Busy, GatewayError, JournalUnavailable, NotSupported
from gateway.flow.alert import alert
from gateway.flow.answers import answer_to_change
from gateway.flow.decide import Plan, Send, Situation, decide, without_password
from gateway.flow.deliver import Courier, Delivered, Gone
from gateway.flow.document import shown
from gateway.flow.look import look
from gateway.flow.model import Change, Reply, Services, keys_of, keys_of_resource
from gateway.flow.ports import (
    Attributes,
    Intent,
    Key,
    KeysTaken,
    Link,
    Operation,
    Outcome,
    Resource,
    ResourceType,
    Settlement,
    State,
    TargetError,
)
from gateway.flow.record import Record
from gateway.flow.recovery import Recovery

ROUNDS: Final = 5  # decisions taken anew because the world moved, before the provider is asked to come again


class Changes:
    """Handles every request that may alter a target."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery

    async def handle(self, change: Change) -> Reply:
        """Make the change and return the answer; raises the GatewayError that refuses it."""
        services = self._services
        record = Record(change, services.new_id(), services.monotonic, services.monotonic())
        try:
            return await self._walk(change, record)
        except GatewayError as error:
            await self._remember_refusal(record, error)
            raise

    async def _walk(self, change: Change, record: Record) -> Reply:
        if change.type is not ResourceType.USER:
            raise NotSupported(f"{change.target.name} takes no groups: untick Push Groups")
        keys = await self._keys(change)
        for _ in range(ROUNDS):
            patience = change.target.policy.deadline - record.seconds()
            async with self._services.locks.hold(change.target.name, keys, patience):
                await self._recovery.settle_doubt(change.target, change.type, keys)
                situation = await self._look(change, keys)
                record.plan = plan = decide(change, situation)
                record.differences = plan.differences
                needed = self._needed(change, situation, plan)
                if needed <= keys:
                    try:
                        return await self._carry_out(change, situation, plan, record)
                    except (Gone, KeysTaken):
                        self._services.sights.forget(change.target.name, change.type, plan.target_id or "")
            keys = keys | needed
        raise Busy("the resource keeps changing under this request")

    async def _keys(self, change: Change) -> frozenset[Key]:
        """Return the keys to take first, from the request and from what the journal knows."""
        keys = keys_of(change.body) if change.operation != "patch" else frozenset()
        if change.id is None:
            return keys
        own = Key("id", change.id)
        known = await self._services.resources.find(change.target.name, change.type, (own,))
        return keys | {own} | (keys_of_resource(known[0]) if known else frozenset())

    def _needed(self, change: Change, situation: Situation, plan: Plan) -> frozenset[Key]:
        own = {Key("id", change.id)} if change.id else set()
        held = keys_of_resource(situation.resource) if situation.resource else frozenset()
        return plan.keys | held | own

    async def _look(self, change: Change, keys: frozenset[Key]) -> Situation:
        try:
            return await look(self._services, change, keys)
        except TargetError as error:
            alert(change.target, error)
            raise answer_to_change(change.target.name, error) from error

    async def _carry_out(self, change: Change, situation: Situation, plan: Plan, record: Record) -> Reply:
        if plan.send is Send.NOTHING:
            return await self._settle(change, situation, plan, None, Delivered(None, plan.outcome), record)
        intent = _intent(change, situation, plan, self._services.new_id())
        courier = Courier(self._services, record, await self._services.operations.claim(intent), plan)
        try:
            delivered = await courier.deliver()
        except Gone:
            await self._close(courier, record, Outcome.PENDING, 404, "the entry is gone; decided anew")
            record.is_written = False
            raise
        except (TargetError, GatewayError) as error:
            raise await self._give_up(change, courier, record, error) from error
        return await self._settle(change, situation, plan, courier.operation, delivered, record)

    async def _settle(
        self,
        change: Change,
        situation: Situation,
        plan: Plan,
        operation: Operation | None,
        delivered: Delivered,
        record: Record,
    ) -> Reply:
        entry = delivered.entry if delivered.entry is not None else self._kept(situation, plan)
        entry = without_password(dict(entry)) if entry is not None else None
        resource = await self._resource(change, situation, plan, entry)
        record.target_id = resource.id
        event = record.event(delivered.outcome, plan.status)
        await self._services.operations.settle(operation, Settlement(delivered.outcome, event, resource))
        record.is_written = True
        target, sights = change.target.name, self._services.sights
        if delivered.entry is not None:
            sights.note(target, change.type, delivered.entry)
        elif plan.send is Send.DELETE:
            sights.forget(target, change.type, plan.target_id or "")
        if resource.state is State.DELETED:
            return Reply(204)
        return Reply(plan.status, shown(change.target, resource, resource.original))

    def _kept(self, situation: Situation, plan: Plan) -> Attributes | None:
        return situation.present if plan.send is Send.NOTHING else None

    async def _resource(
        self, change: Change, situation: Situation, plan: Plan, entry: Attributes | None
    ) -> Resource:
        """Return what the journal shall know from now on."""
        now, target = self._services.now(), change.target.name
        before = situation.resource
        target_id = entry["id"] if entry is not None else None
        link = Link(target, target_id, plan.mapped.form, entry)
        if before is not None:
            return replace(
                before,
                original=plan.original,
                state=plan.state,
                modified=before.modified if plan.original == before.original else now,
                replied=before.replied or change.id is not None,
                links={**before.links, target: link},
            )
        resource_id = change.id or await self._new_id(change, target_id)
        return Resource(
            target,
            change.type,
            resource_id,
            plan.original,
            plan.state,
            now,
            now,
            replied=change.id is not None,
            links={target: link},
        )

    async def _new_id(self, change: Change, target_id: str | None) -> str:
        """The target's id at first sight, or one of ours where there is none or it was used before."""
        if target_id is None:
            return self._services.new_id()
        used = await self._services.resources.find(change.target.name, change.type, (Key("id", target_id),))
        return self._services.new_id() if used else target_id

    async def _give_up(
        self, change: Change, courier: Courier, record: Record, error: TargetError | GatewayError
    ) -> GatewayError:
        """Close the operation, or leave it in doubt for the next one; return what the provider hears."""
        if isinstance(error, TargetError):
            alert(change.target, error)
            answer = answer_to_change(change.target.name, error)
        else:
            answer = error
        if courier.in_doubt:
            event = record.event(Outcome.PENDING, _status(answer, change), answer.detail)
            await self._services.operations.doubt(courier.operation, event)
            record.is_written = True
            if not isinstance(answer, Busy):
                return Busy(f"{change.target.name} left the change in doubt: {answer.detail}")
            return answer
        status = _status(answer, change)
        event = record.refusal(answer, status)
        await self._services.operations.settle(
            courier.operation, Settlement(Outcome(event.fields["outcome"]["result"]), event)
        )
        record.is_written = True
        return answer

    async def _close(
        self, courier: Courier, record: Record, outcome: Outcome, status: int, reason: str
    ) -> None:
        event = replace(record.event(outcome, status, reason), id=self._services.new_id())
        await self._services.operations.settle(courier.operation, Settlement(outcome, event))

    async def _remember_refusal(self, record: Record, error: GatewayError) -> None:
        if record.is_written:
            return
        event = record.refusal(error, _status(error, record.change))
        try:
            await self._services.trail.append([event])
        except JournalUnavailable:
            if not isinstance(error, JournalUnavailable):
                raise


def _intent(change: Change, situation: Situation, plan: Plan, op_id: str) -> Intent:
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
    )


def _status(error: GatewayError, change: Change) -> int:
    if isinstance(error, Busy):
        return error.asked_status or change.caller.busy_status
    return error.status
