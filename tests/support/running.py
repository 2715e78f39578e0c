"""A gateway as one process: its changes and its sweeps share what recovery has in memory."""

import asyncio
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gateway.audit.chain import stamp
from gateway.flow.change import Changes
from gateway.flow.journal_port import Operation
from gateway.flow.model import Caller, Change, Reply
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Attributes, Page, Query, ResourceType, TargetError, Update
from gateway.mapping.target import TargetMapping
from gateway.scim.documents import canonical, take_password
from tests.support.house import USER, FakeTarget, House, make_house, utc

LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
RETURN = {"Operations": [{"op": "replace", "value": {"active": True}}]}


@dataclass
class Shaky(FakeTarget):
    """Can be cut off, takes its time, does not show all it has, and has people whom nobody can handle."""

    cut: TargetError | None = None
    seconds: float = 0.0  # that a look takes, on `clock`
    clock: list[float] = field(default_factory=lambda: [0.0])
    gate: asyncio.Event | None = None  # changes wait for it
    delay: asyncio.Event | None = None  # the answer to the next read waits for it
    silent: bool = False  # a change is answered with 204
    looks: int = 0  # reads that were asked for, answered or not
    absent: int = 0  # reads that say there is no such entry
    blind: bool = False  # no search finds anybody
    forgets: str = ""  # an attribute that is not kept
    poisoned: set[str] = field(default_factory=set)
    unchangeable: TargetError | None = None  # the answer to each change
    refused: TargetError | None = None  # the answer to each change of more than `active`

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        await self._look()
        if self.absent:
            self.absent -= 1
            return None
        return await self._late(await super().get(kind, id, members=members))

    async def query(self, kind: ResourceType, query: Query) -> Page:
        await self._look()
        page = await super().query(kind, query)
        found: Page = await self._late(page)
        return Page(0, ()) if self.blind else found

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        return await super().create(kind, {k: v for k, v in wanted.items() if k != self.forgets})

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        if self.gate is not None:
            await self.gate.wait()
        if id in self.poisoned:
            raise KeyError("a fault of the gateway")
        if self.unchangeable is not None:
            raise self.unchangeable
        others = {name for name in update.wanted if update.wanted[name] != update.present.get(name)}
        if self.refused is not None and others - {"active", "schemas"}:
            self.calls.append(("change", (id, update.wanted)))
            raise self.refused
        entry = await super().change(kind, id, update)
        return None if self.silent else entry

    async def _look(self) -> None:
        self.looks += 1
        self.clock[0] += self.seconds
        if self.cut is not None:
            raise self.cut

    async def _late(self, answer: Any) -> Any:
        if self.delay is not None:
            delay, self.delay = self.delay, None
            await delay.wait()
        return answer


@dataclass
class Running(House):
    """A house in which one recovery runs from the start on."""

    wall: list[float] = field(default_factory=lambda: [0.0])  # seconds that the clock on the wall is ahead
    recovery: Recovery = field(init=False)

    def __post_init__(self) -> None:
        self.services = replace(self.services, now=lambda: stamp(utc(self.clock[0] + self.wall[0])))
        self.recovery = Recovery(self.services)

    async def send(self, operation: str, body: Attributes | None = None, id: str | None = None) -> Reply:
        document, password = (body or {}), None
        if operation in ("create", "replace"):
            document, password = take_password(canonical(document, USER))
        caller = Caller("okta", "config:1")
        change = Change(operation, USER, self.target, caller, "cid-1", id, document, password)
        return await Changes(self.services, self.recovery).handle(change)

    async def sweep(self) -> None:
        await self.recovery.sweep(self.target)

    async def open(self) -> tuple[Operation, ...]:
        return await self.services.operations.open(self.target.name, ())

    async def standings(self) -> list[str]:
        return [operation.standing.value for operation in await self.open()]

    async def linked(self) -> dict[str, str | None]:
        """Return who is known, with their entries."""
        known = await self.services.resources.page(self.target.name, USER, "", 100)
        return {resource.id: resource.links[self.target.name].target_id for resource in known}

    def is_active(self, id: str) -> bool:
        return bool(self.fake.entries.get(id, {}).get("active"))


def make_running(mapping: TargetMapping | None = None, **policy: Any) -> Running:
    """Return a running gateway before a shaky target."""
    fake = Shaky()
    made = make_house(mapping, fake, **policy)
    fake.clock = made.clock
    return Running(**{one.name: getattr(made, one.name) for one in fields(House)})
