"""Targets to test against: a directory of our own, a foreign SCIM server and slapd as real processes."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import aiohttp
import hypothesis
import pytest

from gateway.targets.http import open_session
from gateway.targets.registry import Bearer, OpenTarget, Surroundings, TargetAddress, open_connector
from tests.support.forms import FLAT, SCIM, Form
from tests.support.slapd import Slapd, slapd

hypothesis.settings.register_profile("gateway", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("gateway")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def around(session: aiohttp.ClientSession) -> Surroundings:
    return Surroundings(session, on_fatal=pytest.fail)


@pytest.fixture(params=["embedded", "scim", "ldap"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> TargetAddress:
    """Where an empty directory of each kind is."""
    if request.param == "embedded":
        return TargetAddress("embedded", f"sqlite:{tmp_path / 'directory.db'}")
    if request.param == "ldap":
        return cast(TargetAddress, request.getfixturevalue("slapd_server").address())
    server, token = request.getfixturevalue("scim2_server")
    return TargetAddress("scim", f"{server}/{uuid.uuid4().hex}/v2/", Bearer(token))


@pytest.fixture
def form(address: TargetAddress) -> Form:
    """How the target spells what the contract speaks of."""
    return FLAT if address.name == "ldap" else SCIM


@pytest.fixture(scope="session")
def slapd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """An LDAP directory for all tests of a process; each has a room of its own in it."""
    with slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
async def target(address: TargetAddress, around: Surroundings) -> AsyncIterator[OpenTarget]:
    target = await open_connector(address.name, address, around)
    yield target
    await target.close()
