"""Sends one kind of request over kept connections and says how long each took.

Usage: python -m bench.load JSON, where JSON has the fields of `Job`. Each line on standard input is one of
{"ready": COUNT}, which does what is not measured, {"run": COUNT}, and {"go on": SECONDS}, which sends in the
background from then on, whatever comes of it, and says how much was sent so far. Each is answered with a line
of JSON.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from bench.cases import CASES, Request, Script
from bench.processes import run
from bench.wire import Buffer, Message, request, status_of

EXAMPLES: Final = 3  # of answers that are none, as they are told
PATIENCE: Final = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be sent, and whereto."""

    port: int
    bases: Sequence[str]  # in turn, one for each connection
    token: str
    case: str
    connections: int
    first: int  # the number of the first person who is not there yet
    every: float = 0.0  # seconds from one request of a connection to its next, at least


class Failed(Exception):
    """An answer is not 2xx."""


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._buffer = Buffer()
        self._waiting: asyncio.Future[Message] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._buffer.feed(data)
        message = self._buffer.take()
        if message is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("the connection was closed"))

    def send(self, data: bytes) -> "asyncio.Future[Message]":
        """Send a request and return what its answer will be."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiting


class Client:
    """A connection and what it does."""

    def __init__(self, job: Job, base: str, connection: Connection, script: Script) -> None:
        self.script = script
        self.base = base
        self.sent = 0
        self._job = job
        self._connection = connection

    async def ask(self, asked: Request) -> bytes:
        """Send what is not measured; raises `Failed`."""
        return body_of(await self._connection.send(self._bytes(asked)))

    async def run(self, tickets: "deque[None]", seconds: list[float], failures: list[str]) -> None:
        """Send one request after the other while there are tickets, which all connections share."""
        while tickets:
            tickets.pop()
            data = self._bytes(self.script.next())
            begun = time.perf_counter()
            message = await self._connection.send(data)
            took = time.perf_counter() - begun
            seconds.append(took)
            try:
                body_of(message)
            except Failed as error:
                failures.append(str(error))
            if took < self._job.every:
                await asyncio.sleep(self._job.every - took)

    async def go_on(self) -> None:
        """Send one request after the other, whatever is answered, until the connection ends."""
        with suppress(ConnectionError):
            while True:
                self.sent += 1
                pause = asyncio.create_task(asyncio.sleep(self._job.every))
                await self._connection.send(self._bytes(self.script.next()))
                await pause

    def _bytes(self, asked: Request) -> bytes:
        method, path, body = asked
        return request(method, self.base + path, body, self._job.token)


def body_of(message: Message) -> bytes:
    """Return the body of a good answer; raises `Failed`."""
    status = status_of(message)
    if not 200 <= status < 300:
        raise Failed(f"{status} {message.body[:300].decode(errors='replace')}")
    return message.body


async def prepared(job: Job) -> list[Client]:
    """Open the connections and have each prepare."""
    numbers, shared = itertools.count(job.first), dict[str, Any]()
    clients = []
    for base in itertools.islice(itertools.cycle(job.bases), job.connections):
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", job.port)
        client = Client(job, base, connection, CASES[job.case].script(numbers, shared))
        await client.script.prepare(client.ask)
        clients.append(client)
    return clients


async def ready(clients: Iterable[Client], count: int) -> dict[str, Any]:
    """Have each connection do what is not measured before all of them send `count` requests."""
    for client in clients:
        await client.script.ready(client.ask, count)
    return {}


async def measured(clients: Iterable[Client], count: int) -> dict[str, Any]:
    """Send so many requests and return how long all and each took, and which failed."""
    tickets: deque[None] = deque([None] * count)
    seconds: list[float] = []
    failures: list[str] = []
    begun = time.perf_counter()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(tickets, seconds, failures))
    took = time.perf_counter() - begun
    return {"seconds": took, "each": seconds, "failed": len(failures), "failures": failures[:EXAMPLES]}


async def gone_on(clients: Iterable[Client], seconds: float) -> dict[str, Any]:
    """Send in the background from now on; return how many requests were sent to each base after so long."""
    for client in clients:
        if client not in ENDLESS:
            ENDLESS[client] = asyncio.create_task(client.go_on())
    await asyncio.sleep(seconds)
    sent: Counter[str] = Counter()
    for client in clients:
        sent[client.base] += client.sent
    return dict(sent)


ENDLESS: Final[dict[Client, "asyncio.Task[None]"]] = {}
COMMANDS: Final = {"run": measured, "ready": ready, "go on": gone_on}


async def main(job: Job) -> None:
    """Do what standard input says until it ends."""
    clients = await prepared(job)
    lines = asyncio.get_running_loop()
    print(json.dumps({}), flush=True)
    while line := await lines.run_in_executor(None, sys.stdin.readline):
        ((what, count),) = json.loads(line).items()
        said = await COMMANDS[what](clients, count)
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    run(main(Job(**json.loads(sys.argv[1]))))
