"""Every single fault at every point of every script with groups: nobody lost, nobody left behind."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from tests.support.group_world import GroupClient, GroupProcess, GroupWorld
from tests.support.world import FAULTS

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them

ANN, BOB, EVE = (
    {"userName": f"{name}@x", "externalId": name, "active": True} for name in ("ann", "bob", "eve")
)
LAG: Final = 3.0  # seconds
UNSEEN: Final = {  # the faults after which what a target shows decides, for those that show less
    "read": ("request lost",),
    "write": ("answer lost", "applied late", "500", "500 but applied", "crash after"),
    "claim": ("crash after",),
    "settle": ("crash before",),
    "reply": ("reply lost",),
}
Expected = dict[str, set[str]]  # by displayName, the externalIds of those who are on the target
Script = Callable[[GroupClient, GroupWorld], Awaitable[Expected]]


async def made(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    return {"Sales": {"ann", "bob"}}


async def added(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann")
    await client.change("Sales", ["ann", "bob", "eve"], come=["bob", "eve"])
    return {"Sales": {"ann", "bob", "eve"}}


async def removed(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.change("Sales", ["bob", "eve"], come=["eve"], go=["ann"])
    return {"Sales": {"bob", "eve"}}


async def there_and_back(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.change("Sales", ["ann"], go=["bob"])
    await client.change("Sales", ["ann", "bob"], come=["bob"])
    return {"Sales": {"ann", "bob"}}


async def renamed(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.change("Sales", ["ann"], go=["bob"], displayName="Agents")
    return {"Agents": {"ann"}}


async def overwritten(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.overwrite("Sales", "bob", "eve")
    return {"Sales": {"bob", "eve"}}


async def emptied(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.overwrite("Sales")
    return {"Sales": set()}


async def deleted(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann")
    await client.unlink("Sales")
    return {}


async def member_made_again(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    (gone,) = (id for id, entry in world.entries.items() if entry["externalId"] == "ann")
    del world.entries[gone]
    world.leave(gone)
    await world.sleep(60)
    client.looks_first = True
    await client.create(ANN | {"title": "Agent"})
    return {"Sales": {"ann", "bob"}}


async def member_left_and_returned(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.set("ann", active=False)
    await client.change("Sales", ["ann", "bob", "eve"], come=["eve"])
    await client.set("ann", active=True)
    return {"Sales": {"ann", "bob", "eve"}}


async def vanished(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    world.groups.clear()
    await world.sleep(60)
    await client.change("Sales", ["ann", "bob", "eve"], come=["eve"])
    return {"Sales": {"ann", "bob", "eve"}}


async def out_of_scope(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.change("Sales", ["ann", "bob"], displayName="Hidden")
    await client.change("Sales", ["bob"], go=["ann"], displayName="Hidden")
    return {}


async def out_and_in(client: GroupClient, world: GroupWorld) -> Expected:
    await client.push("Sales", "ann", "bob")
    await client.change("Sales", ["ann"], go=["bob"], displayName="Hidden")
    await client.change("Sales", ["ann", "eve"], come=["eve"], displayName="Agents")
    return {"Agents": {"ann", "eve"}}


SCRIPTS: list[Script] = [
    made,
    added,
    removed,
    there_and_back,
    renamed,
    overwritten,
    emptied,
    deleted,
    member_made_again,
    member_left_and_returned,
    vanished,
    out_of_scope,
    out_and_in,
]
SCOPED: Final = TargetMapping(kind="Group", scope=Scope(parse_filter('displayName ne "Hidden"'), "Group"))


async def played(script: Script, world: GroupWorld, looks: bool) -> list[str]:
    """Play a script among three people; return what is wrong in the end."""
    process = GroupProcess(world, TargetMapping(), on_deactivate="delete")
    process.target = replace(process.target, groups=SCOPED)
    client = GroupClient(process, looks, world.by_patch)
    await hired(client)
    world.is_calm = False
    expected = await script(client, world)
    await process.settle()
    world.is_calm = True
    unrecorded = ["a write without an intent"] if world.unclaimed_writes else []
    return [*client.stuck, *wrong(world, expected), *unrecorded, *await unseen(process, client, expected)]


async def hired(client: GroupClient) -> None:
    """Create everybody: how people come is held by another model."""
    for person in (ANN, BOB, EVE):
        await client.create(person)


def wrong(world: GroupWorld, expected: Expected) -> list[str]:
    ours = {id: entry["externalId"] for id, entry in world.entries.items()}
    there = [
        (group["displayName"], [ours.get(member["value"], "nobody") for member in group.get("members", ())])
        for group in world.groups.values()
    ]
    wanted = [(name, sorted(members)) for name, members in expected.items()]
    return (
        [] if [(name, sorted(members)) for name, members in there] == wanted else [f"the target has {there}"]
    )


async def unseen(process: GroupProcess, client: GroupClient, expected: Expected) -> list[str]:
    """Return what the provider is not shown as it should be."""
    ours = {id: name for name, id in client.ids.items()}
    shown = {}
    for name in ("Sales", "Agents"):
        for group in await process.groups(name):
            shown[name] = {ours.get(member["value"], "nobody") for member in group.get("members", ())}
    return [] if shown == expected else [f"the provider is shown {shown}"]


@pytest.mark.parametrize(
    ("looks", "target"),
    [
        pytest.param(True, {}, id="PUT, looks first"),
        pytest.param(False, {"by_patch": True, "strict": True}, id="PATCH, blind, strict target"),
        pytest.param(True, {"lag": LAG}, id="PUT, reads lag"),
        pytest.param(False, {"by_patch": True, "strict": True, "lag": LAG}, id="PATCH, reads lag"),
        pytest.param(False, {"hides": True, "strict": True}, id="PUT, members are hidden"),
        pytest.param(False, {"by_patch": True, "hides": True}, id="PATCH, members are hidden"),
    ],
)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_no_single_fault_loses_a_member_or_leaves_one_behind(
    script: Script, looks: bool, target: dict[str, Any]
) -> None:
    quiet = GroupWorld(**target)
    assert await played(script, quiet, looks) == []

    bad = {}
    for at, point in enumerate(quiet.points):
        for fault in (UNSEEN if quiet.lag or quiet.hides else FAULTS)[point]:
            world = GroupWorld(**target, fault=(at, fault))
            if problems := await played(script, world, looks):
                bad[f"{fault} at {at} ({point})"] = problems
    assert bad == {}


@pytest.mark.parametrize("seed", range(4))
async def test_several_faults_at_once_lose_nobody_and_leave_nobody_behind(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        world = Stormy(chance)
        script = chance.choice(SCRIPTS)

        problems = await played(script, world, looks=chance.random() < 0.5)

        assert problems == [], (script.__name__, world)


class Stormy(GroupWorld):
    """Fails by chance, three times at most."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(
            by_patch=chance.random() < 0.5,
            strict=chance.random() < 0.5,
            lag=chance.choice([0.0, LAG]),
            hides=chance.random() < 0.3,
        )
        self._chance = chance
        self._left = 3

    def fails(self, kind: str) -> str | None:
        super().fails(kind)
        if self.is_calm or not self._left or self._chance.random() > 0.15:
            return None
        self._left -= 1
        return self._chance.choice(FAULTS[kind])
