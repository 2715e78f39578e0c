"""A PostgreSQL server of the bench's own, an unprivileged user's, that flushes as it does by default."""

import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.processes import Process, Processes, free_port

OWNER: Final = "gateway"
PASSWORD: Final = "database-0123456789abcdef0123456789abcdef"  # noqa: S105 - of a server that lives for minutes
PATIENCE: Final = 60.0  # seconds
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
    "autovacuum": "off",  # it would be in some rounds alone: tables are vacuumed before the first
}


class Server:
    """The server, and a database at a time on it."""

    def __init__(self, home: Path, folder: Path, processes: Processes) -> None:
        self.port = free_port()
        self._home, self._folder = home, folder
        self._started = self._start(processes)

    @property
    def url(self) -> str:
        """The address of the database, as a configuration has it."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.port}/{OWNER}"

    def cpu(self) -> float:
        """Return the seconds of CPU of the server and of all its sessions that there are now."""
        children = Path(f"/proc/{self._started.pid}/task/{self._started.pid}/children").read_text().split()
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in (self._started.pid, *map(int, children)))

    def empty(self) -> None:
        """Make the database anew, with nothing in it."""
        self.run(f"DROP DATABASE IF EXISTS {OWNER} WITH (FORCE)", "postgres")
        self.run(f"CREATE DATABASE {OWNER}", "postgres")

    def run(self, sql: str, database: str = OWNER) -> str:
        """Run statements, each a transaction of its own; return what they print."""
        where = ("-h", str(self._folder), "-p", str(self.port), "-U", OWNER, "-d", database)
        command = as_its_user(str(self._home / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", *where)
        done = subprocess.run(command, input=sql, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout

    def _start(self, processes: Processes) -> Process:
        data, word = self._folder / "data", self._folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        made = (str(self._home / "initdb"), "-D", str(data), "-U", OWNER, "--pwfile", str(word))
        how = ("--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8")
        subprocess.run(as_its_user(*made, *how), check=True, capture_output=True)
        told = {**SETTINGS, "unix_socket_directories": str(self._folder)}
        options = [part for name, value in told.items() for part in ("-c", f"{name}={value}")]
        command = as_its_user(str(self._home / "postgres"), "-D", str(data), "-p", str(self.port), *options)
        started = processes.start(command, log=self._folder / "log")
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.run("SELECT 1", "postgres")
            except RuntimeError:
                if time.monotonic() > until or started.popen.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return started


def as_its_user(*command: str) -> list[str]:
    """Return a command as one that the server's user runs, where root is asked, which it refuses."""
    if os.geteuid() != 0:
        return list(command)
    user = pwd.getpwnam("postgres")
    who = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=keep")
    return ["setpriv", *who, *command]


def home() -> Path | None:
    """Return the folder of the newest server's programs; None where there is no server."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda one: int(one.parts[-3]), default=None)
    return newest.parent if newest else None


@contextmanager
def served(at: Path, processes: Processes) -> Iterator[Server]:
    """Make and start a server, whose programs are at a place; it ends with the other processes."""
    with tempfile.TemporaryDirectory(prefix="bench-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield Server(at, folder, processes)
