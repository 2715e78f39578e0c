"""A target that does not answer for long, on a virtual clock: nobody is stuck when it does again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from gateway.errors import Busy
from gateway.flow.target_port import Denied, Nonsense, TargetError
from gateway.mapping.target import TargetMapping
from gateway.targets.gate import Gate
from tests.support.world import SETTLE, Process, World, WorldTarget

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them

ANN: Final[dict[str, Any]] = {"userName": "ann@x", "externalId": "1", "active": True, "title": "A"}
BOB: Final = ANN | {"userName": "bob@x", "externalId": "2"}
LOOK: Final = 5.0  # seconds between two sweeps
TIMEOUT: Final = 10.0  # seconds that a silent target is waited for
HOW: Final = ("refused", "request lost", "answer lost", "500", "500 but applied", "429", "401", "HTML")
BUT: Final = {  # faults that end a call in another way than the world's own
    "401": lambda: Denied("who are you", 401),
    "HTML": lambda: Nonsense("a page", 503),
}


@dataclass
class Outage(World):
    """A world whose target does not answer for some time."""

    how: str = "refused"
    until: float = 0.0

    def fails(self, kind: str) -> str | None:
        super().fails(kind)
        down = self.clock < self.until and kind in ("read", "write")
        is_read_of_a_write = kind == "read" and self.how in ("answer lost", "500 but applied")
        return ("500" if is_read_of_a_write else self.how) if down else None


class Down(WorldTarget):
    """A target that takes its time to be silent."""

    def __init__(self, world: Outage) -> None:
        super().__init__(world)
        self._outage = world

    async def get(self, *args: Any) -> Any:
        return await self._slowly(super().get, *args)

    async def query(self, *args: Any) -> Any:
        return await self._slowly(super().query, *args)

    async def create(self, *args: Any) -> Any:
        return await self._slowly(super().create, *args)

    async def change(self, *args: Any) -> Any:
        return await self._slowly(super().change, *args)

    async def delete(self, *args: Any) -> None:
        await self._slowly(super().delete, *args)

    async def _slowly(self, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        world = self._outage
        is_down = world.clock < world.until
        if is_down and world.how in BUT:
            raise BUT[world.how]()
        try:
            return await call(*args)
        except TargetError:
            if is_down and world.how in ("request lost", "answer lost"):
                await world.sleep(TIMEOUT)
            raise


@asynccontextmanager
async def running(world: Outage, *, is_gated: bool) -> AsyncIterator[Process]:
    """A gateway with its sweep, before a target that knows Ann and Bob, an hour after they came."""
    process = Process(world, TargetMapping(), target=Down(world), deadline=50.0)
    if is_gated:
        gate = Gate(process.target.connector, "phonebook", None, None, lambda: world.clock, lambda: 1.0)
        process.target = replace(process.target, connector=gate, admission=gate)

    async def sweeps() -> None:
        while True:
            await process.recovery.sweep(process.target)
            await world.sleep(LOOK)

    for person in (ANN, BOB):
        await process.change("create", person, None)
    await world.sleep(3600)
    task = asyncio.create_task(sweeps())
    try:
        yield process
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def patch(**values: Any) -> dict[str, Any]:
    return {"Operations": [{"op": "replace", "value": values}]}


NEW: Final = ANN | {"userName": "new@x", "externalId": "3"}
PUSHES: Final[list[tuple[str, Any, str | None]]] = [
    ("create", NEW, None),
    ("patch", patch(title="B"), "1"),
    ("patch", patch(active=False), "2"),
]


async def pushed(process: Process, push: tuple[str, Any, str | None], until: float) -> bool:
    """Have a provider ask for a change every ten seconds until then; say whether it was done."""
    operation, body, external = push
    id = next((id for id, e in process.world.entries.items() if e["externalId"] == external), None)
    while True:
        try:
            await process.change(operation, body, id)
        except Busy:
            if process.world.clock >= until:
                return False
            await process.world.sleep(10.0)
        else:
            return True


GATED: Final = pytest.mark.parametrize("is_gated", [False, True], ids=["bare", "gated"])


@GATED
@pytest.mark.parametrize("minutes", [2, 180])
@pytest.mark.parametrize("how", HOW)
async def test_without_traffic_what_stands_open_settles_soon_after_an_outage(
    how: str, minutes: int, is_gated: bool
) -> None:
    world = Outage(how=how)
    async with running(world, is_gated=is_gated) as process:
        world.until = world.clock + 60 * minutes
        await asyncio.gather(*(pushed(process, push, 0.0) for push in PUSHES))
        await world.sleep(world.until - world.clock + 2 * SETTLE)

        assert await process.services.operations.open(None, ()) == ()
    assert [entry["active"] for entry in world.entries.values() if entry["externalId"] == "2"] == [False]


@GATED
@pytest.mark.parametrize("minutes", [2, 20])
@pytest.mark.parametrize("how", HOW)
async def test_with_traffic_everything_is_done_soon_after_an_outage(
    how: str, minutes: int, is_gated: bool
) -> None:
    world = Outage(how=how)
    async with running(world, is_gated=is_gated) as process:
        world.until = world.clock + 60 * minutes
        soon = world.until + 2 * SETTLE
        done = await asyncio.gather(*(pushed(process, push, soon) for push in PUSHES))

        assert await process.services.operations.open(None, ()) == ()
    assert done == [True, True, True]
    shown = {entry["externalId"]: (entry["title"], entry["active"]) for entry in world.entries.values()}
    assert shown == {"1": ("B", True), "2": ("A", False), "3": ("A", True)}
