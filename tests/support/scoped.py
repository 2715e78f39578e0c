"""A house whose target is not to have everybody: Sales are in its scope, the Board is not."""

from dataclasses import replace
from typing import Any, Final

from gateway.flow.target_port import Attributes
from gateway.mapping.scope import Scope
from gateway.mapping.target import TargetMapping
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER
from tests.support.house import House
from tests.support.talk import op

NOT_BOARD: Final = 'department ne "Board"'
IN: Final = {ENTERPRISE_USER: {"department": "Sales"}}
OUT: Final = {ENTERPRISE_USER: {"department": "Board"}}
ANN: Final = {"userName": "ann@x", "externalId": "1", "emails": [{"value": "ann@x", "type": "work"}]}


def scope(text: str | None, kind: str = "User") -> Scope | None:
    return None if text is None else Scope(parse_filter(text), kind)


def scoped(house: House, people: str | None = NOT_BOARD, groups: str | None = None) -> House:
    """Return the house with this scope from now on, as after a change of the configuration."""
    changed = TargetMapping(house.target.mapping.rules, scope=scope(people))
    of_groups = TargetMapping(kind="Group", scope=scope(groups, "Group"))
    return replace(house, target=replace(house.target, mapping=changed, groups=of_groups))


def there(house: House) -> dict[str, bool]:
    """Return who is on the target, by userName, and whether they are active."""
    return {entry["userName"]: entry.get("active", True) for entry in house.fake.entries.values()}


def told(house: House) -> dict[str, list[str]]:
    """Return the groups on the target by name, each with the names of its members."""
    people = {id: entry["userName"] for id, entry in house.fake.entries.items()}
    return {
        group["displayName"]: [people[m["value"]] for m in group.get("members", ()) if m["value"] in people]
        for group in house.fake.groups.values()
    }


async def outcomes(house: House) -> list[tuple[str, str]]:
    return [(event["event"], event["outcome"]["result"]) for event in await house.events()]


def department(value: str) -> Attributes:
    return {"Operations": [op("replace", f"{ENTERPRISE_USER}:department", value)]}


def active(value: bool) -> Attributes:
    return {"Operations": [op("replace", "active", value)]}


def renamed(name: str) -> dict[str, Any]:
    return {"Operations": [op("replace", "displayName", name)]}
