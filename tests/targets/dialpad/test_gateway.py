"""A gateway before Dialpad's API, with its preset: Okta's day, what is adopted, compared and refused."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import structlog
from aiohttp import web

from gateway.cli import main
from gateway.targets.http import MAX_BYTES, PacedTransport
from gateway.targets.transport import Transport
from tests.support.dialpad import Dialpad, dialpad, needs_openapi
from tests.support.forms import ENTERPRISE
from tests.support.okta_day import Day, play
from tests.support.served import CONFIG, Answer, Scripted, Served, check_refused, gateways, scripted_target

pytestmark = needs_openapi()

USERS = "/scim/phonebook/v2/Users"
TARGET = """
[targets.phonebook]
preset = "dialpad_api"
url = "{url}"
auth = {{ bearer = {{ file = "dialpad.key" }} }}
rate = "{rate}"
trust = "0s"
shared = true
{keys}
[targets.phonebook.offices]
LDN = {{ name = "London", country = "GB" }}
"""
OTHER = '[targets.other]\nconnector = "embedded"\nurl = "sqlite:other.db"\nshared = true\n'
ROOT = Path(__file__).resolve().parents[3]


def person(name: str = "ann", **more: Any) -> dict[str, Any]:
    return {
        "userName": f"{name}@example.com",
        "externalId": f"00u-{name}",
        "name": {"givenName": name.title(), "familyName": "Berg"},
        "title": "Agent",
        "active": True,
        ENTERPRISE: {"officeName": "LDN"},
        **more,
    }


@asynccontextmanager
async def before(folder: Path, url: str, keys: str = "", rate: str = "1000/s") -> AsyncIterator[Served]:
    """Serve a gateway before what is at the address."""
    (folder / "dialpad.key").touch(0o600)
    (folder / "dialpad.key").write_text("canary-key-of-dialpad")
    async with gateways(folder) as run:
        yield await run(TARGET.format(url=url, keys=keys, rate=rate), OTHER, config=CONFIG)


@pytest.fixture
async def company() -> AsyncIterator[Dialpad]:
    async with dialpad(Dialpad(offices={124: "London", 125: "Oslo"})) as company:
        yield company


@pytest.fixture
async def served(company: Dialpad, tmp_path: Path) -> AsyncIterator[Served]:
    async with before(tmp_path, company.url) as served:
        yield served


# --- Okta's day, before Dialpad as a process


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a company at Dialpad is, as a process of its own."""
    program = [sys.executable, "-m", "tests.support.dialpad"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(program, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def state(address: str) -> Any:
    with urlopen(address) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def day(address: str, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over."""

    async def look(kind: str) -> list[Any]:
        users = (await asyncio.to_thread(state, address))["users"].values() if kind == "Users" else ()
        there = [user for user in users if user["state"] != "deleted"]
        return [user | {"userName": user["emails"][0]} for user in there]

    return asyncio.run(play(tmp_path_factory.mktemp("day"), "dialpad_api", address, look))


AVA = "ava@example.com"


def test_a_person_arrives_changes_leaves_returns_and_is_deleted(day: Day) -> None:
    def ava(step: str) -> Any:
        user = day.steps[step].people.get(AVA)
        return user and {name: user.get(name) for name in ("state", "job_title", "license", "office_id")}

    arrived = {"state": "active", "job_title": "Agent", "license": "talk", "office_id": 124}
    changed = arrived | {"job_title": "Lead", "license": "agents"}

    assert ava("created") == arrived
    assert [ava(step) for step in ("updated", "refused")] == [changed] * 2
    assert ava("deactivated") == changed | {"state": "suspended"}
    assert [ava(step) for step in ("returned", "pushed again")] == [changed] * 2
    assert ava("deleted") is None
    assert [user["state"] for user in day.steps["second left"].people.values()] == ["suspended"]


def test_what_okta_hears_of_that_day_is_what_it_sent(day: Day) -> None:
    statuses = {name: [answer.status for answer in step.answers] for name, step in day.steps.items()}
    (shown,) = [user for user in day.steps["imported"].answer.body["Resources"] if user["userName"] == AVA]

    assert statuses["created"] == [201]
    assert statuses["refused"] == [400]
    assert statuses["group pushed"] == [200, 501]
    assert statuses["deleted"] == [204, 404]
    assert shown[ENTERPRISE]["officeName"] == "LDN"
    assert shown["phoneNumbers"][0]["value"] == "020 7946 0018"


def test_nothing_was_said_that_the_published_file_does_not_allow(day: Day, address: str) -> None:
    seen = state(address)

    assert seen["violations"] == []
    assert len(seen["calls"]) > 10


# --- what is there already, and what others do


async def test_somebody_half_built_is_adopted_and_completed(company: Dialpad, served: Served) -> None:
    company.users[77] = {
        "id": 77,
        "state": "active",
        "emails": ["ann@example.com"],
        "first_name": "Ann",
        "license": "talk",
        "office_id": 125,
    }

    made = await served.ask("POST", USERS, person())

    user = company.users[77]
    assert (made.status, made.body["id"], len(company.users)) == (201, "77", 1)
    assert (user["last_name"], user["job_title"], user["office_id"]) == ("Berg", "Agent", 124)
    (event,) = await served.events()
    assert (event["event"], event["outcome"]["result"]) == ("user.create", "adopted")


async def test_what_is_edited_at_dialpad_is_shown_and_an_unknown_person_too(
    company: Dialpad, served: Served
) -> None:
    made = await served.ask("POST", USERS, person())
    company.users[int(made.body["id"])]["job_title"] = "Boss"
    company.users[78] = {"id": 78, "state": "active", "emails": ["new@example.com"], "office_id": 124}

    one = await served.ask("GET", f"{USERS}/{made.body['id']}")
    other = await served.ask("GET", f"{USERS}/78")

    assert (one.body["title"], one.body["externalId"]) == ("Boss", "00u-ann")
    assert other.body["userName"] == "new@example.com"


async def test_an_administrator_whom_the_target_protects_is_not_touched(
    company: Dialpad, tmp_path: Path
) -> None:
    company.users[77] = {"id": 77, "state": "active", "emails": ["ann@example.com"], "is_super_admin": True}

    async with before(tmp_path, company.url, "protect = 'roles.value eq \"super_admin\"'") as served:
        made = await served.ask("POST", USERS, person())
        listed = await served.ask("GET", USERS)

    check_refused(made, 409, "phonebook holds an entry of that name which may not be adopted")
    assert listed.body["totalResults"] == 0
    assert [change["method"] for change in company.changes] == ["POST"]


async def test_every_call_of_a_create_is_counted_for_the_rate(
    company: Dialpad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    class Still(PacedTransport):
        """On a clock that stands, so that nobody waits."""

        def __init__(self, inner: Transport, rate: float, patience: float) -> None:
            super().__init__(inner, rate, patience, lambda: 0.0, self.noted)

        async def noted(self, seconds: float) -> None:
            slept.append(seconds)

    monkeypatch.setattr("gateway.targets.http.PacedTransport", Still)

    async with before(tmp_path, company.url, rate="20/s") as served:
        assert (await served.ask("POST", USERS, person())).status == 201

    assert [method for method, _ in company.calls] == ["GET", "POST", "PATCH"]
    assert slept == pytest.approx([0.05, 0.1])


async def test_seats_that_are_not_there_are_told_of(company: Dialpad, tmp_path: Path) -> None:
    company.seats["talk_lines"] = 0

    async with before(tmp_path, company.url, 'options = { seat_guard = "on" }') as served:
        made = await served.ask("POST", USERS, person())
        (event,) = await served.events()

    check_refused(made, 400, "no seat is left: the person's office has 0 talk_lines")
    assert event["outcome"]["result"] == "rejected"
    assert company.changes == []


async def _people(folder: Path, company: Dialpad) -> None:
    async with before(folder, company.url) as served:
        for name in ("ann", "bob", "eve"):
            assert (await served.ask("POST", USERS, person(name))).status == 201


def _edited(company: Dialpad) -> None:
    """By hand: Ann has another title, Bob is suspended, Eve is gone, and there is a stranger."""
    ann, bob, eve = company.users
    company.users[ann]["job_title"] = "Boss"
    company.users[bob]["state"] = "suspended"
    company.users[eve] |= {"state": "deleted", "emails": []}
    company.users[99] = {"id": 99, "state": "active", "emails": ["zoe@example.com"], "office_id": 125}


async def test_reconcile_finds_what_others_did_and_repair_undoes_it(
    company: Dialpad, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    monkeypatch.chdir(tmp_path)
    await _people(tmp_path, company)
    _edited(company)

    async def found(*argv: str) -> set[tuple[str, str]]:
        capsys.readouterr()
        await asyncio.to_thread(main, ["reconcile", "phonebook", *argv, "--format", "ndjson"])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {(row["user_name"], row["finding"]) for row in rows}

    differs = await found()
    await found("--repair")

    assert {name for name, _ in differs} == {
        "ann@example.com",
        "bob@example.com",
        "eve@example.com",
        "zoe@example.com",
    }
    titles = {
        user["emails"][0]: (user.get("job_title"), user["state"])
        for user in company.users.values()
        if user["state"] != "deleted"
    }
    assert {name: titles[name] for name in ("ann@example.com", "bob@example.com")} == {
        "ann@example.com": ("Agent", "active"),
        "bob@example.com": ("Agent", "active"),
    }


# --- bad input: what the provider hears, and what is remembered

OFFICES = '{"items": [{"id": "124", "name": "London", "state": "active"}]}'


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[tuple[Scripted, Served]]:
    """A Dialpad that answers as it is told, but for its offices."""
    async with scripted_target() as scripted:
        keys = 'timeout = "300ms"\ndeadline = "400ms"'
        async with before(tmp_path, scripted.url, keys) as served:
            yield scripted, served


def answering(scripted: Scripted, reply: Callable[[web.Request], Any]) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v2/offices":
            return web.Response(text=OFFICES, content_type="application/json")
        if request.method == "GET" and request.path == "/api/v2/users":
            return web.json_response({})
        response: web.StreamResponse = await reply(request)
        return response

    scripted.reply = handle


def saying(status: int, body: str, kind: str = "application/json", **headers: str) -> Any:
    async def reply(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind, headers=headers)

    return reply


async def trickling(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with_ends = asyncio.Event()
    for _ in range(40):
        await response.write(b" ")
        try:
            async with asyncio.timeout(0.05):
                await with_ends.wait()
        except TimeoutError:
            continue
    return response


async def flooding(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    block, sent = b" " * 65536, 0
    while sent < 12 * MAX_BYTES:  # some hundred megabytes, of which few are read
        try:
            await response.write(block)
        except ConnectionError:
            break
        sent += len(block)
    return response


NONSENSE = "phonebook gave an answer that the gateway does not understand"
BAD = [
    pytest.param(saying(200, "<html><h1>canary</h1></html>", "text/html"), NONSENSE, id="HTML"),
    pytest.param(saying(200, '{"id": "7", "ema'), NONSENSE, id="half a JSON"),
    pytest.param(saying(302, "", Location="https://canary.example.com/"), NONSENSE, id="a redirect"),
    pytest.param(saying(200, '{"error": {"message": "canary"}}'), NONSENSE, id="an error that says 200"),
    pytest.param(saying(200, '{"id": "7", "error": "canary"}'), NONSENSE, id="an error beside an id"),
    pytest.param(flooding, NONSENSE, id="100 MB"),
    pytest.param(trickling, "could not be reached or did not answer in time", id="a trickle"),
    pytest.param(saying(429, "{}", **{"Retry-After": "7"}), "asks to slow down", id="slower"),
    pytest.param(saying(403, "{}"), "does not accept the gateway's credentials", id="credentials"),
    pytest.param(saying(500, "{}"), "answered 500", id="broken"),
]


@pytest.mark.parametrize(("reply", "says"), BAD)
async def test_what_is_no_answer_to_a_create_is_busy_and_remembered(
    odd: tuple[Scripted, Served], reply: Any, says: str
) -> None:
    scripted, served = odd
    answering(scripted, reply)

    made = await served.ask("POST", USERS, person())

    check_refused(made, 429, says)
    (event,) = [event for event in await served.events() if event["event"] == "user.create"]
    assert event["outcome"]["result"] in ("pending", "deferred")


@pytest.mark.parametrize(("reply", "says"), BAD[:6])
async def test_what_is_no_answer_to_a_read_is_502(
    odd: tuple[Scripted, Served], reply: Any, says: str
) -> None:
    scripted, served = odd
    answering(scripted, reply)

    check_refused(await served.ask("GET", f"{USERS}/7"), 502, says)


async def test_a_cursor_that_repeats_is_told_as_a_contradiction(odd: tuple[Scripted, Served]) -> None:
    scripted, served = odd
    scripted.says(200, '{"items": [], "cursor": "again"}')

    answer: Answer = await served.ask("GET", USERS)

    check_refused(answer, 502, "phonebook contradicts itself")
