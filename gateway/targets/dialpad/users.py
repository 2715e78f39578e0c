"""People as Dialpad's API has them and as the gateway does, and what is said to it of them. Pure.

The API is Dialpad's published OpenAPI file: github.com/dialpad/dialpad-python-sdk, dialpad_api_spec.json.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from gateway.flow.target_port import Attributes, Refused
from gateway.scim.documents import fold, truth
from gateway.scim.grammar import CompareOperator, Comparison, Filter, LogicalExpr, LogicalOperator
from gateway.scim.names import CORE_URNS, CORE_USER, EMPTY, ENTERPRISE_USER
from gateway.targets.transport import Call
from gateway.values import frozen

User = dict[str, Any]  # a UserProto of the API
JSON: Final = "application/json"
OFFICE: Final = (ENTERPRISE_USER, "officeName")
LICENCE: Final = (ENTERPRISE_USER, "licenseType")

_IS_ID: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@frozen
class UserField:
    """An attribute of a person and the field of the API that holds it, both ways."""

    at: tuple[str, ...]
    name: str
    on_create: bool = False  # POST takes it; all of them are taken by PATCH
    stays: bool = False  # it cannot be taken away: where nobody says it, it is left as it is

    @property
    def path(self) -> str:
        """Return the attribute as rules and errors spell it."""
        return (":" if self.at[0] == ENTERPRISE_USER else ".").join(self.at)


FIELDS: Final = (  # CreateUserMessage and UpdateUserMessage; addresses, state and office are not just copied
    UserField(("name", "givenName"), "first_name", on_create=True),
    UserField(("name", "familyName"), "last_name", on_create=True),
    UserField(("title",), "job_title"),
    UserField(LICENCE, "license", on_create=True, stays=True),
    UserField((ENTERPRISE_USER, "extension"), "extension"),
)
SENT: Final = frozenset({field.path for field in FIELDS} | {":".join(OFFICE)})
SENT_WHOLE: Final = frozenset({"userName", "emails", "active"})
UNSENT: Final = frozenset({"schemas", "id", "meta", "groups", "externalId"})  # ours, or kept by us alone
GONE: Final = "deleted"  # of `state`: listed and shown, and nobody any more
INACTIVE: Final = frozenset({"suspended", "cancelled"})
ROLES: Final = {"is_super_admin": "super_admin", "is_admin": "admin"}  # so that `protect` can name them


def is_id(id: str) -> bool:
    """Say whether this may be somebody's id: "me" is the owner of the key, and anything else a path."""
    return _IS_ID.fullmatch(id) is not None


def id_of(value: Any) -> str | None:
    """Return an id that the API writes as a number or as a text of digits, None for anything else."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return text if is_id(text) else None


def is_gone(user: User) -> bool:
    """Say whether somebody was deleted: the API goes on to show them."""
    return bool(user.get("state") == GONE)


def office_of(user: User) -> str | None:
    """Return the id of somebody's office."""
    return id_of(user.get("office_id"))


def entry_of(user: User, offices: Mapping[str, str]) -> Attributes:
    """Return somebody as an entry; `offices` are names by id, and one that is not there is left out."""
    emails = _texts(user.get("emails"))
    held: list[tuple[tuple[str, ...], Any]] = [(field.at, _text(user.get(field.name))) for field in FIELDS]
    held += [
        (OFFICE, offices.get(office_of(user) or "")),
        (("displayName",), _text(user.get("display_name"))),
        (("emails",), [{"value": email, "primary": n == 0} for n, email in enumerate(emails)]),
        (("phoneNumbers",), [{"value": n, "type": "work"} for n in _texts(user.get("phone_numbers"))]),
        (("roles",), [{"value": role} for name, role in ROLES.items() if user.get(name) is True]),
    ]
    entry: Attributes = {"schemas": [CORE_USER, ENTERPRISE_USER], "id": id_of(user.get("id"))}
    if emails:
        entry["userName"] = emails[0]
    entry["active"] = user.get("state") not in INACTIVE
    for at, value in held:
        if value not in EMPTY:
            (entry.setdefault(at[0], {}) if at[1:] else entry)[at[-1]] = value
    return entry


def office_name(entry: Mapping[str, Any]) -> str | None:
    """Return the name of the office that an entry has or is to have."""
    return _text(_at(entry, OFFICE))


def licence_of(entry: Mapping[str, Any]) -> str | None:
    """Return the licence that an entry has, as the API calls it."""
    return _text(_at(entry, LICENCE))


def refuse_unsendable(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """Raise Refused, naming each, where what is wanted and not there cannot be said to Dialpad."""
    new = [(path, value) for path, value in _leaves(wanted) if value != _at(present, _split(path))]
    beyond = [path for path, _ in new if path not in SENT]
    if beyond:
        raise Refused(f"Dialpad's API cannot set {', '.join(beyond)}", 400)
    broken = [path for path, value in new if not isinstance(value, str) or len(value.splitlines()) > 1]
    if broken:
        raise Refused(f"Dialpad takes one line of text for {', '.join(broken)}", 400)


def created(wanted: Mapping[str, Any], office: str, *, auto_assign: bool) -> User:
    """Return the body of a create: all that it takes of what is wanted."""
    fields = {field.name: _text(_at(wanted, field.at)) for field in FIELDS if field.on_create}
    body = {"email": _text(wanted.get("userName")), **fields, "office_id": int(office)}
    return {name: value for name, value in body.items() if value is not None} | (
        {"auto_assign": True} if auto_assign else {}
    )


def changed(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> User:
    """Return the body of a change of one entry into another, but for the office; {}: nothing differs."""
    body: User = {}
    for field in FIELDS:
        before, after = _text(_at(present, field.at)), _text(_at(wanted, field.at))
        if before != after and (after is not None or not field.stays):
            body[field.name] = after or ""
    before_state, after_state = (truth(entry.get("active")) for entry in (present, wanted))
    if isinstance(after_state, bool) and before_state != after_state:
        body["state"] = "active" if after_state else "suspended"
    emails = _addresses(wanted, without=present.get("userName"))
    if emails and list(map(fold, emails)) != list(map(fold, _addresses(present))):
        body["emails"] = emails
    return body


def _addresses(entry: Mapping[str, Any], without: Any = None) -> list[str]:
    """Return all addresses, the userName first; `without` one that was the userName."""
    name, listed = _text(entry.get("userName")), entry.get("emails")
    more = [_text(one.get("value")) for one in listed if isinstance(one, dict)] if listed else []
    others = [email for email in more if email is not None and not _is_same(email, without)]
    unique = {fold(email): email for email in reversed([*([name] if name else []), *others])}
    return list(reversed(unique.values()))


def _is_same(left: str, right: Any) -> bool:
    return isinstance(right, str) and fold(left) == fold(right)


def _leaves(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what an entry has that is to be sent as one field, by its path."""
    for name, value in entry.items():
        if name in UNSENT or name in SENT_WHOLE or value in EMPTY:
            continue
        if not isinstance(value, dict):
            yield name, value
            continue
        joint = ":" if ":" in name else "."
        yield from ((f"{name}{joint}{sub}", inner) for sub, inner in value.items() if inner not in EMPTY)


def _split(path: str) -> tuple[str, ...]:
    urn, colon, name = path.rpartition(":")
    return (urn, name) if colon else tuple(path.split(".", 1))


def _at(entry: Mapping[str, Any], at: tuple[str, ...]) -> Any:
    outer = entry.get(at[0])
    return outer if not at[1:] else outer.get(at[1]) if isinstance(outer, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _texts(values: Any) -> list[str]:
    return [text for value in values if (text := _text(value))] if isinstance(values, list) else []


NOBODY: Final[tuple[str, str]] = ("", "")  # what a look-up comes to that can find nobody
LOOKUPS: Final[Mapping[tuple[str, str], str]] = {  # attribute and sub-attribute -> parameter of the list
    ("username", ""): "email",
    ("emails", ""): "email",
    ("emails", "value"): "email",
    ("phonenumbers", ""): "number",
    ("phonenumbers", "value"): "number",
    ("externalid", ""): "",  # Dialpad has nowhere to keep one
}


def lookup_of(filter: Filter) -> tuple[str, str] | None:
    """Return the parameter and the value that find all that match, and others maybe; None: there is none."""
    is_all = isinstance(filter, LogicalExpr) and filter.op is LogicalOperator.and_
    terms = filter.terms if isinstance(filter, LogicalExpr) and is_all else (filter,)
    for term in terms:
        if isinstance(term, Comparison) and (found := _asked(term)) is not None:
            return found
    return None


def _asked(term: Comparison) -> tuple[str, str] | None:
    path, value = term.attr_path, term.value
    is_core = path.uri is None or path.uri.casefold() == CORE_URNS["User"].casefold()
    parameter = LOOKUPS.get((path.attr.casefold(), (path.sub_attr or "").casefold())) if is_core else None
    if parameter is None or term.op is not CompareOperator.eq or not isinstance(value, str) or not value:
        return None
    return (parameter, value) if parameter else NOBODY


class UserCalls:
    """The calls that the API takes; no list is asked for with `limit`, which is answered 400 at times."""

    def __init__(self, base_url: str) -> None:
        base = f"{base_url.rstrip('/')}/api/v2"
        self._users = f"{base}/users"
        self._offices = f"{base}/offices"

    def get(self, id: str) -> Call:
        return _call("GET", f"{self._users}/{id}")

    def people(self, cursor: str = "", **asked: str) -> Call:
        """Ask for a page of people in whatever state, of those alone that a parameter finds."""
        return _call("GET", _with(self._users, {**asked, "state": "all", "cursor": cursor}))

    def create(self, body: User) -> Call:
        return _call("POST", self._users, body)

    def change(self, id: str, body: User) -> Call:
        return _call("PATCH", f"{self._users}/{id}", body)

    def delete(self, id: str) -> Call:
        return _call("DELETE", f"{self._users}/{id}")

    def offices(self, cursor: str = "") -> Call:
        return _call("GET", _with(self._offices, {"cursor": cursor}))

    def seats(self, office: str) -> Call:
        """Ask how many licences an office has left."""
        return _call("GET", f"{self._offices}/{office}/available_licenses")


def _call(method: str, url: str, body: User | None = None) -> Call:
    return Call(method, url, None if body is None else orjson.dumps(body), JSON, JSON)


def _with(url: str, asked: Mapping[str, str]) -> str:
    pairs = [
        f"{name}={quote(value, safe='', errors='surrogatepass')}" for name, value in asked.items() if value
    ]
    return f"{url}?{'&'.join(pairs)}" if pairs else url
