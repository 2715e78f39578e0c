"""What happens on the demo's day: the configuration, and what Okta sends. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CONFIG: Final = """
[server]
listen = "127.0.0.1:0"

[journal]
url = "sqlite:gateway.db"

[providers.okta]
dialect = "okta"
token = { file = "okta.token" }

[targets.phonebook]
connector = "embedded"
url = "sqlite:phonebook.db"
region = "GB"

[targets.phonebook.offices]
LDN = { name = "London", country = "GB" }
TYO = { name = "Tokyo", country = "JP" }

[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["strip_spaces", "phone"]

[[targets.phonebook.rules]]
to = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:officeName"
via = ["office"]
on_invalid = "keep"

[[targets.phonebook.rules]]
to = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:licenseType"
via = [{ name = "map", table = { "Agent" = "contact_centre", "Back office" = "basic" }, ignore_case = true }]
"""

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

Ids = Mapping[str, str]  # what the answers called whom


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that Okta does; `{ann}` in path and body is the id that ann was given."""

    title: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    whom: str | None = None  # whose entry on the target to show
    names: str | None = None  # what the answer's id is called from now on
    shown: tuple[str, ...] = field(default=())  # of the body; all of it where empty


def person(name: str, given: str, family: str, number: str, licence: str, **more: Any) -> dict[str, Any]:
    """Return somebody as Okta sends them."""
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{name}@example.com",
        "externalId": f"00u-{name}",
        "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": True, "type": "work", "value": f"{name}@example.com"}],
        "phoneNumbers": [{"primary": True, "type": "work", "value": number}],
        "active": True,
        ENTERPRISE: {"licenseType": licence, **more},
    }


ANN: Final = person("ann", "Ann", "Lee", "020 7946 0123", "agent", officeName="LDN")
KEN: Final = person("ken", "Ken", "Sato", "090-1234-5678", "Back office", officeName="TYO")
BAD: Final = person("bob", "Bob", "Ray", "ext. 12", "Agent", officeName="LDN")
BOB: Final = person("bob", "Bob", "Ray", "+44 (0)161 496 0000", "Agent", officeName="LDN")
WORK: Final = ("phoneNumbers", ENTERPRISE)


def members(*ids: str) -> list[dict[str, str]]:
    """Return members as Okta names them."""
    return [{"value": id} for id in ids]


def patch(*operations: Mapping[str, Any]) -> dict[str, Any]:
    """Return a PATCH message."""
    return {"schemas": [PATCH], "Operations": list(operations)}


DAY: Final = (
    Step("Okta looks for Ann", "GET", '/Users?filter=userName eq "ann@example.com"'),
    Step("Ann is hired in London", "POST", "/Users", ANN, "ann", "ann", WORK),
    Step("Ken is hired in Tokyo", "POST", "/Users", KEN, "ken", "ken", WORK),
    Step("Bob is hired, with a number that is none", "POST", "/Users", BAD, None, None, WORK),
    Step("Bob again, with the number put right", "POST", "/Users", BOB, "bob", "bob", WORK),
    Step("Okta sends Ann once more: nothing new", "PUT", "/Users/{ann}", ANN, "ann", None, WORK),
    Step(
        "A group is pushed",
        "POST",
        "/Groups",
        {"schemas": [GROUP], "displayName": "Support", "members": members("{ann}", "{bob}")},
        "support",
        "support",
        ("displayName", "members"),
    ),
    Step(
        "Ken joins it, Bob leaves it",
        "PATCH",
        "/Groups/{support}",
        patch(
            {"op": "remove", "path": 'members[value eq "{bob}"]'},
            {"op": "add", "path": "members", "value": members("{ken}")},
        ),
        "support",
        None,
        ("Operations",),
    ),
    Step("Bob leaves the company", "PUT", "/Users/{bob}", {**BOB, "active": False}, "bob", None, ("active",)),
    Step("Okta reads Ann back, as it sent her", "GET", "/Users/{ann}"),
)


def filled(value: Any, ids: Ids) -> Any:
    """Return a value with the ids that its `{name}` stand for."""
    if isinstance(value, str):
        for name, id in ids.items():
            value = value.replace(f"{{{name}}}", id)
        return value
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    if isinstance(value, Mapping):
        return {name: filled(inner, ids) for name, inner in value.items()}
    return value
