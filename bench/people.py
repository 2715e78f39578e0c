"""The people and groups that a bench sends: no two people have a name or number in common. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import orjson

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ROLES: Final = ("admin", "general")

Document = dict[str, Any]


def user_name(number: int) -> str:
    """Return the userName of a person."""
    return f"u{number}@example.com"


def phone(number: int) -> str:
    """Return a London number as people write it."""
    return f"+44 20 7{number // 10_000 % 1000:03d} {number % 10_000:04d}"


def person(number: int, title: str = "Agent") -> Document:
    """Return a person as Okta sends one."""
    name, family = user_name(number), f"Jensen{number}"
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": name,
        "externalId": f"00u{number}",
        "name": {"givenName": "Barbara", "familyName": family},
        "displayName": f"Barbara {family}",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "phoneNumbers": [{"value": phone(number), "type": "work"}],
        "title": title,
        "locale": "en-US",
        "licenseType": "Talk",
        "officeName": "LDN",
        "roles": ", ".join(ROLES),
        "groups": [],
        "active": True,
        ENTERPRISE: {"department": "Sales", "employeeNumber": str(number)},
    }


def original(number: int) -> Document:
    """Return a person as the gateway keeps them."""
    return {name: value for name, value in person(number).items() if value != []}


def sent(number: int) -> Document:
    """Return a person as the configuration of a bench makes them for a target."""
    return original(number) | {
        "phoneNumbers": [{"value": phone(number).replace(" ", ""), "type": "work"}],
        "licenseType": "dialpad_talk",
        "officeName": "London",
        "roles": [{"value": role} for role in ROLES],
    }


def group(name: str, members: Iterable[str]) -> Document:
    """Return a group of the people with these ids."""
    return {"schemas": [GROUP], "displayName": name, "members": [{"value": id} for id in members]}


def patch(*operations: Document) -> Document:
    """Return a PATCH message."""
    return {"schemas": [PATCH], "Operations": list(operations)}


def member_id(number: int) -> str:
    """Return the gateway's id of a person whom `fill` has put into a journal."""
    return f"00000000-0000-4000-8000-{number:012x}"


def dumps(document: Document) -> bytes:
    """Return a document as it goes over the wire."""
    return orjson.dumps(document)
