"""An LDAP connector in a room of its own, and people as it takes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.address import Basic, Directory, External, Secret
from gateway.flow.target_port import Attributes, ResourceType, Update
from gateway.scim.difference import compare
from gateway.targets.ldap.connector import LdapConnector
from gateway.targets.ldap.sign_in import SignIn
from tests.support.slapd import GATEWAY, PASSWORD, Slapd

WRITER = Basic(GATEWAY, Secret(PASSWORD))
USER, GROUP = ResourceType.USER, ResourceType.GROUP


@dataclass(frozen=True)
class Room:
    """A directory and the connector to it."""

    server: Slapd
    directory: Directory
    connector: LdapConnector

    async def person(self, name: str = "ann", **more: Any) -> Attributes:
        return await self.connector.create(USER, {"userName": name, "active": True, **more})

    async def change(self, present: Attributes, **changed: Any) -> Attributes:
        wanted = {name: value for name, value in (present | changed).items() if value is not None}
        update = Update(present, wanted, compare(present, wanted))
        return await self.connector.change(USER, present["id"], update)

    def raw(self, filter: str = "(objectClass=inetOrgPerson)") -> dict[str, dict[str, list[bytes]]]:
        """Return what is really there, by DN."""
        found = self.server.root().search_s(self.directory.base, 2, filter, ["*", "+"])
        return dict(found)

    @property
    def people(self) -> str:
        return f"ou=people,{self.directory.base}"


@asynccontextmanager
async def room(
    server: Slapd,
    auth: Basic | External | None = WRITER,
    url: str = "",
    timeout: float = 10.0,
    **habits: Any,
) -> AsyncIterator[Room]:
    """Open a connector to an empty room."""
    directory = server.room(**habits)
    sign_in = SignIn(url or server.url, directory, auth, timeout)
    connector = LdapConnector(sign_in)
    yield Room(server, directory, connector)
    await connector.close()
