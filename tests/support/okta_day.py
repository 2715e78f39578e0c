"""Okta's day: a person comes, changes, is in a group, leaves, returns and goes; what everybody saw of it."""

import json
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.support.foreign import TOKEN
from tests.support.served import Answer, Served, deliver, gateways

GOLDEN: Final = Path(__file__).resolve().parents[1] / "golden"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
CONFIG: Final = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.okta]
dialect = "okta"
token = {{ sha256 = "{okta}" }}
"""
ALWAYS: Final = {  # what Okta sends of everybody
    "userName": "ava@example.com",
    "name": {"givenName": "Ava", "familyName": "Tanaka"},
    "emails": [{"primary": True, "value": "ava@example.com", "type": "work"}],
    "locale": "en-US",
    "externalId": "00u-ava",
    "groups": [],
    "active": True,
}
OWN: Final = ("id", "meta", "groups")  # of an entry, what its target makes

Look = Callable[[str], Awaitable[list[Any]]]  # "Users" or "Groups" -> what the target holds


@dataclass(frozen=True)
class Step:
    """What the provider heard, and what the target held afterwards."""

    answers: tuple[Answer, ...]
    people: Mapping[str, Any]  # by userName, without what is the target's own
    groups: Mapping[str, list[str]]  # by displayName: the userNames of the members

    @property
    def answer(self) -> Answer:
        return self.answers[-1]


@dataclass
class Day:
    """The steps of a day by name, in order."""

    case: Mapping[str, Any]  # of the golden file
    folder: Path
    steps: dict[str, Step] = field(default_factory=dict)

    def person(self, *changes: str, **more: Any) -> dict[str, Any]:
        """Return Ava as she is expected at the target: as she arrived, and with what changed since."""
        known = {name: value for name, value in ALWAYS.items() if name not in ("emails", "locale", "groups")}
        for name in ("arrives", *changes):
            known |= self.case[name]
        return known | more


def case_of(preset: str) -> dict[str, Any]:
    """Return what a preset is sent and makes of it."""
    case: dict[str, Any] = json.loads((GOLDEN / "days" / f"{preset}.json").read_text("utf-8"))
    return case


async def play(folder: Path, preset: str, url: str, look: Look, target: str | None = None) -> Day:
    """Let Okta work with a gateway in the folder, before the target at `url`, or that of a table."""
    (folder / "target.token").touch(0o600)
    (folder / "target.token").write_text(TOKEN)
    target = target or (GOLDEN / "targets" / f"{preset}.toml").read_text().replace("{url}", url)
    (name,) = tomllib.loads(target)["targets"]
    day = Day(case_of(preset), folder)
    async with gateways(folder) as serve:
        await _Okta(await serve(target, config=CONFIG), name, look, day).work()
    return day


async def play_at(gateway: Served, address: str, look: Look, day: Day) -> None:
    """Let Okta work with what stands at an address of a gateway."""
    await _Okta(gateway, address, look, day).work()


class _Okta:
    """Its generic SCIM app: profiles by PUT, everything else by PATCH."""

    def __init__(self, gateway: Served, target: str, look: Look, day: Day) -> None:
        self._gateway, self._target, self._look, self._day = gateway, target, look, day

    async def work(self) -> None:
        """Do all that Okta does, one thing after the other."""
        case, ava = self._day.case, ALWAYS | self._day.case["sent"]
        ben = ava | {"userName": "ben@example.com", "externalId": "00u-ben"}
        await self._step("tested", ("GET", "/Users?startIndex=1&count=2"), ("GET", "/Groups?count=100"))
        await self._step("looked up", _found("userName", ava["userName"]))
        one = await self._step("created", ("POST", "/Users", ava | {"password": "canary-1mz050nq"}))
        two = await self._step("second created", ("POST", "/Users", ben))
        await self._step("imported", ("GET", "/Users?startIndex=1&count=100"))
        await self._pushed("updated", one, case["changes"])
        await self._pushed("refused", one, case["wrong"])
        await self._in_a_group(one, two)
        await self._step("deleted", ("DELETE", f"/Users/{one}"), ("GET", f"/Users/{one}"))
        await self._step("second left", _active(two, False))

    async def _in_a_group(self, one: str, two: str) -> None:
        """Push a group, in which Ava still is when she leaves and returns."""
        empty = {"schemas": [GROUP], "displayName": "Sales", "members": []}
        group = await self._step("group pushed", _found("displayName", "Sales"), ("POST", "/Groups", empty))
        place = f"/Groups/{group}"
        both = [{"value": id, "display": None} for id in (one, two)]
        await self._step("members pushed", _patch(place, op="add", path="members", value=both))
        await self._step("member left", _patch(place, op="remove", path=f'members[value eq "{two}"]'))
        await self._step("member joined", _patch(place, op="add", path="members", value=both[1:]))
        await self._step("renamed", _patch(place, op="replace", value={"id": group, "displayName": "Agents"}))
        await self._step("deactivated", _active(one, False))
        await self._step("returned", _found("userName", ALWAYS["userName"]), _active(one, True))
        await deliver(self._gateway.gateway)
        await self._pushed("pushed again", one, {})
        await self._step("group deleted", ("DELETE", place))

    async def _pushed(self, name: str, id: str, changes: Mapping[str, Any]) -> None:
        """Read, merge, write the whole of it back."""
        known = (await self._ask("GET", f"/Users/{id}")).body
        await self._step(name, ("PUT", f"/Users/{id}", known | changes))

    async def _step(self, name: str, *requests: tuple[Any, ...]) -> str:
        """Send requests and note what comes of them; return the id of what the last answer is about."""
        answers = tuple([await self._ask(*request) for request in requests])
        users, groups = await self._look("Users"), await self._look("Groups")
        names = {user["id"]: user["userName"] for user in users}
        self._day.steps[name] = Step(
            answers,
            {user["userName"]: _plain(user) for user in users},
            {group["displayName"]: _members(group, names) for group in groups},
        )
        return str((answers[-1].body or {}).get("id", ""))

    async def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        return await self._gateway.ask(method, f"/scim/{self._target}/v2{path}", body)


def _plain(user: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in user.items() if name not in OWN}


def _members(group: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Return who is in a group of those whom the target has: some keep the ids of entries that are gone."""
    ids = [member["value"] for member in group.get("members", ())]
    return sorted(names[id] for id in ids if id in names)


def _found(name: str, value: str) -> tuple[str, str]:
    kind, filter = "Users" if name == "userName" else "Groups", quote(f'{name} eq "{value}"')
    return "GET", f"/{kind}?filter={filter}&startIndex=1&count=100"


def _patch(place: str, **operation: Any) -> tuple[str, str, Any]:
    return "PATCH", place, {"schemas": [PATCH], "Operations": [operation]}


def _active(id: str, active: bool) -> tuple[str, str, Any]:
    return _patch(f"/Users/{id}", op="replace", value={"active": active})
