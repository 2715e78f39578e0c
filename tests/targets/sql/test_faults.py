"""What breaks between the gateway and a database: nothing is lost, done twice or in force by halves."""

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
import pymysql
import pytest

from tests.support.lossy import listening
from tests.support.served import CONFIG, Served, gateways
from tests.support.sql_tables import Tables
from tests.support.waiting import until

pytestmark = pytest.mark.long
USERS = "/scim/directory/v2/Users"
QUICK = 'timeout = "2s"\nsettle = "20ms"\ndeadline = "9s"'
OKTA = CONFIG.replace('targets = ["phonebook"]', 'targets = ["directory"]').replace(
    'targets = ["other"]', "targets = []"
)
SERVERS = {"postgresql": "postgres", "mariadb": "mariadb"}
WAITING = {  # dialect -> how many wait for a lock
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SELECT variable_value + 0 FROM information_schema.global_status"
    " WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
}


def person(**more: Any) -> dict[str, Any]:
    return {"userName": "ann@example.com", "externalId": "00u-ann", "active": True, **more}


class Severing:
    """A proxy that, once it is told to, takes one COMMIT to the server, and not its answer back."""

    def __init__(self, port: int) -> None:
        self._port, self.loses, self.lost = port, False, 0

    def serve(self, outside: socket.socket) -> None:
        """Carry one connection, and end it where the answer is lost."""
        severed = threading.Event()
        with outside, suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as inside:
            answers = threading.Thread(target=self._answers, args=(inside, outside, severed))
            answers.start()
            with suppress(OSError):
                while data := outside.recv(65536):
                    if self.loses and b"COMMIT" in data:
                        self.loses, self.lost = False, self.lost + 1
                        severed.set()
                    inside.sendall(data)
            with suppress(OSError):
                inside.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _answers(self, inside: socket.socket, outside: socket.socket, severed: threading.Event) -> None:
        with suppress(OSError):
            while (data := inside.recv(65536)) and not severed.is_set():
                outside.sendall(data)
        with suppress(OSError):
            outside.shutdown(socket.SHUT_RDWR)


class Scene:
    """A gateway before a database that things happen to."""

    def __init__(self, served: Served, tables: Tables, server: Any, proxy: Severing) -> None:
        self.ask, self.tables, self.server, self.proxy = served.ask, tables, server, proxy
        self.served = served

    async def made(self) -> Any:
        return (await self.ask("POST", USERS, person(title="Agent"))).body

    def put(self, made: Any, **changed: Any) -> "asyncio.Task[Any]":
        return asyncio.create_task(self.ask("PUT", f"{USERS}/{made['id']}", made | changed))

    @asynccontextmanager
    async def held(self, *statements: str) -> AsyncIterator[Callable[[str], Any]]:
        """Have somebody else's transaction open, and yield what it can be told besides."""
        with self.tables.session() as say:
            for statement in ("BEGIN", *statements):
                await asyncio.to_thread(say, statement)
            yield say
            if self.server.is_running:
                await asyncio.to_thread(say, "ROLLBACK")

    async def waits(self) -> None:
        """Wait until the gateway waits for a lock."""
        await until(lambda: self.tables.run(WAITING[self.tables.dialect])[0][0])


@pytest.fixture(params=SERVERS)
async def scene(request, tmp_path) -> AsyncIterator[Scene]:
    tables = request.getfixturevalue(f"{request.param}_tables")
    server = request.getfixturevalue(SERVERS[request.param])
    proxy = Severing(server.port)
    with listening(proxy.serve) as port:
        async with gateways(tmp_path) as run:
            url = tables.url.replace(f":{server.port}/", f":{port}/")
            table = tables.table(tmp_path, keys=QUICK, url=url)
            yield Scene(await run(table, config=OKTA), tables, server, proxy)


async def test_a_create_whose_commit_is_not_answered_is_done_once_and_answered(scene):
    scene.proxy.loses = True

    made = await scene.ask("POST", USERS, person(title="Agent"))

    (row,) = scene.tables.people()
    assert scene.proxy.lost
    assert (made.status, made.body["id"]) == (201, str(row["id"]))


async def test_a_change_whose_commit_is_not_answered_is_done_once_and_answered(scene):
    made = await scene.made()
    scene.proxy.loses = True

    changed = await scene.put(made, title="Boss")

    (row,) = scene.tables.people()
    assert scene.proxy.lost
    assert (changed.status, row["title"], row["row_version"]) == (200, "Boss", 1)


async def test_a_server_that_is_killed_within_a_change_leaves_nothing_of_it_and_the_change_is_made_then(
    scene,
):
    made = await scene.made()

    async with scene.held("UPDATE phone SET number = number", "SELECT * FROM person FOR UPDATE"):
        change = scene.put(made, title="Boss", phoneNumbers=[{"type": "work", "value": "+442079460018"}])
        await scene.waits()
        await asyncio.to_thread(scene.server.stop, signal.SIGKILL)
    await asyncio.to_thread(scene.server.start)
    before = scene.tables.people()[0]["title"]
    changed = await change
    if changed.status != 200:  # it has been told to come again
        changed = await scene.put(
            made, title="Boss", phoneNumbers=[{"type": "work", "value": "+442079460018"}]
        )

    (row,) = scene.tables.people()
    assert before in ("Agent", "Boss")
    assert (changed.status, row["title"], row["row_version"]) == (200, "Boss", 1)
    assert [number for _, _, number in scene.tables.phones()] == ["+442079460018"]


async def test_who_waits_too_long_for_a_row_is_told_to_come_again_and_nothing_is_changed(scene):
    made = await scene.made()

    async with scene.held("SELECT * FROM person FOR UPDATE"):
        late = await scene.put(made, title="Boss")
        meanwhile = scene.tables.people()[0]["title"]
    again = await scene.put(made, title="Boss")

    (row,) = scene.tables.people()
    assert (late.status, meanwhile) == (429, "Agent")
    assert (again.status, row["title"], row["row_version"]) == (200, "Boss", 1)


async def test_a_deadlock_leaves_the_change_made_once(scene):
    made = await scene.made()
    number = [{"type": "work", "value": "+442079460018"}]
    made = (await scene.put(made, phoneNumbers=number)).body

    async with scene.held("UPDATE phone SET number = number") as say:
        change = scene.put(made, title="Boss", phoneNumbers=[{"type": "work", "value": "+442079460019"}])
        await scene.waits()
        with suppress(psycopg.errors.DeadlockDetected, pymysql.err.OperationalError):  # one of the two goes
            await asyncio.to_thread(say, "UPDATE person SET department = 'Theirs'")
            await asyncio.to_thread(say, "COMMIT")
    changed = await change

    (row,) = scene.tables.people()
    assert (changed.status, row["title"], row["row_version"]) == (200, "Boss", 2)
    assert [number for _, _, number in scene.tables.phones()] == ["+442079460019"]
