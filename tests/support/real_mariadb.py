"""Debian's MariaDB as a real server on loopback: unprivileged, in a temporary folder."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.real_postgres import free_port

OWNER = "gateway"  # the account of the gateway, with the rights that docs/sql.md says
PASSWORD = "what-the-database-is-shown"
PACKAGE = "mariadb-server"
DATABASE = "directory"
PATIENCE = 60.0  # seconds to start, also on a busy machine
PAUSE = 0.02  # seconds between looks whether it has

# a crash of a process loses nothing without flushes; only one of the machine would
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-doublewrite=0",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--bind-address=127.0.0.1",
    "--sql-mode=",  # the gateway's own connections are strict all the same
)


def program(name: str) -> str | None:
    """Return where a program of the server's is."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@dataclass
class RealMariaDb:
    """A server in a folder, on a port that it keeps."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    settings: tuple[str, ...] = ()  # more of them, at the next start
    _own: Any = None

    @property
    def url(self) -> str:
        return f"mariadb://127.0.0.1:{self.port}/{DATABASE}"

    def make(self) -> None:
        """Make the server's files, start it, and make the gateway's database and account."""
        command = [program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}"]
        command += ["--auth-root-authentication-method=normal", "--skip-test-db", *as_user()]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # type: ignore[arg-type]
        assert done.returncode == 0, done.stdout + done.stderr
        self.start()
        self.run(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        self.run(f"CREATE USER {OWNER}@127.0.0.1 IDENTIFIED BY '{PASSWORD}'")
        self.run(f"GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON {DATABASE}.* TO {OWNER}@127.0.0.1")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        server = program("mariadbd") or program("mysqld")
        assert server is not None
        command = [server, "--no-defaults", f"--datadir={self.folder / 'data'}", *as_user(), *SETTINGS]
        command += [f"--socket={self.folder / 'socket'}", f"--port={self.port}"]
        command += self.settings
        with (self.folder / "out").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(PAUSE)  # a process of its own, which cannot tell us

    def stop(self, how: int = signal.SIGKILL) -> None:
        """End the server; unless said, as if it had crashed."""
        assert self.process is not None
        if self._own is not None:
            self._own.close()
            self._own = None
        self.process.send_signal(how)
        self.process.wait()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return (self.folder / "out").read_text(errors="replace")

    def connection(self, database: str | None = None) -> Any:
        """Return a connection that may do everything."""
        import pymysql

        return pymysql.connect(
            unix_socket=str(self.folder / "socket"), user="root", database=database, autocommit=True
        )

    def run(self, statement: str, *values: Any, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement past the gateway; return its rows."""
        if self._own is None:
            self._own = self.connection()
        with self._own.cursor() as cursor:
            if database is not None:
                cursor.execute(f"USE {database}")
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:  # the driver leaves one open that finds nobody
            return probe.connect_ex(str(self.folder / "socket")) == 0


def as_user() -> list[str]:
    """Return how a program runs that root may not run."""
    return ["--user=mysql"] if os.geteuid() == 0 else []


def needed() -> None:
    """Skip, or fail in CI, where the server or its driver is missing."""
    say: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
    if program("mariadb-install-db") is None or (program("mariadbd") or program("mysqld")) is None:
        say(f"MariaDB is not installed: apt-get install --no-install-recommends {PACKAGE}")


@contextmanager
def real_mariadb() -> Iterator[RealMariaDb]:
    """Make and start a server of its own, and end it."""
    needed()
    with tempfile.TemporaryDirectory(prefix="maria", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "mysql", "mysql")
        server = RealMariaDb(folder, free_port())
        try:
            server.make()
            yield server
        finally:
            if server.is_running:
                server.stop()
