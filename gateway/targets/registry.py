"""The connectors by name, and how each is opened.

A connector is imported where it is opened: what only reads the configuration needs none.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.address import (
    Auth,
    Basic,
    Bearer,
    External,
    Header,
    OAuth2,
    SessionLogin,
    TargetAddress,
)
from gateway.targets.transport import OpenTarget, Transport
from gateway.values import frozen

if TYPE_CHECKING:
    import aiohttp

    from gateway.admin.alerts import CallObserver
    from gateway.targets.gate import Gate

__all__ = [
    "CONNECTORS",
    "Auth",
    "Basic",
    "Bearer",
    "ConnectorSpec",
    "External",
    "Header",
    "OAuth2",
    "OpenTarget",
    "Shared",
    "TargetAddress",
    "open_connector",
]


@frozen
class Shared:
    """What all connectors share of the process."""

    session: "aiohttp.ClientSession"
    on_fatal: Callable[[str], None]  # called where a file is damaged and the process must end
    observer: "CallObserver | None" = None  # of every call


@frozen
class ConnectorSpec:
    """One kind of connector: which URLs it takes, and how it is opened."""

    needs_url_scheme: tuple[str, ...]
    open: Callable[[TargetAddress, Shared], Awaitable[OpenTarget]]
    sorts: bool = False  # puts entries in the order a query asks for
    concurrency: int = 64  # calls at a time, unless the target's `concurrency` says otherwise
    owns_file: bool = False  # its `url` is a file that the gateway alone writes
    keeps_pace: bool = False  # keeps within `rate` itself, as one call of ours may be several of its own


async def open_connector(
    name: str, address: TargetAddress, shared: Shared, former: "Gate | None" = None
) -> "Gate":
    """Open the connector `name` for a target, within the target's limits; raises `TargetError`.

    `former` is the one that has the same file open, where there is one: nobody opens that twice.
    """
    from gateway.targets.gate import Gate
    from gateway.targets.lanes import Lanes

    spec = CONNECTORS[name]
    target = former.target if former is not None else await spec.open(address, shared)
    rate = None if spec.keeps_pace else address.rate
    lanes = Lanes(address.concurrency or spec.concurrency, rate, address.timeout)
    return Gate(target, address.name, shared.observer, lanes)


async def _open_embedded(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.embedded.connector import EmbeddedConnector

    path = Path(address.url.partition(":")[2])
    return await EmbeddedConnector.open(path, shared.on_fatal)


async def _open_scim(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.scim.abilities import Abilities, Patch
    from gateway.targets.scim.connector import ScimConnector

    ways = {True: Patch.WHOLE, False: Patch.NONE, "single": Patch.SINGLE, None: None}
    told = Abilities(ways[address.patch], address.filter, address.groups, address.totals, address.members)
    return ScimConnector(_transport(address, shared.session), address.url, told, address.name)


async def _open_ldap(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.ldap.connector import LdapConnector  # with python-ldap, which not everybody has
    from gateway.targets.ldap.sign_in import SignIn

    assert address.directory is not None
    auth = address.auth if isinstance(address.auth, Basic | External) else None
    sign_in = SignIn(address.url, address.directory, auth, address.timeout)
    return LdapConnector(sign_in, address.concurrency)


async def _open_rest(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.rest.connector import RestConnector

    assert address.rest is not None
    return RestConnector(
        _transport(address, shared.session), address.url, address.rest, members=address.members
    )


async def _open_sql(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.sql.connector import SqlConnector  # with SQLAlchemy, which not everybody has

    return SqlConnector(address, CONNECTORS["sql"].concurrency)


async def _open_dialpad(address: TargetAddress, shared: Shared) -> OpenTarget:
    from gateway.targets.dialpad.connector import DialpadConnector
    from gateway.targets.http import PacedTransport

    transport = _transport(address, shared.session)
    if address.rate is None:
        return DialpadConnector(transport, address.url, address.options)
    paced = PacedTransport(transport, address.rate, patience=address.timeout)
    return DialpadConnector(paced, address.url, address.options, paced.follow)


def _transport(address: TargetAddress, session: "aiohttp.ClientSession") -> Transport:
    from gateway.targets.http import HttpTransport

    if isinstance(address.auth, OAuth2):
        from gateway.targets.oauth import OAuthTransport

        return OAuthTransport(session, address.name, address.auth, address.timeout)
    if isinstance(address.auth, SessionLogin):
        from gateway.targets.oauth import SessionTransport

        return SessionTransport(session, address.name, address.auth, address.url, address.timeout)
    auth = None if isinstance(address.auth, External) else address.auth
    return HttpTransport(session, auth, address.timeout)


CONNECTORS: Final[Mapping[str, ConnectorSpec]] = {
    "embedded": ConnectorSpec(("sqlite",), _open_embedded, sorts=True, owns_file=True),
    "scim": ConnectorSpec(("http", "https"), _open_scim),
    # as many calls as connections: who waits does so where it is known whose turn is next
    "ldap": ConnectorSpec(("ldap", "ldaps", "ldapi"), _open_ldap, concurrency=4),
    "rest": ConnectorSpec(("http", "https"), _open_rest),
    "sql": ConnectorSpec(
        ("sqlite", "postgresql", "mysql", "mariadb", "mssql", "oracle"), _open_sql, concurrency=8
    ),
    # few, so that who waits does so there as well: those who leave go first
    "dialpad": ConnectorSpec(("http", "https"), _open_dialpad, concurrency=8, keeps_pace=True),
}
