"""Targets to test against: a directory of our own, and foreign servers as real processes."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, cast

import aiohttp
import pytest

from gateway.address import Bearer, Secret, TargetAddress
from gateway.targets.http import open_session
from gateway.targets.registry import OpenTarget, Shared, open_connector
from tests.support import ns_slapd, samba
from tests.support.dialpad import OPENAPI, dialpad
from tests.support.forms import DIALPAD, FLAT, SCIM, Form
from tests.support.lesser import Lesser, Paging
from tests.support.real_mariadb import RealMariaDb, real_mariadb
from tests.support.real_postgres import RealPostgres
from tests.support.rest_service import Evaluating, RestLesser, address_of
from tests.support.scim_target import scim_target
from tests.support.slapd import Slapd, slapd
from tests.support.sql_tables import RealTables, Tables, sqlite_tables, tables_on_mariadb, tables_on_postgres

PATCHES: Final = {"patch": {"supported": True}}
LESSER: Final[Mapping[str, tuple[Lesser, Literal["single"] | None]]] = {  # and what is said of its PATCH
    "no PATCH, pages of two": (Lesser(paging=Paging(most=2)), None),
    "one attribute at a time, all at once": (
        Lesser(single=True, config=PATCHES, paging=Paging(starts=False, counts=False)),
        "single",
    ),
    "no PATCH after all, only the first page": (
        Lesser(patch_status=501, config=PATCHES, paging=Paging(starts=False)),
        None,
    ),
}

REST: Final[Mapping[str, RestLesser]] = {
    "rest, page numbers, PUT": RestLesser(),
    "rest, offsets, short pages, PATCH": RestLesser(way="offset", change="PATCH", paging=Paging(most=2)),
    "rest, a cursor, no totals": RestLesser(way="cursor", says_total=False, change="PATCH"),
    "rest, links, no look-ups": RestLesser(way="link", finds=False),
    "rest, all at once, no totals": RestLesser(way="all at once", says_total=False),
}
REAL: Final = {  # and the fixtures of their servers
    "active directory": "domain",
    "389": "directory_389",
    "postgresql": "postgresql_tables",
    "mariadb": "mariadb_tables",
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
def around(session: aiohttp.ClientSession) -> Shared:
    return Shared(session, on_fatal=pytest.fail)


@pytest.fixture(params=["embedded", "scim", "ldap", "dialpad", "sqlite", *REAL, *LESSER, *REST])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TargetAddress]:
    """Where an empty directory of each kind is."""
    if request.param in LESSER:
        service, patch = LESSER[request.param]
        async with scim_target(replace(service, entries={}, groups={}, queries=[])) as served:
            yield TargetAddress("scim", served.url, Bearer(Secret("token")), patch=patch)
    elif request.param in REST:
        async with scim_target(replace(REST[request.param], entries={}, groups={}, queries=[])) as served:
            yield address_of(served, tmp_path)
    elif request.param == "embedded":
        yield TargetAddress("embedded", f"sqlite:{tmp_path / 'directory.db'}")
    elif request.param == "dialpad":
        if not OPENAPI.exists():
            pytest.skip("Dialpad's OpenAPI file is not at hand")
        async with dialpad() as company:
            yield TargetAddress("dialpad", company.url, Bearer(Secret("token")))
    elif request.param == "sqlite":
        yield sqlite_tables(tmp_path).address()
    elif request.param in REAL:
        yield cast(TargetAddress, request.getfixturevalue(REAL[request.param]).address())
    elif request.param == "ldap":
        yield cast(TargetAddress, request.getfixturevalue("slapd_server").address())
    else:
        server, token = request.getfixturevalue("scim2_server")
        yield TargetAddress("scim", f"{server}/{uuid.uuid4().hex}/v2/", Bearer(Secret(token)))


@pytest.fixture
def form(address: TargetAddress) -> Form:
    """How the target spells what the contract speaks of."""
    return {"ldap": FLAT, "dialpad": DIALPAD}.get(address.name, SCIM)


@pytest.fixture(scope="session")
def slapd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """An LDAP directory for all tests of a process; each has a room of its own in it."""
    with slapd(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture(scope="session")
def domain_controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[samba.Samba]:
    """A domain controller of Active Directory for all tests of a process; the domain is made once for all."""
    samba.needed()
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with samba.samba(samba.provisioned(shared), tmp_path_factory.mktemp("samba")) as server:
        yield server


@pytest.fixture
def domain(domain_controller: samba.Samba) -> samba.Samba:
    """The domain, in which no test has left anybody."""
    domain_controller.empty()
    return domain_controller


@pytest.fixture(scope="session")
def ns_slapd_needed() -> None:
    """Skip, or fail in CI, where no 389 Directory Server can be started."""
    ns_slapd.needed()


@pytest.fixture(scope="session")
def ns_slapd_server(
    tmp_path_factory: pytest.TempPathFactory, ns_slapd_needed: None
) -> Iterator[ns_slapd.NsSlapd]:
    """A 389 Directory Server for all tests of a process."""
    with ns_slapd.ns_slapd(tmp_path_factory.mktemp("389")) as server:
        yield server


@pytest.fixture
def directory_389(ns_slapd_server: ns_slapd.NsSlapd) -> ns_slapd.NsSlapd:
    """The directory, in which no test has left anybody."""
    ns_slapd_server.empty()
    return ns_slapd_server


@pytest.fixture(scope="session")
def postgresql_room(postgres: RealPostgres) -> RealTables:
    """Tables on a PostgreSQL for all tests of a process."""
    return tables_on_postgres(postgres)


@pytest.fixture
def postgresql_tables(postgresql_room: RealTables) -> Tables:
    """Those tables, in which no test has left anybody."""
    return postgresql_room.empty()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[RealMariaDb]:
    """A MariaDB for all tests of a process."""
    with real_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_room(mariadb: RealMariaDb) -> RealTables:
    """Tables on it."""
    return tables_on_mariadb(mariadb)


@pytest.fixture
def mariadb_tables(mariadb_room: RealTables) -> Tables:
    """Those tables, in which no test has left anybody."""
    return mariadb_room.empty()


@pytest.fixture
async def target(address: TargetAddress, around: Shared) -> AsyncIterator[OpenTarget]:
    target = await open_connector(address.name, address, around)
    yield Evaluating(target) if address.name == "rest" else target
    await target.close()
