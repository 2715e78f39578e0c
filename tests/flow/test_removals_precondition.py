"""A change that names a version is made to that one or not at all."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import Busy, NotFound, PreconditionFailed
from gateway.flow.change import Changes
from gateway.flow.journal_port import OperationState
from gateway.flow.model import Caller, Change, Reply
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Silent, Unreachable
from gateway.scim.members import take_member_operations
from gateway.scim.messages import parse_tags
from tests.support.house import GROUP, USER, House

ANN = {"userName": "Ann", "externalId": "00u1", "title": "Agent"}
TITLE = {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}
LEAVE = {"Operations": [{"op": "replace", "value": {"active": False}}]}
REQUESTS = [
    pytest.param("replace", {"userName": "Ann", "title": "Boss"}, id="put"),
    pytest.param("patch", TITLE, id="patch"),
    pytest.param("delete", {}, id="delete"),
]


async def send(gateway: House, operation: str, body: Any, id: str, tag: str, kind: Any = USER) -> Reply:
    """Send a change that is meant for one version."""
    body, members = take_member_operations(body) if kind is GROUP else (body, ())
    caller = Caller("okta", "config:1")
    change = Change(operation, kind, gateway.target, caller, "cid-1", id, body, members=members)
    change = replace(change, if_match=parse_tags(tag))
    return await Changes(gateway.services, Recovery(gateway.services)).handle(change)


async def version(gateway: House, id: str, kind: Any = USER, *, members: bool = True) -> str:
    reads = Reads(gateway.services, Recovery(gateway.services))
    document = await reads.get(gateway.target, kind, id, members=members)
    return str(document["meta"]["version"])


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
@pytest.mark.parametrize("form", ["{}", "*", 'W/"other", {}'])
async def test_a_change_of_the_version_there_is_is_made(house, operation: str, body: Any, form: str) -> None:
    gateway = house()
    created = (await gateway.send("create", ANN)).document

    reply = await send(gateway, operation, body, created["id"], form.format(created["meta"]["version"]))

    assert reply.status in (200, 204)
    assert gateway.fake.writes[1:] == ["delete" if operation == "delete" else "change"]


@pytest.mark.parametrize(("operation", "body"), REQUESTS)
async def test_a_change_of_another_version_is_refused_and_remembered(
    house, operation: str, body: Any
) -> None:
    gateway = house()
    created = (await gateway.send("create", ANN)).document
    await gateway.send(
        "patch", {"Operations": [{"op": "add", "path": "nickName", "value": "A"}]}, created["id"]
    )
    gateway.fake.calls.clear()

    with pytest.raises(PreconditionFailed, match="read it again"):
        await send(gateway, operation, body, created["id"], created["meta"]["version"])

    assert gateway.fake.writes == []
    assert (await gateway.events())[-1]["outcome"]["status"] == 412


@pytest.mark.parametrize("trust", [0.0, 5.0], ids=["nothing is trusted", "the last read is trusted"])
async def test_an_edit_at_the_target_makes_another_version(house, trust: float) -> None:
    gateway = house(trust=trust)
    id = (await gateway.send("create", ANN)).document["id"]
    before = await version(gateway, id)
    gateway.fake.entries["t1"] = {**gateway.fake.entries["t1"], "title": "Chef"}

    with pytest.raises(PreconditionFailed):
        await send(gateway, "patch", TITLE, id, before)

    await send(gateway, "patch", TITLE, id, await version(gateway, id))
    assert gateway.fake.entries["t1"]["title"] == "Boss"


async def test_every_answer_tells_the_version_that_a_read_tells(house) -> None:
    gateway = house()
    created = (await gateway.send("create", ANN)).document
    read = await version(gateway, created["id"])
    patched = (await gateway.send("patch", TITLE, created["id"])).document

    assert created["meta"]["version"] == read != patched["meta"]["version"]
    assert patched["meta"]["version"] == await version(gateway, created["id"])


async def test_an_entry_the_journal_does_not_know_has_a_version_too(house) -> None:
    gateway = house()
    gateway.fake.entries["t9"] = {"id": "t9", "userName": "Ann", "externalId": "00u1"}

    with pytest.raises(PreconditionFailed):
        await send(gateway, "patch", TITLE, "t9", '"x"')

    assert (await send(gateway, "patch", TITLE, "t9", await version(gateway, "t9"))).status == 200


async def test_what_is_not_there_is_not_found_whatever_its_version(house) -> None:
    with pytest.raises(NotFound):
        await send(house(), "patch", TITLE, "nobody", '"x"')


@pytest.mark.parametrize("is_present", [True, False])
async def test_a_leaver_is_kept_for_later_only_in_the_version_that_was_meant(house, is_present: bool) -> None:
    gateway = house()
    created = (await gateway.send("create", ANN)).document
    gateway.clock[0] += 60
    gateway.fake.get_faults.append(Unreachable("refused"))

    tag = created["meta"]["version"] if is_present else '"x"'
    with pytest.raises(Busy):
        await send(gateway, "patch", LEAVE, created["id"], tag)

    standing = [operation.standing for operation in await gateway.services.operations.open("phonebook", ())]
    assert standing == ([OperationState.PENDING] if is_present else [])


async def group_of(gateway: House, *names: str) -> tuple[str, list[str]]:
    ids = [(await gateway.send("create", {"userName": name})).document["id"] for name in names]
    members = [{"value": id} for id in ids[:1]]
    created = await gateway.group("create", {"displayName": "Sales", "members": members})
    return created.document["id"], ids


def adding(id: str) -> dict[str, Any]:
    return {"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]}


async def test_a_new_member_makes_another_version_for_who_has_seen_the_members(house) -> None:
    gateway = house()
    group, (_, bob, eve) = await group_of(gateway, "ann", "bob", "eve")
    seen, bare = await version(gateway, group, GROUP), await version(gateway, group, GROUP, members=False)
    await gateway.group("patch", adding(bob), group)

    with pytest.raises(PreconditionFailed):
        await send(gateway, "patch", adding(eve), group, seen, GROUP)

    assert (await send(gateway, "patch", adding(eve), group, bare, GROUP)).status == 204


async def test_a_group_is_answered_with_the_version_that_a_read_tells(house) -> None:
    gateway = house()
    group, (ann, bob) = await group_of(gateway, "ann", "bob")
    whole = {"displayName": "Sales", "members": [{"value": bob}, {"value": ann}]}

    put = (await gateway.group("replace", whole, group)).document
    renamed = (await gateway.group("replace", {"displayName": "Buyers"}, group)).document

    assert renamed["meta"]["version"] == await version(gateway, group, GROUP, members=False)
    await gateway.group("replace", {"displayName": "Sales"}, group)
    assert put["meta"]["version"] == await version(gateway, group, GROUP)


async def test_the_members_are_read_only_where_the_version_has_them(house) -> None:
    gateway = house()
    group, (_, bob) = await group_of(gateway, "ann", "bob")
    bare = await version(gateway, group, GROUP, members=False)
    gateway.fake.calls.clear()

    await send(gateway, "patch", adding(bob), group, bare, GROUP)

    assert [name for name, _ in gateway.fake.calls][:2] == ["get", "change"]


async def test_a_group_whose_members_cannot_be_read_now_is_busy(house) -> None:
    gateway = house()
    group, (_, bob) = await group_of(gateway, "ann", "bob")
    seen = await version(gateway, group, GROUP)
    gateway.fake.get_faults.append(Silent("timed out"))

    with pytest.raises(Busy):
        await send(gateway, "patch", adding(bob), group, seen, GROUP)

    assert bob not in gateway.fake.members(group)
