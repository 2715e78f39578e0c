"""A provider's requests as HTTP: what is forgiven, what is sent back, and what a lost connection changes."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Busy
from gateway.flow.change import Changes
from gateway.flow.services import is_awaited
from gateway.server import request as requests
from gateway.server.response import ResourceAnswer, send

USERS = "/scim/phonebook/v2/Users"
AUTH = "Authorization: Bearer canary-token-of-okta"
PERSON = {"userName": "canary.bob@example.com", "externalId": "canary"}
EMPTY = '{"totalResults": 0}'
CREATED = '{"id": "t1", "userName": "canary.bob@example.com", "externalId": "canary", "active": true}'


def said(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, "Host: gateway", AUTH, *headers, "", ""]).encode() + body


async def test_a_create_answers_with_the_person_the_id_and_the_address(serve) -> None:
    served = await serve()

    answer = await served.ask("POST", USERS, PERSON | {"password": "canary", "groups": []})

    address = f"https://gateway.example.com{USERS}/{answer.body['id']}"
    assert (answer.status, answer.headers["Location"]) == (201, address)
    assert answer.body["meta"]["location"] == address
    assert answer.body["meta"]["resourceType"] == "User"
    assert PERSON.items() <= answer.body.items()
    assert not {"password", "groups"} & answer.body.keys()
    assert len(answer.headers["X-Correlation-Id"]) == 32


async def test_an_answer_that_was_delivered_makes_a_second_create_a_conflict(serve, refused) -> None:
    served = await serve()
    await served.ask("POST", USERS, PERSON)

    answer = await served.ask("POST", USERS, PERSON)

    refused(answer, 409, "this resource exists already")
    assert answer.body["scimType"] == "uniqueness"


async def test_a_person_is_written_read_and_deleted(serve, refused) -> None:
    served = await serve()
    place = f"{USERS}/{(await served.ask('POST', USERS, PERSON)).body['id']}"

    put = await served.ask("PUT", place, PERSON | {"title": "Agent"})
    patched = await served.ask("PATCH", place, {"Operations": [{"op": "remove", "path": "title"}]})
    read = await served.ask("GET", place)
    gone = await served.ask("DELETE", place)

    assert [put.status, patched.status, read.status, gone.status] == [200, 200, 200, 204]
    assert (put.body["title"], "title" in patched.body, gone.body) == ("Agent", False, None)
    assert read.body == patched.body
    refused(await served.ask("DELETE", place), 404, "this user was deleted")


async def test_a_put_with_an_empty_external_id_clears_it_and_without_one_keeps_it(serve) -> None:
    served = await serve()
    place = f"{USERS}/{(await served.ask('POST', USERS, PERSON)).body['id']}"
    name = {"userName": PERSON["userName"]}

    kept = await served.ask("PUT", place, name)
    cleared = await served.ask("PUT", place, name | {"externalId": None})

    assert (kept.body["externalId"], "externalId" in cleared.body) == ("canary", False)


@pytest.mark.parametrize(
    "path",
    [
        "/scim/phonebook/v2/Users/",
        "//scim//phonebook/v2//Users",
        "/scim/phonebook/v2/Users//",
        "/scim/phonebook/v2/Users/?count=1",
        "/scim/phonebook/%76%32/Users",
        "http://elsewhere.example.com/scim/phonebook/v2/Users",
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_spelling_of_the_path_is_forgiven(serve, path: str, version: str) -> None:
    served = await serve()

    answer = await served.say(said(f"GET {path} HTTP/{version}"))

    assert (answer.status, answer.body["totalResults"]) == (200, 0)


async def test_an_agent_whose_base_url_ends_in_a_slash_is_served(serve) -> None:
    served, base = await serve(), "/scim/phonebook/v2//"

    made = await served.ask("POST", f"{base}Users", PERSON)
    place = f"{base}Users/{made.body['id']}"
    group = await served.ask("POST", f"{base}Groups", {"displayName": "canary"})
    answers = [
        await served.ask("GET", f"{base}ServiceProviderConfig"),
        await served.ask("GET", f"{base}Users?filter=userName%20pr&startIndex=1"),
        await served.ask("GET", place),
        await served.ask("PUT", place, PERSON | {"title": "canary"}),
        await served.ask("PATCH", place, {"Operations": [{"op": "remove", "path": "title"}]}),
        await served.ask("POST", f"{base}Users/.search", {}),
        await served.ask("DELETE", f"{base}Groups/{group.body['id']}"),
    ]

    assert (made.status, group.status) == (201, 201)
    assert made.headers["Location"] == f"https://gateway.example.com{USERS}/{made.body['id']}"
    assert [answer.status for answer in answers] == [200] * 6 + [204]


@pytest.mark.parametrize("path", [USERS, "/scim/phonebook/v2/Schemas", "/healthz", "/readyz"])
async def test_head_is_get_without_a_body(serve, path: str) -> None:
    served = await serve()

    answers = [await served.ask(method, path) for method in ("HEAD", "GET")]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body is None
    assert answers[0].headers["Content-Type"] == answers[1].headers["Content-Type"]


async def test_a_target_without_groups_shows_none_and_takes_none(serve, scripted, refused) -> None:
    served = await serve(scripted.toml(groups="false"), OTHER)
    groups = "/scim/phonebook/v2/Groups"

    listed = await served.ask("GET", f"{groups}?filter=displayName%20eq%20%22canary%22")

    assert (listed.status, listed.body["totalResults"], listed.body["Resources"]) == (200, 0, [])
    refused(await served.ask("POST", groups, {"displayName": "canary"}), 501, "untick Push Groups")
    refused(await served.ask("GET", f"{groups}/canary"), 404, "has no group with this id")
    assert scripted.asked == []


CHUNKS = b'19\r\n{"userName": "canary.bob"\r\n1\r\n}\r\n0\r\n\r\n'


async def test_a_body_in_pieces_is_taken(serve) -> None:
    served = await serve()

    answer = await served.say(said(f"POST {USERS} HTTP/1.1", "Transfer-Encoding: chunked", body=CHUNKS))

    assert (answer.status, answer.body["userName"]) == (201, "canary.bob")


async def test_a_body_in_endless_pieces_is_cut_off(serve, refused) -> None:
    served = await serve()
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    answer = await served.say(said(f"POST {USERS} HTTP/1.1", "Transfer-Encoding: chunked", body=piece * 20))

    refused(answer, 413, "larger than 1048576 bytes")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param("Content-Length: 99", b'{"userName":', id="half a body"),
        pytest.param("Transfer-Encoding: chunked", b"5\r\n{", id="half a piece"),
        pytest.param("Content-Length: 2", b"", id="nothing at all"),
    ],
)
@pytest.mark.parametrize(("target", "token"), [("phonebook", "okta"), ("other", "rfc")])
async def test_a_body_that_stalls_may_come_again(
    serve, refused, monkeypatch, target: str, token: str, header: str, body: bytes
) -> None:
    monkeypatch.setattr(requests, "BODY_TIME", 0.01)
    served = await serve()
    request = said(f"POST /scim/{target}/v2/Users HTTP/1.1", header, body=body)

    answer = await served.say(request.replace(b"okta", token.encode()))

    refused(answer, 429, "did not arrive within 0.01 seconds")
    assert answer.headers["Retry-After"] == "1"
    assert [event["outcome"]["result"] for event in await served.events()] == ["deferred"]


async def test_a_body_that_breaks_off_is_remembered_as_refused(serve) -> None:
    served = await serve()
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)

    writer.write(said(f"POST {USERS} HTTP/1.1", "Content-Length: 99", body=b'{"userName": "canary"'))
    await writer.drain()
    writer.close()

    (event,) = await until(served.events)
    assert event["outcome"]["reason"] == "the request body broke off"
    assert await served.entries() == []


async def until(look: Any) -> Any:
    """Return what there is to see, as soon as there is anything."""
    async with asyncio.timeout(10):
        while not (found := await look()):
            await asyncio.sleep(0.001)  # threads are let on, too
    return found


async def test_who_hangs_up_does_not_stop_a_change_half_way(serve, scripted, log) -> None:
    scripted.holds(201, CREATED)
    served = await serve(scripted.toml(timeout='"20s"', deadline='"20s"'), OTHER)
    await hang_up(served, lambda: asyncio.sleep(0, scripted.asked))
    scripted.says(200, CREATED)
    scripted.held.set()

    (event,) = await until(served.events)
    assert (event["event"], event["outcome"]["result"]) == ("user.create", "applied")
    await until(lambda: asyncio.sleep(0, "request.answered" in log.getvalue()))
    assert "request.crashed" not in log.getvalue()
    scripted.asked.clear()
    again = await served.ask("POST", USERS, PERSON)
    assert (again.status, again.body["id"], scripted.asked) == (201, "t1", [])


async def hang_up(served: Any, is_there: Any) -> None:
    """Ask for a create, and go away as soon as the target has it."""
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    body = b'{"userName": "canary.bob@example.com", "externalId": "canary"}'
    writer.write(said(f"POST {USERS} HTTP/1.1", f"Content-Length: {len(body)}", body=body))
    await until(is_there)
    writer.close()
    await writer.wait_closed()


async def test_a_change_knows_whether_anybody_still_waits_for_it(serve, monkeypatch) -> None:
    awaited: list[bool] = []

    async def handle(*_: Any) -> Any:
        awaited.append(is_awaited.get()())
        await until(lambda: asyncio.sleep(0, not is_awaited.get()()))
        awaited.append(False)
        raise Busy("nobody waits")

    monkeypatch.setattr(Changes, "handle", handle)
    await hang_up(await serve(), lambda: asyncio.sleep(0, awaited))
    await until(lambda: asyncio.sleep(0, len(awaited) == 2))

    assert awaited == [True, False]


@pytest.mark.parametrize("token", ["okta", None])
async def test_the_log_has_no_target_that_a_path_makes_up(serve, log, token: str | None) -> None:
    served = await serve()

    await served.ask("GET", "/scim/canary@example.com/v2/Users", token=token)
    await served.ask("GET", USERS, token=None)

    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if "route" in line]
    assert [line["target"] for line in lines] == [None, "phonebook"]
    assert "canary" not in log.getvalue()


OTHER = '[targets.other]\nshared = true\nconnector = "embedded"\nurl = "sqlite:var/other.db"\n'


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        pytest.param("/scim/t/v2/Users", ("t", "Users", None), id="a collection"),
        pytest.param("/scim/t/v2/Users/a%2Fb", ("t", "Users", "a/b"), id="an id with a slash"),
        pytest.param("/scim/t/v2/Users/%2525", ("t", "Users", "%25"), id="decoded once"),
        pytest.param("//scim/t//v2/Users/1/", ("t", "Users", "1"), id="slashes"),
        pytest.param("/scim/t/v2/", ("t", "", None), id="the root"),
        pytest.param("/scim/t/v2/Schemas/.search", ("t", "Schemas", ".search"), id="what has no search"),
    ],
)
def test_an_address_names_target_endpoint_and_id(path: str, endpoint: tuple[Any, ...]) -> None:
    found = requests.parse_endpoint(path)

    assert (found.target, found.name, found.id) == endpoint
    assert not found.is_search


@pytest.mark.parametrize(
    ("path", "name"), [("/scim/t/v2/.search", ""), ("/scim/t/v2/Users/.search/", "Users")]
)
def test_a_search_is_at_the_root_or_at_a_collection(path: str, name: str) -> None:
    assert requests.parse_endpoint(path) == requests.Endpoint("t", name, None, is_search=True)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        pytest.param("/scim/t/v2/Users", "/scim/t/v2/Users", id="a collection"),
        pytest.param("/scim/t/v2/Users/canary", "/scim/t/v2/Users/{id}", id="an id is not shown"),
        pytest.param("/scim/t/v2/canary", "/scim/t/v2/{name}", id="nor what is not served"),
        pytest.param("/scim/t/v2/canary/x", "/scim/t/v2/{name}/{id}", id="nor both"),
        pytest.param("/scim/t/v2", "/scim/t/v2", id="the root"),
        pytest.param("/scim/t/v2/Groups/.search", "/scim/t/v2/Groups/.search", id="a search"),
    ],
)
def test_a_route_shows_nothing_of_anybody(path: str, route: str) -> None:
    assert requests.parse_endpoint(path).route == route


async def test_an_answer_on_a_connection_that_is_closing_was_not_delivered(serve, monkeypatch) -> None:
    served = await serve()

    async def cut(request: web.Request, answer: ResourceAnswer) -> web.StreamResponse:
        """Send an answer, and lose the connection before it is out."""
        sent = await send(request, answer)
        request.transport.abort()
        return sent

    with monkeypatch.context() as patched:
        patched.setattr("gateway.server.scim.send", cut)
        body = json.dumps(PERSON).encode()
        with suppress(OSError, EOFError):
            await served.say(said(f"POST {USERS} HTTP/1.1", f"Content-Length: {len(body)}", body=body))

    first, second = [await served.ask("POST", USERS, PERSON) for _ in range(2)]

    assert (first.status, second.status) == (201, 409)
    assert len(await served.entries()) == 1
