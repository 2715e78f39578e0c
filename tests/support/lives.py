"""A gateway that lives, is killed, and lives again on the same disk, beside a target that lives on."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.journal.journal import SqliteJournal
from tests.support.powercut import Call, Disk, make_disk, make_library
from tests.support.workers import IMPATIENT, Entrance

CHECKOUT: Final = Path(__file__).resolve().parents[2]
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
    impatient: float = IMPATIENT  # of the requests are hung up on


@dataclass(frozen=True)
class Line:
    """What ties a test to one process: its words, and its life until this is closed."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def lines(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each line, as its first word and the rest."""
        while line := await self.reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            yield word, rest

    async def line(self, expected: str) -> str:
        """Return the rest of the next line, which begins with this word."""
        async for word, rest in self.lines():
            assert word == expected, f"{word} {rest}"
            return rest
        raise AssertionError("the process ended")

    def close(self) -> None:
        self.writer.close()


RECORDED: Final = """
    CREATE TABLE recorded (correlation_id TEXT NOT NULL);
    CREATE TRIGGER record AFTER INSERT ON op BEGIN INSERT INTO recorded VALUES (new.correlation_id); END;"""


async def make_journal(path: Path) -> None:
    """Make a journal that keeps of every operation that it was recorded, settled or not."""
    journal = await SqliteJournal.open(path, "full", lambda: datetime.now(UTC), pytest.fail, "maker")
    await journal.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(RECORDED)


class House:
    """The two processes, and what they leave: disk, log, ledger."""

    def __init__(self, folder: Path, nursery: Path, kind: Kind) -> None:
        self.folder = folder
        self.nursery = nursery
        self.kind = kind
        self.disk: Disk = make_disk(folder, forgets=kind.forgets)
        self.entrance = Entrance()
        self.session: Any = None
        self._ledger: Line
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
        await make_journal(self.journal)
        if self.kind.forgets:  # it has been there for long
            shutil.copy2(self.journal, self.disk.shadow)
        kind, config = self.kind, self.folder / "config.toml"
        options = [option for option, on in (("--unique", kind.unique), ("--patch", kind.patch)) if on]
        self._ledger = await self._born("ledger", self.folder / "ledger", kind.seed, kind.sick, *options)
        await self._ledger.line("pid")
        self._target = f"http://127.0.0.1:{(await self._ledger.line('listening')).split()[-1]}"
        unique = str(kind.unique).lower()
        text = CONFIG.format(
            durability=kind.durability, settle=kind.settle, target=self._target, unique=unique
        )
        config.write_text(text)
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "token").chmod(0o600)

    def close(self) -> None:
        self._ledger.close()

    async def live(self, end: End | None = None) -> int:
        """Run the gateway until it ends, by itself or as told; return its status, a signal as negative."""
        life = await self._born("gateway", "serve", "--config", self.folder / "config.toml")
        self._pid, self._aged = int(await life.line("pid")), False
        killer = asyncio.create_task(self._kill(end)) if end else None
        try:
            async for word, rest in life.lines():
                if word == "listening":
                    self.entrance.base = f"http://127.0.0.1:{rest.split()[2].strip(';')}"
                    self.entrance.up.set()
                if word == "ended":
                    return int(rest)
            raise AssertionError("the nursery ended")
        finally:
            self.entrance.up.clear()
            self.disk.work()
            if end and killer:
                self.ended.append("age" if self._aged else end.moment)
                killer.cancel()
                await self.tell("aim")
            life.close()

    async def _born(self, name: str, *arguments: object) -> "Line":
        disk = self.disk.paths if name == "gateway" else None
        log = self.folder / ("log" if name == "gateway" else f"{name}.log")
        return await born(self.nursery, log, name, *arguments, disk=disk)

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


async def born(nursery: Path, log: Path, name: str, *arguments: object, **more: Any) -> Line:
    """Have the nursery start a program; `more` is for a gateway: its disk, its lease."""
    reader, writer = await asyncio.open_unix_connection(nursery)
    wanted = {"name": name, "arguments": [str(a) for a in arguments], "log": str(log), **more}
    writer.write(json.dumps(wanted).encode() + b"\n")
    return Line(reader, writer)


DISK_MOMENTS: Final = {"write": (Call.WRITE, -1), "sync": (Call.SYNC, -1), "synced": (Call.SYNC, -2)}


@asynccontextmanager
async def house(folder: Path, nursery: Path, kind: Kind) -> AsyncIterator[House]:
    """Start the target; at the end, end all that was started."""
    made = House(folder, nursery, kind)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as made.session:
        await made.open()
        try:
            yield made
        finally:
            made.close()


@contextmanager
def nursery(folder: Path, release: Path = CHECKOUT) -> Iterator[Path]:
    """Start a nursery of the gateway in a folder; yield its socket."""
    around = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    around |= {"PYTHONPATH": f"{release}:{CHECKOUT}", "LD_PRELOAD": str(make_library(folder))}
    path = folder / "socket"
    command = [sys.executable, CHECKOUT / "tests" / "support" / "nursery.py", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield path
        process.kill()
