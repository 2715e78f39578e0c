"""The way of a change: take the keys, ask the journal once, plan, deliver, settle, reply."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.errors import Busy, GatewayError, JournalUnavailable, NotSupported
from gateway.flow.change_event import ChangeEvent, name_in, name_of, outcome_of, says_active
from gateway.flow.deliver import Delivered, Delivery, Gone
from gateway.flow.failures import answer_to_change, try_again_in
from gateway.flow.find import LinkedToAnother, in_the_way, known_situation, load_situation, refuse_linked
from gateway.flow.groups import GroupMembers
from gateway.flow.journal_port import (
    IdTaken,
    Intent,
    Key,
    KeysTaken,
    Operation,
    OperationState,
    Outcome,
    Resource,
    Settlement,
    StaleFence,
    State,
    Transition,
)
from gateway.flow.locks import Hold
from gateway.flow.members import NOBODYS
from gateway.flow.model import (
    NOTHING_KNOWN,
    Change,
    Plan,
    Reply,
    Send,
    Services,
    Situation,
    keys_of,
    keys_of_change,
)
from gateway.flow.plan import deactivates, deactivation, decide, intent_of, is_no_news, plan_new
from gateway.flow.recovery import Recovery
from gateway.flow.removals import RemovalClaims, errand_of, refuse_crowd, refuse_outdated
from gateway.flow.resource import (
    SettledState,
    answer_of,
    is_answered_briefly,
    updated_resource,
    without_password,
)
from gateway.flow.services import CROWD, is_large, off_loop, plus
from gateway.flow.target_port import Conflict, Refused, ResourceType, TargetError, errand
from gateway.log import get_logger

ROUNDS: Final = 5  # decisions taken anew because the world moved, before the provider is asked to come again
NO_NEWS: Final = (Outcome.UNCHANGED, Outcome.OUT_OF_SCOPE)  # where nothing was sent
WHOLE: Final = ("create", "replace", "mirror")  # say all there is of a resource
RECORD_PAUSES: Final = (0.5, 1.0, 2.0)  # seconds between tries to record what the target has already done

log = get_logger()


class MoreKeys(Exception):
    """What a change comes to has keys that were not held when it was decided: decide again under these."""

    def __init__(self, keys: frozenset[Key]) -> None:
        self.keys = keys


class Changes:
    """Handles every request that may alter a target."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery
        self._removal_claims = RemovalClaims(services)
        self._membership = GroupMembers(services)

    async def handle(self, change: Change) -> Reply:
        """Make the change and return the answer; raises the GatewayError that refuses it."""
        services, admission = self._services, change.target.admission
        record = ChangeEvent(change, services.new_id(), services.monotonic, services.monotonic())
        token = errand.set(errand_of(change, record.started))
        admission.requests += 1
        try:
            reply = await self._walk(change, record)
        except GatewayError as error:
            services.meter.changed(change.target.name, outcome_of(error, _status(error, change)))
            await self._remember_refusal(record, error)
            raise
        finally:
            admission.requests -= 1
            errand.reset(token)
        services.meter.changed(change.target.name, reply.outcome)
        return reply

    async def _walk(self, change: Change, record: ChangeEvent) -> Reply:
        if change.type is ResourceType.GROUP and not await change.target.has_groups():
            raise NotSupported(f"{change.target.name} takes no groups: untick Push Groups")
        if change.target.admission.requests > change.target.admission.most:
            refuse_crowd(change)
        keys, is_gone = keys_of_change(change), False
        for _ in range(ROUNDS):
            patience = errand.get().latest - self._services.monotonic()
            async with self._services.locks.hold(change.target.name, keys, patience) as hold:
                try:
                    return await self._decided(change, hold, record, is_gone)
                except MoreKeys as more:
                    keys = keys | more.keys
                except (Gone, KeysTaken, StaleFence) as error:
                    if isinstance(error, StaleFence) and change.caller.is_administrator:
                        raise  # whoever pushes it again hears that another of them gave it up
                    is_gone = is_gone or isinstance(error, Gone)
                    self._services.entry_cache.forget(change.target.name, change.type, record.entry)
        raise Busy("the resource keeps changing under this request")

    async def _decided(self, change: Change, hold: Hold, record: ChangeEvent, is_gone: bool) -> Reply:
        """Decide on what is known under the keys that are held, and do it; raises MoreKeys.

        `is_gone`: it was decided before, on an entry that a change found gone.
        """
        intent = None
        if self._is_new(change):
            is_odd = is_large(change.body)
            plan = record.plan = await off_loop(plan_new, change) if is_odd else plan_new(change)
            if plan.send is Send.CREATE:
                intent = intent_of(change, NOTHING_KNOWN, plan, self._services.new_id())
        operation, situation = await self._ask(change, hold, record, intent)
        if operation is not None:
            return await self._deliver(change, situation, plan, operation, record)
        situation = await self._look(change, hold.keys, situation, record, is_gone)
        if change.if_match:
            await refuse_outdated(self._services, change, situation)
        record.name = name_of(change, situation)
        original = situation.resource.original if situation.resource else None
        is_odd = is_large(change.body, situation.present, original)
        record.plan = plan = (
            await off_loop(decide, change, situation) if is_odd else decide(change, situation)
        )
        if change.type is ResourceType.GROUP:
            record.plan = plan = await self._with_members(change, situation, plan, record)
        if not (needed := _needed(change, situation, plan)) <= hold.keys:
            raise MoreKeys(needed)
        if plan.send is not Send.NOTHING:
            operation = await self._removal_claims.claim(change, situation, plan, record)
            return await self._deliver(change, situation, plan, operation, record)
        if is_no_news(change, situation, plan):
            return Reply(plan.status, outcome=plan.outcome)
        nothing = Delivered(None, plan.outcome, plan.members)
        return await self._settle(change, situation, plan, None, nothing, record)

    def _is_new(self, change: Change) -> bool:
        """Say whether a create can be planned before it is known whether anybody has its keys."""
        services, target = self._services, change.target
        return (
            change.operation == "create"
            and change.type is ResourceType.USER  # few targets refuse a second group of one name
            and target.policy.unique_names
            and not services.looks_first
            and services.paused_since(target.name) is None
            and not (target.admission.is_wary and target.admission.refusal())
        )

    async def _ask(
        self, change: Change, hold: Hold, record: ChangeEvent, intent: Intent | None
    ) -> tuple[Operation | None, Situation]:
        """Ask the journal once; what stands unsettled under the keys is settled before it is asked again.

        A leaver for whom that cannot be done now is kept. Raises MoreKeys.
        """
        services, base = self._services, change.target.name
        operations = services.operations
        begun = await operations.begin(base, change.type, tuple(hold.keys), intent)
        situation = known_situation(services, change, begun.resources)
        own = situation.resource if change.id is not None else None
        if own is not None:
            record.name = name_in(own.original, change.type)  # whom it is about, even if it ends here
            # who has the id has its other keys, as nobody else changes whose they are
            if not hold.extend(situation.keys):
                raise MoreKeys(situation.keys)
        unsettled = begun.unsettled and in_the_way(own, hold.keys, begun.unsettled)
        if not unsettled:
            return begun.operation, situation
        try:
            deletes = change.id if change.operation == "delete" else None
            whole, said = change.operation in WHOLE, says_active(change)
            await self._recovery.settle_doubt(change.target, unsettled, said, deletes, whole=whole)
        except Busy as busy:
            await self._removal_claims.keep(change, hold.keys, record, busy)
            raise
        begun = await operations.begin(base, change.type, tuple(hold.keys))
        return None, known_situation(services, change, begun.resources)

    async def _with_members(
        self, change: Change, situation: Situation, plan: Plan, record: ChangeEvent
    ) -> Plan:
        try:
            return await self._membership.planned(change, situation, plan)
        except TargetError as error:
            raise answer_to_change(change.target.name, error, record.quotes()) from error

    async def _look(
        self, change: Change, keys: frozenset[Key], known: Situation, record: ChangeEvent, is_gone: bool
    ) -> Situation:
        try:
            self._services.refuse_paused(change.target.name)
            if change.target.admission.is_wary:
                change.target.admission.refuse()
            return await load_situation(self._services, change, known, is_gone=is_gone)
        except TargetError as error:
            answer = answer_to_change(change.target.name, error, record.quotes())
            await self._removal_claims.keep(change, keys, record, answer, error)
            raise answer from error

    async def _deliver(
        self, change: Change, situation: Situation, plan: Plan, operation: Operation, record: ChangeEvent
    ) -> Reply:
        """Send what the plan says, whose intent is recorded, and settle it."""
        delivery = Delivery(self._services, self._membership, record, operation, plan)
        try:
            delivered = await delivery.deliver()
            if plan.members is not NOBODYS:
                delivered = await delivery.with_members(delivered)
        except (Gone, StaleFence) as error:  # of what another gateway has taken over, it says what became
            if isinstance(error, Gone):
                await self._close(delivery, record, Outcome.PENDING, 404, "the entry is gone; decided anew")
            raise
        except (TargetError, GatewayError) as error:
            if (alone := _without_refused(change, situation, plan, error)) is not None:
                record.plan = alone
                return await self._deliver(change, situation, alone, delivery.operation, record)
            raise await self._give_up(change, delivery, record, error) from error
        except Exception as error:
            delivery.in_doubt = True
            log.error("change.crashed", target=change.target.name, error=type(error).__name__)  # noqa: TRY400
            raise await self._give_up(change, delivery, record, Busy("the gateway failed")) from error
        try:
            return await self._settle(change, situation, plan, delivery.operation, delivered, record)
        except LinkedToAnother as linked:
            doubt = delivery.doubted("the target answered with an entry that is somebody else's")
            raise await self._give_up(change, delivery, record, doubt) from linked

    async def _settle(
        self,
        change: Change,
        situation: Situation,
        plan: Plan,
        operation: Operation | None,
        delivered: Delivered,
        record: ChangeEvent,
    ) -> Reply:
        services, target, before = self._services, change.target.name, situation.resource
        present = situation.present if plan.target_id is not None else None  # what is not ours is not linked
        entry = delivered.entry if plan.send is not Send.NOTHING else present
        entry = entry and without_password(entry)
        comes = bool(plan.members.delta) and change.caller.kind == "provider"  # not: is told once more
        moves = comes or plan.state is State.DELETED
        state = SettledState(target, change.type, plan.original, plan.state, plan.mapped.form, entry, moves)
        # the provider has used the id, so it has it, or was told it by the target that this one follows
        is_told = change.caller.kind == "provider" or change.operation == "mirror"
        is_known = change.id is not None and is_told
        now, new_id = services.now(), services.new_id
        resource = updated_resource(before, state, change.id, now, new_id, replied=is_known)
        is_crowd = max(len(delivered.members.delta.add), len(plan.differences)) > CROWD
        told = partial(delivered.members.rows, target, delivered=delivered.are_members_told)
        rows = await off_loop(told) if is_crowd else told()
        record.target_id = resource.id
        if plan.send is Send.CREATE and entry is not None and entry["id"] != resource.id:
            await refuse_linked(services, resource, known_as=resource.id)
        event = (
            await off_loop(record.event, delivered.outcome) if is_crowd else record.event(delivered.outcome)
        )
        if operation is None and plan.outcome in NO_NEWS and rows is None and resource == before:
            services.trail.later(event)  # nothing was changed, so nothing can be lost
        else:
            settlement = Settlement(delivered.outcome, event, resource, rows, is_new=before is None)
            resource = await self._recorded(operation, settlement, record)
        record.is_written = True
        if plan.refused is not None:
            await self._tell_refused(record, plan.refused)
        self._note_sight(change, plan, delivered)
        if plan.state is State.DELETED or is_answered_briefly(change):
            return Reply(204, outcome=delivered.outcome)
        answered = partial(answer_of, change, plan, resource, entry)
        document = await off_loop(answered) if is_crowd else answered()
        return Reply(plan.status, document, delivered.outcome)

    async def _recorded(
        self, operation: Operation | None, settlement: Settlement, record: ChangeEvent
    ) -> Resource:
        """Settle, and return the resource as it is kept; raises LinkedToAnother.

        Where the journal fails after the target did not, it is tried a few seconds more (F7).
        """
        resource, pauses = settlement.resource, iter(RECORD_PAUSES if operation is not None else ())
        assert resource is not None
        while True:
            try:
                await self._services.operations.settle(operation, settlement)
            except IdTaken:  # the target gives an id again that was, or is, somebody's here
                if operation is not None:
                    await refuse_linked(self._services, resource, known_as=None)
                resource = replace(resource, id=self._services.new_id())
                record.target_id = resource.id
                settlement = replace(settlement, event=record.event(settlement.outcome), resource=resource)
            except JournalUnavailable:
                if (pause := next(pauses, None)) is None:
                    raise
                await self._services.sleep(pause)
            else:
                return resource

    async def _tell_refused(self, record: ChangeEvent, refused: GatewayError) -> None:
        """Write down what was refused of a change that was made all the same."""
        event = record.refusal(refused, _status(refused, record.change))
        with suppress(JournalUnavailable):  # the change is made, and so it is answered
            await self._services.trail.append([replace(event, id=self._services.new_id())])

    def _note_sight(self, change: Change, plan: Plan, delivered: Delivered) -> None:
        target, entry_cache = change.target.name, self._services.entry_cache
        if delivered.entry is not None:
            entry_cache.note(target, change.type, delivered.entry)
        elif plan.send is Send.DELETE:
            id = plan.target_id or ""
            entry_cache.forget(target, change.type, id)
            entry_cache.note_members(target, "", (), (id,), change.target.policy.trust)

    async def _give_up(
        self, change: Change, delivery: Delivery, record: ChangeEvent, error: TargetError | GatewayError
    ) -> GatewayError:
        """Close the operation, or leave it to be settled later; return what the provider hears."""
        is_in_doubt = delivery.is_in_doubt(error)
        answer = (
            error
            if isinstance(error, GatewayError)
            else answer_to_change(change.target.name, error, record.quotes())
        )
        if is_in_doubt and not isinstance(answer, Busy):
            doubt, verbatim = f"{change.target.name} left the change in doubt", answer.verbatim
            answer = Busy(f"{doubt}: {answer.detail}")
            answer.verbatim = verbatim and f"{doubt}: {verbatim}"
        operation = delivery.operation
        if isinstance(answer, Busy):
            answer.is_kept = is_in_doubt or operation.intent.removes
        event = record.refusal(answer, _status(answer, change))
        if is_in_doubt:
            mark = Transition(OperationState.DOUBT, answer.detail, operation.due)
        elif operation.intent.removes and isinstance(answer, Busy):
            fault = error if isinstance(error, TargetError) else None
            due = plus(self._services.now(), try_again_in(1, fault))
            mark = Transition(OperationState.PENDING, answer.detail, due)
        else:
            outcome = Outcome(event.fields["outcome"]["result"])
            await self._services.operations.settle(operation, Settlement(outcome, event))
            record.is_written = True
            return answer
        await self._services.operations.mark(operation, mark, event)
        record.is_written = True
        return answer

    async def _close(
        self, delivery: Delivery, record: ChangeEvent, outcome: Outcome, status: int, reason: str
    ) -> None:
        event = replace(record.event(outcome, status, reason), id=self._services.new_id())
        await self._services.operations.settle(delivery.operation, Settlement(outcome, event))

    async def _remember_refusal(self, record: ChangeEvent, error: GatewayError) -> None:
        if record.is_written:
            return
        event = record.refusal(error, _status(error, record.change))
        try:
            await self._services.trail.append([event])
        except JournalUnavailable:
            if not isinstance(error, JournalUnavailable):
                raise


def _without_refused(change: Change, situation: Situation, plan: Plan, error: Exception) -> Plan | None:
    """Return the deactivation alone of a change that is refused, None where it is none, or nothing more."""
    if not isinstance(error, (Refused, Conflict)) or not deactivates(plan):
        return None
    alone = deactivation(change, situation)
    is_all = alone.differences == plan.differences and not plan.secret
    if plan.refused is not None or not alone.differences or is_all:
        return None
    refused = answer_to_change(change.target.name, error)
    return replace(alone, outcome=plan.outcome, event=plan.event, refused=refused)


def _needed(change: Change, situation: Situation, plan: Plan) -> frozenset[Key]:
    """Return the keys that must be held: those of before and of after."""
    if situation.resource is not None:
        return plan.keys | situation.keys
    # an entry not known yet: nobody else may take it by its present name meanwhile
    present = change.mapping.reverse(situation.present) if situation.present else {}
    return plan.keys | keys_of(present, change.type)


def _status(error: GatewayError, change: Change) -> int:
    return error.status_for(change.caller.busy_status)
