"""A SCIM service as a process of its own: it misbehaves by chance and keeps a ledger of all it applied.

Usage: ledger.py FILE SEED SICK [--unique] [--patch]; SICK is the share of requests that go wrong. Prints
`listening on port N`. A line of the ledger is one applied write: {"at", "cid", "method", "entry"}, `at` in
seconds of the machine's monotonic clock. A process id and a moment of the n-th write, sent to `/-/aim`, let
it kill that gateway then; `/-/quiet` answers once nothing is on its way any more.
"""

import argparse
import asyncio
import copy
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TextIO

from aiohttp import web

ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
EQUALS: Final = re.compile(r'(\w+) eq "(.*)"')
LATE: Final = (0.4, 0.7)  # seconds after which a write applies that nobody waits for
DELAY: Final = 0.15  # seconds, at most

Apply = Callable[[], web.Response]


@dataclass
class Aim:
    """Which process to kill, at which moment of which write from now on."""

    pid: int = 0
    moment: str = ""  # arrived | applied | answered
    left: int = 0

    def at(self, moment: str) -> None:
        if self.pid and moment == self.moment:
            self.left -= 1
            if self.left == 0:
                os.kill(self.pid, signal.SIGKILL)


@dataclass
class Ledger:
    """The directory and how it was filled."""

    file: TextIO
    chance: random.Random
    sick: float
    unique: bool
    takes_patch: bool
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    aim: Aim = field(default_factory=Aim)
    late: set[asyncio.Task[None]] = field(default_factory=set)
    ids: Any = field(default_factory=lambda: count(1))

    def keep(self, request: web.Request, entry: dict[str, Any], status: int) -> web.Response:
        self.entries[entry["id"]] = entry
        cid = request.headers.get("X-Correlation-Id")
        line = {"at": time.monotonic(), "cid": cid, "method": request.method, "entry": entry}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        return web.json_response(entry, status=status)

    def write(self, request: web.Request, body: Any) -> web.Response:
        """Apply one write, all of it at once."""
        id = request.match_info.get("id")
        if id is None:
            names = {entry["userName"].casefold() for entry in self.entries.values()}
            if self.unique and body["userName"].casefold() in names:
                return _error(409, "there is such a userName already")
            return self.keep(request, {**body, "id": f"t{next(self.ids)}"}, 201)
        entry = self.entries.get(id)
        if entry is None:
            return _error(404, "there is no such entry")
        if request.method == "DELETE":
            self.keep(request, entry, 204)
            del self.entries[id]
            return web.Response(status=204)
        changed = _patched(entry, body) if request.method == "PATCH" else body
        return self.keep(request, {**changed, "id": id}, 200)

    def read(self, request: web.Request) -> web.Response:
        if id := request.match_info.get("id"):
            return web.json_response(self.entries[id]) if id in self.entries else _error(404, "there is none")
        found = list(self.entries.values())
        if asked := EQUALS.fullmatch(request.query.get("filter", "")):
            name, value = asked.groups()
            found = [entry for entry in found if str(entry.get(name)).casefold() == value.casefold()]
        elif "filter" in request.query:
            return _error(400, "only eq")
        return web.json_response({"schemas": [LIST], "totalResults": len(found), "Resources": found})


class Service:
    """Answers requests, well or badly."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def application(self) -> web.Application:
        application = web.Application()
        for path in ("/Users", "/Users/{id}"):
            application.router.add_get(path, self._read)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                application.router.add_route(method, path, self._write)
        application.router.add_get("/ServiceProviderConfig", self._config)
        application.router.add_post("/-/aim", self._aim)
        application.router.add_post("/-/quiet", self._quiet)
        return application

    async def _read(self, request: web.Request) -> web.StreamResponse:
        if self._ledger.chance.random() < self._ledger.sick:
            return await self._badly(request, self._ledger.chance.choice(READ_FAULTS), None)
        return self._ledger.read(request)

    async def _write(self, request: web.Request) -> web.StreamResponse:
        ledger = self._ledger
        body = await request.json() if request.can_read_body else None
        ledger.aim.at("arrived")
        if ledger.chance.random() < ledger.sick:
            return await self._badly(request, ledger.chance.choice(WRITE_FAULTS), body)
        response = ledger.write(request, body)
        ledger.aim.at("applied")
        await response.prepare(request)
        await response.write_eof()
        ledger.aim.at("answered")
        return response

    async def _badly(self, request: web.Request, fault: str, body: Any) -> web.StreamResponse:
        """Do one of the things that real services do; what is not applied here never is."""
        ledger, chance = self._ledger, self._ledger.chance
        apply: Apply = partial(ledger.write, request, body)
        if request.method == "GET":
            apply = partial(ledger.read, request)
        if fault == "slow":
            await asyncio.sleep(chance.random() * DELAY)
            return apply()
        if fault == "late":
            await self._later(apply, chance.uniform(*LATE))
        if fault in ("cut", "500 applied"):
            apply()
        if fault in ANSWERS:
            return ANSWERS[fault]()
        if request.transport is not None:  # else the gateway waits no longer
            request.transport.abort()
        return web.Response()

    async def _later(self, apply: Apply, seconds: float) -> None:
        """Apply after so many seconds, or never: no later than a real service's own limit."""
        limit = time.monotonic() + LATE[1]

        async def work() -> None:
            await asyncio.sleep(seconds)
            if time.monotonic() <= limit:
                apply()

        task = asyncio.create_task(work())
        self._ledger.late.add(task)
        task.add_done_callback(self._ledger.late.discard)
        await task

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response({"patch": {"supported": self._ledger.takes_patch}})

    async def _aim(self, request: web.Request) -> web.Response:
        self._ledger.aim = Aim(**await request.json())
        return web.Response()

    async def _quiet(self, request: web.Request) -> web.Response:
        await asyncio.gather(*self._ledger.late)
        return web.Response()


def _patched(entry: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """Return the entry after a PatchOp whose paths are `name` or `name.sub`."""
    changed = copy.deepcopy(entry)
    for operation in message["Operations"]:
        *outer, last = operation["path"].split(".")
        inside = changed.setdefault(outer[0], {}) if outer else changed
        if operation["op"] == "remove":
            inside.pop(last, None)
        else:
            inside[last] = operation["value"]
    return changed


def _error(status: int, detail: str, **headers: str) -> web.Response:
    body = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return web.json_response(body, status=status, headers=headers)


def _at_once() -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)


def _page(status: int) -> web.Response:
    return web.Response(status=status, text="<html>Please sign in</html>", content_type="text/html")


# A second's pause would be heeded by all who call: of lives of a second nothing would be left.
ANSWERS: Final[dict[str, Callable[[], web.Response]]] = {
    "429": lambda: _error(429, "slow down"),
    "429 seconds": lambda: _error(429, "slow down", **{"Retry-After": "0"}),
    "429 date": lambda: _error(429, "slow down", **{"Retry-After": _at_once()}),
    "500": lambda: _error(500, "oops"),
    "500 applied": lambda: _error(500, "oops"),
    "503": lambda: _error(503, "in a moment", **{"Retry-After": "0"}),
    "html": lambda: _page(200),
    "html 502": lambda: _page(502),
}
READ_FAULTS: Final = ("slow", "slow", "slow", "slow", "reset", "429", "503", "html")
WRITE_FAULTS: Final = ("slow", "late", "reset", "cut", *ANSWERS)


async def serve(ledger: Ledger) -> None:
    """Serve on a free port until killed."""
    runner = web.AppRunner(Service(ledger).application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"listening on port {runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("seed")
    parser.add_argument("sick", type=float)
    parser.add_argument("--unique", action="store_true")
    parser.add_argument("--patch", action="store_true")
    given = parser.parse_args(arguments)
    with given.file.open("a") as opened:
        ledger = Ledger(opened, random.Random(given.seed), given.sick, given.unique, given.patch)
        asyncio.run(serve(ledger))


if __name__ == "__main__":
    main(sys.argv[1:])
