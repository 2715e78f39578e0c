"""Everybody pushed to a target again, as the rules are now: after a change of rules or offices."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace

from gateway.admin.runs import Lines, Pushed, Run, everybody, push, side_by_side
from gateway.flow.journal_port import Outcome, Resource, State
from gateway.flow.model import ChangeHandler, Services, Target
from gateway.flow.resource import unsent
from gateway.values import frozen

DONE = (Outcome.APPLIED, Outcome.ADOPTED, Outcome.UNCHANGED)


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
class Resync:
    """One run; `changed`: only those of whom the rules now make something else than was sent."""

    services: Services
    changes: ChangeHandler
    target: Target
    changed: bool = False

    async def lines(self) -> Lines:
        """Push, and yield who could not be brought there, the progress, and the end."""
        run = Run(self.services, "resync", self.target)
        strict = replace(self.target, policy=replace(self.target.policy, trust=0.0))

        async def pushed(resource: Resource) -> tuple[Unpushed, ...]:
            result = Pushed(Outcome.UNCHANGED)
            if not self._is_well(resource):
                result = await push(self.changes, run, strict, resource, "resync")
            run.people += 1
            run.counts[result.outcome.value] += 1
            return tuple(self._rows(resource, result))

        try:
            async with aclosing(side_by_side(self._people(run), pushed)) as results:
                async for rows in results:
                    run.differs = run.differs or bool(rows)
                    for row in rows:
                        yield row
                    if progress := run.progress():
                        yield progress
            yield run.end()
        finally:
            await run.close()

    async def _people(self, run: Run) -> AsyncIterator[Resource]:
        async for resource in everybody(self.services, self.target):
            if run.is_down:
                return
            yield resource

    def _is_well(self, resource: Resource) -> bool:
        """Say whether nothing has to be sent, without asking the target."""
        link = resource.links.get(self.target.name)
        if link is None or link.target_id is None:
            return resource.state is State.INACTIVE
        return self.changed and not unsent(self.target.mapping, resource, link)

    def _rows(self, resource: Resource, pushed: Pushed) -> Iterator[Unpushed]:
        if pushed.outcome in DONE:
            return
        name = resource.original.get("userName")
        problems = self.target.mapping.forward(resource.original).problems
        for problem in problems:
            yield Unpushed(name, resource.id, pushed.outcome, problem.path, problem.rule, problem.reason)
        if not problems:
            yield Unpushed(name, resource.id, pushed.outcome, None, None, pushed.reason)
