"""Targets to test against: a directory of our own, and a foreign SCIM server as a real process."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import hypothesis
import pytest

from gateway.targets.http import open_session
from gateway.targets.registry import Bearer, OpenTarget, Surroundings, TargetAddress, open_connector

hypothesis.settings.register_profile("gateway", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("gateway")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def around(session: aiohttp.ClientSession) -> Surroundings:
    return Surroundings(session, on_fatal=pytest.fail)


@pytest.fixture(params=["embedded", "scim"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> TargetAddress:
    """Where an empty directory of each kind is."""
    if request.param == "embedded":
        return TargetAddress("embedded", f"sqlite:{tmp_path / 'directory.db'}")
    server, token = request.getfixturevalue("scim2_server")
    return TargetAddress("scim", f"{server}/{uuid.uuid4().hex}/v2/", Bearer(token))


@pytest.fixture
async def target(address: TargetAddress, around: Surroundings) -> AsyncIterator[OpenTarget]:
    target = await open_connector(address.name, address, around)
    yield target
    await target.close()
