"""One [targets.NAME.ldap] table, the URL of a directory, and signing in there without a secret."""

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from gateway.address import Directory, External, Signing
from gateway.settings.faults import Faults, at, read
from gateway.settings.fields import GroupClass, Inactive, MadeAttribute, is_loopback
from gateway.settings.secrets import Secrets
from gateway.settings.tables import ExternalTable, Positive, SomeText, Table
from gateway.values import sealed

CATALOGUE: Final = (3268, 3269)  # ports of Active Directory
SCHEMES: Final = ("ldap", "ldaps", "ldapi")
NEEDED: Final = "needs python-ldap: make setup LDAP=1, or pip install 'scim-gateway[ldap]'"
ATTRIBUTES: Final = ("id", "user_name", "external_id", "password", "group_external_id")

_DN: Final = re.compile(r"[A-Za-z][A-Za-z0-9.-]*=[^\x00]+")
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f]")


class LdapTable(Table):
    """[targets.NAME.ldap]"""

    base: SomeText | None = Field(
        default=None,
        description="The DN of the entry below which people are looked for, inactive ones included.",
    )
    dn: SomeText | None = Field(
        default=None,
        description="The DN of new people; `{base}` is the key above, `{userName}` or any attribute that is "
        "sent stands for the person's own, escaped.",
    )
    longest_name: Positive | None = Field(
        default=None,
        description="How many characters may name a person's entry: a longer name is cut, and ends in a "
        "digest of all of it, so that no two are alike.",
    )
    make_ou: bool | None = Field(
        default=None,
        description="Whether organizational units that `dn` names and that are not there are made; else who "
        "is to stand there is refused.",
    )
    people: SomeText | None = Field(
        default=None, description="The LDAP filter that every person below `base` matches."
    )
    object_classes: list[SomeText] | None = Field(
        default=None,
        description="The object classes of new people; a rule to `objectClass` says otherwise for some, and "
        "adds to those of entries that are there.",
    )
    id: SomeText | None = Field(
        default=None, description="The attribute by which an entry is known however it is renamed."
    )
    user_name: SomeText | None = Field(default=None, description="The attribute that holds `userName`.")
    external_id: SomeText | None = Field(default=None, description="The attribute that holds `externalId`.")
    password: SomeText | None = Field(
        default=None,
        description="The attribute that takes `password`, where a rule sends it.",
    )
    makes: list[MadeAttribute] | None = Field(
        default=None,
        description="The attributes that are made for people who come without: `cn` and `sn` of the other "
        "names, `sAMAccountName` of `userName`, `password` of chance.",
    )
    inactive: Inactive | None = Field(
        default=None,
        description="What says that somebody is inactive: `move` puts the entry below `inactive_base`, the "
        "others are attributes; without it nothing does, and `on_deactivate` must be `delete`.",
    )
    inactive_base: SomeText | None = Field(
        default=None, description="The DN of the entry that `move` puts inactive people below."
    )
    group_base: SomeText | None = Field(
        default=None,
        description="The DN of the entry below which groups are; without it the target has no groups.",
    )
    group_dn: SomeText | None = Field(default=None, description="The DN of new groups.")
    group_class: GroupClass | None = Field(
        default=None, description="The object class of groups, which says how members are held."
    )
    groups: SomeText | None = Field(
        default=None,
        description="The LDAP filter that every group below `group_base` matches; unless you say, whatever "
        "has that class.",
    )
    group_external_id: SomeText | None = Field(
        default=None, description="The attribute that holds the `externalId` of groups, if any does."
    )
    start_tls: bool | None = Field(
        default=None,
        description="Whether a connection to `ldap://` is secured before anything is said on it.",
    )
    ca: SomeText | None = Field(
        default=None,
        description="The PEM file with the authorities that may have signed the directory's certificate; "
        "unless you say, those that the system trusts.",
    )


@sealed
class Way:
    """What else of a target decides whether its [ldap] is right."""

    url: str
    auth: Signing | None
    sends_inactive: bool  # else who leaves is removed


def missing_library() -> str | None:
    """Return what is to be done where python-ldap is not installed."""
    return NEEDED if find_spec("ldap") is None else None


def parse_ldap_url(value: str) -> str:
    """Return the address of a directory, without a slash at its end; raises ValueError."""
    try:
        parts = urlsplit(value)
        is_right = parts.scheme in SCHEMES and bool(parts.netloc) and parts.port != 0
    except ValueError:  # a bad port or IPv6 address
        is_right = False
    if not is_right or _UNPRINTABLE.search(value):
        raise ValueError(
            'must be a directory: "ldaps://host", "ldap://host" or "ldapi://%2Fpath%2Fto%2Fsocket"'
        )
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; that is what auth is for")
    if parts.port in CATALOGUE:
        raise ValueError(
            "must not be the global catalogue (3268, 3269), which takes no changes: 389 or 636 are"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end with its host and port; the DN of people is ldap.base")
    return value.rstrip("/")


def load_ldap(raw: Mapping[str, Any], path: str, faults: Faults, folder: Path, way: Way) -> Directory | None:
    """Return where in a directory people and groups are; None where nothing can be made of it."""
    table = read(LdapTable, dict(raw), path, faults)
    if table is None or table.base is None:
        if table is not None and "base" not in raw:
            faults.add(
                at(path, "base"),
                'is required: the DN of the entry above people, "ou=people,dc=example,dc=com"',
            )
        return None
    said: dict[str, Any] = {key: getattr(table, key) for key in table.model_fields_set}
    said |= {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
    if table.ca is not None:
        said["ca"] = _file(table.ca, at(path, "ca"), faults, folder)
    settings = Directory(**said)
    for key, reason in _faults_of(settings, way):
        faults.add(at(path, key), reason)
    if settings.base and way.auth and _is_in_clear(settings, way.url):
        faults.warn(
            at(path, "start_tls"), "passwords and people go over the network in the clear; use ldaps://"
        )
    return settings


def load_external(raw: object, path: str, faults: Faults, folder: Path, secrets: Secrets) -> External | None:
    """Return the sign-in by what the connection itself says."""
    table = read(ExternalTable, raw, path, faults)
    if table is None:
        return None
    if (table.cert is None) != (table.key is None):
        faults.add(path, "needs cert and key, or neither of them")
        return None
    if table.cert is None or table.key is None:
        return External()
    cert, key = (
        _file(name, at(path, what), faults, folder)
        for what, name in (("cert", table.cert), ("key", table.key))
    )
    if key is not None:
        secrets.warn_of_readers(key, at(path, "key"))
    return External(cert, key)


def fault_of_external(settings: Directory, way: Way) -> str | None:
    """Say why nobody could sign in by what the connection says, None where that is not so."""
    if not isinstance(way.auth, External) or way.url.startswith("ldapi:"):
        return None
    is_secured = way.url.startswith("ldaps:") or settings.start_tls
    return (
        None if is_secured and way.auth.cert else "needs cert and key with ldaps:// or start_tls, or ldapi://"
    )


def _faults_of(settings: Directory, way: Way) -> Iterator[tuple[str, str]]:
    yield from _faults_of_texts(settings)
    yield from _faults_of_templates(settings)
    yield from _faults_of_leaving(settings, way)
    if settings.start_tls and not way.url.startswith("ldap:"):
        yield "start_tls", "is for ldap:// only"


def _faults_of_texts(settings: Directory) -> Iterator[tuple[str, str]]:
    for key in ("base", "inactive_base", "group_base"):
        text = getattr(settings, key)
        if text is not None and not _DN.fullmatch(text):
            yield key, 'must be a DN, such as "ou=people,dc=example,dc=com"'
    for key in ATTRIBUTES:
        text = getattr(settings, key)
        if text is not None and not _ATTRIBUTE.fullmatch(text):
            yield key, "must be the name of an attribute"
    for key in ("people", "groups"):
        text = getattr(settings, key) or "()"
        if not (text.startswith("(") and text.endswith(")") and text.count("(") == text.count(")")):
            yield key, 'must be an LDAP filter in brackets, such as "(objectClass=inetOrgPerson)"'


def _faults_of_templates(settings: Directory) -> Iterator[tuple[str, str]]:
    for key, base in (("dn", "base"), ("group_dn", "group_base")):
        template = getattr(settings, key)
        names = _PLACEHOLDER.findall(template)
        rdn, _, above = template.partition(",")
        plain = _PLACEHOLDER.sub("x", template)
        if not _DN.fullmatch(plain) or {"{", "}"} & set(plain) or not _PLACEHOLDER.search(rdn):
            yield (
                key,
                f'must be a DN with an attribute in its first part, such as "uid={{userName}},{{{base}}}"',
            )
        elif not all(map(_ATTRIBUTE.fullmatch, (name.replace("_", "") for name in names))):
            yield key, "has {…} that is not the name of an attribute"
        elif not above.endswith(f"{{{base}}}"):
            yield key, f"must end with {{{base}}}: what is made elsewhere would not be found again"


def _faults_of_leaving(settings: Directory, way: Way) -> Iterator[tuple[str, str]]:
    if settings.inactive is None and way.sends_inactive:
        yield (
            "inactive",
            'is required where on_deactivate is "send": nothing else says that somebody is inactive',
        )
    if (settings.inactive == "move") != (settings.inactive_base is not None):
        yield "inactive_base", 'is needed with inactive = "move", and with nothing else'
    elif settings.inactive_base is not None and not _is_below(settings.inactive_base, settings.base):
        yield "inactive_base", "must be below ldap.base, where people are looked for"


def _is_below(dn: str, base: str) -> bool:
    here, above = (re.sub(r"\s*([,=])\s*", r"\1", text.strip().casefold()) for text in (dn, base))
    return here.endswith(f",{above}")


def _is_in_clear(settings: Directory, url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return url.startswith("ldap:") and not settings.start_tls and not is_loopback(host)


def _file(name: str, path: str, faults: Faults, folder: Path) -> Path | None:
    file = folder / name
    if not file.is_file():
        faults.add(path, "there is no such file")
        return None
    return file
