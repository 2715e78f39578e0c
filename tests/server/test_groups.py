"""Groups over HTTP: the forms of Okta and Entra ID, what is refused, and how large a body may be."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from gateway.scim.jsontext import MAX_BODY
from gateway.server.request import MAX_GROUP_BODY

EMBEDDED = '[targets.phonebook]\nconnector = "embedded"\nurl = "sqlite:var/phonebook.db"\n'
OTHER = '[targets.other]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/other.db"\n'
USERS, GROUPS = "/scim/phonebook/v2/Users", "/scim/phonebook/v2/Groups"


async def staffed(served: Any, *names: str) -> list[str]:
    made = [
        await served.ask("POST", USERS, {"userName": f"canary.{name}", "externalId": f"canary-{name}"})
        for name in names
    ]
    return [answer.body["id"] for answer in made]


async def grouped(served: Any, *ids: str) -> str:
    """Return the address of a group with these members."""
    body = {"displayName": "canary sales", "members": [{"value": id} for id in ids]}
    answer = await served.ask("POST", GROUPS, body)
    assert answer.status == 201
    return f"{GROUPS}/{answer.body['id']}"


async def patched(served: Any, group: str, *operations: Any) -> Any:
    return await served.ask("PATCH", group, {"Operations": list(operations)})


async def members(served: Any, group: str) -> list[str]:
    return [member["value"] for member in (await served.ask("GET", group)).body.get("members", ())]


async def test_a_group_is_created_with_an_address_and_its_members(serve) -> None:
    served = await serve()
    ann, bob = await staffed(served, "ann", "bob")
    body = {"displayName": "canary sales", "members": [{"value": ann, "display": "canary"}, {"value": bob}]}

    answer = await served.ask("POST", GROUPS, body)

    address = f"https://gateway.example.com{GROUPS}/{answer.body['id']}"
    assert (answer.status, answer.headers["Location"]) == (201, address)
    assert (answer.body["meta"]["location"], answer.body["meta"]["resourceType"]) == (address, "Group")
    assert answer.body["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:Group"]
    assert answer.body["members"] == body["members"]
    assert (await served.ask("GET", f"{GROUPS}/{answer.body['id']}")).body["members"] == body["members"]


async def test_a_group_that_was_created_is_not_created_again(serve, refused) -> None:
    served = await serve()
    await grouped(served)

    refused(await served.ask("POST", GROUPS, {"displayName": "CANARY SALES"}), 409, "exists already")


async def test_entra_adds_and_removes_those_it_lists(serve) -> None:
    served = await serve()
    ann, bob, eve = await staffed(served, "ann", "bob", "eve")
    group = await grouped(served, ann, bob)

    for operation in (
        {"op": "Add", "path": "members", "value": [{"$ref": None, "value": eve}]},
        {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": ann}]},
        {"op": "Replace", "path": "displayName", "value": "canary agents"},
    ):
        answer = await patched(served, group, operation)
        assert (answer.status, answer.body) == (204, None)

    assert await members(served, group) == [bob, eve]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("?excludedAttributes=members", id="by id"),
        pytest.param('list?excludedAttributes=members&filter=displayName eq "canary sales"', id="by name"),
        pytest.param('list?excludedAttributes=members&filter=id eq "{id}"', id="by a filter on its id"),
        pytest.param("?attributes=id,displayName", id="named without them"),
    ],
)
async def test_entra_is_spared_the_members(serve, query: str) -> None:
    served = await serve()
    (ann,) = await staffed(served, "ann")
    group = await grouped(served, ann, "nobody-we-know")
    asked = quote(query.removeprefix("list").format(id=group.rpartition("/")[2]), safe="?=&,")

    answer = await served.ask("GET", (GROUPS if query.startswith("list") else group) + asked)

    (shown,) = answer.body.get("Resources", [answer.body])
    assert (answer.status, shown["displayName"], "members" in shown) == (200, "canary sales", False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('members.value eq "{ann}"', 1, id="a member"),
        pytest.param('id eq "{id}" and members.value eq "{ann}"', 1, id="a member of one"),
        pytest.param('id eq "{id}" and members eq "{bob}"', 0, id="no member of it"),
        pytest.param('displayName eq "CANARY SALES"', 1, id="its name in any case"),
        pytest.param('externalId eq "canary-9"', 0, id="an externalId"),
    ],
)
async def test_a_group_is_found_by_what_is_asked(serve, text: str, found: int) -> None:
    served = await serve()
    ann, bob = await staffed(served, "ann", "bob")
    group = await grouped(served, ann)
    asked = text.format(ann=ann, bob=bob, id=group.rpartition("/")[2])

    answer = await served.ask("GET", f"{GROUPS}?filter={quote(asked)}")

    assert (answer.status, answer.body["totalResults"], len(answer.body["Resources"])) == (200, found, found)


async def test_a_member_nobody_knows_is_kept_and_the_others_are_told(serve) -> None:
    served = await serve()
    (ann,) = await staffed(served, "ann")
    group = await grouped(served)

    answer = await patched(
        served,
        group,
        {"op": "add", "path": "members", "value": [{"value": "nobody-we-know"}, {"value": ann}]},
    )

    assert answer.status == 204
    assert await members(served, group) == ["nobody-we-know", ann]
    assert await at_the_target(served, group) == [ann]


async def at_the_target(served: Any, group: str) -> list[str]:
    connector = served.gateway.targets["phonebook"].connector
    entry = await connector.get("Group", group.rpartition("/")[2], members=True)
    return [member["value"] for member in entry.get("members", ())]


async def test_a_member_who_comes_back_is_in_the_group_again_soon(serve) -> None:
    served = await serve(EMBEDDED + 'on_deactivate = "delete"\n', OTHER)
    ann, bob = await staffed(served, "ann", "bob")
    group = await grouped(served, ann, bob)
    for active in (False, True):
        person = {"userName": "canary.ann", "active": active}
        assert (await served.ask("PUT", f"{USERS}/{ann}", person)).status == 200

    served.gateway.wakeup.wake()

    async with asyncio.timeout(10):
        while len(there := await at_the_target(served, group)) < 2:
            await asyncio.sleep(0)
    assert there[0] == bob
    assert await members(served, group) == [ann, bob]


async def test_those_whom_a_filter_picks_are_removed(serve) -> None:
    served = await serve()
    ann, bob = await staffed(served, "ann", "bob")
    group = await grouped(served)
    some = [{"value": ann, "type": "User"}, {"value": bob, "type": "Group"}]
    await patched(served, group, {"op": "add", "path": "members", "value": some})

    await patched(served, group, {"op": "remove", "path": 'members[type eq "user"]'})

    assert await members(served, group) == [bob]
    assert await at_the_target(served, group) == [bob]


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        pytest.param({"op": "add", "path": "members"}, "value is missing", id="no value"),
        pytest.param({"op": "add", "path": "members", "value": [{"value": 7}]}, "value that is text", id="7"),
        pytest.param({"op": "add", "path": "members.value", "value": "x"}, "added and replaced", id="a part"),
        pytest.param({"op": "add", "path": "members[value eq", "value": 1}, "path:", id="half a path"),
        pytest.param({"op": "swap", "path": "members", "value": []}, "op must be", id="no such operation"),
        pytest.param({"op": "replace", "path": "displayName", "value": ""}, "displayName", id="no name"),
    ],
)
async def test_what_cannot_be_understood_is_refused_with_its_operation(
    serve, refused, operation: Any, says: str
) -> None:
    served = await serve()
    (ann,) = await staffed(served, "ann")
    group = await grouped(served, ann)

    answer = await patched(served, group, {"op": "remove", "path": f'members[value eq "{ann}"]'}, operation)

    refused(answer, 400, says)
    assert "operation 2" in answer.body["detail"] or says == "displayName"
    assert await members(served, group) == [ann]


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"members": []}, "displayName is missing", id="no name"),
        pytest.param({"displayName": "G", "members": 7}, "members must be a list", id="members"),
        pytest.param({"displayName": ["G"]}, "displayName must be text", id="a name"),
    ],
)
async def test_a_group_that_is_none_is_refused(serve, refused, method: str, body: Any, says: str) -> None:
    served = await serve()
    place = await grouped(served) if method == "PUT" else GROUPS

    refused(await served.ask(method, place, body), 400, says)


async def test_a_group_may_be_large_and_a_person_may_not(serve, refused) -> None:
    served = await serve()
    group = await grouped(served)
    padded = {"displayName": "canary sales", "x": "x" * MAX_BODY}
    full = {"displayName": "canary sales", "members": [{"value": f"{n:020}"} for n in range(30_000)]}

    assert len(json.dumps(full)) > MAX_BODY
    assert (await served.ask("PUT", group, full)).status == 200
    refused(await served.ask("PUT", group, padded), 413, f"without members is larger than {MAX_BODY} bytes")
    refused(await served.ask("POST", USERS, padded | {"userName": "canary"}), 413, f"than {MAX_BODY} bytes")
    endless = padded | {"x": "x" * MAX_GROUP_BODY}
    refused(await served.ask("PUT", group, endless), 413, f"than {MAX_GROUP_BODY} bytes")


async def test_a_deleted_group_is_gone_and_its_people_are_not(serve, refused) -> None:
    served = await serve()
    (ann,) = await staffed(served, "ann")
    group = await grouped(served, ann)

    assert (await served.ask("DELETE", group)).status == 204
    refused(await served.ask("GET", group), 404, "no group with this id")
    refused(await patched(served, group, {"op": "remove", "path": "members"}), 404, "was deleted")
    assert (await served.ask("GET", f"{USERS}/{ann}")).status == 200


async def test_the_trail_says_who_came_and_who_went_by_our_ids(serve) -> None:
    served = await serve()
    ann, bob = await staffed(served, "ann", "bob")
    group = await grouped(served, ann)

    await patched(
        served,
        group,
        {"op": "remove", "path": f'members[value eq "{ann}"]'},
        {"op": "add", "path": "members", "value": [{"value": bob}]},
    )

    event = (await served.events())[-1]
    assert (event["event"], event["target"]["type"], event["target"]["user_name"]) == (
        "group.patch",
        "Group",
        "canary sales",
    )
    assert [(line["path"], line["op"], line["before"], line["after"]) for line in event["diff"]] == [
        ("members", "add", None, [bob]),
        ("members", "remove", [ann], None),
    ]


async def last_modified(served: Any, group: str) -> str:
    modified: str = (await served.ask("GET", f"{GROUPS}/{group}")).body["meta"]["lastModified"]
    return modified


async def test_a_group_is_another_one_once_its_members_are_and_is_found_by_that(serve) -> None:
    served = await serve()
    people = [(await served.ask("POST", USERS, {"userName": f"canary.{n}"})).body["id"] for n in range(2)]
    body = {"displayName": "Sales", "members": [{"value": people[0]}]}
    made = (await served.ask("POST", GROUPS, body)).body
    group, times = made["id"], [made["meta"]["lastModified"]]
    assert await last_modified(served, group) == times[0]

    join = {"op": "add", "path": "members", "value": [{"value": people[1]}]}
    leave = {"op": "remove", "path": f'members[value eq "{people[1]}"]'}
    everybody = {"displayName": "Sales", "members": [{"value": id} for id in people]}
    changes: list[tuple[str, str, Any]] = [
        ("PATCH", f"{GROUPS}/{group}", {"Operations": [join]}),
        ("PATCH", f"{GROUPS}/{group}", {"Operations": [leave]}),
        ("PUT", f"{GROUPS}/{group}", everybody),
        ("DELETE", f"{USERS}/{people[1]}", None),
    ]
    for method, path, body in changes:
        assert (await served.ask(method, path, body)).status in (200, 204)
        times.append(await last_modified(served, group))
    assert times == sorted(set(times))

    for time, found in ((times[-2], [group]), (times[-1], [])):
        question = quote(f'meta.lastModified gt "{time}"')
        listed = (await served.ask("GET", f"{GROUPS}?filter={question}")).body
        assert [resource["id"] for resource in listed.get("Resources", ())] == found


async def test_a_push_of_the_members_there_are_leaves_a_group_as_it_was(serve) -> None:
    served = await serve()
    ann = (await served.ask("POST", USERS, {"userName": "canary.ann"})).body["id"]
    body = {"displayName": "Sales", "members": [{"value": ann}]}
    made = (await served.ask("POST", GROUPS, body)).body

    await served.ask("PUT", f"{GROUPS}/{made['id']}", body)

    assert await last_modified(served, made["id"]) == made["meta"]["lastModified"]


async def test_the_groups_of_a_person_are_not_promised_and_a_filter_for_them_says_so(serve, refused) -> None:
    served = await serve()

    schemas = (await served.ask("GET", "/scim/phonebook/v2/Schemas")).body["Resources"]
    question = quote('groups.value eq "1"')
    answer = await served.ask("GET", f"{USERS}?filter={question}")

    assert "groups" not in [attribute["name"] for schema in schemas for attribute in schema["attributes"]]
    refused(answer, 400, "groups.value is not an attribute that phonebook has")
