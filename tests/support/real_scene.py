"""A served gateway before a real Active Directory or 389 Directory Server, and what really is in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.address import Directory
from tests.support.ldap_scene import GROUPS, OTHER, USERS
from tests.support.real_directory import PASSWORD, RealDirectory
from tests.support.served import CONFIG, Answer, Served, deliver, gateways

TARGET = """
[targets.phonebook]
preset = "{preset}"
url = "{url}"
auth = {{ basic = {{ user = "{user}", password = {{ file = "ldap.password" }} }} }}
region = "GB"
{keys}
[targets.phonebook.ldap]
base = "{base}"
dn = "{dn}"
group_base = "{groups}"
{more}
{rules}
"""


class RealScene:
    """A served gateway and the room that it writes."""

    def __init__(self, served: Served, server: RealDirectory, directory: Directory) -> None:
        self.ask = served.ask
        self.served, self.server, self.directory = served, server, directory
        self.base = directory.base

    def there(self, filter: str = "(&(objectClass=person)(!(objectClass=computer)))") -> dict[str, Any]:
        """Return what really is there, by the part of its DN below the room."""
        return self.server.there(self.base, filter, "nsAccountLock", "memberOf")

    def one(self, filter: str = "(&(objectClass=person)(!(objectClass=computer)))") -> dict[str, list[bytes]]:
        """Return the only entry that matches."""
        (entry,) = self.there(filter).values()
        return entry

    def group(self, name: str) -> dict[str, list[bytes]]:
        return self.one(f"(cn={name})")

    def members(self, name: str) -> list[str]:
        """Return the members of a group by the part of their DN below the room, folded."""
        entry = self.group(name)
        found = [
            value.decode().casefold() for key in ("member", "uniqueMember") for value in entry.get(key, [])
        ]
        return sorted(dn.removesuffix(f",{self.base.casefold()}") for dn in found if dn != "cn=nobody")

    def modify(self, dn: str, **values: str | bytes | None) -> None:
        """Change an entry past the gateway; `dn` is below the room."""
        import ldap

        changes = [
            (
                ldap.MOD_REPLACE,
                name,
                None if value is None else [value.encode() if isinstance(value, str) else value],
            )
            for name, value in values.items()
        ]
        self.server.root().modify_s(f"{dn},{self.base}", changes)

    async def join(self, name: str, *members: Answer) -> Answer:
        """Make a group of people whom the gateway has made."""
        ids = [{"value": member.body["id"]} for member in members]
        return await self.ask("POST", GROUPS, {"displayName": name, "members": ids})

    def fill(self, count: int) -> None:
        """Make people past the gateway."""
        root, named = self.server.root(), self.directory.user_name
        classes = [name.encode() for name in self.directory.object_classes]
        for number in range(count):
            name = f"p{number}".encode()
            entry = [("objectClass", classes), (named, [name]), ("sn", [name])]
            entry += [("cn", [name])] if named == "uid" else []
            dn = self.directory.dn.format(userName=f"p{number}", base=self.base)
            root.add_s(dn, entry)

    async def everybody(self) -> list[Any]:
        """Return all people, page by page."""
        found: list[Any] = []
        while True:
            page = (await self.ask("GET", f"{USERS}?startIndex={len(found) + 1}&count=500")).body
            found += page["Resources"]
            if len(found) >= page["totalResults"]:
                return found

    async def delivered(self) -> None:
        """Let the members arrive who are told later."""
        await deliver(self.served.gateway)

    async def put(self, person: Answer, **changed: Any) -> Answer:
        """Replace a person by what was shown of them, and changes; None: without that."""
        body = {name: value for name, value in (person.body | changed).items() if value is not None}
        return await self.ask("PUT", f"{USERS}/{person.body['id']}", body)

    async def patch(self, person: Answer, **value: Any) -> Answer:
        return await self.ask(
            "PATCH", f"{USERS}/{person.body['id']}", {"Operations": [{"op": "replace", "value": value}]}
        )


def config_of(server: RealDirectory, folder: Path, **said: str) -> tuple[str, Directory]:
    """Return the table of a target in an empty room, its password in the folder, and the room.

    `said`: `keys`, `more` (with `{base}`), `rules`, `dn`, `groups`.
    """
    directory = server.room()
    password = folder / "ldap.password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    plain = {"preset": server.preset, "url": server.url, "user": server.gateway_dn, "base": directory.base}
    plain |= {"keys": "", "rules": "", "dn": directory.dn, "groups": str(directory.group_base)}
    own = [f'ca = "{directory.ca}"' if directory.ca else "", said.get("more", "").format(base=directory.base)]
    return TARGET.format(**plain | said | {"more": "\n".join(own)}), directory


@asynccontextmanager
async def real_scenes(server: RealDirectory, folder: Path, **said: str) -> AsyncIterator[RealScene]:
    """Serve a gateway before an empty room, of which this is said as in `config_of`."""
    config, directory = config_of(server, folder, **said)
    async with gateways(folder) as run:
        yield RealScene(await run(config, OTHER, config=CONFIG), server, directory)
