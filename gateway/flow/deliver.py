"""Carrying a plan to its target: attempts one after another, and the truth looked up when in doubt."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from math import inf
from typing import Any

from gateway.errors import Uniqueness
from gateway.flow.change_event import ChangeEvent
from gateway.flow.failures import Retry
from gateway.flow.find import may_become, namesakes, read_entry, search_entry, shown_after, whole
from gateway.flow.groups import GroupMembers
from gateway.flow.journal_port import Operation, OperationState, Outcome, Transition
from gateway.flow.members import NOBODYS, Members
from gateway.flow.model import Change, Plan, Send, Services, Target, may_be_shown_as
from gateway.flow.resource import beside_rules, laid, update_of
from gateway.flow.services import plus
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Missing,
    Nonsense,
    Refused,
    ResourceType,
    Silent,
    TargetError,
    Update,
    errand,
)
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import compare
from gateway.values import frozen


@frozen
class Delivered:
    """What the target holds now; `entry` None: nothing any more."""

    entry: Attributes | None
    outcome: Outcome
    members: Members = NOBODYS
    are_members_told: bool = True


class Gone(Exception):
    """The entry that was to be changed is not there any more: decide again."""


class Delivery:
    """Delivers one plan."""

    def __init__(
        self,
        services: Services,
        membership: GroupMembers,
        record: ChangeEvent,
        operation: Operation,
        plan: Plan,
    ) -> None:
        self._services = services
        self._membership = membership
        self._record = record
        self._change: Change = record.change
        self._target: Target = record.change.target
        self._plan = plan
        self._makes = plan.send is Send.CREATE
        self.operation = operation
        self.in_doubt = False
        self._was_in_doubt = False  # an attempt may have made what is in the way now
        self._beside: tuple[str, ...] = ()  # others whom we know, with the same externalId

    def is_in_doubt(self, error: Exception) -> bool:
        """Say whether it may have been done although this error ended it."""
        is_in_the_way = self._makes and isinstance(error, (Conflict, Uniqueness))
        return self.in_doubt or (is_in_the_way and self._was_in_doubt)

    async def with_members(self, done: Delivered) -> Delivered:
        """Tell of a new group's members, who are no part of its creation."""
        if done.entry is None:  # a group that is out of scope: who is in it is remembered
            return replace(done, members=self._plan.members)
        told = await self._told_members(done.entry) if self._makes else True
        return replace(done, members=self._plan.members, are_members_told=told)

    async def _told_members(self, group: Attributes) -> bool:
        """Add the members of a new group; those of whom it cannot be told now are told later."""
        if not (update := self._plan.members.update):
            return True
        try:
            with self._record.attempt():
                # what the journal knows of it is about an entry that is gone
                await self._membership.send(self._target, None, group["id"], Update(group, group, (), update))
        except TargetError as error:
            if error.maybe_applied:
                await self._wait_out(error)
                self.in_doubt = False
            return False
        return True

    async def deliver(self) -> Delivered:
        """Send until it is done; raises the last TargetError, Uniqueness, or Gone."""
        for attempt in count(1):
            if self.operation.until != inf:
                self.operation = await self._services.still_ours(self.operation)
            try:
                with self._record.attempt():
                    entry = await self._send()
                break
            except Conflict as conflict:
                if (adopted := await self._after_conflict(conflict)) is not None:
                    return adopted
            except Missing as error:
                return self._after_missing(error)
            except TargetError as error:
                if await self._has_sifted(error):
                    continue
                if (done := await self._after(attempt, error)) is not None:
                    return done
        name = self._plan.mapped.form.get("userName")
        if self._plan.send is Send.CREATE and not may_be_shown_as(name, (entry or {}).get("userName")):
            raise self.doubted("the target answered a create with an entry of another userName")
        return Delivered(entry, self._plan.outcome)

    def doubted(self, reason: str) -> Nonsense:
        """Doubt a change whose answer shows somebody else's entry; return the error that says so."""
        self.in_doubt = True
        return Nonsense(reason)

    async def _send(self) -> Attributes | None:
        connector, kind, plan = self._target.connector, self._change.type, self._plan
        if plan.send is Send.CREATE:
            form = plan.mapped.form | plan.secret if plan.secret else plan.mapped.form
            beside = {"beside": self._beside} if self._beside else {}
            answer = await connector.create(kind, form, **beside)
            return answer if answer is not None and answer.get("id") else await self._created()
        self._services.entry_cache.forget(self._target.name, kind, plan.target_id or "")
        if plan.send is Send.DELETE:
            await connector.delete(kind, plan.target_id or "")
            return None
        assert plan.update is not None
        if kind is ResourceType.GROUP:
            answer = await self._membership.send(
                self._target, self._own_id, plan.target_id or "", plan.update
            )
        else:
            answer = await connector.change(kind, plan.target_id or "", plan.update)
        if answer is None and plan.kind is ResourceType.GROUP and not plan.update.differences:
            return plan.update.present  # only its members have changed
        return await shown_after(connector, kind, plan.target_id or "", answer)

    async def _has_sifted(self, error: TargetError) -> bool:
        """Say whether a refused change of members is worth sending once more, without what was in its way."""
        plan = self._plan
        if not isinstance(error, Refused) or plan.update is None or not plan.members.update:
            return False
        members = await self._membership.sifted(
            self._target, self._own_id, plan.target_id or "", plan.members
        )
        if members.update == plan.members.update:
            return False
        self._plan = replace(plan, members=members, update=replace(plan.update, members=members.update))
        self._record.plan = self._plan
        return True

    async def _created(self) -> Attributes:
        """Return what was created and not shown; raises Silent where it cannot be found."""
        try:
            found = await self._search()
        except TargetError as error:  # the create happened, so this is doubt, whatever the read says
            raise Silent(error.reason, error.status) from error
        if found is None:
            raise Silent("the target said created, but does not show the entry")
        return found

    async def _after(self, attempt: int, error: TargetError) -> Delivered | None:
        """Wait and look, so that the next attempt is safe; raises `error` where there is none.

        What a fifth of the target's calls does not leave room for is not tried again now.
        """
        pause = self._retry.pause(attempt, error, self._left(), self._services.chance())
        if error.maybe_applied:
            await self._wait_out(error, pause or 0.0)
            if (found := await self._what_became()) is not None:
                return found
            self.in_doubt = False
        if pause is None:
            raise error
        if not error.maybe_applied:
            if not self._target.admission.may_retry():
                raise error
            await self._services.sleep(pause)
        return None

    async def _wait_out(self, error: TargetError, pause: float = 0.0) -> None:
        """Wait until a doubtful attempt can no longer take effect, and as long as the target gets a pause.

        Raises `error` where that is too long, or nothing may be sent again now: neither look nor attempt.
        """
        policy, plan = self._target.policy, self._plan
        quiet = self._retry.quiet(error, policy.settle) + policy.visible(plan.kind, plan.send)
        self.in_doubt = self._was_in_doubt = True
        now, doubts, id = self._services.now(), self._services.doubts, self.operation.intent.op_id
        doubts[id] = now  # known here even where it cannot be written down
        mark = Transition(OperationState.DOUBT, self._record.blotted(error.reason), plus(now, quiet))
        self.operation = await self._services.operations.mark(self.operation, mark)
        del doubts[id]
        wait = max(quiet, pause, error.retry_after or 0.0)
        if wait >= self._left() or not self._target.admission.may_retry(2):
            raise error
        await self._services.sleep(wait)

    async def _what_became(self) -> Delivered | None:
        """Ask the target whether the doubtful attempt took effect; None: it did not."""
        plan, kind = self._plan, self._change.type
        if plan.send is Send.CREATE:
            entry = await self._search()
            if entry is None:
                return None
            await self._refuse_others(entry)
            if holds(self._change.mapping, plan.mapped.form, entry):
                return Delivered(entry, plan.outcome)
            return await self._adopt(entry)
        # where there is none any more the next attempt is answered so: a read may lag behind the creation
        if plan.send is Send.DELETE:
            return None
        entry = await read_entry(self._services, self._target, kind, plan.target_id or "")
        return None if entry is None else self._after_change(entry)

    def _after_change(self, entry: Attributes) -> Delivered | None:
        plan = self._plan
        assert plan.update is not None
        mapping = self._change.mapping
        wanted = laid(mapping, entry, plan.differences)
        # neither a password nor members are looked up: they are sent again
        if not compare(entry, wanted) and not plan.secret and not plan.members.update:
            return Delivered(entry, plan.outcome)
        update = update_of(mapping, entry, plan.differences, plan.mapped.form, plan.secret)
        update = replace(update, members=plan.members.update)
        self._plan = replace(plan, update=update)
        return None

    async def _after_conflict(self, conflict: Conflict) -> Delivered | None:
        """The name is taken: by an entry that may be adopted, or by somebody else."""
        if self._plan.send is not Send.CREATE:
            raise conflict
        entry = await self._search()
        if entry is not None:
            return await self._adopt(entry)
        form, kind = self._plan.mapped.form, self._change.type
        if self._beside or not (others := await namesakes(self._services, self._target, kind, form)):
            raise conflict
        self._beside = others
        return None

    async def _search(self) -> Attributes | None:
        return await search_entry(self._services, self._target, self._change.type, self._plan.mapped.form)

    async def _adopt(self, entry: Attributes) -> Delivered | None:
        """Go on with an entry that was there: nothing to send, or a change of it instead of a create."""
        await self._refuse_others(entry)
        entry = await whole(self._target, self._change.type, entry)
        mapping, plan = self._change.mapping, self._plan
        reverse = mapping.reverse(entry)
        forms = (mapping.forward(reverse).form, plan.mapped.form)
        before, _ = beside_rules(mapping, entry, ({}, plan.original), forms)
        differences = compare(before, plan.mapped.form)
        self._plan = self._record.plan = replace(
            plan,
            send=Send.CHANGE,
            outcome=Outcome.ADOPTED,
            target_id=entry["id"],
            differences=differences,
            update=update_of(mapping, entry, differences, plan.mapped.form, plan.secret),
        )
        return Delivered(entry, Outcome.ADOPTED) if not differences and not plan.secret else None

    async def _refuse_others(self, entry: Attributes) -> None:
        """Raise Uniqueness for an entry that may not become ours: that it is alike proves nothing."""
        kind, original = self._plan.kind, self._plan.original
        if not await may_become(self._services, self._target, kind, original, entry):
            raise Uniqueness(f"{self._target.name} holds an entry of that name which may not be adopted")

    def _after_missing(self, error: Missing) -> Delivered:
        if self._plan.send is Send.DELETE:
            return Delivered(None, self._plan.outcome)
        raise Gone from error

    @property
    def _own_id(self) -> str | None:
        return self.operation.intent.resource_id or None

    @property
    def _retry(self) -> Retry:
        return Retry(self._target.policy.attempts)

    def _left(self) -> float:
        return errand.get().latest - self._services.monotonic()


def holds(mapping: TargetMapping, form: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Say whether an entry has all that was sent, so that it must be ours."""
    shown = mapping.forward(mapping.reverse(entry)).form
    return all(difference.after is None for difference in compare(shown, form))
