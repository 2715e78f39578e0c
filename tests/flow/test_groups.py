"""Groups on the flow: what a provider pushes, what the target gets, what reads show."""

from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from gateway.errors import Busy, NotFound, Uniqueness
from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from gateway.flow.journal_port import Outcome
from gateway.flow.model import ReadQuery
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Attributes, Broken, ResourceType, Silent, Throttled, Update
from gateway.scim.grammar import parse_filter
from tests.support.house import GROUP, FakeTarget, House, make_house


@pytest.fixture
def house():
    return make_house


async def staffed(gateway: House, *names: str) -> list[str]:
    """Return the ids of these people, created."""
    replies = [await gateway.send("create", {"userName": name}) for name in names]
    return [reply.document["id"] for reply in replies]


async def grouped(gateway: House, *ids: str, name: str = "Sales") -> str:
    """Return the id of a group with these members, created."""
    body = {"displayName": name, "members": [{"value": id} for id in ids]}
    return (await gateway.group("create", body)).document["id"]


def patch(*operations: dict) -> dict:
    return {"Operations": list(operations)}


def add(*ids: str) -> dict:
    return {"op": "add", "path": "members", "value": [{"value": id} for id in ids]}


def remove(id: str) -> dict:
    return {"op": "remove", "path": f'members[value eq "{id}"]'}


async def members_of(gateway: House, id: str) -> list[str]:
    return [element["value"] for element in (await gateway.get_group(id)).get("members", ())]


async def test_a_group_is_created_with_its_members_under_the_targets_ids(house) -> None:
    gateway = house(trust=0.0)
    ann, bob = await staffed(gateway, "ann", "bob")
    gateway.fake.entries["t9"] = gateway.fake.entries.pop("t1") | {"id": "t9"}
    await gateway.send("replace", {"userName": "ann"}, ann)

    group = await grouped(gateway, ann, bob)

    assert gateway.fake.groups[group]["displayName"] == "Sales"
    assert gateway.fake.members(group) == ["t9", "t2"]
    assert gateway.fake.groups[group]["displayName"] == "Sales"
    assert await members_of(gateway, group) == [ann, bob]


async def test_adding_the_members_that_a_group_was_created_with_changes_nothing(house) -> None:
    gateway = house()
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway, ann, bob)

    reply = await gateway.group("patch", patch(add(ann, bob)), group)

    assert (reply.status, reply.document) == (204, None)
    assert await members_of(gateway, group) == [ann, bob]


async def test_members_come_and_go_in_one_patch(house) -> None:
    gateway = house()
    ann, bob, eve = await staffed(gateway, "ann", "bob", "eve")
    group = await grouped(gateway, ann, bob)

    await gateway.group("patch", patch(remove(ann), remove(bob), add(eve)), group)

    assert gateway.fake.members(group) == [eve]
    assert await members_of(gateway, group) == [eve]


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param([{"op": "replace", "path": "members", "value": []}], id="with a path"),
        pytest.param(
            [{"op": "replace", "value": {"members": [], "id": "x", "displayName": "Sales"}}], id="without one"
        ),
        pytest.param([{"op": "Remove", "path": "members"}], id="removed as a whole"),
    ],
)
async def test_a_full_push_of_nobody_empties_the_group(house, operations) -> None:
    gateway = house()
    group = await grouped(gateway, *(await staffed(gateway, "ann", "bob")))

    await gateway.group("patch", patch(*operations), group)

    assert gateway.fake.members(group) == []
    assert await members_of(gateway, group) == []


async def test_a_full_push_sends_only_who_is_missing_and_who_is_too_many(house) -> None:
    gateway = house()
    ann, bob, eve = await staffed(gateway, "ann", "bob", "eve")
    group = await grouped(gateway, ann, bob)

    await gateway.group(
        "patch", patch({"op": "replace", "path": "members", "value": [{"value": bob}, {"value": eve}]}), group
    )

    diff = (await gateway.events())[-1]["diff"]
    assert [(line["op"], line["before"], line["after"]) for line in diff] == [
        ("add", None, [eve]),
        ("remove", [ann], None),
    ]
    assert sorted(gateway.fake.members(group)) == sorted([bob, eve])


async def test_a_rename_leaves_the_members_alone(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    group = await grouped(gateway, ann)

    await gateway.group(
        "patch", patch({"op": "replace", "value": {"id": group, "displayName": "Selling"}}), group
    )

    assert gateway.fake.groups[group]["displayName"] == "Selling"
    assert gateway.fake.members(group) == [ann]


@pytest.mark.parametrize(
    ("members", "left"),
    [
        pytest.param({}, ["ann", "bob"], id="absent"),
        pytest.param({"members": []}, [], id="empty"),
        pytest.param({"members": None}, [], id="null"),
    ],
)
async def test_a_put_says_who_is_in_a_group_only_where_it_has_members(house, members, left) -> None:
    gateway = house()
    people = dict(zip(("ann", "bob"), await staffed(gateway, "ann", "bob"), strict=True))
    group = await grouped(gateway, *people.values())

    reply = await gateway.group("replace", {"displayName": "Sales", **members}, group)

    assert reply.status == 200
    assert gateway.fake.members(group) == [people[name] for name in left]


async def test_a_member_without_an_entry_is_no_failure_and_is_told_when_it_has_one(house) -> None:
    gateway = house(fake=FakeTarget(checks_members=True), on_deactivate="delete")
    ann, bob = await staffed(gateway, "ann", "bob")
    await gateway.send("replace", {"userName": "bob", "active": False}, bob)
    group = await grouped(gateway, ann, bob)
    assert gateway.fake.members(group) == [ann]
    assert await members_of(gateway, group) == [ann, bob]

    await gateway.send("replace", {"userName": "bob", "active": True}, bob)
    await swept(gateway)

    assert gateway.fake.members(group) == [ann, "t4"]
    assert await members_of(gateway, group) == [ann, bob]


async def swept(gateway: House) -> None:
    changes = Changes(gateway.services, Recovery(gateway.services))
    await Deliveries(gateway.services, changes).sweep(gateway.target)


async def test_somebody_made_anew_at_the_target_keeps_their_groups(house) -> None:
    gateway = house(trust=0.0)
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway, ann, bob)
    del gateway.fake.entries[ann]
    gateway.fake.groups[group]["members"] = [{"value": bob}]

    await gateway.send("replace", {"userName": "ann", "title": "Agent"}, ann)
    await swept(gateway)

    assert gateway.fake.members(group) == [bob, "t4"]


class Interrupted(FakeTarget):
    """Something else happens while it changes a group."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        answer = await super().change(kind, id, update)
        if kind is GROUP and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return answer


async def test_somebody_made_anew_while_they_are_added_is_not_lost(house) -> None:
    gateway = house(fake=Interrupted(), trust=0.0)
    ann, group = (await staffed(gateway, "ann"))[0], await grouped(gateway)
    gateway.fake.meanwhile = lambda: moved(gateway, ann)

    await gateway.group("patch", patch(add(ann)), group)
    await swept(gateway)

    assert gateway.fake.members(group) == [ann, "t3"]
    assert await members_of(gateway, group) == [ann]


async def moved(gateway: House, id: str) -> None:
    """Lose somebody's entry, so that the next change makes it anew."""
    del gateway.fake.entries[id]
    await gateway.send("replace", {"userName": "ann", "title": "Agent"}, id)


async def test_somebody_created_while_they_are_added_is_told_of(house) -> None:
    gateway = house(fake=Interrupted())
    group = await grouped(gateway)
    gateway.fake.meanwhile = lambda: gateway.send("create", {"userName": "ann"})

    await gateway.group(
        "patch", patch(add("t2"), {"op": "replace", "value": {"displayName": "Agents"}}), group
    )
    await swept(gateway)

    assert gateway.fake.members(group) == ["t2"]


async def test_somebody_deleted_while_they_are_added_is_in_no_group(house) -> None:
    gateway = house(fake=Interrupted())
    ann, group = (await staffed(gateway, "ann"))[0], await grouped(gateway)
    gateway.fake.meanwhile = lambda: gateway.send("delete", None, ann)

    await gateway.group("patch", patch(add(ann)), group)

    assert await gateway.services.memberships.rows("phonebook", group, "phonebook") == {}


async def test_who_was_taken_out_at_the_target_is_not_shown_and_who_was_put_in_is(house) -> None:
    gateway = house()
    ann, bob, eve = await staffed(gateway, "ann", "bob", "eve")
    group = await grouped(gateway, ann, bob)
    gateway.clock[0] += gateway.target.policy.trust

    strangers = [{"value": "alien"}, {"display": "no id"}, "no object"]
    gateway.fake.groups[group]["members"] = [{"value": bob}, {"value": eve}, *strangers]

    assert await members_of(gateway, group) == [bob, eve, "alien"]


async def test_a_deleted_person_is_in_no_group(house) -> None:
    gateway = house()
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway, ann, bob)

    await gateway.send("delete", None, ann)
    gateway.fake.groups[group]["members"] = [{"value": bob}]

    assert await members_of(gateway, group) == [bob]
    assert ann not in await gateway.services.memberships.rows("phonebook", group, "phonebook")


async def test_a_deleted_group_is_gone(house) -> None:
    gateway = house()
    group = await grouped(gateway, *(await staffed(gateway, "ann")))

    reply = await gateway.group("delete", None, group)

    assert (reply.status, gateway.fake.groups) == (204, {})
    with pytest.raises(NotFound):
        await gateway.get_group(group)


async def test_a_member_that_the_target_has_lost_does_not_stop_the_others(house) -> None:
    gateway = house(fake=FakeTarget(checks_members=True))
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway)
    del gateway.fake.entries[ann]

    await gateway.group("patch", patch(add(ann, bob)), group)

    assert gateway.fake.members(group) == [bob]
    assert await members_of(gateway, group) == [ann, bob]


async def test_a_group_of_that_name_at_the_target_is_taken_for_it_and_loses_nobody(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    gateway.fake.groups["g9"] = {"id": "g9", "displayName": "SALES", "members": [{"value": "alien"}]}

    group = await grouped(gateway, ann)

    assert group == "g9"
    assert gateway.fake.members("g9") == ["alien", ann]
    assert [event["outcome"]["result"] for event in await gateway.events()][-1] == "adopted"


async def test_a_group_found_by_its_name_is_linked_by_its_id(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    gateway.fake.groups["g9"] = {"id": "g9", "displayName": "Agents"}

    await gateway.group("patch", patch({"op": "replace", "value": {"displayName": "Sales"}}, add(ann)), "g9")

    assert gateway.fake.groups["g9"]["displayName"] == "Sales"
    assert gateway.fake.members("g9") == [ann]


async def test_a_second_group_of_one_name_is_refused(house) -> None:
    gateway = house()
    group = await grouped(gateway)
    await gateway.services.resources.note_replied("phonebook", GROUP, group)

    with pytest.raises(Uniqueness):
        await grouped(gateway, name="sales")


@pytest.mark.parametrize("late", [False, True])
async def test_a_change_of_members_in_doubt_is_sent_again(house, late) -> None:
    gateway = house()
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway, ann)
    gateway.fake.faults, gateway.fake.late = [Silent("cut off")], late

    await gateway.group("patch", patch(add(bob), remove(ann)), group)

    assert gateway.fake.members(group) == [bob]


@pytest.mark.parametrize("late", [False, True])
async def test_recovery_sends_members_again_though_something_newer_is_asked(house, late) -> None:
    gateway = house(deadline=5.0)
    ann, bob, eve = await staffed(gateway, "ann", "bob", "eve")
    group = await grouped(gateway, ann)
    gateway.fake.faults, gateway.fake.late = [Silent("cut off")], late
    with pytest.raises(Busy):
        await gateway.group("patch", patch(add(bob), remove(ann)), group)
    gateway.has_time()

    await gateway.group("patch", patch(add(eve)), group)

    assert sorted(gateway.fake.members(group)) == sorted([bob, eve])
    assert await members_of(gateway, group) == [bob, eve]


async def test_a_new_group_whose_members_cannot_be_told_now_is_created_and_told_later(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    gateway.fake.faults = [None, Throttled("slow down", 429)]

    group = await grouped(gateway, ann)
    assert gateway.fake.members(group) == []
    await swept(gateway)

    assert gateway.fake.members(group) == [ann]


async def test_a_target_that_is_down_is_not_asked_again_at_every_look(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    gateway.fake.faults = [None, *([Broken("down", 503)] * 9)]
    await grouped(gateway, ann)
    deliveries = Deliveries(gateway.services, Changes(gateway.services, Recovery(gateway.services)))
    await deliveries.sweep(gateway.target)
    asked = len(gateway.fake.calls)

    await deliveries.sweep(gateway.target)

    assert len(gateway.fake.calls) == asked


async def test_a_group_that_is_gone_is_not_told_of_its_members_again_and_again(house) -> None:
    gateway = house(on_deactivate="delete", trust=0.0)
    (ann,) = await staffed(gateway, "ann")
    group = await grouped(gateway, ann)
    for active in (False, True):
        await gateway.send("replace", {"userName": "ann", "active": active}, ann)
    gateway.fake.groups.clear()
    deliveries = Deliveries(gateway.services, Changes(gateway.services, Recovery(gateway.services)))

    with capture_logs() as logged:
        for _ in range(3):
            await deliveries.sweep(gateway.target)

    assert [line["event"] for line in logged] == ["members.not_delivered"]
    assert [e["event"] for e in await gateway.events() if e["target"]["id"] == group][1:] == ["group.deliver"]


async def test_a_group_of_thousands_takes_one_more_without_being_read(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    gateway.fake.groups["g9"] = {"id": "g9", "displayName": "All", "members": [{"value": "x"}] * 5000}
    read: list[bool] = []
    get = gateway.fake.get

    async def counted(kind: ResourceType, id: str, *, members: bool = False):
        read.append(members)
        return await get(kind, id, members=members)

    gateway.fake.get = counted  # type: ignore[method-assign]

    await gateway.group("patch", patch(add(ann)), "g9")

    assert not any(read)


async def test_thousands_whom_the_journal_does_not_know_are_looked_for_a_few_at_a_time(house) -> None:
    gateway = house()
    group = await grouped(gateway)
    gateway.fake.entries |= {f"p{n}": {"id": f"p{n}", "userName": f"p{n}"} for n in range(0, 120, 2)}
    everybody = [f"p{n}" for n in range(120)]
    gateway.fake.calls.clear()

    await gateway.group("patch", patch(add(*everybody)), group)
    assert len([name for name, _ in gateway.fake.calls if name == "get"]) < 60
    await swept(gateway)

    assert gateway.fake.members(group) == everybody[::2]
    assert await members_of(gateway, group) == everybody
    assert await gateway.services.memberships.due("phonebook", "phonebook", 1) == {}


@pytest.mark.parametrize("size", [51, 300, 2000])
@pytest.mark.parametrize("operation", ["create", "patch", "replace"])
async def test_a_large_group_before_a_directory_that_nobody_has_seen_loses_nobody(
    house, size: int, operation: str
) -> None:
    gateway = house()
    gateway.fake.entries = {f"p{n}": {"id": f"p{n}", "userName": f"p{n}"} for n in range(size)}
    group = None if operation == "create" else await grouped(gateway)
    named = {"displayName": "Sales", "members": [{"value": id} for id in gateway.fake.entries]}

    body = patch(add(*gateway.fake.entries)) if operation == "patch" else named
    reply = await gateway.group(operation, body, group)
    await swept(gateway)

    id = group or reply.document["id"]
    assert gateway.fake.members(id) == await members_of(gateway, id) == [*gateway.fake.entries]
    assert await gateway.services.memberships.due("phonebook", "phonebook", 1) == {}


async def test_who_is_due_and_cannot_be_told_is_not_asked_for_again_and_again_in_one_pass(house) -> None:
    gateway = house()
    group = await grouped(gateway)
    gateway.fake.entries = {f"p{n}": {"id": f"p{n}", "userName": f"p{n}"} for n in range(120)}
    await gateway.group("patch", patch(add(*gateway.fake.entries)), group)
    gateway.fake.faults = [Broken("down", 503)] * 99

    await swept(gateway)

    assert gateway.fake.members(group) == [f"p{n}" for n in range(50)]


async def test_who_is_lost_at_the_target_keeps_nobody_else_out_however_many_they_are(house) -> None:
    gateway = house(fake=FakeTarget(checks_members=True))
    people = await staffed(gateway, *(f"p{n}" for n in range(60)))
    group = await grouped(gateway)
    for id in people[:55]:
        del gateway.fake.entries[id]

    await gateway.group("patch", patch(add(*people)), group)
    await swept(gateway)

    assert gateway.fake.members(group) == people[55:]
    assert await gateway.services.memberships.due("phonebook", "phonebook", 1) == {}


async def test_what_was_told_is_what_the_trail_says(house) -> None:
    gateway = house(fake=FakeTarget(checks_members=True))
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway)
    del gateway.fake.entries[ann]

    await gateway.group("patch", patch(add(ann, bob)), group)

    assert [line["after"] for line in (await gateway.events())[-1]["diff"]] == [[bob]]


async def test_members_are_left_out_where_they_are_not_asked_for(house) -> None:
    gateway = house()
    (ann,) = await staffed(gateway, "ann")
    group = await grouped(gateway, ann, "nobody")
    reads = Reads(gateway.services, Recovery(gateway.services))

    shown = [await reads.get(gateway.target, GROUP, group, members=False)]
    for text in (None, 'displayName eq "sales"', f'id eq "{group}"', f'members.value eq "{ann}"'):
        question = ReadQuery(parse_filter(text) if text else None, members=False)
        shown += (await reads.query(gateway.target, GROUP, question)).entries

    assert [(document["id"], "members" in document) for document in shown] == [(group, False)] * 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('members.value eq "{ann}"', True, id="a member"),
        pytest.param('members eq "{ann}"', True, id="a member in short"),
        pytest.param('id eq "{group}" and members[value eq "{ann}"]', True, id="this group and a member"),
        pytest.param('id eq "{group}" and members.value eq "{bob}"', False, id="no member of this group"),
        pytest.param('members.value eq "{bob}"', False, id="no member of any"),
    ],
)
async def test_a_group_is_found_by_its_members_under_our_ids(house, text: str, found: bool) -> None:
    gateway = house(trust=0.0)
    ann, bob = await staffed(gateway, "ann", "bob")
    await moved(gateway, ann)
    group = await grouped(gateway, ann)

    filter = parse_filter(text.format(ann=ann, bob=bob, group=group))
    page = await Reads(gateway.services, Recovery(gateway.services)).query(
        gateway.target, GROUP, ReadQuery(filter)
    )

    assert [document["id"] for document in page.entries] == ([group] if found else [])


async def test_a_group_may_be_in_a_group(house) -> None:
    gateway = house()
    inner = await grouped(gateway, name="Inner")

    outer = await grouped(gateway, inner, name="Outer")

    assert gateway.fake.members(outer) == [inner]
    assert await members_of(gateway, outer) == [inner]


async def test_a_group_that_vanished_is_made_again_with_everybody_in_it(house) -> None:
    gateway = house(trust=0.0)
    ann, bob, eve = await staffed(gateway, "ann", "bob", "eve")
    group = await grouped(gateway, ann, bob)
    gateway.fake.groups.clear()

    await gateway.group("patch", patch(add(eve), remove(ann)), group)

    (there,) = gateway.fake.groups
    assert gateway.fake.members(there) == [bob, eve]
    assert await members_of(gateway, group) == [bob, eve]


async def test_a_push_tells_the_target_of_everybody_again(house) -> None:
    gateway = house()
    ann, bob = await staffed(gateway, "ann", "bob")
    group = await grouped(gateway, ann, bob)
    gateway.fake.groups[group]["members"] = [{"value": "alien"}]

    reply = await gateway.group("push", None, group)

    assert reply.outcome is Outcome.APPLIED
    assert sorted(gateway.fake.members(group)) == [ann, bob]
    assert (await gateway.group("push", None, group)).outcome is Outcome.UNCHANGED
