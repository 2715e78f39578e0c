"""Connections in bounds of number and time: who is silent, slow or many keeps nobody else out."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.flow.services import Alert
from gateway.server.runner import ANSWER_TIME, HEADER_TIME, SPARE, TAKEN, _is_stuck, allow_connections
from tests.server.test_monitoring_metrics import numbers
from tests.support.served import CONFIG, OTHER, TOKENS, Served
from tests.support.waiting import until

LISTEN = 'listen = "127.0.0.1:0"'
WELL = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
USERS = "/scim/phonebook/v2/Users"
SCHEMAS = (
    f"GET /scim/phonebook/v2/Schemas HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['okta']}\r\n\r\n"
).encode()


class Client:
    """One connection, which says what it is told and reads when it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.address = writer.get_extra_info("sockname")

    async def say(self, text: bytes) -> None:
        self.writer.write(text)
        await self.writer.drain()

    async def status(self) -> int:
        """Return the status of the next answer, read to its end."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
        await self.reader.readexactly(length)
        return int(head.split()[1])

    async def end(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def is_cut(self) -> bool:
        """Whether the gateway ends the connection, all else being read."""
        with suppress(ConnectionError):
            await asyncio.wait_for(self.reader.read(), 10)
        return True


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """What opens connections, which end with the test."""
    async with AsyncExitStack() as stack:

        async def opened(served: Served, *said: bytes, size: int | None = None) -> Client:
            plug = socket.socket()
            if size is not None:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            plug.setblocking(False)
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", served.port))
            client = Client(*await asyncio.open_connection(sock=plug, limit=4 * 1024 * 1024))
            stack.push_async_callback(client.end)
            for text in said:
                await client.say(text)
            await until(lambda: client.address in known(served) or client.reader.at_eof())
            return client

        yield opened


def bounds(served: Served) -> Any:
    return served.gateway.oversight.connections


def known(served: Served) -> list[Any]:
    """Return from where the connections are that the gateway has open."""
    return [transport.get_extra_info("peername") for transport in bounds(served)._open.values()]


def look(served: Served, later: float) -> Alert | None:
    """Look after the connections as if so many seconds had passed."""
    found: Alert | None = bounds(served).sweep(asyncio.get_running_loop().time() + later)
    return found


def lines(log: Any, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"GET /healthz HTT",), id="a part"),
        pytest.param((b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: 1\r\n"), id="all but its end"),
        pytest.param((WELL, b"GET"), id="a part of the second"),
    ],
)
async def test_who_does_not_say_a_whole_header_in_its_time_is_cut(serve, connect, log, said) -> None:
    served = await serve()
    client = await connect(served)
    for text in said:
        await client.say(text)
        if text == WELL:
            assert await client.status() == 200
    await served.ask("GET", "/healthz")  # by now the gateway has read what was said

    assert look(served, HEADER_TIME - 1) is None
    assert not lines(log, "connections.cut")
    look(served, HEADER_TIME + 1)

    assert await client.is_cut()
    assert [line["header"] for line in lines(log, "connections.cut")] == [1]
    assert (await numbers(served))["connections_cut_total reason=header"] == 1


async def test_a_header_that_dribbles_has_no_more_time_for_it(serve, connect) -> None:
    served = await serve()
    client = await connect(served, WELL)
    assert await client.status() == 200
    (connection,) = bounds(served)._open
    await until(lambda: connection.is_waiting)

    began = []
    for text in (b"GET /healthz", b" HTTP/1.1\r\n", b"Host: x\r\n"):
        await client.say(text)
        await until(lambda: connection.header_since is not None)
        began.append(connection.header_since)

    assert len(set(began)) == 1
    await client.say(b"\r\n")
    assert await client.status() == 200
    assert connection.header_since is None


async def test_who_waits_between_two_requests_or_for_an_answer_is_not_cut(serve, connect, scripted) -> None:
    scripted.holds(200, '{"totalResults": 0, "Resources": []}')
    served = await serve(scripted.toml(timeout='"20s"', deadline='"30s"'), OTHER)
    idle = await connect(served, WELL)
    assert await idle.status() == 200
    waiting = asyncio.create_task(served.ask("GET", USERS))
    await until(lambda: scripted.asked)

    look(served, HEADER_TIME + 1)
    look(served, ANSWER_TIME + 1)

    await idle.say(WELL)
    assert await idle.status() == 200
    scripted.held.set()
    assert (await waiting).status == 200


async def test_who_asks_on_and_on_and_takes_no_answer_is_cut(serve, connect, log) -> None:
    served = await serve()
    client = await connect(served, SCHEMAS * 400, size=4096)
    (transport,) = bounds(served)._open.values()
    await until(lambda: transport.get_write_buffer_size() > 0 and not is_read(served))

    look(served, 0)
    look(served, ANSWER_TIME - 1)
    assert not transport.is_closing()
    look(served, ANSWER_TIME + 1)

    assert transport.is_closing()
    assert await client.is_cut()
    await until(lambda: not len(bounds(served)))
    assert [line["answer"] for line in lines(log, "connections.cut")] == [1]


def is_read(served: Served) -> bool:
    """Whether the gateway reads what this client says."""
    (connection,) = bounds(served)._open
    return not connection.writing_paused


@pytest.mark.parametrize(
    ("looks", "is_stuck"),
    [
        pytest.param([(0, 9 * TAKEN, 1), (30, 9 * TAKEN, 1)], True, id="nothing is taken"),
        pytest.param([(0, 9 * TAKEN, 1), (29, 9 * TAKEN, 1)], False, id="not yet"),
        pytest.param([(0, 9 * TAKEN, 1), (30, 8 * TAKEN + 1, 1)], True, id="next to nothing is taken"),
        pytest.param([(0, 9 * TAKEN, 1), (29, 8 * TAKEN, 1), (58, 7 * TAKEN, 1)], False, id="bit by bit"),
        pytest.param([(0, 99, 1), (29, 0, 1), (31, 99, 1)], False, id="the next is not taken yet"),
        pytest.param([(0, 99, 1), (31, 99, 2)], False, id="the next was asked for meanwhile"),
    ],
)
def test_an_answer_has_its_time_to_be_taken_and_a_long_one_as_long_as_it_is_taken(looks, is_stuck) -> None:
    connection, now = SimpleNamespace(untaken=None), 0.0

    for now, size, requests in looks:
        connection._request_count = requests
        transport = SimpleNamespace(get_write_buffer_size=lambda size=size: size)
        found = _is_stuck(connection, transport, float(now))

    assert found == is_stuck


def bounded(most: int, per_client: int, *more: str) -> str:
    keys = (f"max_connections = {most}", f"max_connections_per_client = {per_client}", *more)
    return CONFIG.replace(LISTEN, "\n".join((LISTEN, *keys)))


@pytest.mark.parametrize(
    ("most", "per_client", "is_alarming"),
    [pytest.param(100, 3, False, id="of one address"), pytest.param(3, 100, True, id="in all")],
)
async def test_of_too_many_who_is_silent_goes_first_and_whoever_asks_is_answered(
    serve, connect, log, most, per_client, is_alarming
) -> None:
    served = await serve(config=bounded(most, per_client))
    asking = await connect(served, WELL)
    assert await asking.status() == 200
    silent = [await connect(served) for _ in range(2)]

    newest = await connect(served, WELL)

    assert await newest.status() == 200
    assert await silent[0].is_cut()
    assert len(bounds(served)) == 3
    await asking.say(WELL)
    assert await asking.status() == 200
    alert = look(served, 1)
    assert (alert is not None) == is_alarming
    assert [line["crowd"] for line in lines(log, "connections.cut")] == [1]


async def test_a_thousand_silent_connections_keep_nobody_out_and_hold_no_files(serve, connect) -> None:
    served = await serve(config=bounded(50, 40))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        await connect(served)

    assert (await served.ask("GET", "/healthz")).status == 200
    assert len(bounds(served)) <= 40
    assert len(os.listdir("/proc/self/fd")) - before <= 300 + 40 + 2  # the clients' own, and these


async def test_where_all_are_at_work_the_newest_is_cut(serve, connect, scripted) -> None:
    scripted.holds(200, '{"totalResults": 0, "Resources": []}')
    served = await serve(scripted.toml(timeout='"20s"', deadline='"30s"'), OTHER, config=bounded(100, 2))
    waiting = [asyncio.create_task(served.ask("GET", USERS)) for _ in range(2)]
    await until(lambda: len(scripted.asked) == 2)

    newest = await connect(served)

    assert await newest.is_cut()
    scripted.held.set()
    assert [(await answer).status for answer in waiting] == [200, 200]


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        pytest.param({"X-Forwarded-For": "198.51.100.7"}, 429, id="the same client"),
        pytest.param({"X-Forwarded-For": "6.6.6.6, 198.51.100.7"}, 429, id="who says to be another"),
        pytest.param({"X-Forwarded-For": "198.51.100.8"}, 200, id="another client"),
        pytest.param({"X-Forwarded-For": "so:what"}, 200, id="no address"),
        pytest.param({}, 200, id="the proxy itself"),
    ],
)
async def test_behind_a_proxy_the_bound_is_that_of_the_client_it_names(
    serve, scripted, forwarded, status
) -> None:
    scripted.holds(200, '{"totalResults": 0, "Resources": []}')
    served = await serve(
        scripted.toml(timeout='"20s"', deadline='"30s"'),
        OTHER,
        config=bounded(100, 2, 'trusted_proxies = ["127.0.0.1"]'),
    )
    told = {"X-Forwarded-For": "198.51.100.7"}
    waiting = [asyncio.create_task(served.ask("GET", USERS, **told)) for _ in range(2)]
    await until(lambda: len(scripted.asked) == 2)

    answer = await served.ask("GET", "/healthz", **forwarded)

    assert answer.status == status
    scripted.held.set()
    assert [(await one).status for one in waiting] == [200, 200]
    assert (await served.ask("GET", "/healthz", **told)).status == 200


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        pytest.param("198.51.100.7", "198.51.100.7", id="IPv4"),
        pytest.param("::ffff:198.51.100.7", "198.51.100.7", id="IPv4 on an IPv6 socket"),
        pytest.param("2001:db8:1:2:3::4", "2001:0db8:0001:0002", id="an IPv6 network"),
        pytest.param("2001:db8:1:2:ffff::1%eth0", "2001:0db8:0001:0002", id="with a zone"),
        pytest.param("10.0.0.2", None, id="a trusted proxy"),
    ],
)
async def test_whose_connection_it_is(serve, peer, client) -> None:
    served = await serve(config=bounded(9, 9, 'trusted_proxies = ["10.0.0.0/8"]'))

    assert bounds(served)._client(peer) == client


async def test_open_connections_are_a_number_of_the_metrics(serve, connect) -> None:
    served = await serve()
    for _ in range(3):
        await connect(served)

    assert (await numbers(served))["open_connections"] == 4


@pytest.fixture
def few_files() -> Iterator[Callable[[int], None]]:
    """Lets this process open so many files, until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_where_no_file_can_be_opened_an_alert_says_so_once_a_minute(serve, few_files) -> None:
    served = await serve()
    few_files(3)

    alerts = [look(served, seconds) for seconds in (0, 30, 61)]

    assert [alert and alert.name for alert in alerts] == [
        "connections.exhausted",
        None,
        "connections.exhausted",
    ]
    assert alerts[0].reason == "no more files can be opened: Too many open files"


def test_the_soft_limit_of_files_is_raised_for_the_connections(few_files) -> None:
    few_files(200)

    assert allow_connections(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200 + SPARE


def test_where_the_limit_cannot_be_raised_there_are_fewer_connections(monkeypatch, log) -> None:
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (400, 464))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))

    assert allow_connections(1000) == 200
    assert limits == [(464, 464)]
    assert [line["most"] for line in lines(log, "connections.bounded")] == [200]
