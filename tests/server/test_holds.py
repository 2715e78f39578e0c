"""How long one request keeps all others waiting: never for more than 150 ms, or it is refused.

Measured is the processor time that the event loop's thread spends on one step, which is the same on a busy
machine: whoever else waits for the loop waits as long.
"""

import asyncio
import gc
import json
import os
import threading
import time
from asyncio.events import Handle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest

from gateway.cli.serve import ROUNDS
from gateway.scim.elements import MAX_LOOKS
from gateway.scim.jsontext import MAX_BODY, MAX_ELEMENTS, MAX_NAMES, MAX_VALUES
from gateway.server import request
from gateway.server.request import MAX_MEMBER_VALUES
from gateway.server.scim import FEW
from gateway.targets.scim.answers import MAX_ANSWER_VALUES, MAX_PERSON_VALUES
from tests.support.served import OTHER, TOKENS, Serve, Served
from tests.support.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.no_cover]  # counting lines takes as long as running them
# seconds; beside other tests on the same cores a step takes up to three times as long
HOLD = 0.15 if os.environ.get("FAULTS") else 0.45
ASKS = 0.02  # seconds between two questions of the other client: without a pause it would take the processor
USERS, GROUPS = "/scim/phonebook/v2/Users", "/scim/phonebook/v2/Groups"
OTHERS = "/scim/other/v2/Users"
TARGET = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "GB"
shared = true
"""
EVERY = """
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
"""
OF_A_TYPE = """
[[targets.phonebook.rules]]
to = 'phoneNumbers[type eq "work"].value'
via = [{ name = "phone", format = "e164" }]
"""


class Meter:
    """The longest step of the event loop since it was cleared."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.step = ""

    def watch(self, run: Callable[[Handle], None]) -> Callable[[Handle], None]:
        thread = threading.get_ident()

        def watched(handle: Handle) -> None:
            if threading.get_ident() != thread:
                run(handle)
                return
            begun = time.thread_time()
            run(handle)
            took = time.thread_time() - begun
            if took > self.longest:
                self.longest, self.step = took, repr(handle)

        return watched


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    """A meter of this loop, in a process whose collector runs as that of `serve` does."""
    meter = Meter()
    monkeypatch.setattr(Handle, "_run", meter.watch(Handle._run))
    large_work = ThreadPoolExecutor(1)  # an earlier test's thread goes on counting lines
    monkeypatch.setattr("gateway.flow.services._LARGE_WORK", large_work)
    rounds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*ROUNDS)
    yield meter
    gc.set_threshold(*rounds)
    gc.unfreeze()
    large_work.shutdown()


def ask(port: int, method: str, path: str, body: Any) -> tuple[int, Any]:
    """Send a request, and return the status and the body of its answer."""
    text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, text, {"Authorization": f"Bearer {TOKENS['okta']}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


async def held(served: Served, meter: Meter, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a request from a thread while somebody else asks, and assert that nobody waited too long."""
    await asyncio.sleep(0)  # what the test has made itself ends with its step
    meter.longest = 0.0
    asked = asyncio.ensure_future(asyncio.to_thread(ask, served.port, method, path, body))
    while not asked.done():
        assert (await served.ask("GET", "/healthz", token=None)).status == 200
        await asyncio.wait((asked,), timeout=ASKS)
    assert meter.longest < HOLD, meter.step
    return await asked


def elements(count: int, **more: str) -> list[dict[str, str]]:
    """Return elements of a list; `{}` in what they say more is a number of their own."""
    return [
        {"value": f"+44 20 7946 {n:04}"} | {name: text.format(n) for name, text in more.items()}
        for n in range(count)
    ]


def person(**more: Any) -> dict[str, Any]:
    return {"userName": "canary.ann@example.com", "active": True, **more}


def holding(values: bytes, count: int, name: bytes = b'"userName":"canary"') -> bytes:
    """Return a body that holds the same values so often."""
    return b"{" + name + b',"x":[' + b",".join([values] * count) + b"]}"


def wide(**more: Any) -> dict[str, Any]:
    return person(**{f"urn:x:{n}": {f"k{m}": "x" for m in range(MAX_NAMES - 10)} for n in range(9)}, **more)


LISTS = {f"l{n}": elements(MAX_ELEMENTS - 100, type="t{}") for n in range(3)}  # of 10,000 values in all
SAME, ALIKE = " or ".join(['value eq "a"'] * 16), " or ".join(['value co "-"'] * 16)
GROUP = b'"displayName":"canary"'


@pytest.mark.parametrize("rules", [pytest.param(EVERY, id="every"), pytest.param(OF_A_TYPE, id="of a type")])
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(person(phoneNumbers=elements(MAX_ELEMENTS, type="work")), id="numbers of one type"),
        pytest.param(person(phoneNumbers=elements(MAX_ELEMENTS, type="t{}")), id="numbers of many types"),
        pytest.param(person(phoneNumbers=elements(MAX_ELEMENTS, type="work", x="{}")), id="odd numbers"),
        pytest.param(person(addresses=elements(MAX_ELEMENTS, type="t{}", locality="{}")), id="addresses"),
        pytest.param(person(**LISTS), id="lists"),
        pytest.param(wide(), id="extensions"),
        pytest.param(person(title="x" * (MAX_BODY - 100)), id="one text"),
        pytest.param(person(**{f"k{n}": "x" for n in range(MAX_NAMES - 10)}), id="unknown attributes"),
    ],
)
async def test_the_largest_person_keeps_nobody_waiting(serve: Serve, meter: Meter, rules, made) -> None:
    served = await serve(TARGET + rules, OTHER)
    changed = json.loads(json.dumps(made).replace("7946", "7947").replace('"x"', '"y"'))

    status, created = await held(served, meter, "POST", USERS, made)
    assert status == 201
    own = f"{USERS}/{created['id']}"
    assert (await held(served, meter, "PUT", own, changed))[0] == 200
    assert (await held(served, meter, "PUT", own, person(title="none of it")))[0] == 200
    assert (await held(served, meter, "GET", own))[0] == 200


@pytest.mark.parametrize(
    ("operations", "says"),
    [
        pytest.param(
            [{"op": "remove", "path": f"emails[{SAME}]"}] * 190,
            f"more than {MAX_LOOKS} comparisons",
            id="operations × terms × elements",
        ),
        pytest.param(
            [{"op": "remove", "path": f"emails[{ALIKE}]"}] * 12,
            "",
            id="as many as may be",
        ),
        pytest.param(
            [{"op": "add", "path": "addresses", "value": [{"locality": str(n)} for n in range(999)]}],
            f"more than {MAX_LOOKS}",
            id="without value",
        ),
        pytest.param(
            [{"op": "add", "path": "emails", "value": [{"value": "one more"}]}],
            f"emails has more than {MAX_ELEMENTS} elements",
            id="one element too many",
        ),
        pytest.param([{"op": "add", "value": {f"K{n}": "y" for n in range(900)}}], "", id="names"),
        pytest.param(
            [{"op": "replace", "path": f"K{n}", "value": "z"} for n in range(990)], "", id="many operations"
        ),
    ],
)
async def test_no_patch_keeps_others_waiting(serve: Serve, meter: Meter, operations, says: str) -> None:
    served = await serve(TARGET + EVERY, OTHER)
    emails = [{"value": f"canary{n}@example.com"} for n in range(MAX_ELEMENTS)]
    own = f"{USERS}/{(await served.ask('POST', USERS, person(emails=emails, k0='x'))).body['id']}"

    status, body = await held(served, meter, "PATCH", own, {"Operations": operations})

    assert status == (400 if says else 200)
    assert says in body.get("detail", "")


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        pytest.param(
            GROUPS,
            holding(b"[]", 5_000_000, GROUP),
            413,
            f"more than {MAX_MEMBER_VALUES} values",
            id="empty lists",
        ),
        pytest.param(
            GROUPS,
            holding(b"[]", MAX_MEMBER_VALUES // 3, GROUP),
            400,
            f"more than {MAX_ELEMENTS} elements",
            id="fewer lists",
        ),
        pytest.param(
            GROUPS, b"{" + b",".join([b'"k":1'] * 2_000_000) + b"}", 413, "values", id="one name in a group"
        ),
        pytest.param(
            GROUPS, {"displayName": "\ufdfa" * 2_000_000}, 413, f"larger than {MAX_BODY} bytes", id="one name"
        ),
        pytest.param(
            USERS, holding(b'{"a":[1]}', 100_000), 413, f"more than {MAX_VALUES} values", id="objects"
        ),
        pytest.param(
            USERS, holding(b"[" * 28 + b"]" * 28, 400), 413, f"more than {MAX_VALUES} values", id="deep"
        ),
        pytest.param(USERS, holding(b"[" * 28 + b"]" * 28, 300), 201, "", id="deep as may be"),
        pytest.param(USERS, b"[" * 1_000_000, 413, f"more than {MAX_VALUES} values", id="deeper"),
        pytest.param(USERS, b"{" + b",".join([b'"k":1'] * 9_000) + b"}", 400, "twice", id="one name"),
        pytest.param(
            USERS,
            person(roles=[{"value": "canary"}] * (MAX_ELEMENTS + 1)),
            400,
            "roles has more than 1000",
            id="roles",
        ),
        pytest.param(
            f"{USERS}/.search",
            {"attributes": ["a"] * (MAX_NAMES + 1)},
            400,
            "1000 attributes",
            id="names to show",
        ),
        pytest.param(
            f"{USERS}/.search", {"x": "x" * MAX_BODY}, 413, "larger than 65536 bytes", id="large search"
        ),
        pytest.param(f"{USERS}/.search", holding(b"[]", 8_000), 413, "values", id="lists in a search"),
    ],
)
async def test_what_would_keep_others_waiting_is_refused(
    serve: Serve, meter: Meter, path: str, body: Any, status: int, says: str
) -> None:
    served = await serve(TARGET + EVERY, OTHER)

    answered, told = await held(served, meter, "POST", path, body)

    assert answered == status
    assert says in told.get("detail", "")


async def test_a_group_of_thousands_keeps_nobody_waiting(serve: Serve, meter: Meter) -> None:
    served = await serve(TARGET + EVERY, OTHER)
    members = [
        {"value": f"{n:036}", "display": f"canary {n}", "type": "User", "$ref": f"../Users/{n:036}"}
        for n in range(MAX_MEMBER_VALUES // 5 - 100)
    ]
    everybody = {"displayName": "canary", "members": members}

    _, group = await held(served, meter, "POST", GROUPS, everybody)
    own = f"{GROUPS}/{group['id']}"
    for operation in (
        {"op": "add", "path": "members", "value": members},
        {"op": "remove", "path": 'members[display co "x" or display co "y"]'},
    ):
        assert (await held(served, meter, "PATCH", own, {"Operations": [operation]}))[0] == 204
    assert (await held(served, meter, "PUT", own, everybody))[0] == 200
    _, found = await held(served, meter, "GET", f"{GROUPS}?filter=members.display%20co%20%22x%22")
    assert found["totalResults"] == 0
    _, shown = await held(served, meter, "GET", own)
    assert len(shown["members"]) == len(members)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        pytest.param(MAX_ANSWER_VALUES, 502, id="values"),
        pytest.param(MAX_PERSON_VALUES - 100, 200, id="as many as may be"),
        pytest.param(MAX_PERSON_VALUES + 100, 502, id="more than one person has"),
    ],
)
async def test_no_answer_of_a_target_keeps_others_waiting(
    serve: Serve, meter: Meter, scripted, values: int, status: int
) -> None:
    numbers = [{"value": str(n), "type": f"t{n}"} for n in range(values // 3)]
    scripted.says(200, json.dumps({"id": "1", "userName": "canary", "phoneNumbers": numbers}))
    served = await serve(scripted.toml(timeout='"10s"', deadline='"20s"') + EVERY, OTHER)

    assert (await held(served, meter, "GET", f"{USERS}/1"))[0] == status


async def test_no_refusal_that_quotes_a_large_person_keeps_others_waiting(
    serve: Serve, meter: Meter, scripted
) -> None:
    said = 'these are not known: "ann 7 of l1", "ann 8 of l2", \\"ann 9…\\", ann 10 of l0 & ann%2011 of l0'
    error = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400", "detail": said}
    scripted.says(400, json.dumps(error))
    served = await serve(scripted.toml(timeout='"10s"', deadline='"20s"') + EVERY, OTHER)
    lists = {
        f"l{n}": [{"value": f"ann {at} of l{n}", "display": f"ann {n}: {at}"} for at in range(900)]
        for n in range(3)
    }

    status, told = await held(served, meter, "POST", USERS, person(**lists))

    assert status == 400
    assert "not known" in told["detail"]
    assert "ann" not in told["detail"]


async def test_a_provider_has_so_much_at_work_at_once_and_keeps_no_other_from_it(
    serve, scripted, monkeypatch
) -> None:
    monkeypatch.setattr(request, "MAX_AT_WORK", 100_000)
    scripted.holds(201, json.dumps({"id": "1", "userName": "canary0"}))
    served = await serve(scripted.toml(timeout='"20s"', deadline='"30s"'), OTHER)
    large = [{"userName": f"canary{n}", "title": "x" * 60_000} for n in range(5)]
    waiting = asyncio.create_task(served.ask("POST", USERS, large[0]))
    await until(lambda: scripted.asked)

    busy = await served.ask("POST", USERS, large[1])
    assert (busy.status, busy.headers["Retry-After"]) == (429, "1")
    assert "too many large requests of this provider" in busy.body["detail"]
    for person, status in ((large[2], 201), (large[3] | {"active": "perhaps"}, 400), (large[4], 201)):
        assert (await served.ask("POST", OTHERS, person, token="rfc")).status == status
    assert not waiting.done()

    scripted.held.set()
    assert (await waiting).status == 201
    assert (await served.ask("POST", USERS, large[1] | {"active": "perhaps"})).status == 400


async def test_a_provider_reads_few_groups_at_once_and_keeps_no_other_read_from_it(serve, scripted) -> None:
    scripted.holds(200, json.dumps({"totalResults": 0, "Resources": []}))
    served = await serve(scripted.toml(timeout='"20s"', deadline='"500ms"', groups="true"), OTHER)
    reading = [asyncio.create_task(served.ask("GET", GROUPS)) for _ in range(FEW + 2)]
    await until(lambda: len(scripted.asked) == FEW)

    await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    people = asyncio.create_task(served.ask("GET", USERS))
    await until(lambda: len(scripted.asked) > FEW)
    assert (await served.ask("GET", OTHERS, token="rfc")).status == 200

    scripted.held.set()
    await people
    answers = await asyncio.gather(*reading)
    busy = [answer.body["detail"] for answer in answers if answer.status == 429]
    assert len(busy) == 2
    assert all("too many reads of groups" in detail for detail in busy)
    assert (await served.ask("GET", GROUPS)).status == 200
