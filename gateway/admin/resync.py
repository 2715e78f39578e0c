"""Everybody pushed to a target again, as the rules are now: after a change of rules or offices.

A target that follows another is told of everybody whom that has, so that a new one is filled.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

from gateway.admin.problems import parse_problems
from gateway.admin.runs import EVERY, Lines, Pushed, Run, everybody, push, side_by_side
from gateway.admin.simulate import is_misplaced, is_up_to_date, refusal
from gateway.flow.journal_port import Key, Outcome, Resource, State
from gateway.flow.mirror import Mirroring
from gateway.flow.model import ChangeHandler, Services, Target
from gateway.flow.target_port import ResourceType
from gateway.scim.documents import fold
from gateway.scim.names import NAMES
from gateway.values import frozen

DONE = (Outcome.APPLIED, Outcome.ADOPTED, Outcome.UNCHANGED, Outcome.OUT_OF_SCOPE)


@frozen
class Unpushed:
    """Why somebody was not brought to the state that the rules want."""

    user_name: str | None
    id: str
    outcome: Outcome
    path: str | None
    rule: str | None
    reason: str | None


@frozen
class Refill:
    """One run that tells a target of all that the target has which it follows."""

    services: Services
    mirroring: Mirroring
    target: Target

    async def lines(self) -> Lines:
        """Tell, and yield the progress, what the target refuses, and the end."""
        run, lead = Run(self.services, "resync", self.target), self.target.follows or ""
        mirrors, name, now = self.services.mirrors, self.target.name, self.services.now()
        try:
            marked = await mirrors.mark_all(lead, name, now, run.correlation_id)
            left, before = marked, marked + 1
            while left < before:
                sweep = asyncio.ensure_future(self.mirroring.sweep(self.target, is_asked=True))
                while not (await asyncio.wait((sweep,), timeout=EVERY))[0]:
                    run.people = max(0, marked - (await mirrors.count(lead, name))[0])
                    if progress := run.progress():
                        yield progress
                await sweep
                before, (left, refused) = left, await mirrors.count(lead, name)
            run.people = marked
            run.counts.update(applied=max(0, marked - left), rejected=refused, pending=left - refused)
            run.differs = bool(refused)
            if left > refused:
                run.unreachable = f"{name} has still to be told of {left - refused}: it cannot take them now"
            for id, whose, reason in await mirrors.refused(lead, name):
                for trouble in parse_problems(reason):
                    path, rule = trouble.path or None, trouble.rule or None
                    yield Unpushed(whose, id, Outcome.REJECTED, path, rule, trouble.reason)
            yield run.end()
        finally:
            await run.close()


@frozen
class Resync:
    """One run; `changed`: only those of whom the rules now make something else than was sent.

    `only`: of this person alone.
    """

    services: Services
    changes: ChangeHandler
    target: Target
    changed: bool = False
    only: Resource | None = None

    async def lines(self) -> Lines:
        """Push, and yield who could not be brought there, the progress, and the end."""
        run = Run(self.services, "resync", self.target, self.only)
        strict = replace(self.target, policy=replace(self.target.policy, trust=0.0))

        async def pushed(resource: Resource) -> tuple[Unpushed, ...]:
            is_left_out = self.target.mapping_for(resource.type).leaves_out(resource.original)
            is_news = is_left_out and resource.state is State.ACTIVE
            result = Pushed(Outcome.OUT_OF_SCOPE if is_news else Outcome.UNCHANGED)
            if not self._is_well(resource):
                result = await push(self.changes, run, strict, resource, "resync")
            is_person = resource.type is ResourceType.USER
            run.people += is_person
            run.counts[result.outcome.value if is_person else "groups"] += 1
            return tuple(self._rows(resource, result))

        try:
            async with aclosing(side_by_side(self._resources(run), pushed)) as results:
                async for rows in results:
                    run.differs = run.differs or bool(rows)
                    for row in rows:
                        yield row
                    if progress := run.progress():
                        yield progress
            yield run.end()
        finally:
            await run.close()

    async def _resources(self, run: Run) -> AsyncIterator[Resource]:
        """Yield everybody, and the groups that come or go: nothing else of a group depends on the rules."""
        if self.only is not None:
            yield self.only
            return
        async for resource in everybody(self.services, self.target):
            if run.is_down:
                return
            yield resource
        async for group in everybody(self.services, self.target, ResourceType.GROUP):
            if run.is_down:
                return
            if is_misplaced(self.target, group) and await self.target.has_groups():
                yield group

    def _is_well(self, resource: Resource) -> bool:
        """Say whether nothing has to be sent, without asking the target."""
        link = resource.links.get(self.target.name)
        has_entry = link is not None and link.target_id is not None
        return (self.changed or not has_entry) and is_up_to_date(self.target, resource)

    def _rows(self, resource: Resource, pushed: Pushed) -> Iterator[Unpushed]:
        if pushed.outcome in DONE:
            return
        name = resource.original.get(NAMES[resource.type])
        for problem in refusal(self.target, resource, pushed.reason):
            path, rule, reason = problem.path or None, problem.rule or None, problem.reason or None
            yield Unpushed(name, resource.id, pushed.outcome, path, rule, reason)


async def known_as(services: Services, target: Target, name: str) -> Resource | None:
    """Return the person whom the journal knows at a target by a userName, or else by our id."""
    for key in (Key("name", fold(name)), Key("id", name)):
        for resource in await services.resources.find(target.name, ResourceType.USER, (key,)):
            if resource.state is not State.DELETED:
                return resource
    return None
