"""A journal that forgets: the same ports on dicts, for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.admin.acts import Token
from gateway.audit.chain import Head, Sealed, join, seal, stamp, stamp_of
from gateway.audit.event import Event, expanded
from gateway.errors import Uniqueness
from gateway.flow.journal_port import (
    Begun,
    IdTaken,
    Intent,
    Key,
    KeysTaken,
    MemberRow,
    MemberRows,
    Operation,
    OperationState,
    Outcome,
    Resource,
    Settlement,
    StaleFence,
    State,
    Transition,
)
from gateway.flow.target_port import ResourceType
from gateway.journal.members import settled
from gateway.journal.operations import marked, taken
from gateway.journal.resources import folded_emails, folded_name
from gateway.journal.store import Clock

DONE = (Outcome.APPLIED, Outcome.ADOPTED, Outcome.REPLAYED)


class MemoryTrail:
    """The audit trail as a list."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[Sealed] = []

    def later(self, event: Event) -> None:
        self.add([event])

    async def append(self, events: Sequence[Event]) -> None:
        self.add(events)

    def add(self, events: Sequence[Event]) -> None:
        """Add all the events, or none where one of them cannot be written."""
        added: list[Sealed] = []
        for event in map(expanded, events):
            head = added[-1].head if added else self._head()
            added.append(seal(event, head, self._clock(), bytes))
        self._events.extend(added)

    async def page(
        self, before: int | None, count: int, since: str | None, until: str | None
    ) -> tuple[Mapping[str, Any], ...]:
        def is_asked(sealed: Sealed) -> bool:
            head = sealed.head
            return (
                (before is None or head.seq < before)
                and (since is None or head.published >= stamp_of(since))
                and (until is None or head.published < stamp_of(until))
            )

        asked = [sealed for sealed in reversed(self._events) if is_asked(sealed)]
        return tuple(self._joined(sealed) for sealed in asked[:count])

    async def head(self) -> tuple[int, str]:
        return self._head().seq, self._head().hash

    def _head(self) -> Head:
        return self._events[-1].head if self._events else Head()

    def _joined(self, sealed: Sealed) -> dict[str, Any]:
        before = sealed.head.seq - 2
        previous = self._events[before].head.hash if before >= 0 else ""
        return join(sealed.body, [value.json for value in sealed.values], previous, sealed.head.hash)


class MemoryMemberships:
    """Rows of members in dicts, by base, group and target."""

    def __init__(self, resources: "MemoryResources") -> None:
        self._resources = resources
        self._rows: dict[tuple[str, str, str], dict[str, MemberRow]] = {}

    async def rows(self, base: str, group: str, target: str) -> Mapping[str, MemberRow]:
        return dict(self._rows.get((base, group, target), {}))

    async def target_ids(self, base: str, target: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        return {
            r.id: None if r.state is State.DELETED or target not in r.links else r.links[target].target_id
            for r in self._resources.all_of(base)
            if r.id in ids
        }

    async def owners(self, base: str, target: str, target_ids: Sequence[str]) -> Mapping[str, str]:
        found = await self.target_ids(base, target, [r.id for r in self._resources.all_of(base)])
        return {theirs: ours for ours, theirs in found.items() if theirs is not None and theirs in target_ids}

    async def due(self, base: str, target: str, count: int) -> Mapping[str, tuple[str, ...]]:
        waiting = [
            (group, member)
            for (own, group, where), rows in self._rows.items()
            for member, row in rows.items()
            if (own, where) == (base, target) and row.due
        ][:count]
        return {group: tuple(member for own, member in waiting if own == group) for group in dict(waiting)}

    def keep(self, resource: Resource, members: MemberRows) -> None:
        """Store a group's rows."""
        place = (resource.base, resource.id, members.target)
        rows = self._rows.setdefault(place, {})
        for member in [*members.removed, *(set(rows) - set(members.rows) if members.whole else ())]:
            rows.pop(member, None)
        for member, row in settled(members, self._now(resource.base, members)).items():
            known = rows.get(member)
            is_bare = known is not None and len(row.element) == 1
            rows[member] = replace(row, element=known.element) if known and is_bare else row

    def _now(self, base: str, members: MemberRows) -> dict[str, tuple[bool, str | None]]:
        def entry(resource: Resource) -> str | None:
            return resource.links[members.target].target_id if members.target in resource.links else None

        named = (r for r in self._resources.all_of(base) if r.id in members.rows)
        return {r.id: (r.state is State.DELETED, entry(r)) for r in named}

    def follow(self, before: Resource | None, now: Resource) -> None:
        """Do what a change of a resource means for the groups it is in."""
        old = {target: link.target_id for target, link in before.links.items()} if before else {}
        for (base, group, target), rows in self._rows.items():
            if base != now.base:
                continue
            if now.state is State.DELETED:
                rows.pop(now.id, None)
                if now.type is ResourceType.GROUP and group == now.id:
                    rows.clear()
            link = now.links.get(target)
            if link is not None and now.id in rows and link.target_id != old.get(target):
                due = link.target_id is not None
                rows[now.id] = replace(rows[now.id], delivered=False, due=due)


class MemoryResources:
    """Originals and links in a dict."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, ResourceType, str], Resource] = {}
        self.memberships = MemoryMemberships(self)

    def all_of(self, base: str) -> list[Resource]:
        """Return all resources of a base, of any type."""
        return [resource for resource in self._resources.values() if resource.base == base]

    async def find(self, base: str, type: ResourceType, keys: Sequence[Key]) -> tuple[Resource, ...]:
        return tuple(r for r in self._of(base, type) if any(_is_known_by(r, key) for key in keys))

    async def page(self, base: str, type: ResourceType, after: str, count: int) -> tuple[Resource, ...]:
        return tuple(r for r in self._of(base, type) if r.id > after and r.state is not State.DELETED)[:count]

    async def read(
        self, base: str, type: ResourceType, target: str, target_ids: Sequence[str]
    ) -> Mapping[str, Resource]:
        live = [r for r in self._of(base, type) if r.state is not State.DELETED and target in r.links]
        by_target_id = {r.links[target].target_id: r for r in live}
        return {id: by_target_id[id] for id in target_ids if id in by_target_id}

    async def note_replied(self, base: str, type: ResourceType, id: str) -> None:
        if found := self._resources.get((base, type, id)):
            self._resources[base, type, id] = replace(found, replied=True)

    def store(self, resource: Resource) -> None:
        """Keep the resource; links it does not name stay."""
        place = (resource.base, resource.type, resource.id)
        known = self._resources.get(place)
        links = {**known.links, **resource.links} if known else dict(resource.links)
        self.memberships.follow(known, resource)
        self._resources[place] = replace(resource, links=links)

    def refuse_taken_id(self, resource: Resource) -> None:
        """Raise `IdTaken` where somebody has or had the id."""
        if (resource.base, resource.type, resource.id) in self._resources:
            raise IdTaken

    def refuse_taken_name(self, resource: Resource) -> None:
        """Raise `Uniqueness` where another resource has the name."""
        name = folded_name(resource)
        if name is None or resource.state is State.DELETED:
            return
        others = [r for r in self._of(resource.base, resource.type) if r.id != resource.id]
        if any(_is_known_by(other, Key("name", name)) for other in others):
            raise Uniqueness("another resource has this name already")

    def _of(self, base: str, type: ResourceType) -> list[Resource]:
        found = [r for place, r in self._resources.items() if place[:2] == (base, type)]
        return sorted(found, key=lambda resource: resource.id)


def _is_known_by(resource: Resource, key: Key) -> bool:
    if key.kind == "id":
        return resource.id == key.value
    if key.kind == "email":
        return key.value in folded_emails(resource)
    names = {"name": folded_name(resource), "external": resource.original.get("externalId")}
    return resource.state is not State.DELETED and names[key.kind] == key.value


class MemoryOperations:
    """Unsettled operations in a dict, in the order of their claims. Nobody else is there, so no lease."""

    def __init__(self, resources: MemoryResources, trail: MemoryTrail, clock: Clock) -> None:
        self._resources = resources
        self._trail = trail
        self._clock = clock
        self._open: dict[str, Operation] = {}
        self.removed: list[Operation] = []

    async def begin(self, base, type, keys, intent=None):  # type: ignore[no-untyped-def]
        unsettled = tuple(o for o in await self.open(base, keys) if o.intent.type is type)
        found = await self._resources.find(base, type, keys)
        if unsettled or found or intent is None:
            return Begun(None, found, unsettled)
        return Begun(await self.claim(intent))

    async def claim(self, intent: Intent) -> Operation:
        if any(_collide(intent, other.intent) for other in self._open.values()):
            raise KeysTaken
        operation = Operation(intent, 1, OperationState.OPEN, 1, stamp(self._clock()))
        self._open[intent.op_id] = operation
        return operation

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        if operation is not None:
            self._refuse_stale(operation)
        if settlement.resource is not None:
            if settlement.is_new:
                self._resources.refuse_taken_id(settlement.resource)
            self._resources.refuse_taken_name(settlement.resource)
        self._trail.add([settlement.event])
        if settlement.resource is not None:
            self._resources.store(settlement.resource)
            if settlement.members is not None:
                self._resources.memberships.keep(settlement.resource, settlement.members)
        if operation is not None:
            del self._open[operation.intent.op_id]
            if operation.intent.removes and settlement.outcome in DONE:
                self.removed.append(operation)

    async def mark(self, operation: Operation, mark: Transition, event: Event | None = None) -> Operation:
        self._refuse_stale(operation)
        self._trail.add([] if event is None else [event])
        return self._keep(marked(operation, mark))

    async def open(self, base: str | None, keys: Sequence[Key]) -> tuple[Operation, ...]:
        asked = set(keys)
        mine = [operation for operation in self._open.values() if base in (None, operation.intent.base)]
        return tuple(o for o in mine if not asked or asked & set(o.intent.keys))

    async def take_over(self, operation: Operation) -> Operation:
        self._refuse_stale(operation)
        return self._keep(taken(operation))

    def removals(self, target: str, since: str) -> int:
        """Count the people whose removal was begun since then and is done, or is under way."""
        done = [o for o in self.removed if o.opened >= since]
        under_way = [
            o for o in self._open.values() if o.standing not in (OperationState.HELD, OperationState.DEAD)
        ]
        mine = (o.intent for o in (*done, *under_way) if o.intent.target == target and o.intent.removes)
        return len({intent.resource_id or intent.op_id for intent in mine})

    def _refuse_stale(self, operation: Operation) -> None:
        held = self._open.get(operation.intent.op_id)
        if held is None or held.fence != operation.fence:
            raise StaleFence

    def _keep(self, operation: Operation) -> Operation:
        self._open[operation.intent.op_id] = operation
        return operation


def _collide(one: Intent, other: Intent) -> bool:
    same = (one.target, one.type) == (other.target, other.type)
    return same and bool(set(one.keys) & set(other.keys))


class MemoryRemovals:
    """The brake's knowledge in dicts."""

    def __init__(self, operations: MemoryOperations) -> None:
        self._operations = operations
        self._brakes: dict[str, tuple[str | None, str | None]] = {}

    async def count(self, target: str, since: str) -> int:
        return self._operations.removals(target, since)

    async def brake(self, target: str) -> tuple[str | None, str | None]:
        return self._brakes.get(target, (None, None))

    async def trip(self, target: str, at: str) -> None:
        self._brakes[target] = (at, self._brakes.get(target, (None, None))[1])

    async def release(self, target: str, at: str) -> None:
        self._brakes[target] = (None, at)


class MemoryPauses:
    """Paused targets in a dict."""

    def __init__(self, trail: MemoryTrail) -> None:
        self._trail = trail
        self._since: dict[str, str] = {}

    async def read(self) -> Mapping[str, str]:
        return dict(self._since)

    async def note(self, target: str, since: str | None, event: Event) -> None:
        self._trail.add([event])
        if since is None:
            self._since.pop(target, None)
        else:
            self._since[target] = since


class MemoryTokens:
    """Tokens in a dict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    async def add(self, token: Token) -> None:
        self._tokens[token.id] = token

    async def list(self) -> tuple[Token, ...]:
        return tuple(sorted(self._tokens.values(), key=lambda token: (token.created, token.id)))

    async def active(self) -> tuple[Token, ...]:
        now = stamp(self._clock())
        return tuple(token for token in await self.list() if token.is_active(now))

    async def revoke(self, id: str) -> bool:
        token = self._tokens.get(id)
        if token is None or token.revoked is not None:
            return False
        self._tokens[id] = replace(token, revoked=stamp(self._clock()))
        return True


class MemoryJournal:
    """The ports of `SqliteJournal`, without a file."""

    def __init__(self, clock: Clock) -> None:
        self.trail = MemoryTrail(clock)
        self.resources = MemoryResources()
        self.memberships = self.resources.memberships
        self.operations = MemoryOperations(self.resources, self.trail, clock)
        self.tokens = MemoryTokens(clock)
        self.removals = MemoryRemovals(self.operations)
        self.pauses = MemoryPauses(self.trail)

    async def health(self) -> str | None:
        return None

    async def close(self) -> None:
        """Nothing is open."""
