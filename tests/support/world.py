"""A world on a virtual clock: a client, the real flow and mapping, a journal, a target; any of them fails.

One fault a run, at any of the points where something can fail; the same run without it counts the points.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any, ClassVar, Final

from gateway.audit.chain import stamp
from gateway.errors import Busy, GatewayError, JournalUnavailable
from gateway.flow.change import Changes
from gateway.flow.journal_port import Begun, Intent, Key, Operation, Settlement
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Caller, Change, Policy, ReadQuery, Reply, Services, Target
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.services import EntryCache
from gateway.flow.target_port import (
    Attributes,
    Broken,
    Conflict,
    Missing,
    Page,
    Query,
    ResourceType,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Update,
)
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import overlay
from gateway.scim.documents import fold
from gateway.scim.predicate import predicate
from tests.support.inline import InlineJournal

USER: Final = ResourceType.USER
SETTLE: Final = 10.0  # seconds
LATE: Final = 8.0  # seconds after which a write applies that nobody waits for any more
TRIES: Final = 10  # as often as Okta comes again

CALL_FAULTS: Final = (
    "refused",
    "request lost",
    "answer lost",
    "applied late",
    "500",
    "500 but applied",
    "429",
    "crash before",
    "crash after",
)
FAULTS: Final = {
    "read": ("refused", "request lost", "500", "429", "crash before"),
    "write": CALL_FAULTS,
    "claim": ("unwritable", "crash before", "crash after"),
    "settle": ("unwritable", "crash before", "crash after"),
    "reply": ("reply lost",),
}


class Crash(BaseException):
    """The process is gone; what was on disk stays."""


@dataclass
class World:
    """All that is outside the flow, and the one fault of this run."""

    unique: bool = True
    by_patch: bool = False  # whether the target is changed by PATCH or by PUT
    fault: tuple[int, str] | None = None  # at which point, and what
    entries: dict[str, Attributes] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    claimed: int = 0
    unclaimed_writes: int = 0
    clock: float = 0.0
    sleepers: list[tuple[float, int]] = field(default_factory=list)
    late: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def fails(self, kind: str) -> str | None:
        """Pass one point where something can fail; return what does."""
        self.points.append(kind)
        if self.fault is not None and self.fault[0] == len(self.points) - 1:
            return self.fault[1]
        return None

    def utc(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.clock)

    async def sleep(self, seconds: float) -> None:
        """Let time pass: it jumps to the first who wakes, once nobody else has anything to do."""
        me = (self.clock + seconds, next(self.numbers))
        heappush(self.sleepers, me)
        while self.clock < me[0]:
            for _ in range(20):
                await asyncio.sleep(0)
            if self.sleepers[0] == me:
                self._advance(me[0])
        self.sleepers.remove(me)
        self.sleepers.sort()

    def _advance(self, to: float) -> None:
        while self.late and self.late[0][0] <= to:
            self.clock, _, apply = heappop(self.late)
            apply()
        self.clock = max(self.clock, to)

    def later(self, apply: Callable[[], None]) -> None:
        heappush(self.late, (self.clock + LATE, next(self.numbers), apply))


class WorldTarget:
    """The target: a directory that may fail at any call."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, kind: ResourceType, id: str) -> Attributes | None:
        self._read()
        return self._world.entries.get(id)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        self._read()
        matches = predicate(query.filter) if query.filter else lambda entry: True
        found = [entry for entry in self._world.entries.values() if matches(entry)]
        return Page(len(found), tuple(found[query.start - 1 : query.start - 1 + query.count]))

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes:
        def apply() -> Attributes:
            names = {fold(entry["userName"]) for entry in self._world.entries.values()}
            if self._world.unique and fold(wanted["userName"]) in names:
                raise Conflict("exists", 409)
            entry = {**wanted, "id": f"t{next(self._world.numbers)}"}
            self._world.entries[entry["id"]] = entry
            return entry

        return self._write(apply)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes:
        def apply() -> Attributes:
            present = self._world.entries.get(id)
            if present is None:
                raise Missing("no such entry", 404)
            wanted = overlay(present, update.differences) if self._world.by_patch else update.wanted
            self._world.entries[id] = {**wanted, "id": id}
            return self._world.entries[id]

        return self._write(apply)

    async def delete(self, kind: ResourceType, id: str) -> None:
        def apply() -> None:
            if self._world.entries.pop(id, None) is None:
                raise Missing("no such entry", 404)

        self._write(apply)

    def _read(self) -> None:
        fault = self._world.fails("read")
        if fault is not None:
            raise _error(fault)

    def _write(self, apply: Callable[[], Any]) -> Any:
        world = self._world
        world.unclaimed_writes += world.claimed <= 0
        fault = world.fails("write")
        if fault in ("answer lost", "500 but applied", "crash after"):
            apply()
        elif fault == "applied late":
            world.later(lambda: _quietly(apply))
        if fault is not None:
            raise _error(fault)
        return apply()


class WorldOperations:
    """The journal's operations, which may not be written, or be the last thing that is."""

    def __init__(self, world: World, inner: Any) -> None:
        self._world = world
        self._inner = inner

    async def begin(
        self, base: str, kind: ResourceType, keys: Sequence[Key], intent: Intent | None = None
    ) -> Begun:
        if intent is None:
            begun: Begun = await self._inner.begin(base, kind, keys)
            return begun
        begun = await self._written("claim", lambda: self._inner.begin(base, kind, keys, intent))
        self._world.claimed += begun.operation is not None
        return begun

    async def claim(self, intent: Intent) -> Operation:
        operation: Operation = await self._written("claim", lambda: self._inner.claim(intent))
        self._world.claimed += 1
        return operation

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        await self._written("settle", lambda: self._inner.settle(operation, settlement))
        self._world.claimed -= operation is not None

    async def _written(self, point: str, write: Callable[[], Awaitable[Any]]) -> Any:
        fault = self._world.fails(point)
        if fault == "unwritable":
            raise JournalUnavailable("the disk is full", 5.0)
        if fault == "crash before":
            raise Crash
        done = await write()
        if fault == "crash after":
            self._world.claimed += point == "claim" and getattr(done, "operation", done) is not None
            raise Crash
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Process:
    """The gateway, as long as it runs; another one goes on with the same journal."""

    followers: ClassVar[Mapping[str, Sequence[str]]] = {}  # the targets that follow one in a route

    def __init__(
        self,
        world: World,
        mapping: TargetMapping,
        target: Any = None,
        **policy: Any,
    ) -> None:
        self.world = world
        self.journal = InlineJournal(world.utc, self.followers)
        self._policy = Policy(**{"settle": SETTLE, **policy})
        self.target = Target("phonebook", target or WorldTarget(world), mapping, self._policy, "http://gw/v2")
        self._start()

    def _start(self) -> None:
        world = self.world
        self.services = Services(
            WorldOperations(world, self.journal.operations),  # type: ignore[arg-type]
            self.journal.resources,
            self.journal.removals,
            self.journal.memberships,
            self.journal.mirrors,
            self.journal.trail,
            KeyedLocks(),
            EntryCache(lambda: world.clock),
            lambda: world.clock,
            lambda: stamp(world.utc()),
            world.sleep,
            lambda: f"g{next(world.numbers)}",
            chance=lambda: 0.5,
        )
        self.recovery = Recovery(self.services)
        self._changes = Changes(self.services, self.recovery)
        self._reads = Reads(self.services, self.recovery)

    async def change(self, operation: str, body: Attributes, id: str | None) -> Reply:
        change = Change(operation, USER, self.target, Caller("okta", busy_status=429), "cid", id, body)
        return await self._alive(self._changes.handle(change))

    async def find(self, name: str) -> Attributes | None:
        from gateway.scim.grammar import parse_filter

        question = ReadQuery(parse_filter(f'userName eq "{name}"'))
        page: Page = await self._alive(self._reads.query(self.target, USER, question))
        return page.entries[0] if page.entries else None

    async def get(self, id: str) -> Attributes:
        document: Attributes = await self._alive(self._reads.get(self.target, USER, id))
        return document

    async def _alive(self, work: Awaitable[Any]) -> Any:
        try:
            return await work
        except Crash:
            await self._restart()
            raise Lost from None

    def targets(self) -> Sequence[Target]:
        return (self.target,)

    async def _restart(self) -> None:
        """Start again until a start lasts."""
        while True:
            await self.journal.restart()
            self._start()
            try:
                for target in self.targets():
                    await self.recovery.sweep(target)
            except Crash:
                continue
            return


class Lost(Exception):
    """The client heard nothing."""


def _error(fault: str) -> BaseException:
    return {
        "refused": Unreachable("refused"),
        "request lost": Silent("timed out"),
        "answer lost": Silent("timed out"),
        "applied late": Silent("timed out"),
        "500": Broken("oops", 500),
        "500 but applied": Broken("oops", 500),
        "429": Throttled("slow", 429, 3.0),
        "crash before": Crash(),
        "crash after": Crash(),
    }[fault]


def _quietly(apply: Callable[[], Any]) -> None:
    try:
        apply()
    except TargetError:
        return


@dataclass
class Client:
    """An identity provider: it comes again when told to, or when it hears nothing."""

    process: Process
    looks_first: bool
    by_patch: bool
    ids: dict[str, str] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)

    async def create(self, person: Attributes) -> None:
        async def push() -> None:
            found = await self.process.find(person["userName"]) if self.looks_first else None
            if found is not None:
                reply = await self.process.change("replace", person, found["id"])
            else:
                reply = await self.process.change("create", person, None)
            await self._heard(reply)
            assert reply.document is not None
            self.ids[person["externalId"]] = reply.document["id"]

        await self._tried(f"create {person['externalId']}", push)

    async def set(self, external: str, **values: Any) -> None:
        async def push() -> None:
            id = self.ids[external]
            if self.by_patch:
                body = {"Operations": [{"op": "replace", "value": values}]}
                await self._heard(await self.process.change("patch", body, id))
            else:
                read = await self.process.get(id)
                await self._heard(await self.process.change("replace", {**read, **values}, id))

        await self._tried(f"set {sorted(values)} of {external}", push)

    async def _heard(self, reply: Reply) -> None:
        if self.process.world.fails("reply"):
            raise Lost
        if reply.document is not None:
            await self.process.services.resources.note_replied("phonebook", USER, reply.document["id"])

    async def _tried(self, what: str, push: Callable[[], Awaitable[None]]) -> None:
        for _ in range(TRIES):
            try:
                return await push()
            except Busy as busy:
                await self.process.world.sleep(busy.retry_after)
            except Lost:
                await self.process.world.sleep(30.0)
            except GatewayError as error:
                self.stuck.append(f"{what}: {error.detail}")
                return None
        self.stuck.append(f"{what}: gave up")
        return None
