"""Carrying a plan to its target: attempts one after another, and the truth looked up when in doubt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from gateway.errors import Uniqueness
from gateway.flow.decide import Plan, Send, may_adopt, update_of
from gateway.flow.look import is_protected
from gateway.flow.lookup import find_entry
from gateway.flow.model import Change, Services, Target
from gateway.flow.ports import (
    Attributes,
    Conflict,
    Mark,
    Missing,
    Operation,
    Outcome,
    Silent,
    Standing,
    TargetError,
)
from gateway.flow.record import Record
from gateway.flow.retry import Retry
from gateway.flow.times import plus
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import compare, overlay


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the target holds now; `entry` None: nothing any more."""

    entry: Attributes | None
    outcome: Outcome


class Gone(Exception):
    """The entry that was to be changed is not there any more: decide again."""


class Courier:
    """Delivers one plan."""

    def __init__(self, services: Services, record: Record, operation: Operation, plan: Plan) -> None:
        self._services = services
        self._record = record
        self._change: Change = record.change
        self._target: Target = record.change.target
        self._plan = plan
        self._retry = Retry(self._target.policy.attempts)
        self.operation = operation
        self.in_doubt = False

    async def deliver(self) -> Delivered:
        """Send until it is done; raises the last TargetError, Uniqueness, or Gone."""
        for attempt in count(1):
            try:
                with self._record.attempt():
                    entry = await self._send()
                return Delivered(entry, self._plan.outcome)
            except Conflict as conflict:
                if (adopted := await self._after_conflict(conflict)) is not None:
                    return adopted
            except Missing as error:
                return self._after_missing(error)
            except TargetError as error:
                if (done := await self._after(attempt, error)) is not None:
                    return done
        raise AssertionError("unreachable")

    async def _send(self) -> Attributes | None:
        connector, kind, plan = self._target.connector, self._change.type, self._plan
        if plan.send is Send.DELETE:
            await connector.delete(kind, plan.target_id or "")
            return None
        if plan.send is Send.CREATE:
            form = plan.mapped.form | plan.secret
            return await self._whole(await connector.create(kind, form))
        assert plan.update is not None
        answer = await connector.change(kind, plan.target_id or "", plan.update)
        return answer if answer is not None else await connector.get(kind, plan.target_id or "")

    async def _whole(self, answer: Attributes | None) -> Attributes:
        """Return what was created, read back where the target did not show it."""
        if answer is not None and answer.get("id"):
            return answer
        try:
            found = await find_entry(self._target, self._change.type, self._plan.mapped.form)
        except TargetError as error:  # the create happened, so this is doubt, whatever the read says
            raise Silent(error.reason, error.status) from error
        if found is None:
            raise Silent("the target said created, but does not show the entry")
        return found

    async def _after(self, attempt: int, error: TargetError) -> Delivered | None:
        """Wait and look, so that the next attempt is safe; raises `error` where there is none."""
        if error.maybe_applied:
            quiet = self._retry.quiet(error, self._target.policy.settle)
            self.in_doubt = True
            mark = Mark(Standing.DOUBT, error.reason, plus(self._services.now(), quiet))
            self.operation = await self._services.operations.mark(self.operation, mark)
            if quiet >= self._left():
                raise error
            await self._services.sleep(quiet)
            if (found := await self._what_became()) is not None:
                return found
            self.in_doubt = False
        pause = self._retry.pause(attempt, error, self._left())
        if pause is None:
            raise error
        await self._services.sleep(pause)
        return None

    async def _what_became(self) -> Delivered | None:
        """Ask the target whether the doubtful attempt took effect; None: it did not."""
        plan, kind = self._plan, self._change.type
        if plan.send is Send.CREATE:
            entry = await find_entry(self._target, kind, plan.mapped.form)
            if entry is None:
                return None
            if holds(self._target.mapping, plan.mapped.form, entry):
                return Delivered(entry, plan.outcome)
            return await self._adopt(entry)
        entry = await self._target.connector.get(kind, plan.target_id or "")
        if plan.send is Send.DELETE:
            return Delivered(None, plan.outcome) if entry is None else None
        if entry is None:
            raise Gone
        return self._after_change(entry)

    def _after_change(self, entry: Attributes) -> Delivered | None:
        plan = self._plan
        assert plan.update is not None
        wanted = overlay(entry, plan.differences)
        if not compare(entry, wanted) and not plan.secret:  # a password cannot be looked up
            return Delivered(entry, plan.outcome)
        update = update_of(entry, plan.differences, plan.mapped.form, plan.secret)
        self._plan = replace(plan, update=update)
        return None

    async def _after_conflict(self, conflict: Conflict) -> Delivered | None:
        """The name is taken: by an entry that may be adopted, or by somebody else."""
        if self._plan.send is not Send.CREATE:
            raise conflict
        entry = await find_entry(self._target, self._change.type, self._plan.mapped.form)
        if entry is None:
            raise conflict
        return await self._adopt(entry)

    async def _adopt(self, entry: Attributes) -> Delivered | None:
        """Go on with an entry that was there: nothing to send, or a change of it instead of a create."""
        mapping, plan, services = self._target.mapping, self._plan, self._services
        linked = await services.resources.read(
            self._target.name, self._change.type, self._target.name, (entry["id"],)
        )
        reverse = mapping.reverse(entry)
        mine = may_adopt(self._target.policy, plan.original, reverse)
        if linked or not mine or is_protected(self._target, entry):
            raise Uniqueness(f"{self._target.name} holds an entry of that name which may not be adopted")
        before = mapping.forward(reverse).form
        differences = compare(before, plan.mapped.form)
        self._record.differences = differences
        self._plan = replace(
            plan,
            send=Send.CHANGE,
            outcome=Outcome.ADOPTED,
            target_id=entry["id"],
            differences=differences,
            update=update_of(entry, differences, plan.mapped.form, plan.secret),
        )
        return Delivered(entry, Outcome.ADOPTED) if not differences else None

    def _after_missing(self, error: Missing) -> Delivered:
        if self._plan.send is Send.DELETE:
            return Delivered(None, self._plan.outcome)
        raise Gone from error

    def _left(self) -> float:
        return self._target.policy.deadline - self._record.seconds()


def holds(mapping: TargetMapping, form: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Say whether an entry has all that was sent, so that it must be ours."""
    shown = mapping.forward(mapping.reverse(entry)).form
    return all(difference.after is None for difference in compare(shown, form))
