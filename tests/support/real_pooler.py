"""Debian's PgBouncer before the tests' PostgreSQL: a session is a client's for one transaction."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.real_postgres import (
    OWNER,
    PASSWORD,
    PATIENCE,
    PAUSE,
    RealPostgres,
    folder_of_the_server,
    free_port,
    unprivileged,
)

PROGRAM = "/usr/sbin/pgbouncer"
CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 4
log_connections = 0
log_disconnections = 0
"""


class Pooler:
    """Addresses of databases, by way of the pooler."""

    def __init__(self, port: int) -> None:
        self.port = port

    def through(self, url: str) -> str:
        """Return the address of a database that leads through the pooler."""
        parts = urlsplit(url)
        place = f"{parts.netloc.rpartition(':')[0]}:{self.port}"
        return urlunsplit(parts._replace(netloc=place))


def program_or_skip() -> str:
    """Return the program; skip, or fail in CI, where it is missing."""
    found = shutil.which("pgbouncer") or (PROGRAM if Path(PROGRAM).exists() else None)
    if found is None:
        say: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
        say("PgBouncer is not installed: apt-get install --no-install-recommends pgbouncer")
    return found


@contextmanager
def real_pooler(server: RealPostgres) -> Iterator[Pooler]:
    """Start a pooler before a server; end it at last."""
    program, port = program_or_skip(), free_port()
    with folder_of_the_server() as folder:
        users, config = folder / "users", folder / "pgbouncer.ini"
        users.write_text(f'"{OWNER}" "{PASSWORD}"\n')
        config.write_text(CONFIG.format(server=server.port, port=port, users=users))
        with (folder / "out").open("wb") as log:
            process = subprocess.Popen(
                [program, config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **unprivileged(),
            )  # fmt: skip
        try:
            _await(process, port, folder / "out")
            yield Pooler(port)
        finally:
            process.kill()
            process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(PAUSE)  # a process of its own, which cannot tell us


@pytest.fixture(scope="session")
def pooler(postgres: RealPostgres) -> Iterator[Pooler]:
    """The pooler of this process's tests, before their server."""
    with real_pooler(postgres) as running:
        yield running
