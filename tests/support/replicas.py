"""Three gateways behind HAProxy over one database, and what befalls them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import psycopg
import pytest

from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.journal.verify import TrailState
from gateway.settings.model import JournalSettings, Secret
from tests.support.lives import CHECKOUT, CONFIG, TOKEN, Kind, Line, born
from tests.support.real_postgres import PASSWORD, RealPostgres, free_port, without_password
from tests.support.verdicts import crashes, misdone, unexplained
from tests.support.workers import Answer, Entrance, Provider, Worker

HAPROXY: Final = "/usr/sbin/haproxy"
SHOWN: Final = CHECKOUT / "deploy" / "replicas" / "haproxy.cfg"
SERVER: Final = re.compile(r"^  server .*\n", re.MULTILINE)
DOCKER: Final = re.compile(r"^resolvers .*\n(?:  .*\n)+|resolvers docker ", re.MULTILINE)
COUNT: Final = 3
LEASE: Final = 4.0  # seconds
PAUSE: Final = 0.3  # seconds until a gateway that ended is started again
EXPECTED: Final = {-signal.SIGKILL, 3}  # how a life may end: killed, or without its database at the start
QUIET: Final = 60.0  # seconds until all that is under way must be acknowledged
RECORDED: Final = """
    CREATE TABLE recorded (correlation_id text NOT NULL);
    CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO recorded VALUES (new.correlation_id); RETURN new; END $$;
    CREATE TRIGGER record AFTER INSERT ON op FOR EACH ROW EXECUTE FUNCTION record()"""

NEWER: Final = """
    INSERT INTO schema_version (version)
    SELECT max(version) + 1 FROM schema_version HAVING count(*) = 1"""


class ProxiedProvider(Provider):
    """Takes a page of HAProxy's own for no answer, and comes again."""

    async def ask(self, *asked: Any, **arguments: Any) -> Answer:
        try:
            return await super().ask(*asked, **arguments)
        except json.JSONDecodeError as error:
            if not error.doc.startswith("<html><body><h1>"):
                raise
            raise aiohttp.ClientPayloadError(error.doc) from error


class Wire:
    """A way to the database that can be cut: nothing passes, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            self.mend()
            server.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        """Let new connections through; those that there were are no more."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()
        self._whole.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        try:
            beyond, answer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, answer}
        ways = [asyncio.create_task(self._pass(*way)) for way in ((reader, answer), (beyond, writer))]
        await asyncio.wait(ways)
        self._ends -= {writer, answer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


class Replicas:
    """The gateways, each started again when it ends, and what they leave: logs, ledger, a database."""

    def __init__(self, folder: Path, nursery: Path, kind: Kind, postgres: RealPostgres) -> None:
        self.folder, self.nursery, self.kind, self.postgres = folder, nursery, kind, postgres
        self.entrance = Entrance()
        self.session: Any = None
        self.wire = Wire(postgres.port)
        self.ports = [free_port() for _ in range(COUNT)]
        self.pids = [0] * COUNT
        self.statuses: list[int] = []
        self.is_over = False
        self._ledger: Line
        self._target = ""
        self.url = ""

    @property
    def log(self) -> str:
        return "".join((self.folder / f"log{n}").read_text() for n in range(COUNT))

    def ledger(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "ledger").read_text().splitlines()]

    async def open(self) -> None:
        """Make the database, the target and the files."""
        self.url = self.postgres.url(self.postgres.database())
        journal = await PostgresJournal.reach(
            self.url, self.folder / "maker", "full", lambda: datetime.now(UTC), pytest.fail, "maker"
        )
        await journal.close()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(RECORDED)
        kind = self.kind
        options = [option for option, on in (("--unique", kind.unique), ("--patch", kind.patch)) if on]
        told = (self.folder / "ledger", kind.seed, kind.sick, *options)
        self._ledger = await born(self.nursery, self.folder / "ledger.log", "ledger", *told)
        await self._ledger.line("pid")
        self._target = f"http://127.0.0.1:{(await self._ledger.line('listening')).split()[-1]}"
        for n, port in enumerate(self.ports):
            self._write(n, port)
        (self.folder / "haproxy.cfg").write_text(self._haproxy())

    def _write(self, n: int, port: int) -> None:
        own = self.folder / f"gateway{n}"
        (own / "disk").mkdir(parents=True)
        for name, text in (("token", TOKEN), ("password", PASSWORD)):
            (own / name).touch(0o600)
            (own / name).write_text(text)
        kind, url = self.kind, without_password(self.url)
        if n == 0:  # its way to the database can be cut
            url = url.replace(f":{self.postgres.port}/", f":{self.wire.port}/")
        text = CONFIG.format(
            durability="full", settle=kind.settle, target=self._target, unique=str(kind.unique).lower()
        )
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}")
        text = text.replace('"sqlite:disk/gateway.db"', f'"{url}"\npassword = {{ file = "password" }}')
        (own / "config.toml").write_text(text)

    def _haproxy(self) -> str:
        """Return the configuration that is shown to users, with the addresses of these gateways."""
        port, text = free_port(), DOCKER.sub("", SHOWN.read_text())
        self.entrance.base = f"http://127.0.0.1:{port}"
        servers = "".join(f"  server gateway{n} 127.0.0.1:{own}\n" for n, own in enumerate(self.ports))
        return SERVER.sub("", text).replace("bind :8080", f"bind 127.0.0.1:{port}") + servers

    def close(self) -> None:
        self._ledger.close()

    async def keep(self, n: int) -> None:
        """Run a gateway, and start it again when it ends, as a supervisor does."""
        own = self.folder / f"gateway{n}" / "config.toml"
        while not self.is_over:
            arguments = ("gateway", "serve", "--config", own)
            life = await born(self.nursery, self.folder / f"log{n}", *arguments, lease=LEASE)
            try:
                self.pids[n] = int(await life.line("pid"))
                async for word, rest in life.lines():
                    if word == "ended":
                        self.statuses.append(int(rest))
                        break
            finally:
                life.close()
            await asyncio.sleep(PAUSE)

    def signal(self, number: signal.Signals, *of: int) -> None:
        for n in of:
            with suppress(ProcessLookupError):
                os.kill(self.pids[n], number)

    async def replace(self) -> None:
        """Have one gateway after another end in order, and the next of the nursery take its place."""
        for n in range(COUNT):
            await _ready(self)
            self.signal(signal.SIGTERM, n)
            async with asyncio.timeout(QUIET):
                while 0 not in self.statuses:
                    await asyncio.sleep(0.05)
            self.statuses.remove(0)
        await _ready(self)

    async def tell(self, what: str) -> None:
        async with self.session.post(f"{self._target}/-/{what}", json={}) as answer:
            assert answer.status == 200

    def verdict(self, provider: Provider) -> Iterator[str]:
        """Yield what is wrong once nothing is on its way any more and the gateways have ended."""
        ledger, acks = self.ledger(), provider.acks
        yield from provider.problems
        yield from misdone(ledger, acks)
        with psycopg.connect(self.url) as connection:
            operations = {cid for (cid,) in connection.execute("SELECT correlation_id FROM recorded")}
            settled = "SELECT correlation_id FROM event WHERE result <> 'pending'"
            events = {cid for (cid,) in connection.execute(settled)}
        yield from unexplained(ledger, acks, operations, events)
        with reading(JournalSettings(self.folder / "reader", database=Secret(self.url))) as reader:
            found = reader.verify()
            if found.state is not TrailState.WHOLE:
                yield f"trail: {found}"
        yield from (f"a life ended with {status}" for status in self.statuses if status not in EXPECTED)
        yield from crashes(self.log)


@asynccontextmanager
async def replicas(
    folder: Path, nursery: Path, kind: Kind, postgres: RealPostgres
) -> AsyncIterator[Replicas]:
    """Start the target, the gateways and HAProxy; at the end, end all that was started."""
    made = Replicas(folder, nursery, kind, postgres)
    limits = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limits) as made.session, made.wire.open():
        await made.open()
        keepers = [asyncio.create_task(made.keep(n)) for n in range(COUNT)]
        said = (folder / "haproxy.log").open("ab")
        with (
            said,
            subprocess.Popen(
                [HAPROXY, "-db", "-f", folder / "haproxy.cfg"], stdout=said, stderr=said
            ) as proxy,
        ):
            try:
                yield made
            finally:
                made.is_over = True
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                proxy.terminate()
                made.close()


async def befall(place: Replicas, what: str, seconds: float) -> None:
    """Have something happen to the gateways or what they stand on, for so many seconds where it lasts."""
    if what == "kill":
        place.signal(signal.SIGKILL, 1)
    elif what == "kill two":
        place.signal(signal.SIGKILL, 0, 2)
    elif what == "stop":
        place.signal(signal.SIGSTOP, 2)
        await asyncio.sleep(seconds)
        place.signal(signal.SIGCONT, 2)
    elif what == "roll":
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute(NEWER)
        await place.replace()
    elif what == "cut":
        place.wire.cut()
        await asyncio.sleep(seconds)
        place.wire.mend()
    else:
        how = {"restart": signal.SIGINT, "crash": signal.SIGQUIT}[what]
        await asyncio.to_thread(place.postgres.restart, how)


async def siege(
    folder: Path,
    nursery: Path,
    kind: Kind,
    postgres: RealPostgres,
    acts: Sequence[tuple[str, float] | Callable[[Replicas], Awaitable[None]]],
    workers: int,
) -> tuple[list[str], int]:
    """Return what is wrong after all this befell while workers pushed, and how much was acknowledged."""
    async with replicas(folder, nursery, kind, postgres) as place:
        provider = ProxiedProvider(place.entrance, place.session, TOKEN, kind.seed, kind.impatient)
        await _ready(place)
        place.entrance.up.set()
        tasks = [asyncio.create_task(Worker(provider, n).work()) for n in range(workers)]
        for act in acts:
            await asyncio.sleep(1.5)
            await (act(place) if callable(act) else befall(place, *act))
        await asyncio.sleep(1.5)
        provider.stopping = True
        await asyncio.wait_for(asyncio.gather(*tasks), QUIET)
        await place.tell("quiet")
        await _ready(place)
        place.is_over = True
        place.signal(signal.SIGTERM, *range(COUNT))
        await _ended(place)
        return list(place.verdict(provider)), len(provider.acks)


async def _ready(place: Replicas) -> None:
    """Wait until each gateway is ready, and HAProxy has somebody to send to."""
    paths = [f"http://127.0.0.1:{port}/readyz" for port in place.ports]
    wanted = [*((path, 200) for path in paths), (f"{place.entrance.base}/scim/people/v2/Users", 401)]
    for url, status in wanted:
        async with asyncio.timeout(QUIET):
            while await _status(place, url) != status:
                await asyncio.sleep(0.05)


async def _status(place: Replicas, url: str) -> int:
    try:
        async with place.session.get(url) as answer:
            return int(answer.status)
    except aiohttp.ClientError:
        return 0


async def _ended(place: Replicas) -> None:
    """Wait until each gateway has ended well."""
    end = time.monotonic() + QUIET
    while place.statuses.count(0) < COUNT:
        assert time.monotonic() < end, (place.statuses, place.log[-3000:])
        await asyncio.sleep(0.05)
    place.statuses = [status for status in place.statuses if status]
