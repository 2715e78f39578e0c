"""Makes what docs/protocol.md says of the protocol: by reading the program's tables, and by running it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway import errors
from gateway.build import BUSY_STATUS
from gateway.errors import GatewayError
from gateway.scim import elements, grammar, jsontext, members, patch
from gateway.scim.dialects import DIALECTS, Dialect
from gateway.scim.documents import canonical, resolved
from gateway.scim.grammar import parse_filter
from gateway.scim.members import edited, elements_of, take_member_operations
from gateway.scim.names import ENTERPRISE_USER
from gateway.scim.patch import apply_patch
from gateway.scim.predicate import predicate
from gateway.scim.schemas import service_provider_config
from gateway.server import request, runner, scim
from gateway.server.discovery import LISTS
from gateway.server.request import SEARCH, SEARCHED, SERVED, parse_endpoint
from gateway.server.scim import TYPES, allowed
from gateway.targets.registry import CONNECTORS
from gateway.targets.scim import answers
from gateway.targets.scim.abilities import LACKS, NEVER
from tools.docs.markdown import grid, visible

DISCOVERY: Final = sorted(SERVED - TYPES.keys())
PATHS: Final = (
    *(f"/{name}{id}" for name in TYPES for id in ("", "/{id}")),
    *(f"{f'/{name}' if name else ''}/{SEARCH}" for name in SEARCHED),
    "/",
    *(f"/{name}{id}" for name in DISCOVERY for id in ("", "/{id}") if name in LISTS or not id),
)


def requests() -> str:
    """Return every path with its methods, and what each asks for."""
    rows = []
    for path in PATHS:
        operations = allowed(parse_endpoint(f"/scim/people/v2{path}"))
        rows.append(
            (_code(path), ", ".join(f"{_code(method)} {word}" for method, word in operations.items()))
        )
    return grid(("path", "methods"), rows)


def supported() -> str:
    """Return what /ServiceProviderConfig promises, by connector."""
    configs = [service_provider_config("", sort=spec.sorts) for spec in CONNECTORS.values()]
    names = [name for name, part in configs[0].items() if isinstance(part, dict) and "supported" in part]
    rows = ((_code(name), *(_promised(config, name) for config in configs)) for name in names)
    return grid(("", *map(_code, CONNECTORS)), rows)


def _promised(config: Mapping[str, Any], name: str) -> str:
    if name == "changePassword":
        return "where a rule sends `password`"
    return "yes" if config[name]["supported"] else f"no: {NEVER[name]}"


def lacks() -> str:
    """Return what a SCIM service may lack, how that is known, and what is done."""
    rows = ((lack.made_good, lack.found or "–", _code(lack.key) if lack.key else "–") for lack in LACKS)
    return grid(("a target like this", "is found out by", "or is said in its table"), rows)


def dialects() -> str:
    """Return what the dialects differ in."""
    rows = (
        (
            _code(name),
            str(BUSY_STATUS.get(name, errors.Busy.status)),
            "add these" if dialect.replaces_in_part else "are everybody",
            "a rename" if dialect.unique_ids else "somebody else, if its owner is active and knows their id",
        )
        for name, dialect in DIALECTS.items()
    )
    new = "a create with a known `externalId` and another name is"
    return grid(("dialect", "a busy target is answered with", "the members of a `replace`", new), rows)


ANN: Final = {"value": "a@example.com", "type": "work"}
HABITS: Final[tuple[tuple[str, str, Any], ...]] = (  # what it is, what it stands in, what is sent
    ("a boolean as text", "document", {"active": "False"}),
    ("one object for a list", "document", {"emails": ANN}),
    ("a list for one value", "document", {"title": [{"value": "Boss"}]}),
    ("texts and objects in one list", "document", {"roles": ["Agent", {"value": "Lead"}]}),
    ("empty values", "document", {"title": "", "nickName": None, "roles": []}),
    ("a manager as text", "document", {ENTERPRISE_USER: {"manager": "7"}}),
    ("a `managerId`", "document", {ENTERPRISE_USER: {"manager": {"managerId": "7"}}}),
    ("a dot behind a URN", "document", {f"{ENTERPRISE_USER}.department": "Sales"}),
    ("a name with its URN", "document", {f"{ENTERPRISE_USER}:department": "Sales"}),
    ("a URN of SCIM 1.0", "document", {"urn:scim:schemas:extension:enterprise:1.0": {"department": "Sales"}}),
    ("no `value` behind brackets", "filter", 'emails[type eq "work"] eq "a@example.com"'),
    ("a bare `manager`", "filter", 'manager eq "7"'),
    ("a bare `manager`", "document", {"manager": "7"}),
    ("no quotes", "filter", "userName eq ann@example.com"),
    (
        "a role as JSON in a text",
        "document",
        {"roles": [{"value": '{"value":"Admin","displayName":"Boss"}'}]},
    ),
    ("members one by one", "operation", {"op": "Replace", "path": "members", "value": [{"value": "1"}]}),
)
READ: Final[Mapping[str, Callable[[Dialect, Any], Any]]] = {
    "document": lambda dialect, sent: canonical(
        dialect.document(resolved(dialect.document(sent), "User")), "User"
    ),
    "filter": lambda dialect, sent: dialect.filter(sent),
    "operation": lambda dialect, sent: dialect.patch({"Operations": [sent]}, "Group")["Operations"][0],
}


def habits() -> str:
    """Return what providers send beside the standard, and as what each dialect reads it."""
    return grid(("habit", "sent", "read as", "by"), (row for habit in HABITS for row in _read(*habit)))


def _read(name: str, kind: str, sent: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each way to read it."""
    found: dict[str, list[str]] = {}
    for dialect, how in DIALECTS.items():
        found.setdefault(_json(READ[kind](how, sent)), []).append(dialect)
    for read, by in found.items():
        yield name, _json(sent), read, "all" if len(by) == len(DIALECTS) else ", ".join(map(_code, by))


PERSON: Final = {"userName": "ann", "title": "Dr", "emails": [{"value": "a@x", "type": "work"}]}
PATCHES: Final[tuple[dict[str, Any], ...]] = (
    {"op": "replace", "value": {"active": False}},
    {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "1"},
    {"op": "replace", "value": {"name.givenName": "Ann", f"{ENTERPRISE_USER}:department": "Sales"}},
    {"op": "add", "path": "emails", "value": [{"value": "h@x", "type": "home", "primary": True}]},
    {"op": "replace", "path": 'emails[type eq "work"]', "value": {"value": "b@x"}},
    {"op": "remove", "path": 'emails[type eq "work"]'},
    {"op": "remove", "path": "title"},
    {"op": "remove", "path": "active"},
    {"op": "replace", "path": 'emails[value eq "z@x"].type', "value": "home"},
    {"op": "replace", "path": "id", "value": "2"},
)


def patches() -> str:
    """Return what operations make of a person."""
    return grid(("operation", "the person after it"), ((_json(sent), _patched(sent)) for sent in PATCHES))


def _patched(sent: Mapping[str, Any]) -> str:
    try:
        return _json(apply_patch(PERSON, {"Operations": [sent]}))
    except GatewayError as error:
        return f"*{error.status} `{error.scim_type}`: {error.detail}*"


MEMBERS: Final = ("1", "2")
JOINING: Final[tuple[dict[str, Any], ...]] = (
    {"op": "add", "path": "members", "value": [{"value": "2"}, {"value": "3"}]},
    {"op": "remove", "path": 'members[value eq "1"]'},
    {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "1"}]},
    {"op": "remove", "path": "members"},
    {"op": "replace", "path": "members", "value": [{"value": "3"}]},
    {"op": "replace", "path": "members", "value": []},
    {"op": "replace", "value": {"id": "9", "displayName": "New"}},
)


def memberships() -> str:
    """Return what operations make of a group's members, by dialect where they differ."""
    rows = ((_json(sent), *(_joined(dialect, sent) for dialect in DIALECTS.values())) for sent in JOINING)
    return grid(("operation", *map(_code, DIALECTS)), rows)


def _joined(dialect: Dialect, sent: Mapping[str, Any]) -> str:
    _, edits = take_member_operations(dialect.patch({"Operations": [sent]}, "Group"))
    present = elements_of([{"value": value} for value in MEMBERS])
    return ", ".join(edited(present, edits)) or "nobody"


PEOPLE: Final[Mapping[str, dict[str, Any]]] = {
    "Ann": {
        "userName": "Ann@Example.com",
        "externalId": "A1",
        "title": "Dr",
        "active": True,
        "emails": [
            {"value": "ann@example.com", "type": "work", "primary": True},
            {"value": "ann@home.example", "type": "home"},
        ],
        ENTERPRISE_USER: {"department": "Research and Development"},
    },
    "Bob": {
        "userName": "bob@example.com",
        "externalId": "b2",
        "active": False,
        "emails": [{"value": "bob@example.com", "type": "work"}],
        "meta": {"lastModified": "2026-03-01T09:00:00Z"},
    },
}
FILTERS: Final = (
    'userName eq "ANN@example.com"',
    'externalId eq "a1"',
    "active eq false",
    'active eq "False"',
    "title pr",
    'title ne "Dr"',
    "title eq null",
    'emails.value ew "@home.example"',
    'emails.type ne "home"',
    'emails[type eq "home" and primary eq true]',
    'emails[type eq "work"].value eq "ann@example.com"',
    f'{ENTERPRISE_USER}:department eq "research and development"',
    'meta.lastModified ge "2026-03-01T10:00:00+01:00"',
    'not (userName sw "a") and (active eq true or emails pr)',
)


def filters() -> str:
    """Return whom filters find."""
    rows = ((_code(text).replace("|", r"\|"), _found(text)) for text in FILTERS)
    return grid(("filter", "finds"), rows)


def _found(text: str) -> str:
    matches = predicate(parse_filter(text))
    return ", ".join(name for name, person in PEOPLE.items() if matches(person)) or "nobody"


def people() -> str:
    """Return the people whom the filters are tried on."""
    return grid(("who", "resource"), ((name, _json(person)) for name, person in PEOPLE.items()))


BOUNDS: Final[tuple[tuple[str, str], ...]] = (
    ("body with a person, or with a group without its members", f"{jsontext.MAX_BODY // 1024**2} MiB"),
    ("body with a group", f"{request.MAX_GROUP_BODY // 1024**2} MiB"),
    ("large bodies of one provider at a time", f"{request.MAX_AT_WORK // 1024**2} MiB, then 429"),
    ("reads of groups of one provider at a target, at a time", f"{scim.FEW}; others wait, then 429"),
    ("time for a header to arrive", f"{runner.HEADER_TIME:g} s"),
    ("body of a search", f"{request.MAX_SEARCH // 1024} KiB"),
    ("time for a body to arrive", f"{request.BODY_TIME:g} s"),
    ("time for an answer, or a MiB of it, to be taken", f"{runner.ANSWER_TIME:g} s"),
    ("connections in all, and of one client", "`max_connections`, `max_connections_per_client`"),
    ("levels in a body", f"{(jsontext.parse_json.__kwdefaults__ or {})['max_depth']}"),
    ("values in a person, or in a group without its members", f"{jsontext.MAX_VALUES:,}"),
    ("values in a body with a group", f"{request.MAX_MEMBER_VALUES:,}"),
    ("elements in one list, other than members", f"{jsontext.MAX_ELEMENTS:,}"),
    ("values in an answer of a target", f"{answers.MAX_ANSWER_VALUES:,}"),
    ("values in an answer of a target with one person", f"{answers.MAX_PERSON_VALUES:,}"),
    ("attributes in one object, or named to be shown", f"{jsontext.MAX_NAMES:,}"),
    ("operations of a PATCH", f"{patch.MAX_OPERATIONS:,}"),
    ("operations of a PATCH on members", f"{members.MAX_OPERATIONS:,}"),
    ("comparisons of a PATCH with elements", f"{elements.MAX_LOOKS:,}"),
    ("comparisons of a PATCH with members, other than by value", f"{members.MAX_COMPARISONS:,}"),
    ("characters of a filter or path", f"{grammar.MAX_LENGTH:,}"),
    ("comparisons in a filter", f"{grammar.MAX_TERMS:,}"),
    ("brackets within brackets, in a filter or path", f"{grammar.MAX_DEPTH:,}"),
    ("resources on a page, whatever `page_size` says", f"{request.MAX_COUNT:,}"),
)


def bounds() -> str:
    """Return how much the gateway takes at once."""
    return grid(("what", "at most"), BOUNDS)


def refusals() -> str:
    """Return every error that a provider may get."""
    known = (kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not GatewayError)
    return grid(("status", "`scimType`", "means"), map(_refusal, filter(_is_told, known)))


def _is_told(kind: type) -> bool:
    return issubclass(kind, GatewayError)


def _refusal(kind: type[GatewayError]) -> tuple[str, str, str]:
    codes = {kind.status, *BUSY_STATUS.values()} if issubclass(kind, errors.Busy) else {kind.status}
    scim_type = _code(kind.scim_type) if kind.scim_type else "–"
    return " or ".join(map(str, sorted(codes))), scim_type, (kind.__doc__ or "").partition("\n")[0]


def _code(text: str) -> str:
    return f"`{text}`"


def _json(value: Any) -> str:
    return _code(value if isinstance(value, str) else visible(value)).replace("|", r"\|")


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "requests": requests,
    "supported": supported,
    "lacks": lacks,
    "dialects": dialects,
    "habits": habits,
    "patches": patches,
    "memberships": memberships,
    "people": people,
    "filters": filters,
    "bounds": bounds,
    "refusals": refusals,
}
