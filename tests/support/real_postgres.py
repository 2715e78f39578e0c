"""Debian's PostgreSQL as a real server on loopback: unprivileged, in a temporary folder, a room a test."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = "postgres"  # may do everything, and asks no password on the socket
OWNER = "gateway"  # the role of the gateway: owns its databases, and no more
PASSWORD = "what-the-database-is-shown"
PACKAGE = "postgresql"
PATIENCE = 30.0  # seconds to start, also on a busy machine
PAUSE = 0.01  # seconds between looks whether it has
PORTS = range(15000, 32000)  # below those that the system gives: a restart finds its own free again

# A crash of a process loses nothing without flushes; only one of the machine would.
SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "wal_level": "replica",
    "max_wal_size": "1GB",
    "listen_addresses": "127.0.0.1",
    "log_statement": "none",
    "deadlock_timeout": "100ms",
}


def programs() -> Path | None:
    """Return the folder of the newest server that is installed, None without one."""
    homes = Path("/usr/lib/postgresql").glob("*/bin")  # Debian has them in no path
    newest = max(homes, key=lambda home: int(home.parent.name), default=None)
    found = shutil.which("initdb")
    return newest or (Path(found).resolve().parent if found else None)


def free_port() -> int:
    """Return a port below the system's own that nobody listens on now."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass
class RealPostgres:
    """A server in a folder, on a port that it keeps; `database` makes an empty place in it."""

    home: Path  # of the programs
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)  # more of them, at the next start
    numbers: Iterator[int] = field(default_factory=count)
    made: dict[str, str] = field(default_factory=dict)  # the templates, by name

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, name: str, *arguments: str | Path, said: str | None = None) -> str:
        """Run a program of the server's as its user; return what it prints."""
        done = subprocess.run(
            [self.home / name, *arguments], check=False, input=said, text=True, capture_output=True,
            **unprivileged(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def make(self) -> None:
        """Make the cluster, with the role of the gateway."""
        owners = self.folder / "password"
        owners.write_text(PASSWORD)
        owners.chmod(0o644)
        self.run(
            "initdb", "--pgdata", self.data, "--username", ROOT, "--pwfile", owners, "--auth-local=trust",
            "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        self.start()
        self.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **self.settings}
        command = [self.home / "postgres", "-D", self.data, "-p", str(self.port)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        end = time.monotonic() + PATIENCE
        while True:
            with (self.folder / "out").open("ab") as log:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    **unprivileged(),
                )  # fmt: skip
            if self._came_up(end):
                return
            assert time.monotonic() < end, self.log()
            time.sleep(PAUSE)  # what is left of a killed one holds its shared memory a moment longer

    def _came_up(self, end: float) -> bool:
        import psycopg

        assert self.process is not None
        while self.process.poll() is None:
            try:
                psycopg.connect(self.url(ROOT, user=ROOT, by="socket"), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, self.log()
                time.sleep(PAUSE)  # a process of its own, which cannot tell us
            else:
                return True
        return False

    def stop(self, how: int = signal.SIGQUIT) -> None:
        """End the server: SIGTERM waits for clients, SIGINT cuts them off, SIGQUIT and SIGKILL crash it."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait()

    def restart(self, how: int = signal.SIGINT) -> None:
        """End the server, and start it on the same port and data."""
        self.stop(how)
        self.start()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        """Return all that the server has said."""
        return (self.folder / "out").read_text(errors="replace")

    def url(
        self, database: str, *, user: str = OWNER, password: str | None = PASSWORD, by: str = "tcp"
    ) -> str:
        """Return the address of a database: by `tcp` with a password, or by `socket` without one."""
        if by == "socket":
            return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"
        word = f":{password}" if password else ""
        return f"postgresql://{user}{word}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = ROOT, user: str = ROOT) -> list[tuple[Any, ...]]:
        """Run a statement past the gateway, as the superuser; return its rows, none where it has none."""
        import psycopg

        with psycopg.connect(self.url(database, user=user, by="socket"), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self, template: str = "template0") -> str:
        """Make a database that belongs to the gateway's role, of a template; return its name."""
        name = f"room{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        return name

    def template(self, name: str, fill: Callable[[str], None]) -> str:
        """Return the template of this name: made once, and filled by `fill`, which takes its address."""
        if name not in self.made:
            self.made[name] = self.database()
            fill(self.url(self.made[name]))
        return self.made[name]

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still in it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def standby(self) -> Iterator["RealPostgres"]:
        """Yield a server that follows this one, and takes no writes."""
        with folder_of_the_server() as folder:
            other = RealPostgres(self.home, folder)
            source = f"host={self.folder} port={self.port} user={ROOT}"
            self.run(
                "pg_basebackup", "--pgdata", other.data, "--dbname", source, "--write-recovery-conf",
                "--checkpoint=fast", "--no-sync", "--wal-method=stream",
            )  # fmt: skip
            try:
                other.start()
                yield other
            finally:
                if other.is_running:
                    other.stop()

    def await_what_is_written(self, primary: "RealPostgres") -> None:
        """Wait until this standby has all that its primary has by now."""
        ((place,),) = primary.execute("SELECT pg_current_wal_lsn()")
        end = time.monotonic() + PATIENCE
        while not self.execute(f"SELECT pg_last_wal_replay_lsn() >= '{place}'")[0][0]:
            assert time.monotonic() < end, self.log()
            time.sleep(PAUSE)  # a process of its own, which cannot tell us

    @contextmanager
    def room(self, template: str = "template0") -> Iterator[str]:
        """Yield the address of a database that is there as long as the block runs."""
        name = self.database(template)
        try:
            yield self.url(name)
        finally:
            if self.is_running:
                self.drop(name)


def without_password(url: str) -> str:
    """Return an address as a configuration may have it."""
    return url.replace(f":{PASSWORD}@", "@")


def unprivileged() -> dict[str, Any]:
    """Return how to start a process that root may not run: as a user who may nothing."""
    if os.geteuid() != 0:
        return {}
    user = server_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def server_user() -> pwd.struct_passwd:
    """Return who runs the server where root runs the tests."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def folder_of_the_server() -> Iterator[Path]:
    """Yield a folder that the server's user may write and whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, server_user().pw_uid, server_user().pw_gid)
        yield folder


def home_or_skip() -> Path:
    """Return where the programs are; skip, or fail in CI, where they or psycopg are missing."""
    say: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
    home = programs()
    if home is None:
        say(f"PostgreSQL is not installed: apt-get install --no-install-recommends {PACKAGE}")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        say("psycopg is not installed: make dev")
    return home


@contextmanager
def real_postgres(**settings: str) -> Iterator[RealPostgres]:
    """Make and start a server of its own, with these settings besides the usual; end it at last."""
    with folder_of_the_server() as folder:
        server = RealPostgres(home_or_skip(), folder, settings=settings)
        try:
            server.make()
            yield server
        finally:
            if server.is_running:
                server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[RealPostgres]:
    """The server of this process's tests: whoever stops it starts it again."""
    with real_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: RealPostgres) -> Iterator[str]:
    """The address of an empty database of the test's own."""
    with postgres.room() as url:
        yield url
