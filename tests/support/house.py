"""A gateway's flow on a journal in memory and a target that does as it is told."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from gateway.audit.chain import stamp
from gateway.flow.change import Changes
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Caller, Change, Policy, ReadQuery, Reply, Services, Target
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.services import EntryCache
from gateway.flow.target_port import (
    Attributes,
    Conflict,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    TargetError,
    Update,
)
from gateway.mapping.target import TargetMapping
from gateway.scim.documents import ABSENT_IS_UNCHANGED, canonical, fold, take_password
from gateway.scim.grammar import parse_filter
from gateway.scim.members import take_member_operations
from gateway.scim.predicate import predicate
from tests.support.grouped import take_members
from tests.support.inline import InlineJournal

USER, GROUP = ResourceType.USER, ResourceType.GROUP


@dataclass
class FakeTarget:
    """A directory in a dict; `faults` come one a call, before the work is done, or `late` after it."""

    entries: dict[str, Attributes] = field(default_factory=dict)
    groups: dict[str, Attributes] = field(default_factory=dict)  # with their members
    calls: list[tuple[str, Any]] = field(default_factory=list)
    faults: list[TargetError | None] = field(default_factory=list)
    get_faults: list[TargetError | None] = field(default_factory=list)
    late: bool = False
    unique: bool = True
    unique_ids: bool = False  # refuses an externalId that others have than it is told of
    checks_members: bool = False
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        self.calls.append(("get", id))
        if self.get_faults and (fault := self.get_faults.pop(0)) is not None:
            raise fault
        return _as_asked(self.of(kind).get(id), members)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        self.calls.append(("query", str(query.filter) if query.filter else None))
        matches = predicate(query.filter) if query.filter else lambda entry: True
        found = [entry for entry in self.of(kind).values() if matches(entry)]
        some = found[query.start - 1 : query.start - 1 + query.count]
        return Page(len(found), tuple(_as_asked(entry, query.members) for entry in some))

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        with self._faulty("create", wanted):
            alike = [
                entry["id"]
                for entry in self.of(kind).values()
                if self.unique_ids and wanted.get("externalId") == entry.get("externalId")
            ]
            if not set(alike) <= set(beside):
                raise Conflict("externalId exists", 409)
            names = {fold(entry["userName"]) for entry in self.entries.values()}
            if kind is USER and self.unique and fold(wanted["userName"]) in names:
                raise Conflict("exists", 409)
            entry = {**wanted, "id": f"t{next(self.ids)}", "meta": {"resourceType": kind.value}}
            self.of(kind)[entry["id"]] = entry
        return entry

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        with self._faulty("change", (id, update.wanted)):
            if id not in self.of(kind):
                raise Missing("no such entry", 404)
            for element in update.members.add:
                if self.checks_members and element["value"] not in self.entries:
                    raise Refused(f"no such member: {element['value']}", 400)
            kept = {e["value"]: e for e in self.of(kind)[id].get("members", ())}
            kept |= {element["value"]: element for element in update.members.add}
            members = [e for value, e in kept.items() if value not in update.members.remove]
            self.of(kind)[id] = {**update.wanted, "id": id} | ({"members": members} if members else {})
        return _as_asked(self.of(kind)[id], False)

    async def delete(self, kind: ResourceType, id: str) -> None:
        with self._faulty("delete", id):
            if self.of(kind).pop(id, None) is None:
                raise Missing("no such entry", 404)

    def of(self, kind: ResourceType) -> dict[str, Attributes]:
        return self.entries if kind is USER else self.groups

    def members(self, id: str) -> list[str]:
        return [element["value"] for element in self.groups[id].get("members", ())]

    def _faulty(self, name: str, what: Any) -> "_Faulty":
        self.calls.append((name, what))
        return _Faulty(self.faults.pop(0) if self.faults else None, self.late)

    @property
    def writes(self) -> list[str]:
        return [name for name, _ in self.calls if name in ("create", "change", "delete")]


def _as_asked(entry: Attributes | None, members: bool) -> Any:
    if entry is None or members:
        return entry
    return {name: value for name, value in entry.items() if name != "members"}


class _Faulty:
    def __init__(self, fault: TargetError | None, late: bool) -> None:
        self._fault, self._late = fault, late

    def __enter__(self) -> None:
        if self._fault is not None and not self._late:
            raise self._fault

    def __exit__(self, kind: object, *_: object) -> None:
        if self._fault is not None and kind is None:
            raise self._fault


@dataclass
class House:
    """The flow with everything around it; `send` is what the server does."""

    fake: FakeTarget
    target: Target
    journal: InlineJournal
    services: Services
    slept: list[float]
    clock: list[float]

    async def send(
        self, operation: str, body: Attributes | None = None, id: str | None = None, **more: Any
    ) -> Reply:
        document, password = (body or {}), None
        if operation in ("create", "replace"):
            document, password = take_password(canonical(document, USER))
        change = Change(
            operation, USER, self.target, Caller("okta", "config:1"), "cid-1", id, document, password, **more
        )
        return await Changes(self.services, Recovery(self.services)).handle(change)

    async def group(
        self, operation: str, body: Attributes | None = None, id: str | None = None, **more: Any
    ) -> Reply:
        split = {
            "create": partial(take_members, replaces=False),
            "replace": partial(take_members, replaces=True),
        }
        document, members = (body or {}), ()
        if operation in split:
            keep = ABSENT_IS_UNCHANGED if operation == "replace" else ()
            document, members = split[operation](canonical(document, GROUP, keep=keep))
        elif operation == "patch":
            document, members = take_member_operations(document)
        caller = Caller("okta", "config:1")
        change = Change(operation, GROUP, self.target, caller, "cid-1", id, document, members=members, **more)
        return await Changes(self.services, Recovery(self.services)).handle(change)

    async def get_group(self, id: str) -> Attributes:
        return await Reads(self.services, Recovery(self.services)).get(self.target, GROUP, id)

    async def get(self, id: str) -> Attributes:
        return await Reads(self.services, Recovery(self.services)).get(self.target, USER, id)

    async def search(
        self, text: str | None, start: int = 1, count: int = 100, kind: ResourceType = USER
    ) -> Page:
        filter = parse_filter(text) if text else None
        reads = Reads(self.services, Recovery(self.services))
        return await reads.query(self.target, kind, ReadQuery(filter, start, count))

    async def events(self) -> list[Any]:
        return list(reversed(await self.journal.trail.page(None, 1000, None, None)))

    def has_time(self, deadline: float = 50.0) -> None:
        """Let providers wait so long from now on: who waits for less does not wait out an earlier doubt."""
        policy = replace(self.target.policy, deadline=deadline)
        self.target = replace(self.target, policy=policy)

    async def replied(self, id: str, kind: ResourceType = USER) -> None:
        await self.services.resources.note_replied(self.target.name, kind, id)


def without_groups(house: House) -> House:
    """Return the same house before a target that has no groups."""

    async def has_groups() -> bool:
        return False

    return replace(house, target=replace(house.target, has_groups=has_groups))


def utc(seconds: float) -> datetime:
    return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=seconds)


def make_house(mapping: TargetMapping | None = None, fake: FakeTarget | None = None, **policy: Any) -> House:
    """Return a flow on a journal in memory before one target; `policy` is how the target is treated."""
    fake = fake or FakeTarget()
    slept, clock = [], [0.0]
    journal = InlineJournal(lambda: utc(clock[0]))
    ids = count(1)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    services = Services(
        journal.operations,
        journal.resources,
        journal.removals,
        journal.memberships,
        journal.mirrors,
        journal.trail,
        KeyedLocks(),
        EntryCache(lambda: clock[0]),
        lambda: clock[0],
        lambda: stamp(utc(clock[0])),
        sleep,
        lambda: f"g{next(ids)}",
        chance=lambda: 1.0,
    )
    target = Target("phonebook", fake, mapping or TargetMapping(), Policy(**policy), "http://gw/v2")
    return House(fake, target, journal, services, slept, clock)
