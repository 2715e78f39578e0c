"""Queries, projections and versions, as a provider meets them over HTTP."""

import json
from typing import Any
from urllib.parse import quote

import pytest

BASE = "/scim/phonebook/v2"
USERS, GROUPS = f"{BASE}/Users", f"{BASE}/Groups"
OTHER = '[targets.other]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/other.db"\n'
CAT = {"userName": "canary.cat", "displayName": "Research and Development", "name": {"familyName": "Y"}}
ANN = {
    "userName": "canary.ann",
    "displayName": 'q"uo\\te',
    "name": {"familyName": "z", "givenName": "canary"},
}
BOB = {"userName": "canary.a+b@x.com", "displayName": "Bob"}


async def staffed(serve: Any) -> Any:
    """Return a gateway with three people and a group of one of them."""
    served = await serve()
    served.ids = [(await served.ask("POST", USERS, person)).body["id"] for person in (CAT, ANN, BOB)]
    members = [{"value": served.ids[0]}]
    group = await served.ask("POST", GROUPS, {"displayName": "canary sales", "members": members})
    served.group = group.body["id"]
    return served


def names(answer: Any) -> list[str]:
    return [entry.get("userName", entry.get("displayName")) for entry in answer.body["Resources"]]


async def test_every_answer_shows_what_was_asked_for(serve) -> None:
    served = await serve()
    some = "?attributes=USERNAME,name.familyName"

    created = await served.ask("POST", USERS + some, ANN | {"title": "Agent"})
    place = f"{USERS}/{created.body['id']}"
    answers = [
        created,
        await served.ask("GET", place + some),
        await served.ask("PUT", place + some, ANN),
        await served.ask(
            "PATCH", place + some, {"Operations": [{"op": "add", "path": "title", "value": "x"}]}
        ),
    ]

    shown = {"schemas": created.body["schemas"], "id": created.body["id"]}
    shown |= {"userName": ANN["userName"], "name": {"familyName": "z"}}
    assert [answer.body for answer in answers] == [shown] * 4
    whole = (await served.ask("GET", f"{place}?excludedAttributes=name,meta.location")).body
    assert ("name" in whole, whole["title"], "location" in whole["meta"]) == (False, "x", False)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_what_contradicts_itself_is_refused_before_anything_is_done(serve, refused, method) -> None:
    served = await staffed(serve)
    place = f"{USERS}/{served.ids[0]}?attributes=id&excludedAttributes=name"

    refused(await served.ask(method, place, {"userName": "canary.x"}), 400, "exclude each other")

    assert CAT["userName"] in [entry["userName"] for entry in await served.entries()]


async def test_a_patch_of_a_group_is_answered_briefly_unless_it_says_what_to_answer(serve) -> None:
    served = await staffed(serve)
    body = {"Operations": [{"op": "replace", "path": "displayName", "value": "canary"}]}

    brief = await served.ask("PATCH", f"{GROUPS}/{served.group}", body)
    named = await served.ask("PATCH", f"{GROUPS}/{served.group}?attributes=displayName,members.value", body)

    assert (brief.status, brief.body) == (204, None)
    assert (named.status, named.body["members"]) == (200, [{"value": served.ids[0]}])


QUERIES = {  # what is asked -> who is on the page, and how many there are in all
    "": ([CAT, ANN, BOB], 3),
    "startIndex=2&count=1": ([ANN], 3),
    "startIndex=0&count=2": ([CAT, ANN], 3),
    "count=0": ([], 3),
    "count=-1": ([], 3),
    "startIndex=9": ([], 3),
    "sortBy=userName": ([BOB, ANN, CAT], 3),
    "sortBy=name.familyName": ([CAT, ANN, BOB], 3),
    "sortBy=name.familyName&sortOrder=descending": ([BOB, ANN, CAT], 3),
    "sortBy=userName&startIndex=2&count=1": ([ANN], 3),
    "filter=name.familyName%20pr&sortBy=userName": ([ANN, CAT], 2),
    "filter=userName%20eq%20%22canary.a+b@x.com%22": ([BOB], 1),
    "filter=userName+eq+%22canary.a%2Bb@x.com%22": ([BOB], 1),
    "filter=" + quote('displayName eq "research AND development"'): ([CAT], 1),
    "filter=" + quote('displayName eq "Q\\"uo\\\\te"'): ([ANN], 1),
    "filter=" + quote('active eq "True" and userName sw "CANARY.C"'): ([CAT], 1),
}


async def test_a_query_finds_a_page(serve) -> None:
    served = await staffed(serve)

    answers = {query: await served.ask("GET", f"{USERS}?{query}") for query in QUERIES}

    assert {query: (names(answer), answer.body["totalResults"]) for query, answer in answers.items()} == {
        query: ([person["userName"] for person in found], total) for query, (found, total) in QUERIES.items()
    }
    assert all(answer.body["itemsPerPage"] == len(names(answer)) for answer in answers.values())


@pytest.fixture
async def shared(serve) -> Any:
    return await staffed(serve)


async def test_a_search_is_a_query_that_is_posted(shared, refused) -> None:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "sortBy": "displayName"}
    body |= {"attributes": ["displayName"], "filter": 'displayName co "a"', "count": 2}

    users, groups, root = [
        await shared.ask("POST", f"{BASE}/{path}.search", body) for path in ("Users/", "Groups/", "")
    ]

    assert (users.status, groups.status, root.status) == (200, 200, 200)
    assert names(users) == ["Research and Development"]
    assert names(groups) == ["canary sales"]
    assert (names(root), root.body["totalResults"]) == (["Research and Development", "canary sales"], 2)
    assert set(root.body["Resources"][0]) == {"schemas", "id", "displayName"}
    refused(await shared.ask("POST", f"{BASE}/.search", {"count": "x"}), 400, "count is not a whole number")
    refused(await shared.ask("POST", f"{BASE}/.search", b"["), 400, "")


async def test_the_root_lists_every_type(shared) -> None:
    answer = await shared.ask("GET", f"{BASE}/?excludedAttributes=members&startIndex=3")

    assert [entry["meta"]["resourceType"] for entry in answer.body["Resources"]] == ["User", "Group"]
    assert answer.body["totalResults"] == 4
    assert "members" not in answer.body["Resources"][1]


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        pytest.param("GET", "Users/.search", 405, "POST", id="a search is posted"),
        pytest.param("PUT", ".search", 405, "POST", id="at the root too"),
        pytest.param("POST", "", 405, "GET, HEAD", id="nothing is created at the root"),
        pytest.param("POST", "Schemas/.search", 405, "GET, HEAD", id="schemas are not searched"),
        pytest.param("GET", "Users/1/.search", 404, None, id="nor a person"),
        pytest.param("GET", "Users?filter=", 400, None, id="an empty filter"),
        pytest.param("GET", "Schemas?filter=id%20pr", 403, None, id="discovery is not filtered"),
    ],
)
async def test_what_is_no_query_is_refused(serve, refused, method, path, status, allowed) -> None:
    answer = await (await serve()).ask(method, f"{BASE}/{path}")

    refused(answer, status, "")
    assert answer.headers.get("Allow") == allowed
    assert answer.body.get("scimType") == ("invalidFilter" if status == 400 else None)


async def test_who_has_the_present_version_is_not_sent_it_again(serve) -> None:
    served = await staffed(serve)
    place = f"{USERS}/{served.ids[0]}"
    read = await served.ask("GET", place)
    etag = read.headers["ETag"]

    same = await served.ask("GET", place, **{"If-None-Match": f'"x", {etag}'})
    part = await served.ask("GET", f"{place}?attributes=userName", **{"If-None-Match": '"x"'})
    await served.ask("PATCH", place, {"Operations": [{"op": "add", "path": "title", "value": "x"}]})
    other = await served.ask("GET", place, **{"If-None-Match": etag})

    assert read.body["meta"]["version"] == etag == part.headers["ETag"]
    assert (same.status, same.body, same.headers["ETag"]) == (304, None, etag)
    assert (part.status, other.status) == (200, 200)
    assert other.headers["ETag"] != etag
    assert other.headers["Location"] == other.body["meta"]["location"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_change_of_an_older_version_is_refused(serve, refused, method: str) -> None:
    served = await staffed(serve)
    place = f"{USERS}/{served.ids[0]}"
    title = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}
    old = (await served.ask("GET", place)).headers["ETag"]
    new = (await served.ask("PATCH", place, title, **{"If-Match": old})).headers["ETag"]
    again = {"Operations": [{"op": "remove", "path": "title"}]}
    body = {"PUT": CAT, "PATCH": again, "DELETE": None}[method]

    refused(await served.ask(method, place, body, **{"If-Match": old}), 412, "If-Match")

    assert (await served.ask("GET", place)).headers["ETag"] == new
    assert (await served.ask(method, place, body, **{"If-Match": new})).status in (200, 204)
    assert [event["outcome"]["result"] for event in await served.events()][-2:] == ["rejected", "applied"]


@pytest.mark.parametrize("header", ["", ",", '""'], ids=["blank", "a comma", "an empty tag"])
async def test_a_change_whose_if_match_names_no_version_is_refused(serve, refused, header: str) -> None:
    served = await staffed(serve)

    answer = await served.ask("PUT", f"{USERS}/{served.ids[0]}", CAT, **{"If-Match": header})

    refused(answer, 412, "If-Match")


async def test_a_create_has_no_version_to_be_meant_for(serve) -> None:
    answer = await (await serve()).ask("POST", USERS, CAT, **{"If-Match": '"x"'})

    assert (answer.status, answer.headers["ETag"]) == (201, answer.body["meta"]["version"])


async def test_a_group_is_not_sent_again_to_who_has_it(serve) -> None:
    served = await staffed(serve)
    place = f"{GROUPS}/{served.group}"
    whole = (await served.ask("GET", place)).headers["ETag"]
    bare = (await served.ask("GET", f"{place}?excludedAttributes=members")).headers["ETag"]

    status = {
        (tag, query): (await served.ask("GET", place + query, **{"If-None-Match": tag})).status
        for tag in (whole, bare)
        for query in ("", "?excludedAttributes=members")
    }

    assert sorted(status.values()) == [200, 304, 304, 304]
    assert status[bare, ""] == 200  # who left the members out does not have them


async def test_an_order_is_ignored_where_the_target_does_not_sort(serve, scripted) -> None:
    people = [{"id": name, "userName": f"canary.{name}"} for name in "ba"]
    scripted.says(200, json.dumps({"totalResults": 2, "Resources": people}))
    served = await serve(scripted.toml(), OTHER)

    answer = await served.ask("GET", f"{USERS}?sortBy=userName&sortOrder=sideways")

    assert names(answer) == ["canary.b", "canary.a"]
