"""What to say to a SCIM 2.0 service (RFC 7644 section 3). Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import orjson

from gateway.flow.target_port import Attributes, MemberUpdate, Missing, Query, ResourceType, Update
from gateway.scim.documents import without_read_only
from gateway.scim.grammar import Filter
from gateway.scim.names import EMPTY, PATCH_OP, is_urn
from gateway.targets.transport import Call

T = TypeVar("T")

COLLECTIONS: Final[Mapping[ResourceType, str]] = {ResourceType.USER: "Users", ResourceType.GROUP: "Groups"}
PLAIN: Final = re.compile(r"[A-Za-z0-9_~-]+")  # of ids: what a URL holds as it is (RFC 3986 section 2.3)
DOTS: Final = {".": "%2E", "..": "%2E%2E"}  # quote() leaves them, and a URL parser would walk them
WITHOUT_MEMBERS: Final = "excludedAttributes=members"
MEMBERS_AT_ONCE: Final = 100  # of one PATCH: as Okta sends them, and what the narrowest services take
_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


class Endpoints:
    """The calls one service takes; its URLs are made once."""

    def __init__(self, base_url: str) -> None:
        base = base_url.rstrip("/")
        self._base = base
        self._collections = {kind: f"{base}/{name}" for kind, name in COLLECTIONS.items()}
        self._config = f"{base}/ServiceProviderConfig"
        self._types = f"{base}/ResourceTypes"

    def config(self) -> Call:
        """Ask what the service supports."""
        return Call("GET", self._config)

    def types(self) -> Call:
        """Ask what types of resource the service has."""
        return Call("GET", self._types)

    def get(self, kind: ResourceType, id: str, *, members: bool = True) -> Call:
        return Call("GET", self._entry(kind, id) + ("" if members else f"?{WITHOUT_MEMBERS}"))

    def query(self, kind: ResourceType, query: Query) -> Call:
        asked = {} if query.filter is None else {"filter": render_filter(query.filter)}
        asked |= {"startIndex": str(query.start), "count": str(query.count)}
        bare = kind is ResourceType.GROUP and not query.members
        return Call(
            "GET", f"{self._collections[kind]}?{_encoded(asked)}" + (f"&{WITHOUT_MEMBERS}" if bare else "")
        )

    def listed(self, endpoint: str, query: Query) -> Call:
        """Ask for a page of resources of a type of the service's own."""
        return Call("GET", f"{self._base}/{endpoint}?startIndex={query.start}&count={query.count}")

    def create(self, kind: ResourceType, wanted: Attributes) -> Call:
        return Call("POST", self._collections[kind], orjson.dumps(without_read_only(wanted)))

    def replace(self, kind: ResourceType, id: str, wanted: Attributes) -> Call:
        body = without_read_only(wanted) | {"id": id}
        return Call("PUT", self._entry(kind, id), orjson.dumps(body))

    def patch(self, kind: ResourceType, id: str, operations: list[Attributes]) -> Call:
        body = {"schemas": [PATCH_OP], "Operations": operations}
        return Call("PATCH", self._entry(kind, id), orjson.dumps(body))

    def delete(self, kind: ResourceType, id: str) -> Call:
        return Call("DELETE", self._entry(kind, id))

    def _entry(self, kind: ResourceType, id: str) -> str:
        if not id:  # would name the whole collection
            raise Missing("an entry without an id does not exist")
        written = id if PLAIN.fullmatch(id) else DOTS.get(id) or _percent(id)
        return f"{self._collections[kind]}/{written}"


def _percent(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _encoded(asked: Mapping[str, str]) -> str:
    return "&".join(f"{name}={_percent(value)}" for name, value in asked.items())


def render_filter(tree: Filter) -> str:
    """Return a filter with its literals in plain Unicode: not every service reads JSON's escapes."""
    return _LITERAL.sub(lambda found: json.dumps(json.loads(found[0]), ensure_ascii=False), str(tree))


def patch_messages(update: Update, *, single: bool = False) -> list[list[Attributes]]:
    """Return the operations of each PATCH that a change takes, all for the attributes in one or each alone.

    Alone, whoever is deactivated is so first, and whoever is activated is so last.
    """
    operations = patch_operations(update.present, update.wanted)
    messages = [*([operations] if operations else ()), *member_operations(update.members)]
    if not single:
        return messages
    return [[operation] for operation in sorted((op for m in messages for op in m), key=_urgency)]


def patch_operations(present: Attributes, wanted: Attributes) -> list[Attributes]:
    """Return the operations that turn `present` into `wanted`, one for each attribute that differs.

    Null, "", [] and {} mean absent. Objects are changed by sub-attribute, lists as a whole.
    """
    operations: list[Attributes] = []
    for name, before, after in _changes(without_read_only(present), without_read_only(wanted)):
        if name == "schemas":  # a service derives it from what an entry holds
            continue
        if is_urn(name):
            operations.extend(_extension_operations(name, before or {}, after or {}))
        else:
            operations.extend(_operations(name, before, after))
    return operations


def member_operations(members: MemberUpdate) -> Iterator[list[Attributes]]:
    """Yield the operations that change a group's members, in messages that services take."""
    for ids in _chunks(members.remove):
        yield [{"op": "remove", "path": f"members[value eq {_quoted(id)}]"} for id in ids]
    for elements in _chunks(members.add):
        yield [{"op": "add", "path": "members", "value": list(elements)}]


def with_members(group: Attributes, members: MemberUpdate) -> Attributes:
    """Return a group as it shows itself, its members changed: for services that take it only whole."""
    gone = {*members.remove, *(element["value"] for element in members.add)}
    kept = [element for element in group.get("members", ()) if element.get("value") not in gone]
    return {**group, "members": [*kept, *members.add]}


def with_unshown(wanted: Attributes, shown: Attributes, held: Attributes) -> Attributes:
    """Return an entry with what is held of it and not shown: for services that take it only whole."""
    whole = dict(wanted)
    for name, value in held.items():
        if name not in shown:
            whole[name] = value
        elif isinstance(value, dict) and isinstance(shown[name], dict) and isinstance(wanted.get(name), dict):
            whole[name] = with_unshown(wanted[name], shown[name], value)
    return whole | {"schemas": wanted["schemas"]} if "schemas" in wanted else whole


def _urgency(operation: Attributes) -> int:
    if operation["path"] != "active":
        return 0
    return 1 if operation.get("value") is True else -1


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[n : n + MEMBERS_AT_ONCE] for n in range(0, len(values), MEMBERS_AT_ONCE))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _extension_operations(urn: str, before: Attributes, after: Attributes) -> Iterator[Attributes]:
    """Name every attribute with its URN (RFC 7644 section 3.10), objects by their sub-attributes.

    A service that does not know the URN would take `URN:attribute` with an object for an extension.
    """
    for name, old, new in _changes(before, after):
        yield from _operations(f"{urn}:{name}", {} if old is None and isinstance(new, dict) else old, new)


def _operations(path: str, before: Any, after: Any) -> Iterator[Attributes]:
    if isinstance(before, dict) and isinstance(after, dict):
        for sub, old, new in _changes(before, after):
            yield _operation(f"{path}.{sub}", old, new)
    else:
        yield _operation(path, before, after)


def _operation(path: str, before: Any, after: Any) -> Attributes:
    if after is None:
        return {"op": "remove", "path": path}
    return {"op": "add" if before is None else "replace", "path": path, "value": after}


def _changes(present: Attributes, wanted: Attributes) -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*present, *wanted)):
        before, after = present.get(name), wanted.get(name)
        if before != after and (_value(before), _value(after)) != (None, None):
            yield name, _value(before), _value(after)


def _value(value: Any) -> Any:
    return None if value in EMPTY else value
