"""Runs over the socket: streamed as they go, ended with their reader or their gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.admin.status import ConfigState
from gateway.errors import JournalUnavailable
from gateway.flow.change import Changes
from gateway.flow.mirror import Mirroring
from gateway.flow.recovery import Recovery
from gateway.server.admin import ROUTES, Runs
from gateway.server.response import Boundary
from tests.support.house import House, make_house

Ask = TestClient[web.Request, web.Application]
GO = {"option": False}


@asynccontextmanager
async def serving(house: House, is_stopping: Callable[[], bool] = lambda: False) -> AsyncIterator[Ask]:
    changes = Changes(house.services, Recovery(house.services))
    mirroring = Mirroring(house.services, changes)
    runs = Runs(house.services, changes, {"phonebook": house.target}, mirroring)
    application = web.Application(middlewares=[Boundary().middleware()])
    state = ConfigState("in force", "2026-03-01T00:00:00Z")
    # all that a run asks of it
    admin: Any = SimpleNamespace(runs=runs, is_stopping=is_stopping, config=lambda: state)
    application.add_routes([web.route(method, path, partial(act, admin)) for method, path, act in ROUTES])
    async with TestClient(TestServer(application)) as client:
        yield client


@pytest.fixture
async def house() -> House:
    made = make_house()
    for n in range(3):
        await made.send("create", {"userName": f"b{n}", "title": "Agent"})
    made.fake.entries["t2"] = made.fake.entries["t2"] | {"title": "Boss"}
    return made


async def lines(client: Ask, run: str, body: Any = GO) -> list[Any]:
    async with client.post(f"/targets/phonebook/{run}", json=body) as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        return [orjson.loads(line) async for line in response.content]


async def test_a_run_is_told_line_by_line(house) -> None:
    async with serving(house) as client:
        row, end = await lines(client, "reconcile")

    assert row["row"].items() >= {"finding": "changed", "path": "title", "theirs": "Boss"}.items()
    assert end["end"].items() >= {"verdict": "differs", "people": 3, "counts": {"changed": 1}}.items()


async def test_a_resync_of_what_new_rules_change_is_refused_while_the_file_has_others(house) -> None:
    async with serving(house) as client:
        body = {"option": True, "digest": "of the file"}
        async with client.post("/targets/phonebook/resync", json=body) as response:
            told = (await response.json())["detail"]

    assert (response.status, house.fake.entries["t2"]["title"]) == (400, "Boss")
    assert "the file is another by now" in told
    assert "`reload` first" in told


@pytest.mark.parametrize(
    ("digest", "count"),
    [pytest.param("of the file", 1, id="another"), pytest.param("in force", 0, id="same")],
)
async def test_a_comparison_says_first_that_the_file_has_other_rules(house, digest: str, count: int) -> None:
    async with serving(house) as client:
        first, *rest = await lines(client, "reconcile", {"option": False, "digest": digest})

    assert ("warning" in first, len(rest)) == (bool(count), 1 + count)


@pytest.mark.parametrize(
    ("run", "option", "title"),
    [
        pytest.param("reconcile", True, "Agent", id="repair"),
        pytest.param("reconcile", False, "Boss", id="compare"),
        pytest.param("resync", False, "Agent", id="everybody"),
        pytest.param("resync", True, "Boss", id="changed"),
    ],
)
async def test_an_option_is_what_the_body_says(house, run: str, option: bool, title: str) -> None:
    async with serving(house) as client:
        await lines(client, run, {"option": option})

    assert house.fake.entries["t2"]["title"] == title


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/targets/nobody/resync", GO, 404, id="unknown target"),
        pytest.param("/targets/phonebook/resnyc", GO, 404, id="unknown run"),
        pytest.param("/targets/phonebook/resync", {}, 400, id="no option"),
        pytest.param("/targets/phonebook/resync", [], 400, id="no object"),
    ],
)
async def test_a_wrong_wish_is_refused(house, path: str, body: Any, status: int) -> None:
    async with serving(house) as client, client.post(path, json=body) as response:
        assert response.status == status
    assert len(await house.events()) == 3


async def test_a_gateway_that_stops_ends_the_run(house) -> None:
    async with serving(house, lambda: True) as client:
        told = await lines(client, "reconcile")

    assert told == [{"error": "the gateway stops"}]
    assert (await house.events())[-1]["outcome"]["reason"] == "ended early"


async def test_a_journal_that_fails_is_told_as_the_last_line(house) -> None:
    async def fail(*_: Any) -> Any:
        raise JournalUnavailable("disk full")

    house.services.resources.page = fail

    async with serving(house) as client:
        assert (await lines(client, "resync")) == [{"error": "disk full"}]


async def test_a_command_that_goes_away_ends_the_run(house) -> None:
    ended, read = asyncio.Event(), house.services.resources.page
    house.services.trail.append = told(house.services.trail.append, ended)

    async def endless(base: str, kind: Any, after: str, count: int) -> Any:
        house.clock[0] += 1
        return await read(base, kind, "", count)

    house.services.resources.page = endless
    async with serving(house) as client, ClientSession() as session:
        response = await session.post(client.make_url("/targets/phonebook/resync"), json=GO)
        await response.content.readline()
        response.close()
        async with asyncio.timeout(20):
            await ended.wait()

    assert (await house.events())[-1]["outcome"]["reason"] == "ended early"


def told(append: Any, ended: asyncio.Event) -> Any:
    async def append_and_tell(events: Any) -> None:
        await append(events)
        ended.set()

    return append_and_tell
