"""Operations whose end is not known: ask the target, do what must still be done, put the journal right."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.audit.masking import blotted
from gateway.errors import Busy, GatewayError, JournalUnavailable
from gateway.flow.change_event import gives_way, is_sent_again, quotes_of, recovery_event, replaced, settled
from gateway.flow.failures import (
    LONGEST_PAUSE,
    answer_to_change,
    back_off,
    is_of_the_target,
    may_be_of_the_data,
    not_yet,
    try_again_in,
)
from gateway.flow.find import may_become, read_entry, search_entry, shown_after
from gateway.flow.groups import GroupMembers
from gateway.flow.journal_port import (
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
from gateway.flow.members import NOBODYS, Members
from gateway.flow.model import Caller, Change, Services, Situation, Target
from gateway.flow.plan import deactivation
from gateway.flow.resource import SettledState, beside_rules, update_of, updated_resource
from gateway.flow.services import Alert, between, in_rounds, plus
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Errand,
    Late,
    Missing,
    Refused,
    ResourceType,
    TargetError,
    Urgency,
    errand,
)
from gateway.log import correlation_id, get_logger
from gateway.scim.difference import Difference, compare, overlay

LONGEST_PASS: Final = 5.0  # seconds of one look at all that waits
RECOVERY: Final = Caller("recovery", kind="gateway")

log = get_logger()


class Recovery:
    """Settles operations one at a time, under their keys."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._membership = GroupMembers(services)
        self._started = services.now()
        # by target and operation: until when it rests from asking a target in vain; monotonic seconds
        self._resting: dict[str, dict[str, float]] = {}

    async def settle_doubt(
        self,
        target: Target,
        operations: Iterable[Operation],
        active: bool | None = None,
        deletes: str | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """Settle open operations, whose keys the caller has taken.

        `active` is what the newer change says in so many words, `deletes` the id of whom it deletes, `whole`
        whether it says all there is: it may take the place of an older one.
        Raises Busy for one that cannot be settled now, and nothing else: it is not the newer change's fault.
        """
        for operation in operations:
            try:
                if gives_way(operation, active=active, deletes=deletes, whole=whole):
                    await self._wait_out(target, operation)
                    await replaced(self._services, operation)
                elif operation.standing in (OperationState.HELD, OperationState.DEAD):
                    raise Busy(
                        f"an earlier change of this resource is {operation.standing}: {operation.reason}"
                    )
                else:
                    await self._resolve(target, operation, waited_for=True)
            except TargetError as error:
                raise not_yet(answer_to_change(target.name, error, quotes_of(operation.intent))) from error
            except StaleFence:
                continue  # settled in the meantime
            except KeysTaken as error:
                raise Busy("another process is at an earlier change of this resource") from error
            except GatewayError as error:
                raise not_yet(error) from error

    async def sweep(self, target: Target) -> None:
        """Try everything that is due, leavers first; what cannot be settled now is due again later.

        What rests because the target did not answer is tried as soon as it does; if nothing else is due, one
        of them asks. Of a target that is sick the gate asks, more often where something waits.
        """
        began = self._services.monotonic()
        unsettled = await self._services.operations.open(target.name, ())
        if not await target.admission.probe(target.policy.settle if unsettled else None):
            return
        waiting = await self._released(target, unsettled)
        due = [operation for operation in waiting if self._is_due(target, operation)]
        due.sort(key=lambda o: (not o.intent.removes, o.opened))
        until = self._still_resting(target, waiting)
        rest = [operation for operation in due if operation.intent.op_id in until]
        asks = [operation for operation in due if operation.intent.op_id not in until]
        if not asks and rest:
            asks = [min(rest, key=lambda o: until[o.intent.op_id])]
            rest.remove(asks[0])
        if await self._tried(target, asks, began):
            await self._tried(target, rest, began)

    async def _tried(self, target: Target, operations: Iterable[Operation], began: float) -> bool:
        """Try these in turn, as long as a pass may take; say whether the target has answered any."""

        def is_over() -> bool:  # the next pass looks at those who have begun to leave meanwhile first
            return bool(self._services.monotonic() - began >= LONGEST_PASS or target.admission.refusal())

        return await in_rounds(operations, partial(self._swept, target), is_over)

    def _still_resting(self, target: Target, waiting: Iterable[Operation]) -> dict[str, float]:
        """Return those who rest, and until when; who is settled is forgotten."""
        ids, now = {operation.intent.op_id for operation in waiting}, self._services.monotonic()
        until = {id: at for id, at in self._resting.get(target.name, {}).items() if id in ids}
        self._resting[target.name] = until
        return {id: at for id, at in until.items() if at > now}

    async def bury(self, reason: str) -> None:
        """Give up everything that stands open, until an administrator says retry or drop."""
        for operation in await self._services.operations.open(None, ()):
            await self._services.operations.mark(operation, Transition(OperationState.DEAD, reason))

    def _is_due(self, target: Target, operation: Operation) -> bool:
        if operation.standing in (OperationState.HELD, OperationState.DEAD):
            return False
        now = self._services.now()
        is_early = now < operation.due <= plus(now, LONGEST_PAUSE)  # later ones are of a clock set back
        return not is_early and self._quiet(target, operation) <= 0

    async def _released(self, target: Target, waiting: Iterable[Operation]) -> list[Operation]:
        """Let go what is held though the brake is not: it was held while somebody released."""
        found = list(waiting)
        held = [operation for operation in found if operation.standing is OperationState.HELD]
        if not held or (await self._services.removals.brake(target.name))[0] is not None:
            return found
        mark = Transition(OperationState.PENDING, attempts=1)
        free = [await self._services.operations.mark(operation, mark) for operation in held]
        return [operation for operation in found if operation.standing is not OperationState.HELD] + free

    async def _swept(self, target: Target, operation: Operation) -> bool:
        """Settle one operation unless its change is still under way; say whether the target has answered."""
        keys, urgency = operation.intent.keys, Urgency.LEAVER if operation.intent.removes else Urgency.CHANGE
        token = errand.set(Errand(urgency=lambda: urgency))
        try:
            async with self._services.locks.hold(target.name, keys, patience=0):
                for now in await self._services.operations.open(target.name, keys):
                    if now.intent.op_id == operation.intent.op_id and now.fence == operation.fence:
                        await self._resolve(target, now, waited_for=False)
                        return True
        except (Busy, KeysTaken):
            return False  # its change is still under way, or the journal is not writable
        except Exception as error:  # noqa: BLE001 - what one of them does must not stop the others
            log.warning("operation.still_open", target=target.name, reason=type(error).__name__)
            return not is_of_the_target(error)
        finally:
            errand.reset(token)
        return False

    async def _resolve(self, target: Target, operation: Operation, *, waited_for: bool) -> None:
        """Find out, do what must still be done, settle; raises what stopped it after putting it off.

        `waited_for`: a provider asks for something newer, so only what it cannot replace is sent again.
        """
        self._services.refuse_paused(target.name)
        await self._wait_out(target, operation)
        try:
            owned = await self._services.operations.take_over(operation)
        except StaleFence:
            return  # settled under another of its keys in the meantime
        name = correlation_id.set(owned.intent.correlation_id)  # what is sent now is sent on its word
        try:
            await self._settle(target, owned, waited_for=waited_for)
        except (StaleFence, JournalUnavailable):
            raise
        except Exception as error:
            await self._put_off(target, owned, error)
            raise
        finally:
            correlation_id.reset(name)

    async def _settle(self, target: Target, owned: Operation, *, waited_for: bool) -> None:
        intent = owned.intent
        known = await self._known(intent)
        members = await self._membership.again(target, intent.members) if intent.members else NOBODYS
        entry, applied = await self._what_became(target, intent, known)
        refused = None
        if applied and entry is not None and intent.operation == "create":
            entry = await self._completed(target, intent, entry)
        if not applied and is_sent_again(intent, waited_for=waited_for):
            owned = await self._services.still_ours(owned)
            try:
                entry, applied = await self._send_again(target, intent, known, entry, members)
            except TargetError as error:
                if not may_be_of_the_data(error):
                    raise
                if error.maybe_applied:  # some answer 500 to what they have done
                    entry, applied = await self._what_became(target, intent, known)
                if not applied:
                    if (alone := _without_refused(target, intent, known, entry)) is None:
                        raise
                    entry, applied = await self._send_again(target, alone, known, entry, members)
                    intent, refused = alone, answer_to_change(target.name, error, quotes_of(intent))
        resource = self._resource(intent, known, entry) if applied else None
        rows = members.rows(intent.target, delivered=intent.operation != "create")
        outcome = Outcome.APPLIED if applied else Outcome.FAILED
        reason = "found on the target" if applied else "not found on the target"
        event = recovery_event(self._services.new_id(), intent, "operation.recovered", outcome, reason)
        settlement = Settlement(outcome, event, resource, rows, is_new=known is None)
        await settled(self._services, owned, settlement)
        self._services.doubts.pop(intent.op_id, None)
        id, entry_cache = intent.target_id or "", self._services.entry_cache
        entry_cache.forget(target.name, intent.type, id)
        if intent.operation == "delete":
            entry_cache.note_members(target.name, "", (), (id,), target.policy.trust)
        self._services.meter.changed(target.name, outcome)
        log.info("operation.recovered", target=target.name, outcome=outcome.value)
        if refused is not None:
            await self._tell_refused(intent, refused)

    async def _completed(self, target: Target, intent: Intent, entry: Attributes) -> Attributes:
        """Return an entry that a create made, with what it lacks said again: some are made in two steps."""
        lacking = _missing(target, intent, None, entry)
        update = update_of(target.mapping_for(intent.type), entry, lacking, intent.wanted, {})
        answer = await target.connector.change(intent.type, entry["id"], update) if lacking else entry
        return await shown_after(target.connector, intent.type, entry["id"], answer)

    async def _tell_refused(self, intent: Intent, refused: GatewayError) -> None:
        """Write down what was refused of a change whose deactivation was made all the same."""
        id, reason = self._services.new_id(), refused.verbatim
        event = recovery_event(id, intent, "user.patch", Outcome.REJECTED, reason)
        event.fields["outcome"]["status"] = refused.status
        with suppress(JournalUnavailable):  # it is settled, whether or not that can be told
            await self._services.trail.append([event])

    async def _put_off(self, target: Target, operation: Operation, error: Exception) -> None:
        """Try again later, or give up what is refused for long enough; nobody who leaves is given up."""
        said = error.reason if isinstance(error, TargetError) else ""
        said = error.detail if isinstance(error, GatewayError) else said
        verbatim = f"{type(error).__name__}: {said}" if said else type(error).__name__
        now, policy, intent = self._services.now(), target.policy, operation.intent
        reason = blotted(verbatim, quotes_of(intent))  # for every eye; the event has its level
        quiet = self._quiet(target, operation)  # others take what is due, and know nothing of what was sent
        due = plus(now, max(quiet, try_again_in(operation.attempts, error, policy.settle)))
        if is_of_the_target(error):
            until = self._services.monotonic() + back_off(operation.attempts)
            self._resting.setdefault(target.name, {})[intent.op_id] = until
            await self._services.operations.mark(operation, Transition(OperationState.DOUBT, reason, due))
            return
        since = operation.refused or now
        if intent.removes or between(since, now) < policy.give_up:
            mark = Transition(OperationState.DOUBT, reason, due, refused=since)
            await self._services.operations.mark(operation, mark)
            return
        mark = Transition(OperationState.DEAD, reason, due, refused=since)
        event = recovery_event(self._services.new_id(), intent, "operation.dead", Outcome.FAILED, verbatim)
        await self._services.operations.mark(operation, mark, event)
        what = f"operation {intent.op_id} was tried {operation.attempts} times: {type(error).__name__}"
        self._services.alarm(Alert("operation.dead", target.name, what))

    async def _wait_out(self, target: Target, operation: Operation) -> None:
        """Wait until a doubt can no longer take effect; raises Late where who waits has no time, and Sick."""
        target.admission.refuse()
        quiet = self._quiet(target, operation)
        if quiet > errand.get().latest - self._services.monotonic():
            raise Late("an earlier change may still take effect", None, quiet)
        await self._services.sleep(quiet)

    def _quiet(self, target: Target, operation: Operation) -> float:
        """Return the seconds until a request sent before the doubt can no longer take effect."""
        if operation.standing is OperationState.PENDING:
            return 0.0
        now, policy, intent = self._services.now(), target.policy, operation.intent
        settle = policy.settle + policy.visible(intent.type, intent.operation)
        id, doubts = operation.intent.op_id, self._services.doubts
        if operation.attempts == 1 and now < operation.due <= plus(now, settle):
            return between(now, operation.due)
        since = max(operation.opened, self._started, doubts.get(id, ""))
        if since > now:  # the clock was set back: what is counted begins now
            since = doubts[id] = min(doubts.get(id, now), now)
        return max(0.0, settle - between(since, now))

    async def _known(self, intent: Intent) -> Resource | None:
        if not intent.resource_id:
            return None
        own = (Key("id", intent.resource_id),)
        return next(iter(await self._services.resources.find(intent.base, intent.type, own)), None)

    async def _what_became(
        self, target: Target, intent: Intent, known: Resource | None
    ) -> tuple[Attributes | None, bool]:
        """Return the target's entry and whether the operation certainly took effect.

        "No" is safe where it is wrong: what the target shows is then seen as changed there. "Yes" is not.
        """
        if intent.operation == "create":
            entry = await search_entry(self._services, target, intent.type, intent.wanted)
            return entry, entry is not None and await may_become(
                self._services, target, intent.type, intent.original, entry
            )
        entry = await read_entry(self._services, target, intent.type, intent.target_id or "")
        if intent.operation == "delete":
            return entry, entry is None
        if intent.members:  # nobody reads thousands of members to save one request that may be repeated
            return entry, False
        return entry, entry is not None and not _missing(target, intent, known, entry)

    async def _send_again(
        self,
        target: Target,
        intent: Intent,
        known: Resource | None,
        entry: Attributes | None,
        members: Members,
    ) -> tuple[Attributes | None, bool]:
        """Do what was not done; raises TargetError, but not for data that the target will never take."""
        try:
            if intent.operation == "delete":
                await target.connector.delete(intent.type, intent.target_id or "")
                return None, True
            if entry is None:
                return None, intent.removes
            missing = _missing(target, intent, known, entry)
            update = update_of(target.mapping_for(intent.type), entry, missing, intent.wanted, {})
            update = replace(update, members=members.update)
            if intent.type is ResourceType.GROUP:
                own = intent.resource_id or None
                answer = await self._membership.send(target, own, entry["id"], update)
            else:
                answer = await target.connector.change(intent.type, entry["id"], update)
            return await shown_after(target.connector, intent.type, entry["id"], answer), True
        except Missing:
            return None, intent.removes
        except (Refused, Conflict):
            if intent.removes:
                raise
            return entry, False
        except TargetError as error:
            if error.maybe_applied:
                self._services.doubts[intent.op_id] = self._services.now()
            raise

    def _resource(self, intent: Intent, known: Resource | None, entry: Attributes | None) -> Resource:
        moves = bool(intent.members) or intent.state is State.DELETED
        sent, target = intent.wanted, intent.target
        state = SettledState(target, intent.type, intent.original, intent.state, sent, entry, moves)
        id, now, new_id = intent.resource_id or None, self._services.now(), self._services.new_id
        return updated_resource(known, state, id, now, new_id, replied=False)


def _without_refused(
    target: Target, intent: Intent, known: Resource | None, entry: Attributes | None
) -> Intent | None:
    """Return the deactivation alone of a change that is refused, None where it is none, or nothing more."""
    leaves = intent.removes and intent.state is State.INACTIVE
    if intent.operation != "change" or not leaves or known is None or entry is None:
        return None
    change = Change("push", intent.type, target, RECOVERY, intent.correlation_id, known.id)
    plan = deactivation(change, Situation(known, (), entry, known.links.get(target.name)))
    alone = replace(intent, original=plan.original, wanted=plan.mapped.form)
    lacks = _missing(target, alone, known, entry)
    return alone if lacks and lacks != _missing(target, intent, known, entry) else None


def _missing(
    target: Target, intent: Intent, known: Resource | None, entry: Attributes
) -> tuple[Difference, ...]:
    """Return what the entry lacks of the wanted form, and what it still has that was to be removed."""
    mapping = target.mapping_for(intent.type)
    forms = (mapping.forward(mapping.reverse(entry)).form, intent.wanted)
    shown, _ = beside_rules(mapping, entry, ({}, intent.original), forms)
    sent = known.links[intent.target].sent if known and intent.target in known.links else {}
    wanted = overlay(shown, compare(sent, intent.wanted))
    lacking = (d for d in compare(shown, intent.wanted) if d.after is not None)
    return compare(shown, overlay(wanted, lacking))
