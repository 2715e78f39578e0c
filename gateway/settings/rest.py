"""The tables below [targets.NAME.rest], and what they come to. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from pydantic import Field

from gateway.address import Pointer, RestCall, RestCollection, RestErrors, RestService
from gateway.mapping.rules import Rule
from gateway.mapping.specs import nearest
from gateway.mapping.templates import (
    compile_place,
    compile_shape,
    compile_spot,
    faults_of,
    read_back,
)
from gateway.scim.names import NAMES
from gateway.scim.paths import Place
from gateway.settings.faults import Faults, at, hint, read
from gateway.settings.fields import attributes_of, parse_request, parse_word
from gateway.settings.tables import SomeText, Table
from gateway.settings.target_tables import RestActiveTable, RestErrorsTable, RestTable
from gateway.values import sealed

Sends = Literal["changes", "merged", "whole"]


class RestCollectionTable(Table):
    """[targets.NAME.rest.users], and groups"""

    entry: dict[str, Any] | None = Field(
        default=None,
        description="How the target writes an entry, with `{path}` where the value of an attribute stands: "
        "so it is sent, and so it is read.",
    )
    id: Any = Field(default=None, description="Where in an entry its id is, a text or a whole number.")
    number_ids: bool = Field(
        default=False, description="Whether `{id}`, `{member}` and `{members.value}` are numbers in bodies."
    )
    active: Any = Field(
        default=None,
        description="What stands for `{active}` where that is not true and false; whoever shows anything but "
        "`yes` is inactive.",
    )
    list: Any = Field(default=None, description="Reads everybody, page by page.")
    get: Any = Field(default=None, description="Reads the entry with `{id}`.")
    create: Any = Field(default=None, description="Makes an entry.")
    change: Any = Field(default=None, description="Changes the entry with `{id}`.")
    deactivate: Any = Field(
        default=None, description="Makes somebody inactive, where a call of its own does that."
    )
    reactivate: Any = Field(default=None, description="Makes somebody active again.")
    delete: Any = Field(default=None, description="Removes the entry with `{id}`.")
    add: Any = Field(
        default=None,
        description="Of groups: puts `{member}` into `{id}`; without it a group is told of all its members.",
    )
    remove: Any = Field(default=None, description="Of groups: takes `{member}` out of `{id}`.")
    members: Any = Field(
        default=None, description="Of groups: lists who is in `{id}`, where the entry does not show it."
    )
    find: dict[str, Any] = Field(
        default={},
        description="Requests that look somebody up, by the attribute that they look for; the answer is a "
        "list or one entry.",
    )
    search: dict[str, str] = Field(
        default={}, description="Parameters of `list` that look somebody up, by the attribute."
    )


class RestCallTable(Table):
    """[targets.NAME.rest.users.create], and other changes"""

    request: SomeText = Field(
        description="The method and the path below `url`, such as `PUT /contacts/{id}`."
    )
    headers: dict[str, str] = Field(default={}, description="Further headers; `{path}` stands for a value.")
    body: Any = Field(
        default=None,
        description="The JSON that is sent, instead of `entry`; `{path}` stands for a value, with its type.",
    )
    item: Any = Field(
        default=None, description="Where in the answer the entry is; unless you say, the answer is the entry."
    )
    sends: Sends | None = Field(
        default=None,
        description="What a change sends: `changes` what differs, with null for what has gone (a PATCH, "
        "unless you say), `merged` what the target has now with the changes laid over it (a PUT, unless "
        "you say), `whole` what `entry` or `body` makes and nothing else.",
    )


class RestListTable(Table):
    """[targets.NAME.rest.users.list], get, find and members"""

    request: SomeText = Field(description="The method and the path below `url`, such as `GET /contacts`.")
    headers: dict[str, str] = Field(default={}, description="Further headers; `{path}` stands for a value.")
    body: Any = Field(default=None, description="The JSON that is sent, if any.")
    items: Any = Field(
        default=None, description="Where in the answer the list is; unless you say, the answer is the list."
    )
    item: Any = Field(default=None, description="Where in the answer the entry is, where it is about one.")
    total: Any = Field(default=None, description="Where in the answer it says how many there are.")
    next: Any = Field(
        default=None,
        description="Where in the answer the address of the next page is, or its `cursor`; `link` is the "
        "header `Link`.",
    )
    page: SomeText | None = Field(default=None, description="The parameter that takes the number of a page.")
    offset: SomeText | None = Field(
        default=None, description="The parameter that takes how many entries come before a page."
    )
    cursor: SomeText | None = Field(
        default=None, description="The parameter that takes what `next` said on the page before."
    )
    size: SomeText | None = Field(
        default=None, description="The parameter that takes how many entries a page shall have: `page_size`."
    )
    first: int | None = Field(
        default=None, description="The number of the first page, 1 unless you say, or the first offset, 0."
    )
    id: Any = Field(default=None, description="Of `members`: where the id of the person is.")


CHANGES: Final = ("create", "change", "deactivate", "reactivate", "delete", "add", "remove")
READS: Final = ("list", "get", "members")
NEEDED: Final = ("create", "list", "get", "change")
MEANINGS: Final = ("exists", "absent", "busy", "refused", "denied")
ABOUT_ONE: Final = ("change", "deactivate", "reactivate")
OF_GROUPS: Final = ("add", "remove", "members")
OF_PEOPLE: Final = ("active", "deactivate", "reactivate")
ANY: Final = None  # every attribute
NAMED: Final[Mapping[str, Collection[str] | None]] = {  # operation -> what its templates may name
    "list": (),
    "get": ("id",),
    "delete": ("id",),
    "members": ("id",),
    "add": ("id", "member"),
    "remove": ("id", "member"),
}
OWN_HEADERS: Final = frozenset({"authorization", "connection", "content-length", "host", "transfer-encoding"})

_POINTER: Final = 'must be a path in quotes, or keys one inside the other: ["_links", "next", "href"]'


@sealed
class RestWay:
    """What else of a target decides whether its [rest] is right."""

    rules: tuple[Rule, ...]
    sends_inactive: bool  # else who leaves is removed
    page_size: int


def load_rest(raw: Mapping[str, Any], path: str, faults: Faults, way: RestWay) -> RestService | None:
    """Return how a JSON service is reached; None where nothing can be made of it."""
    table = read(RestTable, dict(raw), path, faults)
    if table is None:
        return None
    if table.users is None:
        faults.add(at(path, "users"), "is required: how people are reached")
    users = _Reader("User", at(path, "users"), faults, way).collection(table.users) if table.users else None
    groups = None
    if table.groups is not None:
        groups = _Reader("Group", at(path, "groups"), faults, way).collection(table.groups)
    errors = _errors(table.errors or {}, at(path, "errors"), faults)
    return None if users is None else RestService(users, groups, errors, way.page_size)


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables over tables, key by key; what is a text in one of them is taken whole."""
    both = dict(base)
    for key, value in over.items():
        below = both.get(key)
        both[key] = overlaid(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return both


def _errors(raw: object, path: str, faults: Faults) -> RestErrors:
    table = read(RestErrorsTable, raw, path, faults) or RestErrorsTable()
    meanings, known = {}, dict[Any, str]()
    for name in MEANINGS:
        codes = getattr(table, name)
        for n, code in enumerate(codes):
            where = at(path, name, n)
            if isinstance(code, bool) or not isinstance(code, int | str):
                faults.add(where, "must be a status, or a code in quotes")
            elif known.setdefault(code, name) != name:
                faults.add(where, f"is among `{known[code]}` already")
            elif isinstance(code, str) and table.code is None:
                faults.add(where, "is a code, and `code` does not say where an answer has it")
        meanings[name] = tuple(code for code in codes if isinstance(code, int | str))
    code, reason = (_pointer(getattr(table, key), at(path, key), faults) for key in ("code", "reason"))
    return RestErrors(code, reason, tuple(table.ok), meanings)


def _pointer(raw: Any, path: str, faults: Faults) -> Pointer | None:
    if raw is None:
        return None
    if isinstance(raw, list) and raw and all(isinstance(key, str) for key in raw):
        return tuple(raw)
    if not isinstance(raw, str):
        faults.add(path, _POINTER)
        return None
    return raw if faults.attempt(compile_spot, raw, path) is not None else None


class _Reader:
    """Reads the table of people, or of groups."""

    def __init__(self, kind: str, path: str, faults: Faults, way: RestWay) -> None:
        self._kind, self._path, self._faults, self._way = kind, path, faults, way
        self._ruled = {rule.to.attribute.casefold() for rule in way.rules}

    def collection(self, raw: object) -> RestCollection | None:
        """Return how they are reached; None where nothing can be made of it."""
        table = read(RestCollectionTable, raw, self._path, self._faults)
        if table is None:
            return None
        shows = self._entry(table)
        calls = {
            name: call for name in (*READS, *CHANGES) if (call := self._call(name, getattr(table, name)))
        }
        self._check_calls(table.model_fields_set, shows)
        listed = calls.get("list")
        find = {
            key: call
            for name in table.find
            if (key := self._key("find", name))
            if (call := self._find(name, table.find[name], listed, calls.get("get")))
        }
        search = {key: text for name, text in table.search.items() if (key := self._key("search", name))}
        id = _pointer("id" if table.id is None else table.id, at(self._path, "id"), self._faults)
        return RestCollection(
            table.entry or {}, calls, id or "id", table.number_ids, self._active(table), find, search
        )

    def _add(self, key: str, reason: str) -> None:
        self._faults.add(at(self._path, key), reason)

    def _active(self, table: RestCollectionTable) -> tuple[Any, Any] | None:
        if table.active is None:
            return None
        words = read(RestActiveTable, table.active, at(self._path, "active"), self._faults)
        if words is not None and words.yes == words.no:
            self._add("active", "needs two values that differ")
        return None if words is None else (words.yes, words.no)

    def _entry(self, table: RestCollectionTable) -> set[str] | None:
        """Return the attributes that an entry shows, None where it has faults."""
        if not table.entry:
            self._add("entry", "is required: how the target writes one, with {path} for values")
            return None
        before = self._faults.count
        self._check_shape(table.entry, at(self._path, "entry"), ANY)
        if self._faults.count != before:
            return None
        shows, name = read_back(table.entry, self._kind), NAMES[self._kind]
        if name not in shows:
            self._add("entry", f'has no "{{{name}}}" by itself, so nobody could be told from another')
        return shows

    def _check_calls(self, written: Collection[str], shows: Collection[str] | None) -> None:
        is_person = self._kind == "User"
        for name in OF_GROUPS if is_person else OF_PEOPLE:
            if name in written:
                self._add(name, f"is for {'groups' if is_person else 'users'} only")
        for name in NEEDED:
            if name not in written:
                self._add(name, "is required")
        if is_person:
            self._check_leaving(written, shows)
        elif ("add" in written) != ("remove" in written):
            self._add("remove" if "add" in written else "add", "is required beside the other")
        elif shows is not None and "add" not in written and "members" not in shows:
            self._add("entry", "needs {members.value}, or the table add and remove: groups have members")

    def _check_leaving(self, written: Collection[str], shows: Collection[str] | None) -> None:
        says = shows is None or "active" in shows
        if not self._way.sends_inactive and "delete" not in written:
            self._add("delete", 'is required with on_deactivate = "delete"')
        if self._way.sends_inactive and not says and "deactivate" not in written:
            self._add("deactivate", "is required, or {active} in entry: nothing else says that somebody left")
        if "deactivate" in written and not says and "reactivate" not in written:
            self._add("reactivate", "is required: nothing else says that somebody is back")

    def _key(self, section: str, name: str) -> str | None:
        """Return the folded attribute that is looked up; None where it is none."""
        path = at(self._path, section, name)
        where = self._faults.attempt(compile_place, name, path)
        if where is None:
            return None
        if where.urn or where.where or (where.sub or "value").casefold() != "value":
            self._faults.add(path, "must be an attribute such as userName, externalId or emails.value")
            return None
        if reason := self._wrong(where, ANY):
            self._faults.add(path, reason)
        return where.attribute.casefold()

    def _find(self, name: str, raw: Any, listed: RestCall | None, got: RestCall | None) -> RestCall | None:
        """Return a look-up; what it does not say of its answer is as `list` and `get` have it."""
        call = self._call(name, raw, at(self._path, "find", name), (name.partition(".")[0],))
        if call is None or call.items is not None or listed is None:
            return call
        item = call.item if call.item is not None or got is None else got.item
        said: dict[str, Any] = {"items": listed.items, "item": item}
        if call.request.partition("?")[0] == listed.request.partition("?")[0]:
            keys = ("total", "next", "page", "offset", "cursor", "size", "first")
            said |= {key: getattr(listed, key) for key in keys if getattr(call, key) is None}
        return replace(call, **said)

    def _call(
        self, name: str, raw: Any, path: str | None = None, named: Collection[str] | None = ANY
    ) -> RestCall | None:
        if raw is None:
            return None
        path = path or at(self._path, name)
        named = NAMED.get(name, named)
        kind: type[RestCallTable | RestListTable] = RestCallTable if name in CHANGES else RestListTable
        table = read(kind, {"request": raw} if isinstance(raw, str) else raw, path, self._faults)
        if table is None:
            return None
        where = path if isinstance(raw, str) else at(path, "request")
        line = self._faults.attempt(parse_request, table.request, where)
        if line is None:
            return None
        places = list(line.places())
        for place in places:
            if reason := self._wrong(place, named):
                self._faults.add(where, reason)
        if table.body is not None:
            places += self._check_shape(table.body, at(path, "body"), named)
        needed = ("id",) if name in ABOUT_ONE else named or ()
        for missing in set(needed) - {place.attribute for place in places}:
            self._faults.add(where, f"needs {{{missing}}}")
        self._check_headers(table.headers, at(path, "headers"), named)
        return self._made(table, path)

    def _made(self, table: RestCallTable | RestListTable, path: str) -> RestCall:
        said: dict[str, Any] = {key: getattr(table, key) for key in table.model_fields_set}
        for key in ("item", "items", "total", "next", "id"):
            if said.get(key) is not None and said[key] != "link":
                said[key] = _pointer(said[key], at(path, key), self._faults)
        if said.get("sends") == "merged" and said.get("body") is not None:
            self._faults.add(
                at(path, "sends"), "cannot be merged beside a body, which is not how entries look"
            )
        ways = [key for key in ("page", "offset", "cursor") if said.get(key) is not None]
        if len(ways) > 1:
            self._faults.add(at(path, ways[1]), f"cannot be beside {ways[0]}: pages are asked for in one way")
        if ways and ways[0] != "cursor" and said.get("next") is not None:
            self._faults.add(at(path, "next"), f"cannot be beside {ways[0]}: pages are asked for in one way")
        if ways == ["cursor"] and said.get("next") is None:
            self._faults.add(at(path, "next"), "is required with cursor: where an answer says it")
        return RestCall(**said)

    def _check_headers(self, headers: Mapping[str, str], path: str, named: Collection[str] | None) -> None:
        for name, value in headers.items():
            where = at(path, name)
            self._faults.attempt(parse_word, name, where)
            if name.casefold() in OWN_HEADERS:
                self._faults.add(where, "is the gateway's own; credentials belong into auth")
            self._check_shape(value, where, named)

    def _check_shape(self, raw: Any, path: str, named: Collection[str] | None) -> list[Place]:
        """Return the places in JSON with templates; each fault is at the text that has it."""
        wrong = list(faults_of(raw, lambda where: self._wrong(where, named), self._kind))
        for keys, reason in wrong:
            self._faults.add(at(path, *keys), reason)
        return [] if wrong else list(compile_shape(raw, self._kind).places())

    def _wrong(self, where: Place, named: Collection[str] | None) -> str | None:
        """Say why a template does not name what there is, None where it does."""
        if named is not ANY:
            if where.attribute in named:
                return None
            may = f"only {' and '.join(f'{{{name}}}' for name in named)}" if named else "no {…}"
            return f"has {{{where.text}}}; here may be {may}"
        known = attributes_of(where.urn)
        attribute = known.get(where.attribute.casefold())
        if where.attribute.casefold() in self._ruled:
            return None
        if attribute is None:
            near = nearest(where.attribute, [one.name for one in known.values()])
            meant = f'; did you mean "{near}"?' if near else ""
            return (
                f"has {{{where.text}}}, which is no attribute of the standard, and no rule writes it{meant}"
            )
        if where.sub is not None and attribute.find(where.sub) is None:
            names = [one.name for one in attribute.sub.values()]
            return f"has {{{where.text}}}, and {attribute.name} has no {where.sub}{hint(where.sub, names)}"
        return None
