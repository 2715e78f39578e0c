"""A gateway, the same pass-through beside it, and the service behind both; and who sends to them."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.cases import CASES
from bench.load import Job
from bench.processes import HOME, Process, Processes, free_port, said_port, wait_until_healthy

PROVIDER: Final = "okta-0123456789abcdef0123456789abcdef"
AUDITOR: Final = "alice-0123456789abcdef0123456789abcdef"
VARIANTS: Final[Mapping[str, str]] = {"": "", "fresh": "trust = 0\n", "groups": ""}
HEAD: Final = """
[server]
listen = "127.0.0.1:{port}"
[journal]
url = "sqlite:gateway.db"
[providers.okta]
dialect = "okta"
token = {{ file = "okta.token" }}
[auditors.alice]
token = {{ file = "alice.token" }}
"""
TARGET: Final = """
[targets.{name}]
{where}region = "GB"
{more}
[targets.{name}.offices]
LDN = {{ name = "London", country = "GB" }}
[[targets.{name}.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
[[targets.{name}.rules]]
to = "licenseType"
via = [{{ name = "map", table = {{ "Talk" = "dialpad_talk" }}, otherwise = "keep" }}]
[[targets.{name}.rules]]
to = "officeName"
via = ["office"]
[[targets.{name}.rules]]
to = "roles"
via = ["split", "objects"]
"""
WHERE: Final[Mapping[str, str]] = {
    "scim": 'connector = "scim"\nurl = "http://127.0.0.1:{stub}/{name}"\n'
    'auth = {{ bearer = {{ file = "okta.token" }} }}\n',
    "embedded": 'connector = "embedded"\nurl = "sqlite:{name}.db"\n',
}
PATCHES: Final = {("scim", "groups"): "patch = true\n"}
KINDS: Final = tuple(WHERE)
FIRST: Final = 10_000_000  # the number of a person; those before are in filled journals
ASIDE: Final = 500_000_000  # likewise of those who go past the gateway
BLOCK: Final = 1_000_000  # numbers for one load


@dataclass(frozen=True, slots=True)
class Build:
    """Which gateway is measured: the Python that runs it, and its checkout."""

    python: str = sys.executable
    root: Path = HOME

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of one of its commands."""
        return [self.python, str(self.root / "gateway.py"), *arguments]


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a number of requests."""

    seconds: float
    each: list[float]  # seconds


class LoadFailed(Exception):
    """A request was not answered as it should be."""


class Load:
    """A process that sends one kind of request to one side."""

    def __init__(self, processes: Processes, job: Job) -> None:
        self._job = job
        self._processes = processes
        self._process = processes.helper("load", json.dumps(asdict(job)))
        self._read()

    def ready(self, count: int) -> None:
        """Have it do what is not measured before so many requests."""
        self._ask({"ready": count})

    def run(self, count: int) -> Told:
        """Send so many requests; raises `LoadFailed` where one of them did."""
        said = self._ask({"run": count})
        if said["failed"]:
            raise LoadFailed(
                f"{self._job.case}: {said['failed']} requests failed, such as {said['failures']}"
            )
        return Told(said["seconds"], said["each"])

    def go_on(self, seconds: float = 0.0) -> dict[str, int]:
        """Have it send in the background; return how many requests each base got, so many seconds later."""
        return self._ask({"go on": seconds})

    def end(self) -> None:
        """End it."""
        self._processes.end(self._process)

    def _ask(self, what: Mapping[str, float]) -> dict[str, Any]:
        stdin = self._process.popen.stdin
        assert stdin is not None
        stdin.write(json.dumps(what) + "\n")
        stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        stdout = self._process.popen.stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise LoadFailed(f"{self._job.case}: the process that sends has ended")
        said: dict[str, Any] = json.loads(line)
        return said


@dataclass
class World:
    """A folder with a configuration, and what runs on it."""

    kind: str
    build: Build
    folder: Path
    processes: Processes
    port: int
    stub: int  # its port
    started: list[Process] = field(default_factory=list)  # the gateway
    people: int = FIRST

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def gateway(self) -> Process:
        return self.started[-1]

    def serve(self, env: Mapping[str, str] | None = None) -> float:
        """Start the gateway and return after how many seconds it was ready."""
        command = self.build.command("serve", "--config", str(self.config))
        self.started.append(self.processes.start(command, log=self.folder / "log", env=env))
        return wait_until_healthy(self.gateway, self.port)

    def stop(self) -> None:
        """End the gateway, which may be started again."""
        self.processes.end(self.started.pop())

    def load(self, case: str, connections: int) -> Load:
        """Start who sends to the gateway."""
        base = f"/scim/{self.target(CASES[case].variant)}/v2"
        self.people += BLOCK
        return Load(self.processes, Job(self.port, (base,), PROVIDER, case, connections, self.people))

    def target(self, variant: str) -> str:
        """Return the name of a target."""
        return f"{self.kind}-{variant}" if variant else self.kind

    def size(self, name: str = "gateway.db") -> int:
        """Return the bytes of a database with its log."""
        files = (self.folder / name, self.folder / f"{name}-wal")
        return sum(file.stat().st_size for file in files if file.exists())


@contextmanager
def make_world(kind: str, build: Build, variants: Mapping[str, str] = VARIANTS) -> Iterator[World]:
    """Make a folder and the service behind the gateway; the gateway itself is not started."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Processes() as processes:
        folder = Path(name)
        world = World(kind, build, folder, processes, free_port(), said_port(processes.helper("stub")))
        for file, token in (("okta.token", PROVIDER), ("alice.token", AUDITOR)):
            (folder / file).write_text(token)
            (folder / file).chmod(0o600)
        world.config.write_text(configuration(world, variants))
        yield world


def configuration(world: World, variants: Mapping[str, str]) -> str:
    """Return the configuration with a target for each variant."""
    texts = [HEAD.format(port=world.port)]
    for variant, more in variants.items():
        name = world.target(variant)
        where = WHERE[world.kind].format(name=name, stub=world.stub)
        texts.append(
            TARGET.format(name=name, where=where, more=more + PATCHES.get((world.kind, variant), ""))
        )
    return "".join(texts)


class Bare:
    """The pass-through before the same service as a gateway's."""

    def __init__(self, world: World) -> None:
        self.process = world.processes.helper("bare", f"http://127.0.0.1:{world.stub}")
        self._port = said_port(self.process)
        self._processes = world.processes
        self._people = ASIDE

    def load(self, case: str, connections: int) -> Load:
        """Start who sends to it."""
        self._people += BLOCK
        return Load(self._processes, Job(self._port, ("/bare",), PROVIDER, case, connections, self._people))
