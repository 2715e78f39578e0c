"""The standard's names: URNs, attributes and sub-attributes, and how a name is found in a document. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Any, Final

EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})  # each is the same as absent (RFC 7643 section 2.5)

CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SERVICE_PROVIDER_CONFIG: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
LIST_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
NO_RESOURCES: Final = (SCHEMA, RESOURCE_TYPE, SERVICE_PROVIDER_CONFIG, LIST_RESPONSE, PATCH_OP, ERROR)

CORE_URNS: Final[Mapping[str, str]] = {"User": CORE_USER, "Group": CORE_GROUP}  # by resource type
NAMES: Final[Mapping[str, str]] = {"User": "userName", "Group": "displayName"}  # what each type is known by
STANDARD_URNS: Final = frozenset({CORE_USER, CORE_GROUP, ENTERPRISE_USER})
UNSERVED: Final = frozenset({"groups"})  # the standard's, and not promised: who is in a group, the group says
READ_ONLY: Final = frozenset({"id", "meta", "groups"})  # the server's own; a provider's are ignored
COMPANIONS: Final = frozenset({"type", "primary", "display", "$ref"})  # say which element, not what it holds


@dataclass(frozen=True, slots=True)
class Attribute:
    """What the standard says of an attribute; `sub` holds its sub-attributes by folded name."""

    name: str
    sub: Mapping[str, "Attribute"] = field(default_factory=dict)
    multi_valued: bool = False
    case_exact: bool = False
    read_only: bool = False
    boolean: bool = False

    @property
    def is_simple(self) -> bool:
        """Say whether the standard has one value for it, without parts."""
        return bool(self.name) and not self.sub and not self.multi_valued

    def find(self, name: str) -> "Attribute | None":
        """Return the sub-attribute of that name in any case, or None where the standard has none."""
        return self.sub.get(name.casefold())


def _by_name(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    return {attribute.name.casefold(): attribute for attribute in attributes}


def _texts(names: str) -> list[Attribute]:
    return [Attribute(name) for name in names.split()]


def _exact(names: str) -> list[Attribute]:
    return [Attribute(name, case_exact=True) for name in names.split()]


def _one(name: str, *sub: Attribute) -> Attribute:
    return Attribute(name, _by_name(sub))


def _many(name: str, *sub: Attribute, read_only: bool = False) -> Attribute:
    return Attribute(name, _by_name(sub), multi_valued=True, read_only=read_only)


_PRIMARY: Final = Attribute("primary", boolean=True)
_VALUE: Final = (*_texts("value display type"), _PRIMARY)  # RFC 7643 section 2.4
_EXACT_VALUE: Final = (*_exact("value"), *_texts("display type"), _PRIMARY)
_MEMBERSHIP: Final = (*_exact("value $ref"), *_texts("display type"))
_ADDRESS: Final = (
    *_texts("formatted streetAddress locality region postalCode country type"),
    _PRIMARY,
)

_COMMON: Final = (  # RFC 7643 section 3.1
    _many("schemas"),
    Attribute("id", case_exact=True, read_only=True),
    Attribute("externalId", case_exact=True),
    Attribute(
        "meta",
        _by_name((*_exact("resourceType location version"), *_texts("created lastModified"))),
        read_only=True,
    ),
)
_ENTERPRISE: Final = Attribute(  # RFC 7643 section 4.3
    ENTERPRISE_USER,
    _by_name(
        (
            *_texts("employeeNumber costCenter organization division department"),
            _one("manager", *_exact("value $ref"), Attribute("displayName", read_only=True)),
        )
    ),
)
_USER: Final = Attribute(  # RFC 7643 section 4.1
    "User",
    _by_name(
        (
            *_COMMON,
            *_texts("userName displayName nickName title userType preferredLanguage locale timezone"),
            *_exact("profileUrl password"),
            Attribute("active", boolean=True),
            _one(
                "name",
                *_texts("formatted familyName givenName middleName honorificPrefix honorificSuffix"),
            ),
            *(_many(name, *_VALUE) for name in ("emails", "phoneNumbers", "ims", "entitlements", "roles")),
            *(_many(name, *_EXACT_VALUE) for name in ("photos", "x509Certificates")),
            _many("addresses", *_ADDRESS),
            _many("groups", *_MEMBERSHIP, read_only=True),
            _ENTERPRISE,
        )
    ),
)
_GROUP: Final = Attribute(  # RFC 7643 section 4.2
    "Group",
    _by_name((*_COMMON, Attribute("displayName"), _many("members", *_MEMBERSHIP))),
)


def _spellings(known: Attribute) -> Iterator[str]:
    for sub in known.sub.values():
        yield sub.name
        yield from _spellings(sub)


RESOURCES: Final[Mapping[str, Attribute]] = {"User": _USER, "Group": _GROUP}
UNKNOWN: Final = Attribute("")  # a resource type or attribute that the standard does not have
SPELLED: Final = frozenset(name for kind in RESOURCES.values() for name in _spellings(kind))


def key_of(document: Mapping[str, Any], name: str) -> str | None:
    """Return the document's own spelling of a name, exact first, then in any case; None where absent."""
    if name in document:
        return name
    folded = name.casefold()
    for key in strays(document) if name in SPELLED else document:
        if key.casefold() == folded:
            return key
    return None


def get(document: Mapping[str, Any], name: str) -> Any:
    """Return the value of a name in any case, or None."""
    key = name if name in document else key_of(document, name)
    return None if key is None else document[key]


def strays(names: Iterable[str]) -> Iterator[str]:
    """Return the names that the standard has not in this spelling: only these may stand for one it has."""
    return filterfalse(SPELLED.__contains__, names)


def resource(kind: str) -> Attribute:
    """Return what the standard says of a resource type: its attributes are `sub`, extensions by URN."""
    return RESOURCES.get(kind, UNKNOWN)


def is_multi_valued(attribute: str) -> bool:
    """Say whether the standard has a multi-valued attribute of this name at the core level."""
    return any(known.multi_valued for known in _core(attribute))


def is_standard(urn: str | None, attribute: str, sub: str | None = None) -> bool:
    """Say whether the standard has this attribute, and this sub-attribute of it."""
    if urn is None or urn.casefold() in _CORE_FOLDED:
        found = _core(attribute)
    else:
        found = [known for known in (_in_extension(urn, attribute),) if known is not None]
    return any(sub is None or known.find(sub) is not None for known in found)


def is_urn(name: str) -> bool:
    """Say whether a name is a URN (RFC 8141: urn:namespace:name), as the keys of extensions are."""
    return ":" in name and _URN.fullmatch(name) is not None


_URN: Final = re.compile(r"urn:[^:]+:.*[^:]", re.DOTALL | re.IGNORECASE)
_CORE_FOLDED: Final = frozenset(urn.casefold() for urn in CORE_URNS.values())


def is_of_type(urn: str) -> bool:
    """Say whether a URN says by its end that it is a schema of a resource type, as the standard's do."""
    return urn.casefold().endswith(_TYPES)


def with_colon(name: str, knows: Callable[[str], bool] = is_of_type) -> str:
    """Return a name with the colon behind its URN, where a dot stands for it behind one that is known."""
    head = name.partition("[")[0]
    dot = head.find(".", head.rfind(":") + 1)
    return f"{name[:dot]}:{name[dot + 1 :]}" if dot > 0 and ":" in head and knows(head[:dot]) else name


_TYPES: Final = tuple(f":{kind}".casefold() for kind in CORE_URNS)


def _core(attribute: str) -> list[Attribute]:
    found = (kind.find(attribute) for kind in RESOURCES.values())
    return [known for known in found if known is not None]


def _in_extension(urn: str, attribute: str) -> Attribute | None:
    extension = next((known for known in _core(urn) if is_urn(known.name)), None)
    return None if extension is None else extension.find(attribute)
