"""Whatever is wrong with a request is answered in SCIM, changes nothing, and is in the trail."""

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

USERS = "/scim/phonebook/v2/Users"
PERSON = {"userName": "canary.bob@example.com"}
DEEP = b'{"userName":"b","x":' + b"[" * 1000 + b"]" * 1000 + b"}"


def person(**attributes: Any) -> bytes:
    return json.dumps(PERSON | attributes).encode()


def patch(**operation: Any) -> bytes:
    return json.dumps({"Operations": [{"op": "replace"} | operation]}).encode()


CREATES = [
    pytest.param(b'{"userName": "canary', 400, "not JSON: error at line 1", id="broken JSON"),
    pytest.param(b"", 400, "the body is empty", id="no body"),
    pytest.param(b"  ", 400, "the body is empty", id="spaces"),
    pytest.param(b"[]", 400, "not a JSON object", id="a list"),
    pytest.param(b"null", 400, "not a JSON object", id="null"),
    pytest.param(b'"canary"', 400, "not a JSON object", id="text"),
    pytest.param(b"\xff\xfe{\x00}\x00", 400, "not UTF-8: wrong byte at position 0", id="UTF-16"),
    pytest.param(b'{"userName": "canary\xff"}', 400, "not UTF-8", id="not UTF-8"),
    pytest.param(b'{"userName": NaN}', 400, "not JSON", id="NaN"),
    pytest.param(b'{"userName": "canary\\ud800"}', 400, "not JSON: error at line 1", id="lone surrogate"),
    pytest.param(b'{"userName": "canary\\u0000"}', 400, "'userName' contains a NUL", id="NUL in a value"),
    pytest.param(b'{"userName": "canary\x00"}', 400, "not JSON", id="NUL as it is"),
    pytest.param(b'{"userName":"b","na\\u0000me":1}', 400, "contains a NUL", id="NUL in a name"),
    pytest.param(person(externalId=[{"a": "\0"}]), 400, "'externalId.a' contains a NUL", id="NUL deep down"),
    pytest.param(b'{"userName":"canary","userName":"b"}', 400, "'userName' twice", id="duplicate key"),
    pytest.param(
        b'{"active":true,"userName":"b","Active":false}', 400, "'Active' twice", id="in another case"
    ),
    pytest.param(b'{"userName":"b","name":{"x":1,"X":2}}', 400, "'X' twice", id="duplicate deep down"),
    pytest.param(DEEP, 400, "nested deeper than 32 levels", id="1,000 deep"),
    pytest.param(b"[" * 10_000, 400, "nested deeper than 32 levels", id="10,000 deep"),
    pytest.param(b"[" * 100_000, 413, "more than 10000 values", id="100,000 deep"),
    pytest.param(b'{"userName":"b","x":12345678901234567890123}', 400, "more than 64 bits", id="huge number"),
    pytest.param(b'{"x":"' + b"canary" * 350_000 + b'"}', 413, "larger than 1048576 bytes", id="2 MB"),
    pytest.param(b"{}", 400, "userName is missing", id="nothing"),
    pytest.param(person(userName=None), 400, "userName is missing", id="userName null"),
    pytest.param(person(userName=""), 400, "userName is missing", id="userName empty"),
    pytest.param(person(userName="  "), 400, "userName must be text", id="userName blank"),
    pytest.param(person(userName=7), 400, "userName must be text", id="userName number"),
    pytest.param(person(userName=["canary"]), 400, "userName must be text", id="userName list"),
    pytest.param(person(externalId=7), 400, "externalId must be text", id="externalId number"),
    pytest.param(person(externalId={"canary": 1}), 400, "externalId must be text", id="externalId object"),
    pytest.param(person(schemas="canary"), 400, "schemas must be a list of URNs", id="schemas text"),
    pytest.param(person(schemas=[1]), 400, "schemas must be a list of URNs", id="schemas numbers"),
    pytest.param(person(active="canary"), 400, "active must be true or false", id="active text"),
    pytest.param(person(active=1), 400, "active must be true or false", id="active number"),
    pytest.param(person(name="canary"), 400, "name must be an object of texts", id="name text"),
    pytest.param(person(name={"givenName": 7}), 400, "name must be an object of texts", id="name of numbers"),
    pytest.param(person(emails="canary"), 400, "emails must be a list of objects", id="emails text"),
    pytest.param(person(emails=["canary"]), 400, "emails must be a list of objects", id="emails texts"),
    pytest.param(person(emails=[{"value": 1}]), 400, "emails must be", id="emails numbers"),
    pytest.param(person(emails=[{"value": "c", "primary": 2}]), 400, "primary true or false", id="primary"),
    pytest.param(person(phoneNumbers="canary"), 400, "phoneNumbers must be a list", id="phones text"),
    pytest.param(person(phoneNumbers=[["canary"]]), 400, "phoneNumbers must be a list", id="phones lists"),
    pytest.param(
        person(phoneNumbers=[{"type": "work", "value": "canary"}]),
        400,
        'phoneNumbers[type eq "work"].value: ',
        id="a rule's attribute",
    ),
]


@pytest.mark.parametrize(("body", "status", "says"), CREATES)
async def test_a_bad_create_is_refused_with_the_reason(serve, refused, body, status, says) -> None:
    served = await serve()

    answer = await served.ask("POST", USERS, body)

    refused(answer, status, says)
    (event,) = await served.events()
    assert event["outcome"]["result"] == "rejected"
    assert event["outcome"]["status"] == status
    assert event["correlation_id"] == answer.headers["X-Correlation-Id"]
    assert (event["actor"]["name"], event["target"]["name"]) == ("okta", "phonebook")
    assert await served.entries() == []


async def test_a_refused_value_names_the_rule(serve, refused) -> None:
    served = await serve()

    answer = await served.ask("POST", USERS, person(phoneNumbers=[{"type": "work", "value": "canary"}]))

    refused(answer, 400, "(rule config:phoneNumbers.value)")


PATCHES = [
    pytest.param(b"{}", "Operations must be a list", id="no operations"),
    pytest.param(b'{"Operations": []}', "Operations must be a list", id="none"),
    pytest.param(b'{"Operations": ["canary"]}', "operation 1: must be an object", id="no object"),
    pytest.param(patch(op="canary"), "op must be add, replace or remove", id="unknown op"),
    pytest.param(patch(path="emails[", value=1), "path: ", id="bad path"),
    pytest.param(patch(path="name.", value="x"), "path: ", id="half a path"),
    pytest.param(patch(path=7, value="x"), "path must be text", id="path no text"),
    pytest.param(patch(path='emails[type foo "x"].value', value="x"), "path: ", id="bad filter in a path"),
    pytest.param(patch(path="id", value="x"), "id is read-only", id="read-only"),
    pytest.param(patch(path="title"), "value is missing", id="no value"),
    pytest.param(patch(value="canary"), "value must be an object", id="pathless text"),
    pytest.param(patch(op="remove"), "remove needs a path", id="remove everything"),
    pytest.param(patch(path="active", value="canary"), "active must be true or false", id="active text"),
    pytest.param(patch(path="userName", value=7), "userName must be text", id="userName number"),
    pytest.param(patch(op="remove", path="userName"), "userName is ", id="userName removed"),
    pytest.param(patch(path="na\0me", value="x"), "contains a NUL", id="NUL in a path"),
    pytest.param(
        patch(path='emails[value eq "canary"].type', value="work"),
        "no value matches the filter",
        id="no target",
    ),
]


@pytest.mark.parametrize(("body", "says"), PATCHES)
async def test_a_bad_patch_is_refused_with_the_operation(serve, refused, body: bytes, says: str) -> None:
    served = await serve()
    id = (await served.ask("POST", USERS, PERSON)).body["id"]
    before = await served.entries()

    answer = await served.ask("PATCH", f"{USERS}/{id}", body)

    refused(answer, 400, says)
    assert [event["outcome"]["result"] for event in await served.events()] == ["applied", "rejected"]
    assert await served.entries() == before


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", ""])
async def test_a_compressed_body_is_refused_unread(serve, refused, encoding: str) -> None:
    served = await serve()

    body = gzip.compress(person())
    answer = await served.ask("POST", USERS, body, **{"Content-Encoding": encoding})

    refused(answer, 415, "may not be compressed")
    assert await served.entries() == []
    assert [event["outcome"]["status"] for event in await served.events()] == [415]


READS = [
    pytest.param('canary eq "x"', "filter: canary is not an attribute that phonebook has", id="unknown"),
    pytest.param('name.canary eq "x"', "is not an attribute that phonebook has", id="unknown sub-attribute"),
    pytest.param("userName eq", "filter: ", id="no value"),
    pytest.param('userName ist "canary"', "filter: ", id="unknown operator"),
    pytest.param('(userName eq "canary"', "filter: ", id="open bracket"),
    pytest.param(" ", "filter: ", id="blank"),
    pytest.param('userName eq "\\u0000"', "a NUL character", id="NUL"),
    pytest.param('userName eq "canary\\ud800"', "half a surrogate pair", id="lone surrogate"),
    pytest.param('userName eq "\0"', "filter: ", id="NUL as it is"),
    pytest.param(f'userName eq "{"canary" * 400}"', "longer than 2048 characters", id="long"),
    pytest.param(" or ".join(['title eq "canary"'] * 17), "more than 16 terms", id="many terms"),
]


@pytest.mark.parametrize(("filter", "says"), READS)
async def test_a_bad_filter_is_refused_with_what_is_wrong(serve, filter: str, says: str) -> None:
    served = await serve()

    answer = await served.ask("GET", f"{USERS}?filter={quote(filter, safe='')}")

    assert (answer.status, answer.body["scimType"]) == (400, "invalidFilter")
    assert says in answer.body["detail"]
    assert await served.events() == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param("startIndex=canary", "startIndex is not a whole number", id="text"),
        pytest.param("startIndex=1.5", "startIndex is not a whole number", id="fraction"),
        pytest.param("count=--1", "count is not a whole number", id="two signs"),
        pytest.param("count=%D9%A1", "count is not a whole number", id="foreign digits"),
        pytest.param("count=99999999999", "count is not a whole number", id="huge"),
    ],
)
async def test_a_bad_page_is_refused_with_what_is_wrong(serve, refused, query: str, says: str) -> None:
    served = await serve()

    refused(await served.ask("GET", f"{USERS}?{query}"), 400, says)


@pytest.mark.parametrize(
    ("query", "start", "items"),
    [
        pytest.param("startIndex=-3&count=1", 1, 1, id="negative start"),
        pytest.param("startIndex=0&count=1", 1, 1, id="start 0"),
        pytest.param("count=-1", 1, 0, id="negative count"),
        pytest.param("count=0", 1, 0, id="count 0"),
        pytest.param("startIndex=&count=", 1, 2, id="empty"),
        pytest.param("startIndex=%2B2", 2, 1, id="a sign"),
        pytest.param("startIndex=9&count=9", 9, 0, id="behind the last"),
        pytest.param("count=100000", 1, 2, id="more than a page holds"),
    ],
)
async def test_odd_pages_are_understood_as_the_rfc_says(serve, query: str, start: int, items: int) -> None:
    served = await serve()
    for n in (1, 2):
        await served.ask("POST", USERS, {"userName": f"canary{n}"})

    page = (await served.ask("GET", f"{USERS}?{query}")).body

    assert (page["startIndex"], page["itemsPerPage"], page["totalResults"]) == (start, items, 2)


PATHS = [
    pytest.param("/scim/phonebook/v2/Users/canary%2Fann", "has no user with this id", id="a slash in an id"),
    pytest.param("/scim/phonebook/v2/Users/..", "has no user with this id", id="two dots"),
    pytest.param("/scim/phonebook/v2/Users/%2e%2e", "has no user with this id", id="two encoded dots"),
    pytest.param("/scim/phonebook/v2/Users/" + "canary" * 700, "has no user with this id", id="very long"),
    pytest.param("/scim/phonebook/v2/Users/canary%00", "contains a NUL character", id="NUL in an id"),
    pytest.param("/scim/phone%00book/v2/Users", "contains a NUL character", id="NUL in a target"),
    pytest.param("/scim/phonebook/v2/Users/%ff%fe", "has no user with this id", id="not UTF-8"),
    pytest.param("/scim/canary/v2/Users", "no target of that name", id="unknown target"),
    pytest.param("/scim/phonebook/v2/canary", "no such path; under /v2 are Groups", id="unknown endpoint"),
    pytest.param("/scim/phonebook/v2/Users/canary/x", "the base URL ends in", id="too deep"),
    pytest.param("/scim/phonebook/Users/canary", "the base URL ends in", id="v2 forgotten"),
    pytest.param("/canary", "the base URL ends in", id="somewhere else"),
    pytest.param("/", "the base URL ends in", id="nowhere"),
]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(("path", "says"), PATHS)
async def test_what_is_not_there_is_404_and_says_what_is(serve, refused, method, path, says) -> None:
    served = await serve()

    answer = await served.ask(method, path, PERSON if method == "PUT" else None)

    refused(answer, 404, says)
    if method != "GET":
        assert [event["outcome"]["status"] for event in await served.events()] == [404]


METHODS = [
    pytest.param("POST", f"{USERS}/1", "GET, HEAD, PUT, PATCH, DELETE", id="POST with an id"),
    pytest.param("PUT", USERS, "GET, HEAD, POST", id="PUT without"),
    pytest.param("PATCH", USERS, "GET, HEAD, POST", id="PATCH without"),
    pytest.param("DELETE", USERS, "GET, HEAD, POST", id="DELETE without"),
    pytest.param("OPTIONS", USERS, "GET, HEAD, POST", id="OPTIONS"),
    pytest.param("TRACE", USERS, "GET, HEAD, POST", id="TRACE"),
    pytest.param("PROPFIND", USERS, "GET, HEAD, POST", id="unknown"),
    pytest.param("PUT", "/scim/phonebook/v2/Schemas", "GET, HEAD", id="discovery"),
    pytest.param("DELETE", "/scim/phonebook/v2/ServiceProviderConfig", "GET, HEAD", id="config"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), METHODS)
async def test_a_method_that_is_not_possible_is_405_and_says_which_are(
    serve, refused, method: str, path: str, allowed: str
) -> None:
    served = await serve()

    answer = await served.ask(method, path, PERSON)

    refused(answer, 405, "is not possible on /scim/phonebook/v2/")
    assert answer.headers["Allow"] == allowed
    assert [event["outcome"]["status"] for event in await served.events()] == [405]
    assert await served.entries() == []


@pytest.mark.parametrize(
    "content_type",
    ["application/scim+json", "application/json", "text/plain", "canary", "a/b; charset=x", ""],
)
async def test_any_content_type_is_taken(serve, content_type: str) -> None:
    served = await serve()

    answer = await served.ask("POST", USERS, PERSON, **{"Content-Type": content_type})

    assert answer.status == 201
