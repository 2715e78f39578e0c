"""A served gateway before a real directory, and what really is in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.served import CONFIG, Answer, Served, gateways
from tests.support.slapd import GATEWAY, PASSWORD, Slapd

USERS, GROUPS = "/scim/phonebook/v2/Users", "/scim/phonebook/v2/Groups"
TARGET = """
[targets.phonebook]
preset = "openldap"
url = "{url}"
auth = {{ basic = {{ user = "{user}", password = {{ file = "ldap.password" }} }} }}
region = "GB"
{keys}
[targets.phonebook.ldap]
base = "{base}"
dn = "{dn}"
group_base = "ou=groups,{base}"
{more}
[[targets.phonebook.rules]]
to = "manager"
from = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
[[targets.phonebook.rules]]
to = "physicalDeliveryOfficeName"
from = "*:officeName"
via = ["office"]
[targets.phonebook.offices]
LDN = {{ name = "London", country = "GB" }}
"""
DN = "uid={userName},ou=people,{base}"
OTHER = '[targets.other]\nconnector = "embedded"\nurl = "sqlite:other.db"\nshared = true\n'


class Scene:
    """A served gateway and the room that it writes."""

    def __init__(self, served: Served, server: Slapd, base: str) -> None:
        self.ask = served.ask
        self.served, self.server, self.base = served, server, base

    def there(self, filter: str = "(objectClass=inetOrgPerson)") -> dict[str, dict[str, list[bytes]]]:
        """Return what really is there, by the part of its DN below the room."""
        found = self.server.root().search_s(self.base, 2, filter)
        return {dn.removesuffix(f",{self.base}"): entry for dn, entry in found}

    def put(self, name: str, **values: str | list[str]) -> None:
        """Make a person past the gateway, whose DN begins with `name`."""
        given = {"uid": name.partition("=")[2], "cn": name, "sn": name} | values
        self.server.add(f"{name},ou=people,{self.base}", ["inetOrgPerson"], **given)

    async def last(self) -> Any:
        return (await self.served.events())[-1]

    async def join(self, name: str, *members: Answer) -> Answer:
        """Make a group of people whom the gateway has made."""
        ids = [{"value": member.body["id"]} for member in members]
        return await self.ask("POST", GROUPS, {"displayName": name, "members": ids})


def person(user: str = "ann@example.com", **more: Any) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user,
        "externalId": f"00u-{user}",
        "active": True,
        **more,
    }


def work(number: str) -> list[dict[str, str]]:
    return [{"type": "work", "value": number}]


def config_of(server: Slapd, base: str, folder: Path, url: str = "", **said: str) -> str:
    """Return the table of a target in a room, its password in the folder; `said`: `keys`, `more`, `dn`."""
    password = folder / "ldap.password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    given = {name: text.format(base=base) for name, text in said.items()}
    plain = {"url": url or server.url, "user": GATEWAY, "base": base, "keys": "", "more": "", "dn": DN}
    return TARGET.format(**plain | given)


@asynccontextmanager
async def scenes(
    server: Slapd, folder: Path, url: str = "", dialect: str = "okta", **said: str
) -> AsyncIterator[Scene]:
    """Serve a gateway before an empty room, reached at `url`, to a provider of this dialect."""
    base, config = server.room().base, CONFIG.replace('dialect = "okta"', f'dialect = "{dialect}"')
    async with gateways(folder) as run:
        target = config_of(server, base, folder, url, **said)
        yield Scene(await run(target, OTHER, config=config), server, base)
