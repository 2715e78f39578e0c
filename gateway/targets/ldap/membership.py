"""How groups hold their members: one habit for each object class, and values that come in ranges. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.targets.ldap.made import short_name
from gateway.targets.ldap.place import Directory
from gateway.targets.ldap.values import Raw

PLACEHOLDER: Final = "cn=nobody"  # some classes want a member, and a group may have none
FIRST_NUMBER: Final = 10_000  # of a posixGroup, where there is none yet

_UID_PART: Final = re.compile(r"#'[01]*'B\Z")  # RFC 4517 section 3.3.21
_RANGE: Final = re.compile(r";range=\d+-(\d+|\*)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Membership:
    """How one class of groups names its members."""

    attribute: str
    by_dn: bool = True  # else by what userName is
    placeholder: bool = False
    follows: bool = False  # the directory itself keeps members whose entry is renamed or goes
    numbered: bool = False  # gidNumber
    extras: Callable[[str], dict[str, str]] = lambda name: {}  # of a new group of that name

    def value_of(self, raw: Raw, directory: Directory) -> str:
        """Return how a person is named in groups."""
        return raw.dn if self.by_dn else raw.first(directory.user_name) or ""

    def name_for(self, dn: str, form: Mapping[str, Any]) -> str:
        """Return how a person will be named in groups, who gets this DN and this form."""
        return dn if self.by_dn else str(form.get("userName") or "")


def names_of(values: list[str]) -> list[str]:
    """Return the members among an attribute's values, without the placeholder."""
    names = (_UID_PART.sub("", value) for value in values)
    return [name for name in names if name.casefold() != PLACEHOLDER]


def part_of(raw: Raw, attribute: str) -> tuple[list[str], str | None]:
    """Return the values that came, and what to ask for the others ([MS-ADTS] 3.1.1.3.1.3.3)."""
    for name, values in raw.values.items():
        found = _RANGE.search(name)
        if found and name[: found.start()].casefold() == attribute.casefold():
            more = None if found[1] == "*" else f"{attribute};range={int(found[1]) + 1}-*"
            return [value.decode(errors="replace") for value in values], more
    return raw.texts(attribute), None


MEMBERSHIPS: Final[Mapping[str, Membership]] = {  # by object class
    "groupOfNames": Membership("member", placeholder=True),
    "groupOfUniqueNames": Membership("uniqueMember", placeholder=True),
    "posixGroup": Membership("memberUid", by_dn=False, numbered=True),
    "group": Membership(
        "member", follows=True, extras=lambda name: {"sAMAccountName": short_name(name, 256)}
    ),
}
