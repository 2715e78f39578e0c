"""The attributes that people set up for a target, and what Okta and Entra ID have by themselves. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.guide.data import GuideRow, ProviderKind, Subject
from gateway.mapping.rules import Rule
from gateway.scim.names import CORE_URNS, CORE_USER, ENTERPRISE_USER, is_multi_valued
from gateway.scim.paths import ANYWHERE, Place, Terms, place
from gateway.values import frozen

ALWAYS: Final = (("userName",), ("externalId",))

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@frozen
class AttributeRow:
    """An attribute as a page shows it."""

    where: Place
    name: str
    variable: str
    value: str  # what is mapped to it; "" where people must know
    is_there: bool  # the provider's app has it by itself
    note: str
    values: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.where.urn or CORE_USER

    @property
    def external_name(self) -> str | None:
        """The path as Okta writes it; None where it has no way to."""
        where = self.where
        if where.where is None:
            return None if where.sub and is_multi_valued(where.attribute) else _dotted(where.attribute, where)
        terms = [_term(name, value) for name, value in where.where]
        if len(terms) != 1 or terms[0] is None:
            return None
        return _dotted(f"{where.attribute}.^[{terms[0]}]", where)

    @property
    def type(self) -> str:
        """The data type in Okta's Profile Editor."""
        whole = self.where.where is None and self.where.sub is None
        return "string array" if whole and is_multi_valued(self.where.attribute) else "string"

    @property
    def scim_name(self) -> str:
        """The path as Entra ID writes it."""
        where = self.where
        terms = " and ".join(f'{name} eq "{value}"' for name, value in where.where or ())
        path = _dotted(f"{where.attribute}[{terms}]" if terms else where.attribute, where)
        return path if where.urn is None else f"{where.urn}:{path}"


def rows_of(subject: Subject, kind: ProviderKind) -> list[AttributeRow]:
    """Return every attribute that the target takes from a provider, the preset's first."""
    sources = [[place(path) for path in group] for group in _groups(subject)]
    found = list(_applying(subject, [source for group in sources for source in group]))
    for group in _groups(subject):
        if not any(_is_read(path, map(place, group)) for row in found for path in row.paths):
            found.extend(GuideRow(paths) for paths in _spelled_out(group))
    return [_row(row, kind) for row in found]


def _groups(subject: Subject) -> Iterator[tuple[str, ...]]:
    """Yield the paths that the target reads, alternatives together."""
    yield from ALWAYS
    if subject.unlisted == "send":
        yield from USUAL
    yield from ((path,) for group in subject.require for path in group)
    yield from (tuple(source.text for source in rule.sources) for rule in subject.rules if _is_read_in(rule))


def _is_read_in(rule: Rule) -> bool:
    return rule.to.attribute != "password"  # what no profile holds


def _applying(subject: Subject, sources: list[Place]) -> Iterator[GuideRow]:
    """Yield the preset's rows that the target's rules still read."""
    for row in subject.guide.rows:
        paths = tuple(path for path in row.paths if _is_read(path, sources))
        if paths or subject.unlisted == "send":
            yield replace(row, paths=paths or row.paths)


def _is_read(path: str, sources: Iterable[Place]) -> bool:
    where = somewhere(path)
    return any(reads(source, where) for source in sources)


def _spelled_out(group: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a group, or, where it means every element of a list, the usual ones one by one."""
    source = place(group[0])
    usual = [paths for paths in USUAL if source.where is None and reads(source, place(paths[0]))]
    yield from usual or [group]


def _row(row: GuideRow, kind: ProviderKind) -> AttributeRow:
    spots = [somewhere(path) for path in row.paths]
    where = next((spot for spot in spots if is_there(spot, kind)), spots[0])
    facts, there = known(where), is_there(where, kind)
    value = (row.entra or facts.entra) if kind is ProviderKind.ENTRA else (row.okta or facts.okta)
    name = row.name or facts.name or _words(where)
    variable = (facts.variable if there else row.variable) or facts.variable or _variable(name)
    return AttributeRow(where, name, variable, value, there, row.note, row.values)


def _words(where: Place) -> str:
    """Return a path in words: phoneNumbers[type eq "home"].value is "Phone numbers home"."""
    parts = [where.attribute, *(str(value) for _, value in where.where or () if value is not True)]
    if where.sub not in (None, "value"):
        parts.append(str(where.sub))
    return " ".join(_CAPITAL.sub(" ", part) for part in parts).lower().capitalize()


def _variable(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "attribute"


def _dotted(attribute: str, where: Place) -> str:
    return attribute if where.sub is None else f"{attribute}.{where.sub}"


def _term(name: str, value: object) -> str | None:
    if isinstance(value, bool):
        return f"{name}=={str(value).lower()}"
    text = str(value)
    quote = next((mark for mark in "'\"" if mark not in text), None)
    return None if quote is None else f"{name}=={quote}{text}{quote}"


DEPARTMENT: Final = f"{ENTERPRISE_USER}:department"
COST_CENTER: Final = f"{ENTERPRISE_USER}:costCenter"
MAIL: Final = "emails[primary eq true].value"
WORK_MAIL: Final = 'emails[type eq "work"].value'
WORK_PHONE: Final = 'phoneNumbers[type eq "work"].value'
MOBILE_PHONE: Final = 'phoneNumbers[type eq "mobile"].value'


@frozen
class AppAttribute:
    """An attribute by the name and variable it has in Okta's app, and what is mapped to it."""

    path: str
    name: str
    variable: str
    okta: str = ""
    entra: str = ""


KNOWN: Final = (
    AppAttribute("userName", "Username", "userName", "", "userPrincipalName"),
    AppAttribute("externalId", "External ID", "externalId", "", "objectId"),
    AppAttribute("name.givenName", "Given name", "givenName", "user.firstName", "givenName"),
    AppAttribute("name.familyName", "Family name", "familyName", "user.lastName", "surname"),
    AppAttribute("displayName", "Display name", "displayName", "user.displayName", "displayName"),
    AppAttribute(MAIL, "Primary email", "email", "user.email", "mail"),
    AppAttribute(WORK_MAIL, "Work email", "work_email", "user.email", "mail"),
    AppAttribute("title", "Title", "title", "user.title", "jobTitle"),
    AppAttribute(WORK_PHONE, "Work phone", "work_phone", "user.primaryPhone", "telephoneNumber"),
    AppAttribute(MOBILE_PHONE, "Mobile phone", "mobile_phone", "user.mobilePhone", "mobile"),
    AppAttribute(
        "phoneNumbers[primary eq true].value",
        "Primary phone",
        "primaryPhone",
        "user.primaryPhone",
        "telephoneNumber",
    ),
    AppAttribute(
        "preferredLanguage",
        "Preferred language",
        "preferredLanguage",
        "user.preferredLanguage",
        "preferredLanguage",
    ),
    AppAttribute(DEPARTMENT, "Department", "department", "user.department", "department"),
    AppAttribute(COST_CENTER, "Cost center", "costCenter", "user.costCenter"),
    AppAttribute("addresses[primary eq true].country", "Country", "country", "user.countryCode", "country"),
    AppAttribute(
        'addresses[type eq "work"].country', "Work country", "work_country", "user.countryCode", "country"
    ),
    AppAttribute("addresses[primary eq true].locality", "Locality", "locality", "user.city", "city"),
    AppAttribute('addresses[type eq "work"].locality', "Work locality", "work_locality", "user.city", "city"),
    AppAttribute("nickName", "Nickname", "nickName", "user.nickName"),
    AppAttribute("userType", "User type", "userType", "user.userType"),
    AppAttribute("locale", "Locale", "locale", "user.locale"),
    AppAttribute("timezone", "Time zone", "timezone", "user.timezone"),
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


def known(where: Place) -> AppAttribute:
    """Return what is known of an attribute, maybe nothing."""
    return _KNOWN.get(spot_key(where), NOTHING)


def is_there(where: Place, kind: ProviderKind) -> bool:
    """Say whether the provider's generic app has the attribute without anybody adding it."""
    return spot_key(where) in _THERE[kind.dialect]


def _terms(terms: Terms | None) -> frozenset[tuple[str, str]] | None:
    return None if terms is None else frozenset((_folded(name), _folded(str(value))) for name, value in terms)


def _folded(text: str | None) -> str:
    return "" if text in (None, *CORE_URNS.values()) else str(text).casefold()


NOTHING: Final = AppAttribute("", "", "")
_KNOWN: Final[Mapping[Key, AppAttribute]] = {spot_key(place(found.path)): found for found in KNOWN}
_THERE: Final[Mapping[str, frozenset[Key]]] = {
    dialect: frozenset(spot_key(place(path)) for path in paths)
    for dialect, paths in (("okta", _OKTA), ("entra", _ENTRA))
}
