"""What a route's second target is told, what it refuses, and who it has when: rule by rule."""

from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest

from gateway.admin.operations import drop_operation, release_removals, retry_operation
from gateway.admin.resync import Refill
from gateway.admin.runs import End
from gateway.errors import Busy
from gateway.flow.journal_port import Key
from gateway.flow.model import Caller, Change
from gateway.flow.services import Wakeup
from gateway.flow.target_port import ResourceType, Unreachable
from gateway.journal.mirrors import join
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from gateway.scim.members import Added
from tests.support.group_world import GroupClient, GroupWorld
from tests.support.route_world import RouteProcess

USER = ResourceType.USER
ANN = {"userName": "ann@x", "externalId": "1", "active": True, "title": "A"}
BOB = ANN | {"userName": "bob@x", "externalId": "2"}
TITLED = TargetMapping(require=(("title",),))


@pytest.fixture
def world() -> GroupWorld:
    return GroupWorld(by_patch=True)


def routed(world: GroupWorld, second: TargetMapping | None = None, **policy: Any) -> RouteProcess:
    return RouteProcess(world, TargetMapping(), second, **policy)


async def created(process: RouteProcess, person: dict[str, Any]) -> str:
    reply = await process.change("create", person, None)
    assert reply.document is not None
    return str(reply.document["id"])


async def changed(process: RouteProcess, id: str, **values: Any) -> None:
    await process.change("patch", {"Operations": [{"op": "replace", "value": values}]}, id)


def seen(process: RouteProcess) -> list[tuple[Any, Any]]:
    """Return userName and whether active of everybody whom the second target has."""
    return sorted((entry["userName"], entry.get("active")) for entry in process.second.entries.values())


async def events(process: RouteProcess) -> list[Any]:
    return list(await process.services.trail.page(None, 1000, None, None))[::-1]


async def test_what_the_second_refuses_stays_open_is_told_once_and_is_no_error_to_the_provider(world) -> None:
    process = routed(world, TITLED)

    for person in (ANN, BOB):
        await created(process, {**person, "title": None})

    refused = [event for event in await events(process) if event["target"]["name"] == "dialpad"]
    assert len(world.entries) == 2
    assert (seen(process), await process.services.mirrors.count("phonebook", "dialpad")) == ([], (2, 2))
    assert [event["outcome"]["result"] for event in refused] == ["rejected", "rejected"]
    assert {event["event"] for event in refused} == {"user.mirror"}
    assert {alert.name for alert in process.alerts} == {"route.refused"}
    assert "title" in (await process.services.mirrors.refused("phonebook", "dialpad"))[0][2]


async def test_what_was_refused_is_brought_when_the_person_changes(world) -> None:
    process = routed(world, TITLED)
    id = await created(process, {**ANN, "title": None})

    await changed(process, id, title="B")

    assert (seen(process), await process.untold()) == ([("ann@x", True)], 0)


@pytest.mark.parametrize(("act", "left"), [("retry", 0), ("drop", 0)])
async def test_an_administrator_has_it_tried_again_or_drops_it(world, act: str, left: int) -> None:
    process = routed(world, TITLED)
    id = await created(process, {**ANN, "title": None})
    mark = await process.services.mirrors.of("phonebook", "dialpad", USER, id)
    assert mark is not None
    process.follower = replace(process.follower, mapping=TargetMapping())  # the rules were changed

    if act == "retry":
        assert await retry_operation(process.services, ["dialpad"], f"m{mark.n}")
    else:
        assert await drop_operation(process.services, f"m{mark.n}")
    await process.mirroring.sweep(process.follower)

    assert await process.untold() == left
    assert seen(process) == ([("ann@x", True)] if act == "retry" else [])
    told = [event["event"] for event in await events(process)]
    assert ("operation.retried" if act == "retry" else "operation.dropped") in told


@pytest.mark.parametrize("id", ["m999", "m", "mx", "m-1", f"m{10**30}", "m²"])
async def test_a_mark_that_is_none_is_neither_tried_nor_dropped(world, id: str) -> None:
    process = routed(world)

    assert not await retry_operation(process.services, ["dialpad"], id)
    assert not await drop_operation(process.services, id)


@pytest.mark.parametrize(("later", "is_told"), [({"cloud": ("phonebook", "dialpad")}, True), ({}, False)])
async def test_what_a_target_has_still_to_be_told_the_new_first_of_its_route_tells(
    world, later, is_told: bool
) -> None:
    process = routed(world, prompt=False)
    run = process.journal._database.run
    run(partial(join, followers={"phonebook": ("cloud", "dialpad")}))
    id = await created(process, ANN)
    before = await process.services.mirrors.of("phonebook", "dialpad", USER, id)
    assert before is not None

    run(partial(join, followers=later))
    process.journal.mirrors._followers = later

    assert (await process.services.mirrors.of("cloud", "dialpad", USER, id) is not None) == is_told
    assert await retry_operation(process.services, ["dialpad"], f"m{before.n}") == is_told
    assert await process.services.mirrors.numbered(before.n) is not None


@pytest.mark.parametrize("operation", ["create", "replace"])
async def test_a_new_first_knows_by_their_ids_whom_it_was_never_told_of(world, operation: str) -> None:
    process = routed(world, TITLED)
    run, later = process.journal._database.run, {"dialpad": ("phonebook",)}
    run(partial(join, followers=process.followers))
    id = await created(process, {**ANN, "title": None, "emails": [{"value": "ann@y"}]})
    run(partial(join, followers=later))
    process.journal.mirrors._followers = later
    process.journal.mirrors._bells["phonebook"] = Wakeup()
    process.second.numbers = count(int(id[1:]))  # it would give Bob the id that Ann has
    first = replace(process.follower, follows=None)

    person, own = (BOB, None) if operation == "create" else (ANN, id)
    change = Change(operation, USER, first, Caller("okta"), "c", own, dict(person))
    told = await process._changes.handle(change)
    await process.mirroring.sweep(replace(process.target, follows="dialpad"))

    assert told.document is not None
    assert (told.document["id"] == id) == (operation == "replace")
    others = sorted(entry["userName"] for entry in world.entries.values())
    assert others == (["ann@x"] if operation == "replace" else ["ann@x", "bob@x"])


async def test_what_is_marked_by_two_firsts_is_told_once(world) -> None:
    process = routed(world, prompt=False)
    run = process.journal._database.run
    run(partial(join, followers={"phonebook": ("cloud", "dialpad")}))
    id = await created(process, ANN)
    run(
        lambda file: (
            file.execute(
                "INSERT INTO mirror SELECT 99, 'cloud', type, resource, target, leaves, version,"
                " since, correlation_id, attempts, due, refused, reason FROM mirror"
            ).rowcount
        )
    )

    run(partial(join, followers={"cloud": ("phonebook", "dialpad")}))

    assert await process.services.mirrors.of("phonebook", "dialpad", USER, id) is None
    assert await process.services.mirrors.of("cloud", "dialpad", USER, id) is not None


class Down:
    """A target that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        async def call(*about: Any, **how: Any) -> Any:
            raise Unreachable("refused")

        return call


@pytest.mark.parametrize("operation", ["patch", "delete"])
async def test_who_leaves_while_the_first_is_down_leaves_the_second_all_the_same(world, operation) -> None:
    process = routed(world, attempts=1)
    id = await created(process, ANN)
    up = process.target
    process.target = replace(up, connector=Down())  # type: ignore[arg-type]
    body = {"Operations": [{"op": "replace", "value": {"active": False}}]} if operation == "patch" else {}

    with pytest.raises(Busy):
        await process.change(operation, body, id)
    meanwhile = seen(process)
    process.target = up
    await process.settle()

    assert meanwhile == [("ann@x", False)]
    assert [entry["active"] for entry in world.entries.values()] == ([False] if operation == "patch" else [])
    assert seen(process) == ([("ann@x", False)] if operation == "patch" else [])


async def test_who_is_not_to_leave_after_all_comes_back(world) -> None:
    process = routed(world, attempts=1)
    id = await created(process, ANN)
    process.target = replace(process.target, connector=Down())  # type: ignore[arg-type]
    with pytest.raises(Busy):
        await changed(process, id, active=False)
    (waiting,) = await process.services.operations.open("phonebook", ())

    assert await drop_operation(process.services, waiting.intent.op_id)
    await process.mirroring.sweep(process.follower)

    assert seen(process) == [("ann@x", True)]


async def test_what_the_brake_of_the_first_holds_the_second_hears_once_it_is_released(world) -> None:
    process = routed(world)
    process.target = replace(process.target, policy=replace(process.target.policy, max_removals=(0, 3600.0)))
    id = await created(process, ANN)
    with pytest.raises(Busy):
        await changed(process, id, active=False)
    held = seen(process)

    await release_removals(process.services, "phonebook")
    await process.mirroring.sweep(process.follower)

    assert (held, seen(process)) == ([("ann@x", True)], [("ann@x", False)])


async def test_who_leaves_the_scope_of_the_first_stays_at_the_second(world) -> None:
    scope = Scope(parse_filter('title ne "Board"'), USER)
    process = RouteProcess(world, TargetMapping(scope=scope), TargetMapping(), on_deactivate="delete")
    id = await created(process, ANN)

    await changed(process, id, title="Board")

    assert (world.entries, seen(process)) == ({}, [("ann@x", True)])
    assert [entry["title"] for entry in process.second.entries.values()] == ["Board"]


async def test_a_second_that_was_alone_keeps_its_people_whose_ids_become_those_of_the_first(world) -> None:
    process = routed(world, prompt=False)
    id = await created(process, ANN)
    process.second.numbers = count(int(id[1:]))  # Ann's id at the first is what Bob's is at the second
    alone = replace(process.follower, follows=None, route=None)
    for person in (BOB, ANN):
        change = Change("create", USER, alone, Caller("okta"), "c", None, dict(person))
        await process._changes.handle(change)
    own = {entry["userName"]: own for own, entry in process.second.entries.items()}
    process.journal._database.run(lambda connection: join(connection, process.followers))

    await process.settle()

    (found,) = await process.services.resources.find("dialpad", USER, (Key("id", id),))
    assert own["bob@x"] == id
    assert (found.original["userName"], found.links["dialpad"].target_id) == ("ann@x", own["ann@x"])
    assert seen(process) == [("ann@x", True), ("bob@x", True)]
    assert await process.untold() == 0


@pytest.mark.parametrize("later", [{}, {"dialpad": ("phonebook",)}], ids=["alone", "first"])
async def test_whoever_was_not_met_has_the_old_id_when_a_target_follows_no_more(world, later) -> None:
    process = routed(world, prompt=False)
    alone = replace(process.follower, follows=None, route=None)
    caller, member = Caller("okta"), {"displayName": "Sales"}
    bob = await process._changes.handle(Change("create", USER, alone, caller, "c", None, dict(BOB)))
    assert bob.document is not None
    id = bob.document["id"]
    added = (Added({id: {"value": id}}),)
    change = Change("create", ResourceType.GROUP, alone, caller, "c", None, member, members=added)
    sales = await process._changes.handle(change)
    assert sales.document is not None

    for followers in (process.followers, later):
        process.journal._database.run(partial(join, followers=followers))
    group = await process._reads.get(alone, ResourceType.GROUP, sales.document["id"])
    await process._changes.handle(Change("delete", USER, alone, caller, "c", id))

    assert [one["value"] for one in group["members"]] == [id]
    assert process.second.entries == {}


async def test_a_target_that_is_first_now_gives_nobody_an_id_that_another_has(world) -> None:
    process = routed(world, prompt=False)
    id = await created(process, ANN)
    process.second.numbers = count(int(id[1:]))  # Ann's id at the first is what Bob's is at the second
    alone = replace(process.follower, follows=None, route=None)
    bob = await process._changes.handle(Change("create", USER, alone, Caller("okta"), "c", None, dict(BOB)))

    for followers in (process.followers, {"dialpad": ("phonebook",)}):
        process.journal._database.run(partial(join, followers=followers))

    assert bob.document is not None
    assert bob.document["id"] == id
    found = await process.services.resources.find("dialpad", USER, (Key("id", id),))
    assert [known.original["userName"] for known in found] == ["ann@x"]


async def test_a_target_that_is_new_in_a_route_is_filled_by_resync(world) -> None:
    process = routed(world, prompt=False)
    client = GroupClient(process, looks_first=False, by_patch=True)
    for person in (ANN, BOB, ANN | {"userName": "eve@x", "externalId": "3"}):
        await client.create(person)
    await client.push("Sales", "1", "2")
    await client.set("2", active=False)
    process.journal._database.run(lambda connection: connection.execute("DELETE FROM mirror").rowcount)

    run = Refill(process.services, process.mirroring, process.follower)
    *_, end = [line async for line in run.lines()]

    assert isinstance(end, End)
    assert (end.verdict, end.people) == ("well", 3)
    assert seen(process) == [("ann@x", True), ("eve@x", True)]
    (sales,) = process.second.groups.values()
    there = {id: entry["userName"] for id, entry in process.second.entries.items()}
    assert [there[member["value"]] for member in sales["members"]] == ["ann@x"]


async def test_one_member_more_in_a_large_group_reads_nobody_elses_row(world) -> None:
    process = routed(world)
    client = GroupClient(process, looks_first=False, by_patch=True)
    for number in range(40):
        person = {"userName": f"p{number}@x", "externalId": str(number), "active": True}
        await client.create(person)
    await client.push("Sales", *map(str, range(39)))
    await process.settle()
    asked: list[str] = []
    inner = process.services.memberships

    class Watched:
        async def rows(self, base: str, group: str, target: str) -> Any:
            asked.append(base)
            return await inner.rows(base, group, target)

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

    watched: Any = Watched()
    process._changes._membership._services = replace(process.services, memberships=watched)
    everybody = [str(number) for number in range(40)]
    await client.change("Sales", everybody, come=["39"])

    (sales,) = process.second.groups.values()
    assert len(sales["members"]) == 40
    assert asked == []


async def test_a_target_that_is_down_is_left_in_peace_and_told_the_newest_once_it_is_well(world) -> None:
    process = routed(world, attempts=1)
    up = process.follower

    async def unknown() -> bool:
        raise Unreachable("refused")

    process.follower = replace(up, connector=Down(), has_groups=unknown)  # type: ignore[arg-type]
    client = GroupClient(process, looks_first=False, by_patch=True)
    for person in (ANN, BOB):
        await client.create(person)
    await client.push("Sales", "1")
    for title in ("B", "C"):
        await client.set("1", title=title)
    tries = [event for event in await events(process) if event["target"]["name"] == "dialpad"]
    process.follower = up
    await process.settle()

    assert [event["outcome"]["result"] for event in tries] == ["deferred"]
    assert seen(process) == [("ann@x", True), ("bob@x", True)]
    assert sorted(entry["title"] for entry in process.second.entries.values()) == ["A", "C"]
    assert len(process.second.groups) == 1
    assert (await process.untold(), process.alerts) == (0, [])


async def test_a_target_without_groups_is_told_of_people_only(world) -> None:
    process = routed(world)

    async def none() -> bool:
        return False

    process.follower = replace(process.follower, has_groups=none)
    client = GroupClient(process, looks_first=False, by_patch=True)
    await client.create(ANN)
    await client.push("Sales", "1")
    await process.settle()

    assert (process.second.groups, await process.untold()) == ({}, 0)
