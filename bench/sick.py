"""SCIM services that may fall ill while they run, each on a port of its own.

Usage: python -m bench.sick COUNT; prints their ports. Each line on standard input is a JSON object of moods
by port, maybe empty; it is answered with how many requests each port has got so far.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from bench.processes import run
from bench.stub import ERROR, Connection, Directory, Reply, opened
from bench.wire import answer

SLOWLY: Final = 1.0  # seconds between two bytes
WELL: Final = "well"
BROKEN: Final[Reply] = (
    b"503 Service Unavailable",
    json.dumps({"schemas": [ERROR], "status": "503", "detail": "down"}).encode(),
)


class Service:
    """A directory with a mood, and how many requests it has got."""

    def __init__(self) -> None:
        self.directory = Directory()
        self.mood = WELL
        self.asked = 0


class MoodyConnection(Connection):
    """Answers what comes in on one connection as its service's mood is."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.directory.reply)
        self._service = service

    def take(self, transport: asyncio.Transport, method: str, path: str, query: str, body: bytes) -> None:
        self._service.asked += 1
        MOODS[self._service.mood](transport, partial(self.reply, method, path, query, body))


Ask = Callable[[], Reply]  # does what was asked


def answers(transport: asyncio.Transport, ask: Ask) -> None:
    """Do it, and say so."""
    transport.write(answer(*ask()))


def hangs(transport: asyncio.Transport, ask: Ask) -> None:
    """Say nothing, for ever."""


def refuses(transport: asyncio.Transport, ask: Ask) -> None:
    """Say 503."""
    transport.write(answer(*BROKEN))


def trickles(transport: asyncio.Transport, ask: Ask) -> None:
    """Say 503 too, a byte a second."""
    trickle(transport, iter(answer(*BROKEN)))


def trickle(transport: asyncio.Transport, rest: Iterable[int]) -> None:
    """Send a byte and, later, the rest."""
    for byte in rest:
        if not transport.is_closing():
            transport.write(bytes([byte]))
            asyncio.get_running_loop().call_later(SLOWLY, trickle, transport, rest)
        return


def cuts(transport: asyncio.Transport, ask: Ask) -> None:
    """Reset the connection."""
    transport.abort()


MOODS: Final[Mapping[str, Callable[[asyncio.Transport, Ask], None]]] = {
    WELL: answers,
    "hangs": hangs,
    "refuses": refuses,
    "trickles": trickles,
    "cuts": cuts,
}


async def main(count: int) -> None:
    """Serve on the loopback until standard input ends."""
    loop = asyncio.get_running_loop()
    services: dict[str, Service] = {}
    for _ in range(count):
        service = Service()
        _, free = await opened(partial(MoodyConnection, service))
        services[str(free)] = service
    print(json.dumps([int(port) for port in services]), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        moods: dict[str, Any] = json.loads(line)
        for port, mood in moods.items():
            services[port].mood = mood
        print(json.dumps({port: service.asked for port, service in services.items()}), flush=True)


if __name__ == "__main__":
    run(main(int(sys.argv[1])))
