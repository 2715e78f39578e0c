"""A route of two targets, every single fault at every point: the first keeps its word, the second follows."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.mapping.target import TargetMapping
from tests.faults import test_group_model as groups
from tests.faults import test_model as people
from tests.faults.test_model import ANN, BOB
from tests.support.group_world import GroupClient, GroupWorld
from tests.support.route_world import RouteProcess, faults_at

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them

Script = Callable[[GroupClient, GroupWorld], Awaitable[dict[str, Any]]]


async def swap(client: GroupClient, world: GroupWorld) -> dict[str, Any]:
    """Two people take each other's names, as a provider has to do it where names are unique."""
    await client.create(ANN)
    await client.create(BOB)
    await client.set("1", userName="between@x")
    await client.set("2", userName="ann@x")
    await client.set("1", userName="bob@x")
    return {"1": ANN | {"userName": "bob@x"}, "2": BOB | {"userName": "ann@x"}}


async def handed_on(client: GroupClient, world: GroupWorld) -> dict[str, Any]:
    """A name goes on to somebody who is new."""
    await client.create(ANN)
    await client.set("1", userName="new@x")
    await client.create(BOB | {"userName": "ann@x"})
    return {"1": ANN | {"userName": "new@x"}, "2": BOB | {"userName": "ann@x"}}


SCRIPTS: list[Any] = [people.rename, people.leave, people.leave_and_return, swap, handed_on]


def followed(second: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return whom the second target is to have: who left before it knew them never has to come there."""
    there = {entry.get("externalId") for entry in second.entries.values()}
    return {id: person for id, person in wanted.items() if person["active"] or id in there}


async def played(script: Script, world: GroupWorld, policy: dict[str, Any], *, prompt: bool) -> list[str]:
    """Play a script; return what is wrong in the end."""
    process = RouteProcess(world, TargetMapping(), prompt=prompt, **policy)
    client = GroupClient(process, looks_first=True, by_patch=world.by_patch)
    wanted = await script(client, world)
    await process.settle()
    second: Any = process.second
    return [
        *client.stuck,
        *people.wrong(world, wanted, policy),
        *(f"second: {line}" for line in people.wrong(second, followed(second, wanted), policy)),
        *people.unrecorded(world),
        *([f"{await process.untold()} marks are left"] if await process.untold() else []),
        *([f"{len(process.alerts)} alerts"] if process.alerts else []),
    ]


@pytest.mark.parametrize("policy", people.POLICIES)
@pytest.mark.parametrize("prompt", [True, False], ids=["told at once", "told in the end"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_whatever_fails_at_either_target_the_first_holds_and_the_second_follows(
    script: Script, prompt: bool, policy: dict[str, Any]
) -> None:
    quiet = GroupWorld(is_calm=False)
    assert await played(script, quiet, policy, prompt=prompt) == []

    bad = {}
    for at, point in enumerate(quiet.points):
        for fault in faults_at(point):
            world = GroupWorld(is_calm=False, fault=(at, fault))
            if problems := await played(script, world, policy, prompt=prompt):
                bad[f"{fault} at {at} ({point})"] = problems
    assert bad == {}


async def with_groups(script: Script, world: GroupWorld, *, prompt: bool) -> list[str]:
    """Play a script among three people; return what is wrong in the end."""
    process = RouteProcess(world, TargetMapping(), prompt=prompt, on_deactivate="delete")
    client = GroupClient(process, looks_first=True, by_patch=world.by_patch)
    await groups.hired(client)
    world.is_calm = False
    expected = await script(client, world)
    await process.settle()
    world.is_calm = True
    second: Any = process.second
    return [
        *client.stuck,
        *groups.wrong(world, expected),
        *(f"second: {line}" for line in groups.wrong(second, expected)),
        *people.unrecorded(world),
        *([f"{await process.untold()} marks are left"] if await process.untold() else []),
    ]


@pytest.mark.parametrize(
    ("by_patch", "prompt"),
    [pytest.param(False, True, id="PUT, told at once"), pytest.param(True, False, id="PATCH, in the end")],
)
@pytest.mark.parametrize(
    "script",
    [groups.removed, groups.renamed, groups.overwritten, groups.deleted, groups.member_left_and_returned],
    ids=lambda script: script.__name__,
)
async def test_whatever_fails_the_groups_of_the_second_target_follow_those_of_the_first(
    script: Any, by_patch: bool, prompt: bool
) -> None:
    quiet = GroupWorld(by_patch=by_patch)
    assert await with_groups(script, quiet, prompt=prompt) == []

    bad = {}
    for at, point in enumerate(quiet.points):
        for fault in faults_at(point):
            world = GroupWorld(by_patch=by_patch, fault=(at, fault))
            if problems := await with_groups(script, world, prompt=prompt):
                bad[f"{fault} at {at} ({point})"] = problems
    assert bad == {}
