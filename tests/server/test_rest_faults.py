"""A JSON service that is confused, endless or hostile: what the provider hears, and nobody else waits."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import pytest
from aiohttp import web

from tests.support.served import CONFIG, USERS, Scripted

TOML: Final = """
[targets.phonebook]
connector = "rest"
url = "{url}/api"
page_size = 2
{keys}
[targets.phonebook.rest.errors]
code = "error.code"
reason = "error.message"
exists = ["TAKEN"]
refused = ["WRONG"]
busy = ["LATER", 423]
[targets.phonebook.rest.users]
create = "POST /people"
get = "GET /people/{{id}}"
change = "PUT /people/{{id}}"
delete = "DELETE /people/{{id}}"
entry = {{ login = "{{userName}}", ref = "{{externalId}}", on = "{{active}}", job = "{{title}}" }}
list = {{ request = "GET /people", items = "data"{paging} }}
"""
CONFIG_ALONE: Final = CONFIG.replace('"other"', '"phonebook"')
BOB: Final = {"userName": "canary.bob", "title": "canary Lee"}
KEYS: Final = 'shared = true\ntimeout = "300ms"\ndeadline = "400ms"\nsettle = "0s"'


def toml(scripted: Scripted, paging: str = "", keys: str = KEYS) -> str:
    return TOML.format(url=scripted.url, paging=paging, keys=keys)


def alone(scripted: Scripted, serve: Any, **more: str) -> Any:
    return serve(toml(scripted, **more), config=CONFIG_ALONE)


def error(code: str) -> str:
    return json.dumps({"error": {"code": code, "message": "canary Lee is odd"}})


NONSENSE: Final = {
    "HTML": (200, "<html>canary</html>"),
    "half a JSON": (200, '{"data": [{"id": "1", "lo'),
    "a number": (200, "7"),
    "a redirect": (302, ""),
    "HTML 404": (404, "<html>canary</html>"),
    "HTML 400": (400, "<html>canary</html>"),
    "text 404": (404, "404: Not Found"),
    "an unknown error in 200": (200, error("ODD")),
    "another form": (200, '{"items": {"login": "canary.x"}}'),
}


@pytest.mark.parametrize(("status", "body"), NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_busy_for_a_change_and_502_for_a_read(
    serve, refused, scripted, status, body
) -> None:
    scripted.says(status, body, Location="http://127.0.0.1:1/canary")
    served = await alone(scripted, serve)

    change, read = await served.ask("POST", USERS, BOB), await served.ask("GET", USERS)

    refused(change, 429, "phonebook ")
    refused(read, 502, "phonebook gave an answer that the gateway does not understand")
    assert (await served.events())[0]["outcome"]["result"] == "pending"


MEANINGS: Final = {
    "400": (400, '{"message": "no"}', 400, "rejected"),
    "a code that means the data": (200, error("WRONG"), 400, "rejected"),
    "a code that means later": (200, error("LATER"), 429, "deferred"),
    "a status that means later": (423, "", 429, "deferred"),
    "a code that goes before its status": (500, error("WRONG"), 400, "rejected"),
    "401": (401, "", 429, "deferred"),
    "500": (500, "", 429, "pending"),
}


@pytest.mark.parametrize(("status", "body", "answered", "result"), MEANINGS.values(), ids=MEANINGS)
async def test_an_error_means_what_the_configuration_says(
    serve, refused, scripted, status: int, body: str, answered: int, result: str
) -> None:
    scripted.says(status, body)
    served = await alone(scripted, serve)

    refused(await served.ask("POST", USERS, BOB), answered, "phonebook ")

    events = [event for event in await served.events() if event["event"] == "user.create"]
    assert [event["outcome"]["result"] for event in events] == [result]


async def test_what_a_service_quotes_of_a_person_is_told_to_nobody(serve, refused, scripted) -> None:
    scripted.says(200, error("WRONG"))
    served = await alone(scripted, serve)

    refused(await served.ask("POST", USERS, BOB), 400, "phonebook refused the change: *** is odd")


def entry(n: int) -> dict[str, Any]:
    return {"id": n, "login": f"canary.{n}", "on": True}


def answers(scripted: Scripted, pages: Mapping[str, Any]) -> None:
    """Answer lists by what is behind the `?`, and at the end as at "else"."""

    async def reply(request: web.Request) -> web.Response:
        return web.json_response(pages.get(request.query_string, pages["else"]))

    scripted.reply = reply


TWO: Final = [entry(1), entry(2)]
CONTRADICTIONS: Final = {
    "a page that repeats": (', page = "p"', {"else": {"data": TWO}}, "shown before"),
    "a cursor that repeats": (
        ', cursor = "c", next = "next"',
        {"": {"data": TWO, "next": "a"}, "else": {"data": [entry(3)], "next": "a"}},
        "in a circle",
    ),
    "cursors in a circle": (
        ', cursor = "c", next = "next"',
        {
            "": {"data": TWO, "next": "a"},
            "c=a": {"data": [entry(3)], "next": "b"},
            "else": {"data": [entry(4)], "next": "a"},
        },
        "before",
    ),
    "a list that ends early": (', total = "n"', {"else": {"data": TWO, "n": 3}}, "ends after 2 of 3"),
    "a total that is too low": (
        ', total = "n", page = "p"',
        {"p=1": {"data": TWO, "n": 2}, "else": {"data": [entry(3)], "n": 2}},
        "more than the 2",
    ),
}


@pytest.mark.parametrize(("paging", "pages", "says"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_pages_that_contradict_each_other_are_told(
    serve, refused, scripted, paging: str, pages: Any, says: str
) -> None:
    answers(scripted, pages)
    served = await alone(scripted, serve, paging=paging)

    read = await served.ask("GET", f"{USERS}?filter=userName%20eq%20%22canary.bob%22")

    refused(read, 502, "phonebook contradicts itself: ")
    assert says in read.body["detail"]


@pytest.mark.parametrize("link", ["http://127.0.0.1:1/canary", "//canary.example.com/api/people"])
async def test_a_next_page_elsewhere_gets_no_credentials(serve, refused, scripted, link: str) -> None:
    answers(scripted, {"else": {"data": TWO, "next": link}})
    served = await alone(scripted, serve, paging=', next = "next"')

    refused(await served.ask("GET", f"{USERS}?startIndex=3"), 502, "phonebook gave an answer")


async def _endless(request: web.Request) -> web.StreamResponse:
    """Answer 100 MB, as fast as they are taken."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        await response.write(b'{"data": [')
        for _ in range(100):
            await response.write(b"1," * 512 * 1024)
    except ConnectionError:
        pass
    return response


async def _trickle(request: web.Request) -> web.StreamResponse:
    """Answer a byte now and then."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
    except ConnectionError:
        pass
    return response


@pytest.mark.parametrize(
    ("reply", "timeout", "says"),
    [
        pytest.param(_endless, "20s", "an answer that the gateway does not understand", id="100 MB"),
        pytest.param(_trickle, "1500ms", "could not be reached or did not answer in time", id="a trickle"),
    ],
)
async def test_an_answer_without_an_end_ends_and_nobody_else_waits(
    serve, refused, scripted, reply: Any, timeout: str, says: str
) -> None:
    scripted.reply = reply
    served = await alone(scripted, serve, keys=KEYS.replace("300ms", timeout))

    asked = asyncio.create_task(served.ask("GET", USERS))
    longest = 0.0
    while not asked.done():
        begun = time.monotonic()
        await served.ask("GET", "/healthz", token=None)
        longest = max(longest, time.monotonic() - begun)

    answer = await asked
    assert says in answer.body["detail"]
    assert longest < 1.0


async def test_a_list_of_more_values_than_anybody_needs_is_nonsense(serve, refused, scripted) -> None:
    scripted.says(200, '{"data": [' + "1," * 400_000 + "1]}")
    served = await alone(scripted, serve)

    refused(
        await served.ask("GET", USERS), 502, "phonebook gave an answer that the gateway does not understand"
    )


@pytest.mark.parametrize("id", ["..", "%2E%2E%2Fadmin", "a%2Fb", "a%3Fb%3Dc", "a%23b%20c"])
async def test_an_id_names_one_entry_and_no_other_path(serve, scripted, id: str) -> None:
    scripted.says(404)
    served = await alone(scripted, serve)

    answer = await served.ask("GET", f"{USERS}/{id}")

    assert answer.status == 404
    assert [path for path in scripted.asked if "%2F" not in path and path.count("/") > 3] == []


CREATE: Final = 'create = "POST /people"'
IN_A_HEADER: Final = 'create = { request = "POST /people", headers = { X-Who = "{userName}" } }'


@pytest.mark.parametrize(
    ("name", "status"), [("canary.bob", 201), ("canary\r\nX-Admin: 1", 400), ("canary.bøb", 400)]
)
async def test_a_value_in_a_header_is_one_value(serve, scripted, name: str, status: int) -> None:
    scripted.says(201, json.dumps(entry(1) | {"login": name}))
    served = await serve(toml(scripted).replace(CREATE, IN_A_HEADER), config=CONFIG_ALONE)

    answer = await served.ask("POST", USERS, {"userName": name})

    assert answer.status == status
    assert [headers.get("X-Who") for headers in scripted.headers if "X-Who" in headers] == (
        [name] if status == 201 else []
    )
    assert all("X-Admin" not in headers for headers in scripted.headers)
