"""A gateway that lives, is killed, and lives again on the same disk, beside a target that lives on."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.powercut import Call, Disk, make_disk
from tests.support.workers import Entrance

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SUPPORT: Final = Path(__file__).parent
TOKEN: Final = "a-token-for-tests-only"
NICE: Final = 20.0  # seconds that a start or an end may take
CONFIG: Final = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:disk/gateway.db"
durability = "{durability}"
[providers.okta]
dialect = "okta"
token = {{ file = "token" }}
[targets.people]
connector = "scim"
url = "{target}"
auth = {{ bearer = {{ file = "token" }} }}
timeout = "0.4s"
settle = "{settle}"
deadline = "10s"
max_removals = false
unique_names = {unique}
"""


@dataclass(frozen=True)
class End:
    """What ends a life of the gateway: a moment of the target's or the disk's n-th write, or its age."""

    moment: str  # age | arrived | applied | answered | write, sync, synced
    n: int = 0
    age: float = 2.0  # seconds after which it ends in any case


@dataclass(frozen=True)
class Kind:
    """What is to be tried."""

    unique: bool = True
    patch: bool = True
    durability: str = "full"
    forgets: bool = False
    seed: str = "1"
    sick: float = 0.2  # of the requests to the target go wrong
    settle: str = "1s"


class House:
    """The two processes, and what they leave: disk, log, ledger."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.folder = folder
        self.kind = kind
        self.disk: Disk = make_disk(folder, forgets=kind.forgets)
        self.entrance = Entrance()
        self.session: Any = None
        self._ledger: Process
        self._nursery: Process
        self._target = ""
        self._pid = 0
        self._aged = False
        self.ended: list[str] = []  # at which moments

    token = TOKEN

    @property
    def journal(self) -> Path:
        return self.disk.folder / "gateway.db"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "ledger").read_text().splitlines()]

    async def open(self) -> None:
        kind, config = self.kind, self.folder / "config.toml"
        options = [option for option, on in (("--unique", kind.unique), ("--patch", kind.patch)) if on]
        self._ledger = await _python("ledger", self.folder / "ledger", kind.seed, kind.sick, *options)
        self._nursery = await _python("nursery", config, self.folder / "log", **self.disk.environment)
        self._target = f"http://127.0.0.1:{(await _line(self._ledger)).split()[-1]}"
        unique = str(kind.unique).lower()
        text = CONFIG.format(
            durability=kind.durability, settle=kind.settle, target=self._target, unique=unique
        )
        config.write_text(text)
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "token").chmod(0o600)
        assert await _line(self._nursery) == "ready"

    async def close(self) -> None:
        for process in (self._nursery, self._ledger):
            process.kill()
            await process.wait()

    async def live(self, end: End | None = None) -> int:
        """Run the gateway until it ends, by itself or as told; return its status, a signal as negative."""
        self._nursery.stdin.write(b"start\n")  # type: ignore[union-attr]
        killer: asyncio.Task[None] | None = None
        try:
            while True:
                line = await _line(self._nursery)
                word, _, rest = line.partition(" ")
                if word == "pid":
                    self._pid, self._aged = int(rest), False
                    killer = asyncio.create_task(self._kill(end)) if end else None
                elif word == "listening":
                    self.entrance.base = f"http://127.0.0.1:{rest.split()[2].strip(';')}"
                    self.entrance.up.set()
                elif word == "ended":
                    return int(rest)
        finally:
            self.entrance.up.clear()
            self.disk.work()
            if killer:
                killer.cancel()
            if end:
                self.ended.append(end.moment if not self._aged else "age")
            await self.tell("aim")

    @asynccontextmanager
    async def living(self) -> AsyncIterator["asyncio.Task[int]"]:
        """Run the gateway until the end of the block, and leave it well."""
        life = asyncio.create_task(self.live())
        await asyncio.wait_for(self.entrance.up.wait(), NICE)
        try:
            yield life
            self.signal(signal.SIGTERM)
            assert await asyncio.wait_for(life, NICE * 2) == 0, self.log
        finally:
            life.cancel()
            with suppress(asyncio.CancelledError):
                await life

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)  # its id is not given back before the next life

    async def tell(self, what: str, **message: Any) -> None:
        """Tell the target something that is not SCIM."""
        async with self.session.post(f"{self._target}/-/{what}", json=message) as answer:
            assert answer.status == 200

    async def _kill(self, end: End) -> None:
        if end.moment in ("arrived", "applied", "answered"):
            await self.tell("aim", pid=self._pid, moment=end.moment, left=end.n)
        elif end.moment != "age":
            call, action = DISK_MOMENTS[end.moment]
            self.disk.fail(call, end.n, action)
        await asyncio.sleep(end.age)
        self._aged = True
        self.signal(signal.SIGKILL)


DISK_MOMENTS: Final = {"write": (Call.WRITE, -1), "sync": (Call.SYNC, -1), "synced": (Call.SYNC, -2)}


@asynccontextmanager
async def house(folder: Path, kind: Kind) -> AsyncIterator[House]:
    """Start target and nursery; end them, and all that they started, by their ids."""
    made = House(folder, kind)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as made.session:
        await made.open()
        try:
            yield made
        finally:
            await made.close()


async def _python(name: str, *arguments: object, **environment: str) -> Process:
    around = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    around |= {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", **environment}
    command = (sys.executable, SUPPORT / f"{name}.py", *map(str, arguments))
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=around, cwd=CHECKOUT)


async def _line(process: Process) -> str:
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, f"process {process.pid} ended"
    return line.decode().strip()
