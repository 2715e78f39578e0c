"""The scope of a target: who does not match is not there, and the provider hears success all the same."""

import asyncio
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Busy, NotFound, PreconditionFailed, Uniqueness
from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from gateway.flow.recovery import Recovery
from gateway.flow.target_port import Refused, ResourceType, Unreachable
from gateway.mapping.target import TargetMapping
from gateway.scim.messages import parse_tags
from gateway.scim.names import ENTERPRISE_USER
from tests.support.house import House, make_house
from tests.support.rules import make_rule
from tests.support.scoped import (
    ANN,
    IN,
    NOT_BOARD,
    OUT,
    active,
    department,
    outcomes,
    renamed,
    scope,
    scoped,
    there,
    told,
)
from tests.support.talk import op

USER, GROUP = ResourceType.USER, ResourceType.GROUP
WAYS = pytest.mark.parametrize("way", ["send", "delete"])


def made(way: str = "send", **more: Any) -> House:
    return scoped(make_house(on_deactivate=way, **more))


def gone(way: str) -> dict[str, bool]:
    return {} if way == "delete" else {"ann@x": False}


async def test_who_does_not_match_is_remembered_and_not_sent() -> None:
    house = made()

    reply = await house.send("create", ANN | OUT)

    assert (reply.status, reply.document["active"]) == (201, True)
    assert house.fake.calls == []
    assert await outcomes(house) == [("user.create", "out_of_scope")]
    event = (await house.events())[0]
    assert (event["outcome"]["status"], event["diff"]) == (201, [])
    assert await house.get(reply.document["id"]) == reply.document


@WAYS
@pytest.mark.parametrize("by_patch", [False, True], ids=["put", "patch"])
async def test_a_life_in_and_out_of_scope(way: str, by_patch: bool) -> None:
    house = made(way)
    id = (await house.send("create", ANN | IN)).document["id"]
    seen = [there(house)]

    async def move(where: dict[str, Any]) -> dict[str, Any]:
        body = department(where[ENTERPRISE_USER]["department"]) if by_patch else ANN | where
        reply = await house.send("patch" if by_patch else "replace", body, id)
        assert (reply.status, reply.document["id"], reply.document["active"]) == (200, id, True)
        assert reply.document[ENTERPRISE_USER] == where[ENTERPRISE_USER]
        assert await house.get(id) == reply.document
        seen.append(there(house))
        return reply.document

    for where in (OUT, IN, OUT, IN):
        await move(where)

    assert seen == [{"ann@x": True}, gone(way), {"ann@x": True}, gone(way), {"ann@x": True}]
    found = [result for _, result in await outcomes(house)]
    assert found == ["applied", "out_of_scope", "applied", "out_of_scope", "applied"]
    (entry,) = house.fake.entries.values()
    assert entry[ENTERPRISE_USER] == IN[ENTERPRISE_USER]


@WAYS
async def test_nothing_of_what_changes_out_of_scope_is_sent_and_all_of_it_is_on_the_way_back(
    way: str,
) -> None:
    house = made(way)
    id = (await house.send("create", ANN | IN | {"title": "A", "nickName": "Annie"})).document["id"]
    await house.send("replace", ANN | OUT | {"title": "Chair"}, id)
    left = dict(house.fake.entries)
    writes = list(house.fake.writes)

    new = {**ANN, "userName": "lee@x", "emails": [{"value": "lee@x", "type": "work"}], "title": "B"}
    await house.send("replace", new | OUT, id)
    await house.send("patch", {"Operations": [op("replace", "displayName", "Ann Lee")]}, id)
    assert (house.fake.entries, house.fake.writes) == (left, writes)
    assert [entry.get("title") for entry in left.values()] == ([] if way == "delete" else ["A"])
    assert (await house.get(id))["userName"] == "lee@x"

    await house.send("patch", department("Sales"), id)

    (entry,) = house.fake.entries.values()
    shown = {name: entry.get(name) for name in ("userName", "title", "displayName", "nickName", "active")}
    assert shown == {
        "userName": "lee@x",
        "title": "B",
        "displayName": "Ann Lee",
        "nickName": None,
        "active": True,
    }


@WAYS
@pytest.mark.parametrize("by_patch", [False, True], ids=["put", "patch"])
async def test_leavers_rules_come_first(way: str, by_patch: bool) -> None:
    house = made(way)
    id = (await house.send("create", ANN | IN)).document["id"]

    for value in (False, True):
        body = active(value) if by_patch else ANN | IN | {"active": value}
        await house.send("patch" if by_patch else "replace", body, id)
        assert there(house) == ({"ann@x": True} if value else gone(way))
    await house.send("replace", ANN | OUT | {"active": False}, id)
    assert there(house) == gone(way)
    await house.send("replace", ANN | OUT | {"active": True}, id)
    assert there(house) == gone(way)
    await house.send("replace", ANN | IN, id)

    assert there(house) == {"ann@x": True}
    found = [result for _, result in await outcomes(house)]
    assert found == ["applied"] * 4 + ["out_of_scope", "applied"]


@WAYS
async def test_who_is_inactive_and_out_of_scope_is_as_anybody_inactive(way: str) -> None:
    house = made(way)

    id = (await house.send("create", ANN | OUT | {"active": False})).document["id"]
    assert house.fake.writes == []
    await house.send("patch", active(True), id)
    await house.send("patch", active(False), id)
    await house.send("patch", department("Sales"), id)

    assert house.fake.entries == {}
    await house.send("patch", active(True), id)
    assert there(house) == {"ann@x": True}
    assert [result for _, result in await outcomes(house)] == [
        "unchanged",
        "out_of_scope",
        "unchanged",
        "unchanged",
        "applied",
    ]


@WAYS
@pytest.mark.parametrize("was_there", [False, True], ids=["made out of scope", "moved out of scope"])
async def test_who_is_deleted_out_of_scope_is_gone_everywhere(way: str, was_there: bool) -> None:
    house = made(way)
    id = (await house.send("create", ANN | (IN if was_there else OUT))).document["id"]
    if was_there:
        await house.send("replace", ANN | OUT, id)
    house.fake.calls.clear()

    reply = await house.send("delete", None, id)

    has_entry = was_there and way == "send"
    assert (reply.status, house.fake.entries) == (204, {})
    assert house.fake.writes == (["delete"] if has_entry else [])
    assert (await outcomes(house))[-1] == ("user.delete", "applied" if has_entry else "out_of_scope")
    with pytest.raises(NotFound):
        await house.get(id)
    again = await house.send("create", ANN | OUT)
    assert again.document["id"] != id


async def test_a_target_says_nothing_of_data_that_it_does_not_get() -> None:
    house = make_house(TargetMapping(require=(("title",),), scope=scope(NOT_BOARD)))

    id = (await house.send("create", ANN | OUT)).document["id"]

    assert (await house.get(id))["userName"] == "ann@x"
    with pytest.raises(Exception, match="title: is required by the target"):
        await house.send("patch", department("Sales"), id)
    assert house.fake.writes == []


@WAYS
async def test_removals_by_scope_are_held_by_the_brake(way: str) -> None:
    house = made(way, max_removals=(1, 3600.0))
    people = [ANN, ANN | {"userName": "bob@x", "externalId": "2"}]
    ids = [(await house.send("create", person | IN)).document["id"] for person in people]
    await house.send("replace", people[0] | OUT, ids[0])

    for body in (people[1] | OUT, people[1] | OUT | {"title": "A"}):
        with pytest.raises(Busy, match="more than 1 people removed"):
            await house.send("replace", body, ids[1])
    with pytest.raises(Busy, match="is held"):  # it says nothing of who is in scope
        await house.send("patch", active(True), ids[1])

    assert there(house)["bob@x"] is True
    await house.send("replace", people[1] | IN, ids[1])  # who matches again is not held
    assert there(house)["bob@x"] is True
    assert (await outcomes(house))[-1] == ("user.replace", "unchanged")


async def test_what_is_held_is_done_once_it_is_released() -> None:
    house = made("delete", max_removals=(1, 3600.0))
    people = [ANN, ANN | {"userName": "bob@x", "externalId": "2"}]
    ids = [(await house.send("create", person | IN)).document["id"] for person in people]
    await house.send("replace", people[0] | OUT, ids[0])
    with pytest.raises(Busy):
        await house.send("replace", people[1] | OUT | {"title": "A"}, ids[1])

    await house.services.removals.release("phonebook", house.services.now())
    await Recovery(house.services).sweep(house.target)

    assert there(house) == {}
    found = await house.get(ids[1])
    assert (found["title"], found["active"]) == ("A", True)
    assert await house.services.operations.open(None, ()) == ()


async def test_who_was_removed_by_scope_counts_once() -> None:
    house = made("send", max_removals=(1, 3600.0))  # no more is held
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("replace", ANN | OUT, id)

    for title in ("A", "B"):
        await house.send("replace", ANN | OUT | {"title": title}, id)
    await house.send("delete", None, id)

    assert await house.services.removals.count("phonebook", "") == 1


@WAYS
async def test_who_leaves_the_scope_of_a_target_that_is_down_is_pending_as_any_leaver(way: str) -> None:
    house = made(way, trust=0.0, attempts=1)
    id = (await house.send("create", ANN | IN)).document["id"]
    house.fake.get_faults = [Unreachable("down")]

    with pytest.raises(Busy):
        await house.send("replace", ANN | OUT, id)
    assert [result for _, result in await outcomes(house)] == ["applied", "pending"]
    house.clock[0] += 600
    await Recovery(house.services).sweep(house.target)

    assert there(house) == gone(way)
    assert (await house.get(id))[ENTERPRISE_USER] == OUT[ENTERPRISE_USER]
    await house.send("replace", ANN | IN, id)
    assert there(house) == {"ann@x": True}


async def test_a_hand_made_entry_is_not_touched_for_somebody_out_of_scope() -> None:
    house = made("send", unique_names=False)
    house.fake.entries["h1"] = {"id": "h1", "userName": "ann@x", "externalId": "1", "active": True}

    id = (await house.send("create", ANN | OUT)).document["id"]
    assert (there(house), house.fake.writes) == ({"ann@x": True}, [])

    await house.send("replace", ANN | IN, id)

    assert (list(house.fake.entries), (await outcomes(house))[-1][1]) == (["h1"], "adopted")


@pytest.mark.parametrize("kind", [USER, GROUP])
async def test_whoever_is_there_is_nobodys_business_while_somebody_is_out_of_scope(kind) -> None:
    house = scoped(make_house(unique_names=False), groups='displayName sw "tel-"')
    alike = {"userName": "ann@x", "displayName": "hr", "active": True}
    house.fake.of(kind).update({id: {"id": id, **alike} for id in ("h1", "h2")})

    made = await (house.send("create", ANN | OUT) if kind is USER else house.group("create", alike))

    assert (made.status, made.outcome, house.fake.calls) == (201, "out_of_scope", [])


@WAYS
async def test_an_entry_that_a_provider_found_is_left_alone_until_its_person_is_in_scope(way: str) -> None:
    house = made(way)
    house.fake.entries["h1"] = {"id": "h1", **ANN, "active": True}

    for operation, body in (("replace", ANN | OUT), ("patch", department("Board")), ("replace", ANN | OUT)):
        told = await house.send(operation, body, "h1")
        assert (told.outcome, told.document["id"], house.fake.writes) == ("out_of_scope", "h1", [])
    await house.send("replace", ANN | IN | {"title": "Lead"}, "h1")

    assert [(id, entry["title"]) for id, entry in house.fake.entries.items()] == [("h1", "Lead")]


async def test_a_leaver_whom_a_provider_found_leaves_in_scope_or_not() -> None:
    house = made()
    house.fake.entries["h1"] = {"id": "h1", **ANN, "active": True}

    await house.send("replace", ANN | OUT | {"active": False}, "h1")

    assert there(house) == {"ann@x": False}


async def test_a_group_that_a_provider_found_is_left_alone_until_it_is_in_scope() -> None:
    house = scoped(make_house(), groups='displayName sw "tel-"')
    house.fake.groups["h1"] = {"id": "h1", "displayName": "tel-hr", "members": []}

    for _ in range(2):
        assert (await house.group("replace", {"displayName": "hr"}, "h1")).outcome == "out_of_scope"

    assert (house.fake.writes, told(house)) == ([], {"tel-hr": []})


async def test_who_is_out_of_scope_is_known_and_keeps_their_names() -> None:
    house = made()
    id = (await house.send("create", ANN | OUT)).document["id"]
    await house.replied(id)

    with pytest.raises(Uniqueness, match="exists already"):
        await house.send("create", ANN | OUT)
    other = await house.send("create", ANN | IN | {"userName": "eve@x"})

    assert other.document["id"] != id  # the same externalId, and another person


async def test_whose_create_was_not_answered_is_created_once() -> None:
    house = made()
    first = await house.send("create", ANN | OUT)

    again = await house.send("create", ANN | OUT)

    assert (again.status, again.document["id"]) == (201, first.document["id"])


@WAYS
@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        pytest.param('userName eq "LEE@x"', True, id="userName"),
        pytest.param('externalId eq "1"', True, id="externalId"),
        pytest.param('emails eq "lee@x"', True, id="emails"),
        pytest.param('emails[type eq "work" and value eq "lee@x"]', True, id="an e-mail of a kind"),
        pytest.param('id eq "{id}"', True, id="id"),
        pytest.param('userName eq "lee@x" and active eq true', True, id="userName, active"),
        pytest.param('userName eq "lee@x" and active eq false', False, id="userName, inactive"),
        pytest.param('userName eq "ann@x"', False, id="the name before"),
        pytest.param("active eq false", False, id="inactive"),
    ],
)
async def test_who_is_out_of_scope_is_found_by_what_names_them(way: str, text: str, is_found: bool) -> None:
    house = made(way)
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("replace", ANN | OUT, id)
    renamed = {**ANN, "userName": "lee@x", "emails": [{"value": "lee@x", "type": "work"}]}
    await house.send("replace", renamed | OUT, id)

    page = await house.search(text.format(id=id))

    assert [(d["id"], d["userName"], d["active"]) for d in page.entries] == [(id, "lee@x", True)] * is_found
    assert page.total == is_found


@WAYS
async def test_a_look_up_by_a_key_does_not_read_everybody(way: str) -> None:
    house = made(way)
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("replace", ANN | OUT, id)
    house.fake.calls.clear()

    page = await house.search('userName eq "ann@x" and active eq true')

    assert [document["id"] for document in page.entries] == [id]
    assert [question for name, question in house.fake.calls if name == "query"] != [None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, ["ann@x", "bob@x"], id="everybody"),
        pytest.param("active eq true", ["ann@x", "bob@x"], id="active"),
        pytest.param("active eq false", [], id="inactive"),
    ],
)
async def test_who_is_deactivated_by_scope_is_listed_as_the_provider_knows_them(text, expected) -> None:
    house = made()
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("create", {"userName": "bob@x", **IN})
    await house.send("replace", ANN | OUT, id)

    page = await house.search(text)

    assert sorted(document["userName"] for document in page.entries) == expected
    assert all(document["active"] for document in page.entries)


@WAYS
async def test_a_changed_scope_alone_sends_nothing_and_the_next_change_does(way: str) -> None:
    house = make_house(on_deactivate=way)
    id = (await house.send("create", ANN | OUT)).document["id"]
    house = scoped(house)

    assert there(house) == {"ann@x": True}
    assert (await house.get(id))["active"] is True
    await house.send("replace", ANN | OUT, id)
    assert there(house) == gone(way)
    house = scoped(house, None)
    assert there(house) == gone(way)
    await house.send("replace", ANN | OUT, id)

    assert there(house) == {"ann@x": True}


@WAYS
async def test_who_a_changed_scope_removes_counts_though_the_target_does_not_show_who_is_active(way) -> None:
    house = make_house(on_deactivate=way)
    hidden = TargetMapping()
    house = replace(house, target=replace(house.target, mapping=hidden))
    id = (await house.send("create", ANN | OUT)).document["id"]
    house = scoped(house)
    for entry in house.fake.entries.values():
        entry.pop("active")
    house.clock[0] += 60

    await house.send("replace", ANN | OUT, id)

    assert await house.services.removals.count("phonebook", "") == 1
    assert there(house) == gone(way)
    house.fake.calls.clear()
    await house.send("replace", ANN | OUT, id)
    assert house.fake.writes == []


async def test_who_was_reactivated_by_hand_is_deactivated_by_their_next_change() -> None:
    house = made()
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("replace", ANN | OUT, id)
    for entry in house.fake.entries.values():
        entry["active"] = True
    house.clock[0] += 60

    await house.send("replace", ANN | OUT, id)

    assert there(house) == {"ann@x": False}


async def test_an_attribute_that_says_who_is_active_under_another_name_is_what_is_sent() -> None:
    rules = [make_rule("status", ("active",), (), None)]
    house = make_house(TargetMapping(rules, scope=scope(NOT_BOARD)))
    id = (await house.send("create", ANN | IN | {"title": "A"})).document["id"]

    await house.send("replace", ANN | OUT | {"title": "B"}, id)

    (entry,) = house.fake.entries.values()
    assert (entry["status"], entry["title"]) == (False, "A")


async def test_what_the_target_refuses_is_told_as_of_a_leaver() -> None:
    house = made()
    id = (await house.send("create", ANN | IN)).document["id"]
    house.fake.faults = [Refused("no", 400)]

    with pytest.raises(Exception, match="no"):
        await house.send("replace", ANN | OUT, id)

    assert there(house) == {"ann@x": True}
    await house.send("replace", ANN | OUT, id)
    assert there(house) == {"ann@x": False}


async def test_an_entry_that_vanished_is_not_looked_for_where_none_is_to_be() -> None:
    house = made("send", on_missing="error")
    id = (await house.send("create", ANN | IN)).document["id"]
    await house.send("replace", ANN | OUT, id)
    house.fake.entries.clear()
    house.clock[0] += 60

    reply = await house.send("replace", ANN | OUT | {"title": "B"}, id)

    assert (reply.status, house.fake.entries) == (200, {})


# Groups

TEL: Final = 'displayName sw "tel-"'


async def of_groups(**more: Any) -> tuple[House, str]:
    """Return a house whose groups have a scope, and the id of somebody."""
    house = scoped(make_house(**more), groups=TEL)
    return house, (await house.send("create", ANN | IN)).document["id"]


async def test_a_group_that_does_not_match_is_remembered_with_its_members() -> None:
    house, ann = await of_groups()

    reply = await house.group("create", {"displayName": "hr", "members": [{"value": ann}]})

    id = reply.document["id"]
    assert (reply.status, reply.document["members"]) == (201, [{"value": ann}])
    assert (told(house), (await outcomes(house))[-1]) == ({}, ("group.create", "out_of_scope"))
    assert (await house.get_group(id))["members"] == [{"value": ann}]
    page = await house.search('displayName eq "HR"', kind=GROUP)
    assert [(group["id"], group["members"]) for group in page.entries] == [(id, [{"value": ann}])]


@pytest.mark.parametrize("by_patch", [False, True], ids=["put", "patch"])
async def test_a_group_comes_and_goes_with_all_its_members(by_patch: bool) -> None:
    house, ann = await of_groups()
    bob = (await house.send("create", {"userName": "bob@x", "externalId": "2"})).document["id"]
    members = [{"value": ann}]
    id = (await house.group("create", {"displayName": "tel-a", "members": members})).document["id"]
    seen = [told(house)]

    for name in ("hr", "tel-b", "hr", "tel-a"):
        body = renamed(name) if by_patch else {"displayName": name}
        reply = await house.group("patch" if by_patch else "replace", body, id)
        assert reply.status == (204 if by_patch else 200)
        assert (await house.get_group(id))["id"] == id
        assert (await house.get_group(id))["members"] == [{"value": ann}]
        seen.append(told(house))
    await house.group("patch", renamed("hr"), id)
    come = {
        "Operations": [op("add", "members", [{"value": bob}]), op("remove", f'members[value eq "{ann}"]')]
    }
    await house.group("patch", come, id)
    assert ((await house.get_group(id))["members"], told(house)) == ([{"value": bob}], {})
    await house.group("patch", renamed("tel-c"), id)

    assert seen == [{"tel-a": ["ann@x"]}, {}, {"tel-b": ["ann@x"]}, {}, {"tel-a": ["ann@x"]}]
    assert told(house) == {"tel-c": ["bob@x"]}


async def test_a_group_that_goes_and_changes_its_members_at_once_remembers_both() -> None:
    house, ann = await of_groups()
    bob = (await house.send("create", {"userName": "bob@x", "externalId": "2"})).document["id"]
    id = (await house.group("create", {"displayName": "tel-a", "members": [{"value": ann}]})).document["id"]

    reply = await house.group("replace", {"displayName": "hr", "members": [{"value": bob}]}, id)

    assert (reply.document["members"], told(house)) == ([{"value": bob}], {})
    assert (await house.get_group(id))["members"] == [{"value": bob}]
    await house.group("replace", {"displayName": "tel-a"}, id)
    assert told(house) == {"tel-a": ["bob@x"]}


async def test_a_group_that_is_deleted_out_of_scope_is_gone() -> None:
    house, ann = await of_groups()
    id = (await house.group("create", {"displayName": "hr", "members": [{"value": ann}]})).document["id"]

    reply = await house.group("delete", None, id)

    assert (reply.status, (await outcomes(house))[-1]) == (204, ("group.delete", "out_of_scope"))
    with pytest.raises(NotFound):
        await house.get_group(id)


async def test_a_version_of_a_group_out_of_scope_is_of_its_members_too() -> None:
    house, ann = await of_groups()
    id = (await house.group("create", {"displayName": "hr", "members": [{"value": ann}]})).document["id"]
    tags = parse_tags((await house.get_group(id))["meta"]["version"])

    await house.group("patch", {"Operations": [op("remove", "members")]}, id, if_match=tags)

    with pytest.raises(PreconditionFailed):
        await house.group("patch", renamed("hr2"), id, if_match=tags)


async def test_groups_out_of_scope_never_count_as_removals() -> None:
    house, _ = await of_groups(max_removals=(1, 3600.0))

    for name in ("tel-a", "tel-b", "tel-c"):
        id = (await house.group("create", {"displayName": name})).document["id"]
        await house.group("patch", renamed(f"hr-{name}"), id)

    assert house.fake.groups == {}
    assert await house.services.removals.count("phonebook", "") == 0


@WAYS
async def test_a_member_out_of_scope_is_delivered_when_they_come_in(way: str) -> None:
    house, _ = await of_groups(on_deactivate=way)
    person = {"userName": "eve@x", "externalId": "3"}
    eve = (await house.send("create", person | OUT)).document["id"]
    id = (await house.group("create", {"displayName": "tel-a", "members": [{"value": eve}]})).document["id"]
    assert told(house) == {"tel-a": []}
    assert (await house.get_group(id))["members"] == [{"value": eve}]

    await house.send("replace", person | IN, eve)
    changes = Changes(house.services, Recovery(house.services))
    await Deliveries(house.services, changes).sweep(house.target)
    assert told(house) == {"tel-a": ["eve@x"]}
    await house.send("replace", person | OUT, eve)
    assert (await house.get_group(id))["members"] == [{"value": eve}]
    await house.send("replace", person | IN, eve)
    await Deliveries(house.services, changes).sweep(house.target)

    assert there(house)["eve@x"] is True
    assert told(house)["tel-a"] == ["eve@x"]


async def test_nobody_is_due_in_a_group_that_is_out_of_scope() -> None:
    house, _ = await of_groups()
    person = {"userName": "eve@x", "externalId": "3"}
    eve = (await house.send("create", person | OUT)).document["id"]
    id = (await house.group("create", {"displayName": "hr", "members": [{"value": eve}]})).document["id"]

    await house.send("replace", person | IN, eve)

    assert await house.services.memberships.due("phonebook", "phonebook", 10) == {}
    await house.group("patch", renamed("tel-hr"), id)
    assert told(house) == {"tel-hr": ["eve@x"]}


# Whatever comes

DEPARTMENTS = st.sampled_from(["Sales", "Board"])
STEP = st.tuples(
    st.sampled_from(["put", "patch", "leave", "return", "delete", "edit", "narrow", "widen"]),
    st.integers(0, 2),
    DEPARTMENTS,
    st.sampled_from(["A", "B"]),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=14), way=st.sampled_from(["send", "delete"]))
def test_after_whatever_comes_the_target_has_exactly_the_active_people_in_scope(steps, way: str) -> None:
    asyncio.run(_lived(steps, way))


async def _lived(steps: list[tuple[str, int, str, str]], way: str) -> None:
    house = made(way, trust=0.0)
    known: dict[int, tuple[str, dict[str, Any]]] = {}  # who: our id, and the document
    for what, who, dept, title in steps:
        where = {ENTERPRISE_USER: {"department": dept}}
        if what in ("narrow", "widen"):
            house = scoped(house, NOT_BOARD if what == "narrow" else None)
            for id, _ in known.values():  # as `resync` does
                await house.send("push", None, id)
        elif who not in known:
            document = {"userName": f"p{who}@x", "externalId": str(who), "title": title, **where}
            reply = await house.send("create", document)
            known[who] = (reply.document["id"], {**document, "active": True})
        else:
            known = await _changed(house, known, (what, who, dept, title))
    expected = {
        document["userName"]: document
        for _, document in known.values()
        if document["active"] and not house.target.mapping.leaves_out(document)
    }
    active_there = {e["userName"]: e for e in house.fake.entries.values() if e["active"]}
    assert {name: entry["title"] for name, entry in active_there.items()} == {
        name: document["title"] for name, document in expected.items()
    }
    if way == "delete":
        assert len(house.fake.entries) == len(expected)
    for id, document in known.values():
        shown = await house.get(id)
        assert {name: shown[name] for name in document} == document
        (found,) = (await house.search(f'userName eq "{document["userName"]}"')).entries
        assert found == shown
    assert await house.services.operations.open(None, ()) == ()


async def _changed(
    house: House, known: dict[int, tuple[str, dict[str, Any]]], step: tuple[str, int, str, str]
) -> dict[int, tuple[str, dict[str, Any]]]:
    what, who, dept, title = step
    id, document = known[who]
    if what == "delete":
        await house.send("delete", None, id)
        return {other: had for other, had in known.items() if other != who}
    news: dict[str, Any] = {"title": title, ENTERPRISE_USER: {"department": dept}}
    if what in ("leave", "return"):
        news = {"active": what == "return"}
        await house.send("patch", active(what == "return"), id)
    elif what == "edit":
        news = {"userName": f"p{who}{title}@x"}
        await house.send("patch", {"Operations": [op("replace", "userName", news["userName"])]}, id)
    elif what == "patch":
        news = {ENTERPRISE_USER: {"department": dept}}
        await house.send("patch", department(dept), id)
    else:
        await house.send("replace", document | news, id)
    return {**known, who: (id, {**document, **news})}
