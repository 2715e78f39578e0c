"""Debian's Patroni as a cluster of two nodes with a synchronous standby: etcd, HAProxy, all on loopback.

The configurations are those that users are shown, with these folders and ports, without TLS and watchdog.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
import yaml

from tests.support.lives import CHECKOUT
from tests.support.real_postgres import (
    OWNER,
    PASSWORD,
    RealPostgres,
    folder_of_the_server,
    free_port,
    home_or_skip,
    server_user,
    unprivileged,
)

SHOWN: Final = CHECKOUT / "deploy" / "replicas"
PACKAGES: Final = {"patroni": "patroni", "etcd": "etcd-server", "haproxy": "haproxy"}
PATH: Final = "/usr/sbin:/usr/bin:/usr/local/bin"
SERVER: Final = re.compile(r"^  server .*\n", re.MULTILINE)
PATIENCE: Final = 90.0  # seconds, on a busy machine: a lock has to end before a standby takes it
PAUSE: Final = 0.1  # seconds between looks
ROLES: Final = ("SUPERUSER", "REPLICATION", "REWIND")
FAST: Final = {"fsync": "off", "shared_buffers": "32MB", "ssl": "off"}
SOONER: Final = {"ttl": 8, "loop_wait": 1, "retry_timeout": 3}  # seconds


class Node:
    """One Patroni with its server."""

    def __init__(self, home: Path, folder: Path, name: str, etcd: int) -> None:
        self.name, self.rest = name, free_port()
        self.server = RealPostgres(home, folder / name)
        self._etcd = etcd
        self._patroni: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, which makes its server or takes it over."""
        folder = self.server.folder
        if not folder.exists():
            folder.mkdir(mode=0o700)
            (folder / "patroni.yml").write_text(yaml.safe_dump(self._configuration()))
            if os.geteuid() == 0:
                shutil.chown(folder, server_user().pw_uid, server_user().pw_gid)
        secrets = {f"PATRONI_{role}_PASSWORD": PASSWORD for role in ROLES}
        self._patroni = started(folder / "out", "patroni", folder / "patroni.yml", **secrets)

    def kill(self, *, patroni: bool) -> None:
        """Kill the server, and Patroni with it or not."""
        pid = self.pid()
        if patroni and self._patroni is not None:
            self._patroni.kill()
            self._patroni.wait()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def pid(self) -> int | None:
        """Return the id of the server's process, or of the last one where it was killed."""
        with suppress(FileNotFoundError, IndexError):  # about to be written
            return int((self.server.data / "postmaster.pid").read_text().split()[0])
        return None

    def end(self) -> None:
        """End both at once, if they run."""
        with suppress(ProcessLookupError):
            self.kill(patroni=True)

    def is_(self, role: str) -> bool:
        """Return whether Patroni says that its server is `primary` or `synchronous` now."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/{role}", timeout=5):
            return True
        return False

    def log(self) -> str:
        """Return the end of what Patroni and its server have said."""
        return (self.server.folder / "out").read_text(errors="replace")[-3000:]

    def _configuration(self) -> Any:
        told = yaml.safe_load((SHOWN / "patroni.yml").read_text())
        here, server = "127.0.0.1", self.server
        address = f"{here}:{server.port}"
        del told["etcd3"]  # this Patroni loses rows over it
        told |= {"name": self.name, "etcd": {"host": f"{here}:{self._etcd}"}, "watchdog": {"mode": "off"}}
        told["restapi"] = dict.fromkeys(("listen", "connect_address"), f"{here}:{self.rest}")
        told["bootstrap"]["dcs"] |= SOONER
        rules = (rule.replace("hostssl", "host") for rule in told["bootstrap"]["pg_hba"])
        told["bootstrap"]["pg_hba"] = [rule.replace("peer", "trust") for rule in rules]
        told["postgresql"] |= {
            "listen": address,
            "connect_address": address,
            "data_dir": str(server.data),
            "bin_dir": str(server.home),
            "pgpass": str(server.folder / "pgpass"),
            "parameters": {**FAST, "unix_socket_directories": str(server.folder)},
        }
        return told


class Cluster:
    """Two nodes behind one port: where a test has a server, it may have this."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._etcd = free_port()
        self.nodes = [Node(home, folder, name, self._etcd) for name in ("node1", "node2")]
        self._entrance = RealPostgres(home, folder, self.port)
        self._others: list[subprocess.Popen[bytes]] = []
        self._is_whole_death = cycle((True, False))

    @property
    def primary(self) -> Node:
        """The node that takes writes now; there must be one."""
        return next(node for node in self.nodes if node.is_("primary"))

    def url(self, database: str) -> str:
        """Return the address of a database, whoever has it."""
        return self._entrance.url(database)

    def database(self) -> str:
        """Make a database that belongs to the gateway's role; return its name."""
        return self.primary.server.database()

    def restart(self, how: int = signal.SIGINT) -> None:
        """Change the primary in order (SIGINT), or kill it (SIGQUIT), in turn with Patroni and without."""
        old = self.primary
        (new,) = (node for node in self.nodes if node is not old)
        if how == signal.SIGINT:
            self._switch(old, new)
        elif next(self._is_whole_death):
            old.kill(patroni=True)
            self._until(lambda: new.is_("primary"))
            old.start()
        else:
            killed = old.pid()
            old.kill(patroni=False)
            self._until(lambda: new.is_("primary") or old.pid() not in (killed, None))
        self._until_whole()

    def make(self) -> None:
        """Start all there is, and make the role of the gateway."""
        etcd, peers = (f"http://127.0.0.1:{port}" for port in (self._etcd, free_port()))
        self._run(
            "etcd", "--enable-v2=true", "--name=etcd", f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=etcd={peers}",
        )  # fmt: skip
        servers = "".join(
            f"  server {node.name} 127.0.0.1:{node.server.port} check port {node.rest}\n"
            for node in self.nodes
        )
        text = (SHOWN / "database.cfg").read_text().replace("bind :5432", f"bind 127.0.0.1:{self.port}")
        (self.folder / "database.cfg").write_text(SERVER.sub("", text) + servers)
        first, second = self.nodes
        first.start()
        self._until(lambda: first.is_("primary"))
        second.start()
        self._run("haproxy", "-db", "-f", self.folder / "database.cfg")
        self._until_whole()
        self.primary.server.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")

    def end(self) -> None:
        """End what was started."""
        for node in self.nodes:
            node.end()
        for process in self._others:
            process.kill()
            process.wait()

    def _run(self, program: str, *arguments: str | Path) -> None:
        self._others.append(started(self.folder / f"{program}.log", program, *arguments))

    def _switch(self, old: Node, new: Node) -> None:
        asked = json.dumps({"leader": old.name, "candidate": new.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{old.rest}/switchover", asked)
        with urllib.request.urlopen(request, timeout=PATIENCE):
            self._until(lambda: new.is_("primary"))

    def _until_whole(self) -> None:
        """Wait until one node takes writes and the other has each of them."""
        roles = (("primary", "synchronous"), ("synchronous", "primary"))
        self._until(lambda: any(all(map(Node.is_, self.nodes, pair)) for pair in roles))

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, "\n".join(node.log() for node in self.nodes)
            time.sleep(PAUSE)  # processes of their own, which cannot tell us


def started(log: Path, program: str, *arguments: str | Path, **environment: str) -> "subprocess.Popen[bytes]":
    """Start a program as the server's user, what it says in a file."""
    found = shutil.which(program, path=PATH) or program
    with log.open("ab") as said:
        return subprocess.Popen(
            [found, *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", **environment}, cwd=log.parent, **unprivileged(),
        )  # fmt: skip


def missing() -> Sequence[str]:
    """Return the packages that are not installed."""
    return [package for program, package in PACKAGES.items() if not shutil.which(program, path=PATH)]


@contextmanager
def real_patroni() -> Iterator[Cluster]:
    """Start a cluster; end it at last. Skip, or fail in CI, where something for it is not installed."""
    if missing():
        say: Callable[[str], NoReturn] = pytest.fail if os.environ.get("CI") else pytest.skip
        packages = " ".join(missing())
        say(f"Patroni's cluster is not installed: apt-get install --no-install-recommends {packages}")
    with folder_of_the_server() as folder:
        cluster = Cluster(home_or_skip(), folder)
        try:
            cluster.make()
            yield cluster
        finally:
            cluster.end()
