"""What the rules as they are would change of what was sent, decided as a push decides it. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final

from gateway.audit.masking import Cover
from gateway.errors import GatewayError
from gateway.flow.find import is_protected, protected
from gateway.flow.journal_port import Resource, State
from gateway.flow.model import Caller, Change, Plan, Send, Situation, Target, keys_of_resource
from gateway.flow.plan import decide, intent_of
from gateway.flow.resource import as_on_target, as_told, unsent
from gateway.flow.target_port import Attributes, Page, Query, ResourceType, Update
from gateway.mapping.rules import Problem
from gateway.scim.difference import compare
from gateway.scim.members import Edit
from gateway.scim.names import NAMES
from gateway.values import frozen


class Effect(StrEnum):
    """What would become of somebody."""

    CHANGE = "change"
    CREATE = "create"
    DEACTIVATE = "deactivate"  # they leave the target
    DELETE = "delete"  # they leave it, and it keeps nothing of them
    REFUSED = "refused"  # nothing would be sent, and it is told why
    PENDING = "pending"  # something of them is not settled: what the target has is not known
    UNCHANGED = "unchanged"
    OUT_OF_SCOPE = "out_of_scope"  # the target is not to have them, and has not
    INACTIVE = "inactive"  # the provider has deactivated them, and nothing would be sent


RESTING: Final = frozenset(
    {Effect.UNCHANGED, Effect.OUT_OF_SCOPE, Effect.INACTIVE}
)  # of whom nothing is told
SENT: Final[Mapping[Send, Effect]] = {
    Send.CREATE: Effect.CREATE,
    Send.CHANGE: Effect.CHANGE,
    Send.DELETE: Effect.DELETE,
}


@frozen
class Foreseen:
    """What would become of one resource."""

    effect: Effect
    resource: Resource
    plan: Plan | None = None  # where something would be sent
    problems: tuple[
        Problem, ...
    ] = ()  # where it is refused; without path and rule where that is not the data
    removes: bool = False  # it counts for `max_removals`


def foresee(target: Target, resource: Resource, standing: str | None = None) -> Foreseen:
    """Return what a push of the changed would do, the target being as it last showed itself.

    `standing`: of an operation on the resource that is not settled.
    """
    if standing is not None:
        return Foreseen(Effect.PENDING, resource, problems=(Problem("", "", f"not settled: {standing}"),))
    if is_up_to_date(target, resource):
        return Foreseen(_at_rest(target, resource), resource)
    change, link = push_of(target, resource, Caller("")), resource.links.get(target.name)
    present = None if link is None or link.target_id is None else as_told(link)
    situation = Situation(resource, (), present, link, keys_of_resource(resource))
    try:
        if present is not None and is_protected(target, present):
            raise protected(target)
        plan = decide(change, situation)
    except GatewayError as error:
        return Foreseen(Effect.REFUSED, resource, problems=refusal(target, resource, error.detail))
    if plan.send is Send.NOTHING:
        return Foreseen(_at_rest(target, resource), resource)
    removes = intent_of(change, situation, plan, "").removes
    leaves = removes and plan.send is Send.CHANGE
    return Foreseen(Effect.DEACTIVATE if leaves else SENT[plan.send], resource, plan, removes=removes)


def is_up_to_date(target: Target, resource: Resource) -> bool:
    """Say whether the rules make of a resource what was sent, and refuse nothing of it."""
    mapping, link = target.mapping_for(resource.type), resource.links.get(target.name)
    there = as_on_target(mapping, resource)
    if link is None or link.target_id is None:
        return there.state is State.INACTIVE
    if there is not resource or unsent(mapping, resource, link):
        return False
    return not mapping.forward(resource.original).problems


def is_misplaced(target: Target, group: Resource) -> bool:
    """Say whether a target has a group that it is not to have, or lacks one: no more of it is pushed."""
    link = group.links.get(target.name)
    has_entry = link is not None and link.target_id is not None
    return has_entry == target.groups.leaves_out(group.original)


def push_of(
    target: Target,
    resource: Resource,
    caller: Caller,
    correlation_id: str = "",
    event: str = "",
    members: tuple[Edit, ...] | None = None,
) -> Change:
    """Return the change that sends an original once more; `members`: what is asked of a group's."""
    kind, operation = resource.type, "push" if members is None else "replace"
    return Change(
        operation,
        kind,
        target,
        caller,
        correlation_id,
        resource.id,
        resource.original,
        event=event,
        members=members or (),
    )


def refusal(target: Target, resource: Resource, reason: str | None) -> tuple[Problem, ...]:
    """Return the problems that a resource is refused for; where it is not its data, what was said."""
    problems = target.mapping_for(resource.type).forward(resource.original).problems
    return problems or (Problem("", "", reason or ""),)


def rows_of(target: Target, foreseen: Foreseen, cover: Cover) -> Iterator[dict[str, Any]]:
    """Yield a row for each attribute that would change, or for each problem; none where all stays."""
    if foreseen.effect in RESTING:
        return
    head, plan = _head(target, foreseen), foreseen.plan
    for problem in foreseen.problems:
        path, rule = problem.path or None, problem.rule or None
        yield {**head, "path": path, "before": None, "after": None, "rule": rule, "reason": problem.reason}
    if plan is None:
        return
    mapping = target.mapping_for(foreseen.resource.type)
    differences = compare({}, plan.mapped.form) if plan.send is Send.CREATE else plan.differences
    for line in map(
        mapping.index_for(plan.original).line, differences if plan.send is not Send.DELETE else ()
    ):
        path = cover(line.path, True) if line.personal_path else line.path
        before, after = cover(line.before, False), cover(line.after, False)
        yield {**head, "path": path, "before": before, "after": after, "rule": line.rule, "reason": None}
    if plan.send is Send.DELETE:
        yield {**head, **dict.fromkeys(("path", "before", "after", "rule", "reason"))}


def _head(target: Target, foreseen: Foreseen) -> dict[str, Any]:
    resource = foreseen.resource
    is_left_out = target.mapping_for(resource.type).leaves_out(resource.original)
    is_active = resource.state is State.ACTIVE
    return {
        "target": target.name,
        "what": foreseen.effect.value,
        "type": resource.type.value,
        "state": Effect.OUT_OF_SCOPE.value if is_active and is_left_out else resource.state.value,
        "userName": resource.original.get(NAMES[resource.type]),
        "externalId": resource.original.get("externalId"),
        "id": resource.id,
    }


def _at_rest(target: Target, resource: Resource) -> Effect:
    if resource.state is not State.ACTIVE:
        return Effect.INACTIVE
    return Effect.OUT_OF_SCOPE if is_left_out_of(target, resource) else Effect.UNCHANGED


def is_left_out_of(target: Target, resource: Resource) -> bool:
    """Say whether a target is not to have somebody active."""
    is_active = resource.state is State.ACTIVE
    return is_active and target.mapping_for(resource.type).leaves_out(resource.original)


Known = Iterable[tuple[Resource, str | None]]  # each with how an operation on it stands that is not settled


@frozen
class Simulation:
    """A walk over all that the journal knows of a target; it counts as it goes."""

    target: Target
    has_groups: bool
    cover: Cover
    counts: Counter[str] = field(default_factory=Counter)  # of people, by what would become of them
    others: Counter[str] = field(default_factory=Counter)  # people, groups, and who would leave

    def rows(self, people: Known, groups: Known) -> Iterator[dict[str, Any]]:
        """Yield a row for each attribute of everybody who would change or be refused."""
        for foreseen in self._all(people, groups):
            yield from rows_of(self.target, foreseen, self.cover)

    def held(self) -> tuple[int, int] | None:
        """Return how many would leave, and how many `max_removals` lets go; None where it lets all."""
        limit, leaving = self.target.policy.max_removals, self.others["leaving"]
        return None if limit is None or leaving <= limit[0] else (leaving, limit[0])

    def _all(self, people: Known, groups: Known) -> Iterator[Foreseen]:
        for resource, standing in people:
            foreseen = foresee(self.target, resource, standing)
            self.others["people"] += 1
            self.others["leaving"] += foreseen.removes
            self.counts[foreseen.effect.value] += 1
            yield foreseen
        for resource, standing in groups if self.has_groups else ():
            if is_misplaced(self.target, resource):
                self.others["groups"] += 1
                yield foresee(self.target, resource, standing)


class Uncalled:
    """The connector of a target about which there is only thought."""

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        raise AssertionError

    async def query(self, kind: ResourceType, query: Query) -> Page:
        raise AssertionError

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        raise AssertionError

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        raise AssertionError

    async def delete(self, kind: ResourceType, id: str) -> None:
        raise AssertionError
