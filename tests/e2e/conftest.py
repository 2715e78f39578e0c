"""The gateway as a user has it: a real process on a real port."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
OKTA = {
    "Accept": "application/scim+json",
    "Accept-Charset": "utf-8",
    "User-Agent": "Okta SCIM Client 1.0.0",
    "Accept-Encoding": "gzip,deflate",
}


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Running:
    """A started gateway, and a provider that talks to it."""

    process: subprocess.Popen[str]
    config: Path
    port: int
    token: str

    def ask(
        self, method: str, path: str, body: Any = None, authorization: str | None = None, **headers: str
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = OKTA | {"Authorization": authorization or f"Bearer {self.token}"} | headers
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent |= {"Content-Type": "application/scim+json; charset=utf-8"}
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return Answer(response.status, json.loads(text) if text else None, dict(response.headers))

    def command(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, CHECKOUT / "gateway.py", *arguments, "--config", self.config],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def events(self) -> list[Any]:
        """Return the trail, oldest first."""
        done = self.command("audit", "query", "--format", "ndjson", "--limit", "1000", "--sort", "asc")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `serve` on a free port with these targets; each gateway is ended by its id."""
    with starting() as run:
        yield partial(run, tmp_path)


@pytest.fixture(scope="module")
def start_in() -> Iterator[Callable[..., Running]]:
    """Start gateways as `start` does, in a folder each, for all tests of a module."""
    with starting() as run:
        yield run


@contextmanager
def starting() -> Iterator[Callable[..., Running]]:
    with ExitStack() as running:

        def run(folder: Path, targets: str, provider: str = 'dialect = "okta"') -> Running:
            config = folder / "config.toml"
            config.write_text(
                '[server]\nlisten = "127.0.0.1:0"\n[journal]\nurl = "sqlite:var/gateway.db"\n'
                f'[providers.okta]\n{provider}\ntoken = {{ file = "var/okta.token" }}\n{targets}'
            )
            log = running.enter_context((folder / "log").open("a"))
            process = running.enter_context(
                subprocess.Popen(
                    [sys.executable, CHECKOUT / "gateway.py", "serve", "--config", config],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
            )
            running.callback(process.kill)
            port = _port_of(process, folder / "log")
            return Running(process, config, port, (folder / "var" / "okta.token").read_text().strip())

        yield run


def _port_of(process: subprocess.Popen[str], log: Path) -> int:
    for line in process.stdout or ():
        if "http://127.0.0.1:" in line:
            return int(line.split("http://127.0.0.1:")[1].split("/")[0])
    pytest.fail(f"serve ended: {log.read_text()}")
