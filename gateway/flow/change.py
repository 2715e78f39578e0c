"""The way of a change: take the keys, settle doubt, read, decide, record, deliver, settle, reply."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from gateway.errors import (
    Busy,
    GatewayError,
    InvalidValue,
    JournalUnavailable,
    NotSupported,
    Uniqueness,
)
from gateway.flow.alert import alert
from gateway.flow.answers import answer_to_change
from gateway.flow.brake import Brake
from gateway.flow.decide import Plan, Send, Situation, decide, without_password
from gateway.flow.deliver import Courier, Delivered, Gone
from gateway.flow.document import shown
from gateway.flow.held import is_still_active
from gateway.flow.look import look, recalled
from gateway.flow.model import Change, Reply, Services, Target, keys_of, keys_of_resource
from gateway.flow.ports import (
    Intent,
    Key,
    KeysTaken,
    Mark,
    Operation,
    Outcome,
    ResourceType,
    Settlement,
    Standing,
    State,
    TargetError,
)
from gateway.flow.record import Record
from gateway.flow.recovery import Recovery
from gateway.flow.remember import Known, remembered
from gateway.flow.retry import try_again_in
from gateway.flow.times import plus

ROUNDS: Final = 5  # decisions taken anew because the world moved, before the provider is asked to come again
RECORD_PAUSES: Final = (0.5, 1.0, 2.0)  # seconds between tries to record what the target has already done


class Changes:
    """Handles every request that may alter a target."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery
        self._brake = Brake(services)

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
                situation = await self._look(change, keys, record)
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

    async def _look(self, change: Change, keys: frozenset[Key], record: Record) -> Situation:
        try:
            return await look(self._services, change, keys)
        except TargetError as error:
            answer = _answered(change.target, error)
            await self._keep_leaver(change, keys, record, answer)
            raise answer from error

    async def _keep_leaver(
        self, change: Change, keys: frozenset[Key], record: Record, answer: GatewayError
    ) -> None:
        """Record a deactivation even though the target cannot be read now: it stays pending until applied."""
        situation = await recalled(self._services, change, keys)
        if situation is None:
            return
        with suppress(InvalidValue, Uniqueness):
            plan = decide(change, situation)
            intent = intent_of(change, situation, plan, "")
            if intent.removes and frozenset(intent.keys) <= keys:
                record.plan, record.differences = plan, plan.differences
                operation = await self._claim(change, situation, plan, record)
                mark = Mark(Standing.PENDING, answer.detail, plus(self._services.now(), try_again_in(1)))
                event = record.refusal(answer, _status(answer, change))
                await self._services.operations.mark(operation, mark, event)
                record.is_written = True

    async def _carry_out(self, change: Change, situation: Situation, plan: Plan, record: Record) -> Reply:
        if plan.send is Send.NOTHING:
            if _is_no_news(change, situation, plan):
                return Reply(plan.status, outcome=plan.outcome)
            return await self._settle(change, situation, plan, None, Delivered(None, plan.outcome), record)
        operation = await self._claim(change, situation, plan, record)
        courier = Courier(self._services, record, operation, plan)
        try:
            delivered = await courier.deliver()
        except Gone:
            await self._close(courier, record, Outcome.PENDING, 404, "the entry is gone; decided anew")
            raise
        except (TargetError, GatewayError) as error:
            raise await self._give_up(change, courier, record, error) from error
        return await self._settle(change, situation, plan, courier.operation, delivered, record)

    async def _claim(self, change: Change, situation: Situation, plan: Plan, record: Record) -> Operation:
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
            await operations.mark(operation, Mark(Standing.HELD, reason), event)
        record.is_written = True
        raise Busy(reason)

    async def _settle(
        self,
        change: Change,
        situation: Situation,
        plan: Plan,
        operation: Operation | None,
        delivered: Delivered,
        record: Record,
    ) -> Reply:
        entry = delivered.entry if plan.send is not Send.NOTHING else situation.present
        entry = without_password(entry) if entry is not None else None
        state = Known(change.target.name, change.type, plan.original, plan.state, plan.mapped.form, entry)
        # the provider has used the id, so it has it
        is_known = change.id is not None and change.caller.kind == "provider"
        resource = await remembered(self._services, situation.resource, state, change.id, replied=is_known)
        record.target_id = resource.id
        event = record.event(delivered.outcome, plan.status)
        await self._recorded(operation, Settlement(delivered.outcome, event, resource))
        record.is_written = True
        self._note_sight(change, plan, delivered)
        if resource.state is State.DELETED:
            return Reply(204)
        return Reply(plan.status, shown(change.target, resource, resource.original), delivered.outcome)

    async def _recorded(self, operation: Operation | None, settlement: Settlement) -> None:
        """Settle; where the journal fails after the target did not, try a few seconds more (F7)."""
        for pause in RECORD_PAUSES if operation is not None else ():
            try:
                await self._services.operations.settle(operation, settlement)
            except JournalUnavailable:
                await self._services.sleep(pause)
            else:
                return
        await self._services.operations.settle(operation, settlement)

    def _note_sight(self, change: Change, plan: Plan, delivered: Delivered) -> None:
        target, sights = change.target.name, self._services.sights
        if delivered.entry is not None:
            sights.note(target, change.type, delivered.entry)
        elif plan.send is Send.DELETE:
            sights.forget(target, change.type, plan.target_id or "")

    async def _give_up(
        self, change: Change, courier: Courier, record: Record, error: TargetError | GatewayError
    ) -> GatewayError:
        """Close the operation, or leave it to be settled later; return what the provider hears."""
        answer = error if isinstance(error, GatewayError) else _answered(change.target, error)
        if courier.in_doubt and not isinstance(answer, Busy):
            answer = Busy(f"{change.target.name} left the change in doubt: {answer.detail}")
        event = record.refusal(answer, _status(answer, change))
        operation = courier.operation
        if courier.in_doubt:
            mark = Mark(Standing.DOUBT, answer.detail, operation.due)
        elif operation.intent.removes and isinstance(answer, Busy):
            mark = Mark(Standing.PENDING, answer.detail, plus(self._services.now(), try_again_in(1)))
        else:
            outcome = Outcome(event.fields["outcome"]["result"])
            await self._services.operations.settle(operation, Settlement(outcome, event))
            record.is_written = True
            return answer
        await self._services.operations.mark(operation, mark, event)
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


def intent_of(change: Change, situation: Situation, plan: Plan, op_id: str) -> Intent:
    """Return what is recorded before the target is asked."""
    resource = situation.resource
    keys = plan.keys | (keys_of_resource(resource) if resource else frozenset())
    if change.id:
        keys = keys | {Key("id", change.id)}
    was_active = resource is None or resource.state is State.ACTIVE or _is_still_active(change, situation)
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
        removes=was_active and plan.state is not State.ACTIVE and plan.send is not Send.CREATE,
    )


def _is_still_active(change: Change, situation: Situation) -> bool:
    resource, present = situation.resource, situation.present
    mapping = change.target.mapping
    return resource is not None and present is not None and is_still_active(mapping, resource, present)


def _is_no_news(change: Change, situation: Situation, plan: Plan) -> bool:
    """Say whether a push found all as the journal has it, so that there is nothing to remember."""
    link = situation.link(change.target.name)
    return change.operation == "push" and link is not None and link.target_id == plan.target_id


def _answered(target: Target, error: TargetError) -> GatewayError:
    alert(target, error)
    return answer_to_change(target.name, error)


def _status(error: GatewayError, change: Change) -> int:
    return error.told(change.caller.busy_status)
