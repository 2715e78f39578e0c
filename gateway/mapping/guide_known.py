"""What the generic apps of Okta and Entra ID have by themselves, attribute by attribute. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.mapping.guide_data import ProviderKind
from gateway.scim.names import CORE_URNS, ENTERPRISE_USER
from gateway.scim.paths import ANYWHERE, Place, Terms, place

DEPARTMENT: Final = f"{ENTERPRISE_USER}:department"
COST_CENTER: Final = f"{ENTERPRISE_USER}:costCenter"
MAIL: Final = "emails[primary eq true].value"
WORK_MAIL: Final = 'emails[type eq "work"].value'
WORK_PHONE: Final = 'phoneNumbers[type eq "work"].value'
MOBILE_PHONE: Final = 'phoneNumbers[type eq "mobile"].value'


@dataclass(frozen=True, slots=True)
class Known:
    """An attribute by the name and variable it has in Okta's app, and what is mapped to it."""

    path: str
    name: str
    variable: str
    okta: str = ""
    entra: str = ""


KNOWN: Final = (
    Known("userName", "Username", "userName", "", "userPrincipalName"),
    Known("externalId", "External ID", "externalId", "", "objectId"),
    Known("name.givenName", "Given name", "givenName", "user.firstName", "givenName"),
    Known("name.familyName", "Family name", "familyName", "user.lastName", "surname"),
    Known("displayName", "Display name", "displayName", "user.displayName", "displayName"),
    Known(MAIL, "Primary email", "email", "user.email", "mail"),
    Known(WORK_MAIL, "Work email", "work_email", "user.email", "mail"),
    Known("title", "Title", "title", "user.title", "jobTitle"),
    Known(WORK_PHONE, "Work phone", "work_phone", "user.primaryPhone", "telephoneNumber"),
    Known(MOBILE_PHONE, "Mobile phone", "mobile_phone", "user.mobilePhone", "mobile"),
    Known(
        "phoneNumbers[primary eq true].value",
        "Primary phone",
        "primaryPhone",
        "user.primaryPhone",
        "telephoneNumber",
    ),
    Known(
        "preferredLanguage",
        "Preferred language",
        "preferredLanguage",
        "user.preferredLanguage",
        "preferredLanguage",
    ),
    Known(DEPARTMENT, "Department", "department", "user.department", "department"),
    Known(COST_CENTER, "Cost center", "costCenter", "user.costCenter"),
    Known("addresses[primary eq true].country", "Country", "country", "user.countryCode", "country"),
    Known('addresses[type eq "work"].country', "Work country", "work_country", "user.countryCode", "country"),
    Known("addresses[primary eq true].locality", "Locality", "locality", "user.city", "city"),
    Known('addresses[type eq "work"].locality', "Work locality", "work_locality", "user.city", "city"),
    Known("nickName", "Nickname", "nickName", "user.nickName"),
    Known("userType", "User type", "userType", "user.userType"),
    Known("locale", "Locale", "locale", "user.locale"),
    Known("timezone", "Time zone", "timezone", "user.timezone"),
)
USUAL: Final[tuple[tuple[str, ...], ...]] = (  # what a target gets that takes everything
    ("name.givenName",),
    ("name.familyName",),
    ("displayName",),
    (MAIL, WORK_MAIL),
    ("title",),
    (WORK_PHONE,),
    (MOBILE_PHONE,),
    (DEPARTMENT,),
)
_EVERYWHERE: Final = ("userName", "externalId", "name.givenName", "name.familyName", "displayName", "title")
_OKTA: Final = (
    *_EVERYWHERE,
    MAIL,
    "phoneNumbers[primary eq true].value",
    "preferredLanguage",
    "addresses[primary eq true].country",
    "addresses[primary eq true].locality",
    "nickName",
    "userType",
    "locale",
    "timezone",
    "roles",
    DEPARTMENT,
    COST_CENTER,
)
_ENTRA: Final = (
    *_EVERYWHERE,
    WORK_MAIL,
    WORK_PHONE,
    MOBILE_PHONE,
    "preferredLanguage",
    'addresses[type eq "work"].country',
    'addresses[type eq "work"].locality',
    DEPARTMENT,
)

Key = tuple[Any, ...]


def spot_key(where: Place) -> Key:
    """Return what makes two places one: case and the spelling of truth aside."""
    return _folded(where.urn), _folded(where.attribute), _terms(where.where), _folded(where.sub)


def reads(source: Place, where: Place) -> bool:
    """Say whether a source of a rule reads what is set up at a place."""
    return (
        (source.urn == ANYWHERE or _folded(source.urn) == _folded(where.urn))
        and _folded(source.attribute) == _folded(where.attribute)
        and (source.where is None or _terms(source.where) == _terms(where.where))
        and (source.sub is None or _folded(source.sub) == _folded(where.sub))
    )


def somewhere(path: str) -> Place:
    """Return the place that a path is set up at; what may stand anywhere goes where the standard has it."""
    where = place(path)
    if where.urn != ANYWHERE:
        return where
    spots = (replace(where, urn=None), replace(where, urn=ENTERPRISE_USER))
    return next((spot for spot in spots if spot_key(spot) in _KNOWN), spots[1])


def known(where: Place) -> Known:
    """Return what is known of an attribute, maybe nothing."""
    return _KNOWN.get(spot_key(where), NOTHING)


def is_there(where: Place, kind: ProviderKind) -> bool:
    """Say whether the provider's generic app has the attribute without anybody adding it."""
    return spot_key(where) in _THERE[kind.dialect]


def _terms(terms: Terms | None) -> frozenset[tuple[str, str]] | None:
    return None if terms is None else frozenset((_folded(name), _folded(str(value))) for name, value in terms)


def _folded(text: str | None) -> str:
    return "" if text in (None, *CORE_URNS.values()) else str(text).casefold()


NOTHING: Final = Known("", "", "")
_KNOWN: Final[Mapping[Key, Known]] = {spot_key(place(found.path)): found for found in KNOWN}
_THERE: Final[Mapping[str, frozenset[Key]]] = {
    dialect: frozenset(spot_key(place(path)) for path in paths)
    for dialect, paths in (("okta", _OKTA), ("entra", _ENTRA))
}
