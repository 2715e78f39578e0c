"""What every connector promises of groups, whatever it reaches."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.address import Bearer, Secret, TargetAddress
from gateway.flow.target_port import Attributes, MemberUpdate, Missing, Query, ResourceType, Update
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_GROUP, CORE_USER
from gateway.targets.registry import OpenTarget, Shared, open_connector
from tests.support.lesser import Lesser
from tests.support.rest_service import Evaluating, RestLesser, address_of
from tests.support.scim_target import scim_target
from tests.support.sql_tables import sqlite_tables

USER, GROUP = ResourceType.USER, ResourceType.GROUP
MEMBERSHIPS = ["groupOfNames", "groupOfUniqueNames", "posixGroup"]  # of a directory
REAL = {  # and the fixtures of their servers
    "active directory": "domain",
    "389": "directory_389",
    "postgresql": "postgresql_tables",
    "mariadb": "mariadb_tables",
}
REST = {
    "rest, whole by PUT": RestLesser(),
    "rest, whole by PATCH": RestLesser(change="PATCH", way="cursor"),
    "rest, one by one": RestLesser(joins=True, way="offset"),
}
KINDS = ["embedded", "scim2-server", "by PATCH", "by PUT", "one by one", *MEMBERSHIPS, "sqlite", *REAL, *REST]


@pytest.fixture(params=KINDS)
async def target(request: pytest.FixtureRequest, tmp_path: Path, around: Shared) -> AsyncIterator[OpenTarget]:
    """An empty directory of each kind."""
    made = replace(REST[request.param], groups={}, entries={}) if request.param in REST else None
    async with scim_target(made or Lesser(single=request.param == "one by one")) as service:
        service.takes_patch = request.param == "by PATCH"
        patch = "single" if request.param == "one by one" else None
        address = TargetAddress("scim", service.url, Bearer(Secret("token")), patch=patch)
        if request.param == "embedded":
            address = TargetAddress("embedded", f"sqlite:{tmp_path / 'directory.db'}")
        if request.param == "scim2-server":
            server, token = request.getfixturevalue("scim2_server")
            address = TargetAddress("scim", f"{server}/{uuid.uuid4().hex}/v2/", Bearer(Secret(token)))
        if request.param in MEMBERSHIPS:
            server = request.getfixturevalue("slapd_server")
            address = server.address(server.room(group_class=request.param))
        if request.param == "sqlite":
            address = sqlite_tables(tmp_path).address()
        if request.param in REAL:
            address = request.getfixturevalue(REAL[request.param]).address()
        if made is not None:
            address = address_of(made, tmp_path)
        target = await open_connector(address.name, address, around)
        yield Evaluating(target) if made is not None else target
        await target.close()


@pytest.fixture
def people(target: OpenTarget) -> Callable[..., object]:
    """Make people, and return their ids."""

    async def make(*names: str) -> list[str]:
        made = [
            await target.create(USER, {"schemas": [CORE_USER], "userName": name, "active": True})
            for name in names
        ]
        return [entry["id"] for entry in made if entry]

    return make


async def grouped(target: OpenTarget, *ids: str, name: str = "Sales") -> Attributes:
    """Make a group, and return it as it was shown."""
    made = await target.create(GROUP, {"schemas": [CORE_GROUP], "displayName": name})
    assert made is not None
    if ids:
        await change(target, made, add=ids)
    return made


async def change(
    target: OpenTarget,
    group: Attributes,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    **more: str,
) -> Attributes | None:
    members = MemberUpdate(tuple({"value": id} for id in add), remove)
    wanted = group | more
    return await target.change(GROUP, group["id"], Update(group, wanted, compare(group, wanted), members))


async def members(target: OpenTarget, group: Attributes) -> list[str]:
    """Return the ids of a group's members, sorted: a directory keeps them in no order."""
    shown = await target.get(GROUP, group["id"], members=True)
    assert shown is not None
    assert shown["displayName"]
    return sorted(element["value"] for element in shown.get("members", ()))


async def test_a_target_says_whether_it_has_groups(target) -> None:
    assert await target.has_groups()


async def test_members_come_and_go_and_others_stay(target, people) -> None:
    ann, bob, eve = await people("ann", "bob", "eve")
    group = await grouped(target, ann, bob)

    await change(target, group, add=(eve,), remove=(ann,))

    assert await members(target, group) == sorted([bob, eve])


async def test_a_change_of_members_may_be_sent_again(target, people) -> None:
    ann, bob = await people("ann", "bob")
    group = await grouped(target, ann)

    for _ in range(2):
        await change(target, group, add=(bob,), remove=(ann,))

    assert await members(target, group) == [bob]


async def test_a_change_of_nobody_changes_nobody(target, people) -> None:
    (ann,) = await people("ann")
    group = await grouped(target, ann)

    await change(target, group, remove=("nobody", 'x" or value eq "y'))

    assert await members(target, group) == [ann]


async def test_a_renamed_group_keeps_its_members(target, people) -> None:
    (ann,) = await people("ann")
    group = await grouped(target, ann)

    await change(target, group, displayName="Agents")

    assert await members(target, group) == [ann]
    found = await target.query(GROUP, Query(parse_filter('displayName eq "AGENTS"'), members=True))
    assert [entry["members"][0]["value"] for entry in found.entries] == [ann]
    assert (await target.query(GROUP, Query(parse_filter('displayName eq "Sales"')))).total == 0


async def test_a_group_is_renamed_and_changed_at_once(target, people) -> None:
    ann, bob = await people("ann", "bob")
    group = await grouped(target, ann)

    await change(target, group, add=(bob,), remove=(ann,), displayName="Agents")

    assert await members(target, group) == [bob]
    assert (await target.get(GROUP, group["id"]))["displayName"] == "Agents"


async def test_members_are_shown_only_where_they_are_asked_for(target, people) -> None:
    (ann,) = await people("ann")
    group = await grouped(target, ann)

    bare = await target.get(GROUP, group["id"])
    listed = [(await target.query(GROUP, Query(members=asked))).entries for asked in (False, True)]

    assert "members" not in bare
    assert [["members" in entry for entry in entries] for entries in listed] == [[False], [True]]
    assert "members" not in (await change(target, group, displayName="Agents") or {})


async def test_a_deleted_group_is_gone_and_its_members_are_not(target, people) -> None:
    (ann,) = await people("ann")
    group = await grouped(target, ann)

    await target.delete(GROUP, group["id"])

    assert await target.get(GROUP, group["id"], members=True) is None
    assert await target.get(USER, ann) is not None
    with pytest.raises(Missing):
        await change(target, group, add=(ann,))
    with pytest.raises(Missing):
        await target.delete(GROUP, group["id"])


async def test_hundreds_come_and_go_at_once(target, people) -> None:
    everybody = await people(*(f"p{n}" for n in range(105)))
    group = await grouped(target)

    await change(target, group, add=tuple(everybody))
    assert await members(target, group) == sorted(everybody)
    await change(target, group, remove=tuple(everybody[:103]))
    assert await members(target, group) == sorted(everybody[103:])
