"""Targets to test against: a directory of our own, and a foreign SCIM server as a real process."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import hypothesis
import pytest

from gateway.targets.http import open_session
from gateway.targets.registry import Bearer, OpenTarget, Surroundings, TargetAddress, open_connector

hypothesis.settings.register_profile("gateway", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("gateway")

TOKEN = "a-token-for-tests-only"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def around(session: aiohttp.ClientSession) -> Surroundings:
    return Surroundings(session, on_fatal=pytest.fail)


@pytest.fixture(scope="session")
def scim2_server() -> Iterator[str]:
    """Start a scim2-server that makes a tenant of every path; yield its URL."""
    program = Path(sys.executable).parent / "scim2-server"
    if not program.exists():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("scim2-server is not installed: pip install scim2-server")
    port = _free_port()
    arguments = ["--port", str(port), "--bearer-token", TOKEN, "--dynamic-tenants"]
    with subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout.readline().startswith("Serving SCIM")
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(params=["embedded", "scim"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> TargetAddress:
    """Where an empty directory of each kind is."""
    if request.param == "embedded":
        return TargetAddress("embedded", f"sqlite:{tmp_path / 'directory.db'}")
    server = request.getfixturevalue("scim2_server")
    return TargetAddress("scim", f"{server}/{uuid.uuid4().hex}/v2/", Bearer(TOKEN))


@pytest.fixture
async def target(address: TargetAddress, around: Surroundings) -> AsyncIterator[OpenTarget]:
    target = await open_connector(address.name, address, around)
    yield target
    await target.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
