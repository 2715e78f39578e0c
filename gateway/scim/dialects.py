"""How a provider deviates from the RFC: what it sends is made standard before it is read as such. Pure.

What can mean only one thing is forgiven to everybody, so OneLogin, Ping, JumpCloud, SailPoint and Rippling
speak `rfc`. PATCH operations are read as widely by `patch` itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.scim.documents import as_object, last_primary, singles, unlisted
from gateway.scim.grammar import MAX_LENGTH
from gateway.scim.jsontext import parse_json
from gateway.scim.names import (
    CORE_GROUP,
    CORE_URNS,
    CORE_USER,
    ENTERPRISE_USER,
    UNKNOWN,
    Attribute,
    get,
    key_of,
    resource,
    with_colon,
)
from gateway.values import frozen

Body = dict[str, Any]
Urns = Mapping[str, str]  # outdated -> of today

_UNQUOTED: Final = re.compile(
    r"(?<= (?:eq|ne|co|sw|ew|gt|ge|lt|le) )(?!(?:true|false|null)\b)"
    r"[^\s\"()\[\]]+(?: (?!(?:and|or) )[^\s\"()\[\]]+)*",
    re.IGNORECASE,
)
_LITERAL: Final = re.compile(r'("(?:[^"\\]|\\.)*")')
_NO_VALUE: Final = re.compile(r"^\](?=\s+eq\s+$)", re.IGNORECASE)
_FIRST: Final = re.compile(r"[^.:\[]+(?![^.\[])")  # a name and no URN, up to what of it is meant
_MEMBERS: Final = frozenset({"members", f"{CORE_GROUP}:members".casefold()})
_NO_URN: Final = re.compile(r"(?<![\w.:$-])manager(?=\s+eq\s+$)", re.IGNORECASE)


def entra_filter(text: str) -> str:
    """Return a filter of Entra ID's with the `value` and the URN of `manager` that it leaves out."""
    if len(text) > MAX_LENGTH:  # to be refused, so not worth a search
        return text
    parts = _LITERAL.split("".join(map(_quoted, _LITERAL.split(text))))
    for index in range(0, len(parts), 2):  # what stands between the literals
        named = _NO_URN.sub(f"{ENTERPRISE_USER}:manager", parts[index])
        parts[index] = _NO_VALUE.sub("].value", named)
    return "".join(parts)


def _quoted(part: str) -> str:
    """Return what stands between the literals with quotes around what is a literal without them."""
    return part if part.startswith('"') else _UNQUOTED.sub(lambda found: json.dumps(found[0]), part)


@frozen
class Dialect:
    """What is done to a provider's documents, PATCH messages and filters before they are read as standard."""

    urns: Mapping[str, Urns] = field(default_factory=dict)  # by resource type
    filter: Callable[[str], str] = str
    replaces_in_part: bool = False  # who replaces members names only those who join
    names: Mapping[str, str] = field(default_factory=dict)  # of people: what they mean, by folded name
    paths: Mapping[str, str] = field(default_factory=dict)  # endpoints by other names, folded
    decodes_roles: bool = False  # a role may be an object as JSON in a text
    keeps_last_primary: bool = False  # of several that are primary in one list the last is meant
    unique_ids: bool = False  # two resources never share an externalId, so one that comes again is a rename

    def document(self, body: Mapping[str, Any], kind: str = "User") -> Body:
        """Return a document, or the value of a pathless operation, as the standard has it."""
        renamed = {self._renamed(name, kind): value for name, value in body.items()}
        own = renamed if len(renamed) == len(body) else body  # never two values for one name
        return {name: self._forgiven(value, _known(name, kind)) for name, value in own.items()}

    def patch(self, message: Mapping[str, Any], kind: str = "User") -> Body:
        """Return a PATCH message whose paths and pathless values are as the standard has them."""
        key = key_of(message, "Operations")
        if key is None or not isinstance(message[key], list):
            return dict(message)
        operations = [self._operation(raw, kind) for raw in message[key]]
        if self.replaces_in_part and kind == "Group":
            operations = [own for operation in operations for own in _joining(operation)]
        return {**message, key: operations}

    def _forgiven(self, value: Any, known: Attribute) -> Any:
        return self.meant(_forgiven(value, known), known)

    def meant(self, value: Any, known: Attribute) -> Any:
        """Return a list as who sent it means it: its roles decoded, the last of its primary values."""
        if self.decodes_roles and known.name == "roles":
            value = [_decoded(role) for role in value] if isinstance(value, list) else _decoded(value)
        return last_primary(value, known) if self.keeps_last_primary else value

    def _renamed(self, name: str, kind: str) -> str:
        renamed = _renamed(name, self.urns.get(kind, {}), kind)
        found = _FIRST.match(renamed) if self.names and kind == "User" else None
        meant = self.names.get(found[0].casefold()) if found else None
        return renamed if found is None or meant is None else meant + renamed[found.end() :]

    def _operation(self, raw: Any, kind: str) -> Any:
        if not isinstance(raw, dict):
            return raw
        path, value = key_of(raw, "path"), key_of(raw, "value")
        if path is not None and isinstance(raw[path], str) and raw[path]:
            name = self._renamed(raw[path], kind)
            own = {} if value is None else {value: self.meant(raw[value], _known(name, kind))}
            return {**raw, path: name, **own}
        is_object = value is not None and isinstance(raw[value], dict)
        return {**raw, value: self.document(raw[value], kind)} if is_object else raw


def _joining(raw: Any) -> list[Any]:
    """Return an operation as Entra ID means it: who replaces members joins them, only Remove removes."""
    operation = raw if isinstance(raw, dict) else {}
    op, path, value = (get(operation, name) for name in ("op", "path", "value"))
    if not isinstance(op, str) or op.casefold() != "replace" or not value:
        return [raw]
    if path:
        return [{"op": "add", "path": path, "value": value} if _is_members(path) else raw]
    named = [name for name in value if _is_members(name) and value[name]] if isinstance(value, dict) else []
    if not named:
        return [raw]
    rest = {name: inner for name, inner in value.items() if name not in named}
    joins = [{"op": "add", "path": name, "value": value[name]} for name in named]
    return [{"op": op, "value": rest}, *joins] if rest else joins


def _is_members(name: Any) -> bool:
    return isinstance(name, str) and name.strip().casefold() in _MEMBERS


def _decoded(role: Any) -> Any:
    """Return a role that is an object as JSON in a text as that object, under the standard's names."""
    text = get(role, "value") if isinstance(role, dict) else role
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return role
    try:
        found = parse_json(text.encode("utf-8", "replace"), refuse_duplicates=False)
    except GatewayError:
        return role
    if not isinstance(get(found, "value"), str):
        return role
    own = {"display": get(found, "displayName"), **{name: get(found, name) for name in ("type", "primary")}}
    around = (
        {name: inner for name, inner in role.items() if name.casefold() != "value"}
        if isinstance(role, dict)
        else {}
    )
    return {
        "value": get(found, "value"),
        **{name: inner for name, inner in own.items() if inner is not None},
        **around,
    }


def _known(name: str, kind: str) -> Attribute:
    """Return what the standard says of an attribute at the core level, with its URN or without."""
    core = f"{CORE_URNS[kind]}:"
    is_core = name[: len(core)].casefold() == core.casefold()
    return resource(kind).find(name[len(core) :] if is_core else name) or UNKNOWN


def _renamed(name: str, urns: Urns, kind: str) -> str:
    if "." in name:
        is_of_kind = name.casefold().startswith(f"{kind}.".casefold())
        name = name[len(kind) + 1 :] if is_of_kind else with_colon(name)
    for outdated, urn in urns.items():
        if f"{name}:".casefold().startswith(f"{outdated}:"):
            return urn + name[len(outdated) :]
    return name


def _forgiven(value: Any, known: Attribute) -> Any:
    """Return a value with what can mean only one thing: "False", one object for a list, a manager's id."""
    if known.multi_valued and isinstance(value, dict):
        value = [value]
    value = unlisted(value, known)
    if known.name == ENTERPRISE_USER and isinstance(value, dict):
        name = key_of(value, "manager")
        value = value if name is None else {**value, name: _manager(value[name])}
    return singles(value, known)


def _manager(value: Any) -> Any:
    manager = as_object(value)
    return with_value(manager) if isinstance(manager, dict) else manager


def with_value(manager: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a manager whose id is its `value`, where it is called `managerId` as in SCIM 1."""
    key = key_of(manager, "managerId")
    if key is None or key_of(manager, "value") is not None:
        return manager
    return {"value" if name == key else name: inner for name, inner in manager.items()}


# OneLogin's templates still name them
_SCIM_1: Final[Mapping[str, Urns]] = {
    "User": {
        "urn:scim:schemas:core:1.0": CORE_USER,
        "urn:scim:schemas:extension:enterprise:1.0": ENTERPRISE_USER,
    },
    "Group": {"urn:scim:schemas:core:1.0": CORE_GROUP},
}
DIALECTS: Final[Mapping[str, Dialect]] = {
    "okta": Dialect(unique_ids=True),
    "entra": Dialect(
        filter=entra_filter,
        replaces_in_part=True,
        names={"manager": f"{ENTERPRISE_USER}:manager"},
        paths={
            "users": "Users",
            "groups": "Groups",
            "serviceconfiguration": "ServiceProviderConfig",
            "serviceproviderconfig": "ServiceProviderConfig",
        },
        decodes_roles=True,
        keeps_last_primary=True,
    ),
    "rfc": Dialect(urns=_SCIM_1),
}
