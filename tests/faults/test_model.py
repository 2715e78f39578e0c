"""Every single fault at every point of every script, and then several at once: never lost, never twice."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import pytest

from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from tests.support.world import FAULTS, Client, Process, World

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them

ANN: dict[str, Any] = {
    "userName": "ann@x",
    "externalId": "1",
    "active": True,
    "title": "A",
    "name": {"givenName": "Ann"},
}
BOB = ANN | {"userName": "bob@x", "externalId": "2"}

Script = Callable[[Client, World], Awaitable[dict[str, Any]]]


async def create(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    return {"1": ANN}


async def two(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.create(BOB)
    return {"1": ANN, "2": BOB}


async def change(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", title="B")
    return {"1": ANN | {"title": "B"}}


async def back_and_forth(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    for title in ("B", "C", "B"):
        await client.set("1", title=title)
    return {"1": ANN | {"title": "B"}}


async def rename(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", userName="new@x")
    return {"1": ANN | {"userName": "new@x"}}


async def leave(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", active=False)
    return {"1": ANN | {"active": False}}


async def leave_and_return(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", active=False)
    await client.set("1", active=True)
    return {"1": ANN}


async def racing_creates(client: Client, world: World) -> dict[str, Any]:
    await asyncio.gather(client.create(ANN), client.create(ANN))
    client.stuck = [line for line in client.stuck if "exists already" not in line]
    return {"1": ANN}


async def edited_by_hand(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    edit(world, nickName="Annie")
    await world.sleep(60)
    await client.set("1", title="B")
    return {"1": ANN | {"title": "B", "nickName": "Annie"}}


async def overwritten(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    edit(world, title="Z")
    await world.sleep(60)
    await client.set("1", title="B")
    return {"1": ANN | {"title": "B"}}


async def out_of_scope(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", userType="Guest", title="B")
    await client.set("1", title="C")
    return {"1": ANN | {"userType": "Guest", "title": "C"}}


async def out_and_in(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", userType="Guest", title="B")
    await client.set("1", userType="Agent")
    return {"1": ANN | {"userType": "Agent", "title": "B"}}


async def made_out_of_scope(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN | {"userType": "Guest"})
    await client.set("1", title="B")
    await client.set("1", userType="Agent", userName="new@x")
    return {"1": ANN | {"userType": "Agent", "title": "B", "userName": "new@x"}}


async def out_of_scope_and_left(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN)
    await client.set("1", userType="Guest")
    await client.set("1", active=False)
    await client.set("1", active=True)
    return {"1": ANN | {"userType": "Guest"}}


async def left_and_back_in_scope(client: Client, world: World) -> dict[str, Any]:
    await client.create(ANN | {"userType": "Guest"})
    await client.set("1", active=False, userType="Agent")
    await client.set("1", active=True)
    return {"1": ANN | {"userType": "Agent"}}


def edit(world: World, **values: Any) -> None:
    for id, entry in world.entries.items():
        world.entries[id] = entry | values


SCRIPTS: list[Script] = [
    create,
    two,
    change,
    back_and_forth,
    rename,
    leave,
    leave_and_return,
    racing_creates,
    edited_by_hand,
    overwritten,
    out_of_scope,
    out_and_in,
    made_out_of_scope,
    out_of_scope_and_left,
    left_and_back_in_scope,
]
NO_GUESTS: Final = Scope(parse_filter('userType ne "Guest"'))
POLICIES = [
    pytest.param({"on_deactivate": "send"}, id="deactivated"),
    pytest.param({"on_deactivate": "delete"}, id="removed"),
]


async def played(
    script: Script, world: World, looks: bool, by_patch: bool, policy: dict[str, Any]
) -> list[str]:
    """Play a script; return what is wrong in the end."""
    process = Process(world, TargetMapping(scope=NO_GUESTS), unique_names=world.unique, **policy)
    client = Client(process, looks, by_patch)
    wanted = await script(client, world)
    await world.sleep(120)  # whatever is still on its way arrives
    return [*client.stuck, *wrong(world, wanted, policy), *unrecorded(world)]


def wrong(world: World, wanted: dict[str, Any], policy: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for external, person in wanted.items():
        entries = [entry for entry in world.entries.values() if entry.get("externalId") == external]
        is_left_out = not NO_GUESTS.holds(person)
        removed = (not person["active"] or is_left_out) and policy["on_deactivate"] == "delete"
        if len(entries) != (0 if removed else 1):
            found.append(f"{len(entries)} entries of {external}")
        there = {"active": False, "userType": None} if is_left_out else person
        for entry in entries[:1]:
            found += [
                f"{name} of {external} is {entry.get(name)!r}, not {value!r}"
                for name, value in there.items()
                if entry.get(name) != value
            ]
    return found


def unrecorded(world: World) -> list[str]:
    return [f"{world.unclaimed_writes} writes without an intent"] if world.unclaimed_writes else []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("by_patch", [False, True], ids=["PUT", "PATCH"])
@pytest.mark.parametrize("looks", [False, True], ids=["blind", "looks first"])
@pytest.mark.parametrize("unique", [True, False], ids=["unique", "not unique"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_no_single_fault_loses_or_doubles_anything(
    script: Script, unique: bool, looks: bool, by_patch: bool, policy: dict[str, Any]
) -> None:
    quiet = World(unique, by_patch)
    play = partial(played, script)
    assert await play(quiet, looks, by_patch, policy) == []

    bad = {}
    for at, point in enumerate(quiet.points):
        for fault in FAULTS[point]:
            world = World(unique, by_patch, (at, fault))
            if problems := await play(world, looks, by_patch, policy):
                bad[f"{fault} at {at} ({point})"] = problems
    assert bad == {}


@pytest.mark.parametrize("seed", range(60))
async def test_several_faults_at_once_lose_and_double_nothing(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        world = Stormy(chance.random() < 0.5, chance.random() < 0.5, chance)
        script = chance.choice(SCRIPTS)
        looks, by_patch = chance.random() < 0.5, chance.random() < 0.5
        policy = {"on_deactivate": chance.choice(["send", "delete"])}

        problems = await played(script, world, looks, by_patch, policy)

        assert problems == [], (script.__name__, looks, by_patch, policy, world.happened)


class Stormy(World):
    """Fails by chance, three times at most."""

    def __init__(self, unique: bool, by_patch: bool, chance: random.Random) -> None:
        super().__init__(unique, by_patch)
        self._chance = chance
        self._left = 3
        self.happened: list[str] = []

    def fails(self, kind: str) -> str | None:
        super().fails(kind)
        if self._left and self._chance.random() < 0.15:
            self._left -= 1
            fault = self._chance.choice(FAULTS[kind])
            self.happened.append(f"{fault} at {len(self.points) - 1} ({kind})")
            return fault
        return None
