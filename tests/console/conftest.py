"""Gateways with a console in this process, and people with browsers before them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path

import pytest
from aiohttp import web

from gateway.flow.journal_port import Operation, Transition
from gateway.log import set_up_logging
from tests.support.served import (
    ANN,
    CANARY,
    OTHER,
    PHONEBOOK,
    USERS,
    Serve,
    Served,
    gateways,
    scripted_target,
)
from tests.support.visitor import CONSOLE, Visitor, visitor

BRAKED = PHONEBOOK.replace('region = "GB"', 'region = "GB"\nmax_removals = { count = 1, per = "1h" }')
LEAVERS = [f"{CANARY}{n}@example.com" for n in range(4)]
Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[StringIO]:
    """The log of the gateway; that nobody's values are in it, every test proves."""
    stream = StringIO()
    set_up_logging(stream)
    yield stream
    assert CANARY not in stream.getvalue()
    assert caplog.text == ""


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """What starts a gateway."""
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A gateway with a console."""
    return await serve(config=CONSOLE)


@pytest.fixture
async def visit(served: Served) -> AsyncIterator[Visit]:
    """What opens a browser, signed in where somebody is named."""
    async with AsyncExitStack() as stack:

        async def opened(name: str | None = None) -> Visitor:
            made = await stack.enter_async_context(visitor(served.port))
            if name is not None:
                assert (await made.sign_in(name)).status == 303
            return made

        yield opened


async def opened(served: Served) -> list[Operation]:
    return list(await served.gateway.services.operations.open("phonebook", ()))


@pytest.fixture
async def held(serve: Serve) -> Served:
    """A gateway whose brake holds all removals but the first."""
    served = await serve(BRAKED, OTHER, config=CONSOLE)
    for name in LEAVERS:
        body = ANN | {"userName": name, "externalId": name}
        made = await served.ask("POST", USERS, body)
        await served.ask("PUT", f"{USERS}/{made.body['id']}", body | {"active": False})
    return served


@pytest.fixture
def mended() -> asyncio.Event:
    """Set when the target that refuses is well."""
    return asyncio.Event()


@pytest.fixture
async def dead(serve: Serve, mended: asyncio.Event) -> AsyncIterator[Served]:
    """A gateway that has given a change up: its target did not answer, and then would not show the person."""
    entry = {key: value for key, value in ANN.items() if key != "password"} | {"id": "t-1"}
    async with scripted_target() as target:

        async def reply(request: web.Request) -> web.StreamResponse:
            if request.method == "PUT":
                await target.held.wait()  # nobody knows whether it has happened
            if target.held.is_set() and not mended.is_set():
                return web.json_response({"detail": "<b>no such plan</b>"}, status=400)
            if request.path.endswith("/Users") and request.method == "GET":
                return web.json_response({"totalResults": 0, "Resources": []})
            return web.json_response(entry, status=201 if request.method == "POST" else 200)

        target.reply = reply
        toml = target.toml(give_up='"1ms"', settle='"1ms"')
        served = await serve(toml, OTHER, config=CONSOLE)
        made = await served.ask("POST", USERS, ANN)
        await served.ask("PUT", f"{USERS}/{made.body['id']}", ANN | {"title": "Lead"})
        target.held.set()
        for _ in range(2):  # refused, and, when its time has come, refused for long enough
            (one,) = await opened(served)
            due = Transition(one.standing, one.reason, refused=one.refused)
            await served.gateway.services.operations.mark(one, due)
            await served.gateway.recovery.sweep(served.gateway.targets["phonebook"])
        yield served
