"""Where in a directory people and groups are, and its habits. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PERSON: Final = ("top", "person", "organizationalPerson", "inetOrgPerson")


@dataclass(frozen=True, slots=True)
class Directory:
    """One LDAP directory as the configuration says it; DN templates hold `{attribute}` and `{base}`."""

    base: str
    dn: str = "uid={userName},{base}"
    people: str = "(objectClass=inetOrgPerson)"  # who below `base` is a person
    object_classes: tuple[str, ...] = PERSON  # of new people, unless a rule says otherwise
    id: str = "entryUUID"
    user_name: str = "uid"
    external_id: str = "employeeNumber"
    password: str = "userPassword"  # noqa: S105 - an attribute's name
    makes: tuple[str, ...] = ("cn", "sn")  # made where absent
    inactive: str | None = None  # None: nothing says it | move | nsAccountLock | userAccountControl
    inactive_base: str | None = None
    group_base: str | None = None  # None: there are no groups
    group_dn: str = "cn={displayName},{group_base}"
    group_class: str = "groupOfNames"
    group_external_id: str | None = None
    start_tls: bool = False
    ca: Path | None = None  # None: what the system trusts
    attributes: tuple[str, ...] = ()  # those that are looked at; (): all of them, with all their values
    lists: tuple[str, ...] = ()  # of those: where more than the first value is looked at
