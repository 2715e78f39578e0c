"""Every fault at every call to Dialpad, those of a create among them: nobody half-built, lost or doubled."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.targets.dialpad.connector import DialpadConnector
from gateway.targets.transport import Call, HttpReply
from tests.support.dialpad import Dialpad, needs_openapi
from tests.support.presets import mapping_for
from tests.support.world import FAULTS, Client, Process, World, _error

pytestmark = [pytest.mark.long, needs_openapi()]

ANN: dict[str, Any] = {
    "userName": "ann@example.com",
    "externalId": "1",
    "active": True,
    "title": "Agent",
    "name": {"givenName": "Ann", "familyName": "Berg"},
}
BOB = ANN | {"userName": "bob@example.com", "externalId": "2", "title": "Lead"}
THERE = {
    "id": 77,
    "state": "suspended",
    "license": "talk",
    "office_id": 124,
    "emails": ["ann@example.com"],
    "first_name": "Anna",
    "job_title": "Clerk",
}

Script = Callable[[Client], Awaitable[list[dict[str, Any]]]]


class FaultyLine:
    """Carries calls to a company; what happens to each is the world's to say."""

    def __init__(self, world: World, company: Dialpad) -> None:
        self._world = world
        self._company = company

    async def send(self, call: Call) -> HttpReply:
        world, kind = self._world, "read" if call.method == "GET" else "write"
        world.unclaimed_writes += kind == "write" and world.claimed <= 0
        fault = world.fails(kind)
        if fault in ("answer lost", "500 but applied", "crash after"):
            await self._company.send(call)
        elif fault == "applied late":
            world.later(lambda: _now(self._company, call))
        if fault is not None:
            raise _error(fault)
        return await self._company.send(call)


def _now(company: Dialpad, call: Call) -> None:
    with pytest.raises(StopIteration):
        company.send(call).send(None)  # it waits for nothing


async def create(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    return [ANN]


async def two(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    await client.create(BOB)
    return [ANN, BOB]


async def change(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    await client.set("1", title="Lead")
    return [ANN | {"title": "Lead"}]


async def rename(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    await client.set("1", userName="new@example.com")
    return [ANN | {"userName": "new@example.com"}]


async def leave(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    await client.set("1", active=False)
    return [ANN | {"active": False}]


async def leave_and_return(client: Client) -> list[dict[str, Any]]:
    await client.create(ANN)
    await client.set("1", active=False)
    await client.set("1", active=True)
    return [ANN]


def wrong(company: Dialpad, wanted: list[dict[str, Any]]) -> list[str]:
    there = [user for user in company.users.values() if user["state"] != "deleted"]
    shown = {
        user["emails"][0]: (
            user["state"],
            user.get("job_title"),
            user.get("first_name"),
            user.get("last_name"),
        )
        for user in there
    }
    expected = {
        person["userName"]: (
            "active" if person["active"] else "suspended",
            person["title"],
            *person["name"].values(),
        )
        for person in wanted
    }
    return [] if shown == expected and len(there) == len(shown) else [f"{shown} of {len(there)}"]


async def played(script: Script, world: World, *, by_patch: bool, is_there: bool) -> list[str]:
    """Play a script; return what is wrong in the end."""
    company = Dialpad(users={77: dict(THERE)} if is_there else {})
    connector = DialpadConnector(
        FaultyLine(world, company), "https://dialpad.test", clock=lambda: world.clock
    )
    process = Process(world, mapping_for("dialpad_api"), connector)
    client = Client(process, looks_first=False, by_patch=by_patch)
    wanted = await script(client)
    await world.sleep(120)  # whatever is still on its way arrives
    unrecorded = [f"{world.unclaimed_writes} writes without an intent"] if world.unclaimed_writes else []
    return [*client.stuck, *wrong(company, wanted), *unrecorded, *company.violations]


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "adopted"])
@pytest.mark.parametrize("by_patch", [False, True], ids=["PUT", "PATCH"])
@pytest.mark.parametrize(
    "script", [create, two, change, rename, leave, leave_and_return], ids=lambda script: script.__name__
)
async def test_no_single_fault_loses_or_doubles_anybody_or_leaves_them_half_built(
    script: Script, by_patch: bool, is_there: bool
) -> None:
    quiet = World()
    assert await played(script, quiet, by_patch=by_patch, is_there=is_there) == []

    bad = {}
    for at, point in enumerate(quiet.points):
        for fault in FAULTS[point]:
            world = World(fault=(at, fault))
            if problems := await played(script, world, by_patch=by_patch, is_there=is_there):
                bad[f"{fault} at {at} ({point})"] = problems
    assert bad == {}
