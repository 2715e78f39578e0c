"""A JSON directory on loopback, in a form of its own, that can as little as `Lesser`; and the TOML for it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.address import TargetAddress
from gateway.flow.paging import walk, window
from gateway.flow.target_port import CannotFilter, Page, Query, ResourceType
from gateway.scim.predicate import predicate
from gateway.settings import compiled, load_settings
from gateway.targets.registry import CONNECTORS, OpenTarget
from tests.support.forms import ENTERPRISE
from tests.support.lesser import Lesser

PLAIN: Final = {"login": "userName", "ref": "externalId", "shown": "displayName", "enabled": "active"}
PLAIN_TOO: Final = PLAIN | {"job": "title", "nick": "nickName"}
PAGES: Final[Mapping[str, str]] = {  # how it pages -> as the configuration says it
    "page": 'page = "page"',
    "offset": 'offset = "skip"',
    "cursor": 'next = "meta.next"\ncursor = "after"',
    "address": 'next = "meta.next"',
    "link": 'next = "link"',
    "all at once": "",
}
TOML: Final = """
[targets.phonebook.rest.errors]
code = "error.code"
reason = "error.message"
exists = ["DUPLICATE"]
[targets.phonebook.rest.users]
id = "uid"
create = {{ request = "POST /people", item = "data" }}
get = {{ request = "GET /people/{{id}}", item = "data" }}
change = {{ request = "{change} /people/{{id}}", item = "data" }}
delete = "DELETE /people/{{id}}"
{search}
[targets.phonebook.rest.users.entry]
login = "{{userName}}"
ref = "{{externalId}}"
shown = "{{displayName}}"
enabled = "{{active}}"
job = "{{title}}"
nick = "{{nickName}}"
names = {{ first = "{{name.givenName}}", last = "{{name.familyName}}" }}
mail = {{ each = "emails", as = {{ address = "{{value}}", kind = "{{type}}", main = "{{primary}}" }} }}
phones = {{ each = "phoneNumbers", as = {{ number = "{{value}}", kind = "{{type}}" }} }}
licences = "{{entitlements.value}}"
dept = "{{{enterprise}:department}}"
[targets.phonebook.rest.users.list]
request = "GET /people"
items = "data"
size = "limit"
{total}
{pages}
[targets.phonebook.rest.groups]
id = "uid"
entry = {{ title = "{{displayName}}", ref = "{{externalId}}", people = "{{members.value}}" }}
create = {{ request = "POST /teams", item = "data" }}
get = {{ request = "GET /teams/{{id}}", item = "data" }}
change = {{ request = "{change} /teams/{{id}}", item = "data" }}
delete = "DELETE /teams/{{id}}"
[targets.phonebook.rest.groups.list]
request = "GET /teams"
items = "data"
size = "limit"
{total}
{pages}
"""
GROUPS: Final = "[targets.phonebook.rest.groups]\n"
WHOLE: Final = ', people = "{{members.value}}"'
JOINS: Final = """add = "PUT /teams/{{id}}/people/{{member}}"
remove = "DELETE /teams/{{id}}/people/{{member}}"
members = {{ request = "GET /teams/{{id}}/people", items = "data", id = "who" }}
"""


@dataclass
class RestLesser(Lesser):
    """A directory as SCIM holds it, shown in JSON of its own."""

    way: str = "page"
    change: str = "PUT"
    says_total: bool = True
    finds: bool = True  # its look-ups are in the configuration
    stale: list[str] = field(default_factory=list)  # cursors that it does not know any more, each for once
    joins: bool = False  # members come and go one by one, and no group shows them
    changes: list[dict[str, Any]] = field(default_factory=list)

    def application(self) -> web.Application:
        self.ids = count(1)
        application = web.Application()
        for path in ("/people", "/teams"):
            application.router.add_get(path, self._list)
            application.router.add_post(path, self._create)
            application.router.add_get(path + "/{id}", self._one)
            application.router.add_put(path + "/{id}", self._put)
            application.router.add_patch(path + "/{id}", self._put)
            application.router.add_delete(path + "/{id}", self._gone)
        application.router.add_get("/teams/{id}/people", self._members)
        application.router.add_put("/teams/{id}/people/{member}", self._join)
        application.router.add_delete("/teams/{id}/people/{member}", self._leave)
        return application

    def toml(self, **keys: str) -> str:
        lines = "".join(f"{name} = {value}\n" for name, value in ({"page_size": "5"} | keys).items())
        head = f'[targets.phonebook]\nshared = true\nconnector = "rest"\nurl = "{self.url}"\n{lines}'
        toml = TOML
        if self.joins:
            toml = toml.replace(WHOLE, "").replace(GROUPS, GROUPS + JOINS)
        return head + toml.format(
            enterprise=ENTERPRISE,
            change=self.change,
            search='search = { userName = "login", externalId = "ref" }' if self.finds else "",
            total='total = "meta.total"' if self.says_total else "",
            pages=PAGES[self.way],
        )

    async def _list(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.queries.append(asked)
        if asked.get("after") in self.stale:
            self.stale.remove(asked["after"])
            return _wrong(400, "OLD", "that cursor is old")
        found = [self._shown(entry) for entry in self._read(request).values()]
        if self.filters != "ignored" and ({"login", "ref"} & asked.keys()):
            if self.filters == "refused":
                return _wrong(400, "BAD_PARAMETER", "no such parameter")
            found = [one for one in found if _is_like(one, asked)]
            if not found and self.no_match != 200:
                return _wrong(self.no_match, "NOBODY", "no match")
        found = [{n: v for n, v in entry.items() if n not in self.unlisted} for entry in found]
        size = int(asked.get("limit", 10**6))
        start = {
            "page": lambda: (int(asked["page"]) - 1) * min(size, self.paging.most) + 1,
            "offset": lambda: int(asked["skip"]) + 1,
            "all at once": lambda: 1,
        }.get(self.way, lambda: int(asked.get("after", 1)))()
        size = 10**6 if self.way == "all at once" else size
        total, shown = self.paging.page(found, start, size)
        after = start + len(shown)
        more = {} if after > len(found) or not shown else {"next": self._next(request, after)}
        headers = {"Link": f'<{more["next"]}>; rel="next"'} if more and self.way == "link" else {}
        meta = ({} if total is None else {"total": str(total) if self.total_is_text else total}) | more
        body = {"data": [self._json(one) for one in shown], "meta": meta}
        return web.json_response(body, headers=headers)

    def _next(self, request: web.Request, after: int) -> str:
        if self.way == "cursor":
            return str(after)
        return str(request.url.update_query(after=str(after)).relative())

    async def _create(self, request: web.Request) -> web.Response:
        wanted = from_json(await self._noted(request), request)
        id = f"{'g' if _is_group(request) else 't'}{next(self.ids)}"
        return self._kept_as_json(request, {**wanted, "id": id}, 201)

    async def _one(self, request: web.Request) -> web.Response:
        entry = self._read(request).get(request.match_info["id"])
        return self._data(self._shown(entry)) if entry else _wrong(404, "GONE", "none")

    async def _put(self, request: web.Request) -> web.Response:
        body, id = await self._noted(request), request.match_info["id"]
        entry = self._of(request).get(id)
        if entry is None:
            return _wrong(404, "GONE", "none")
        if request.method == "PATCH":
            body = _patched(as_json(entry), body)
        kept = {"members": entry["members"]} if self.joins and _is_group(request) else {}
        return self._kept_as_json(request, {**from_json(body, request), "id": id, **kept}, 200)

    def _json(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        hidden = {"people"} if self.joins else set()
        return {name: value for name, value in as_json(entry).items() if name not in hidden}

    def _data(self, entry: Mapping[str, Any], status: int = 200) -> web.Response:
        return web.json_response({"data": self._json(entry)}, status=status)

    async def _members(self, request: web.Request) -> web.Response:
        group = self._read(request).get(request.match_info["id"])
        if group is None:
            return _wrong(404, "GONE", "none")
        shown = self._shown(group).get("members", ())
        return web.json_response({"data": [{"who": one["value"]} for one in shown]})

    async def _join(self, request: web.Request) -> web.Response:
        return await self._moved(request, [{"value": request.match_info["member"]}])

    async def _leave(self, request: web.Request) -> web.Response:
        return await self._moved(request, [])

    async def _moved(self, request: web.Request, more: list[Any]) -> web.Response:
        """Put a member into a group, or out of it."""
        await self._noted(request)
        group, member = self.groups.get(request.match_info["id"]), request.match_info["member"]
        if group is None or (more and member not in self.entries):
            return _wrong(404, "GONE", "none")
        others = [one for one in group.get("members", ()) if one["value"] != member]
        self.groups[group["id"]] = {**group, "members": others + more}
        return web.Response(status=204)

    async def _gone(self, request: web.Request) -> web.Response:
        await self._noted(request)
        gone = self._of(request).pop(request.match_info["id"], None)
        return web.Response(status=204) if gone else _wrong(404, "GONE", "none")

    def _of(self, request: web.Request) -> dict[str, dict[str, Any]]:
        return self.groups if _is_group(request) else self.entries

    def _kept_as_json(self, request: web.Request, entry: dict[str, Any], status: int) -> web.Response:
        if self.longest is not None and len(entry.get("title") or "") > self.longest:
            return _wrong(400, "TOO_LONG", f"job: at most {self.longest} characters")
        name = str(entry.get("userName", "")).casefold()
        others = (other for id, other in self.entries.items() if id != entry["id"])
        if name and any(other["userName"].casefold() == name for other in others):
            return _wrong(409, "DUPLICATE", "there is such a login already")
        self._of(request)[entry["id"]] = entry
        return self._data(self._shown(entry), status)

    def _read(self, request: web.Request) -> dict[str, dict[str, Any]]:
        if not self.lag or self.is_plain:
            return self._of(request)
        entries, groups = self.past[0] if self.past else (self.entries, self.groups)
        return groups if _is_group(request) else entries


def as_json(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of the directory as the service writes it."""
    if "userName" not in entry:
        shown = {"uid": entry["id"], "title": entry["displayName"], "ref": entry.get("externalId")}
        if "members" in entry:
            shown["people"] = [one["value"] for one in entry["members"]]
        return {name: value for name, value in shown.items() if value is not None}
    shown = {own: entry.get(name) for own, name in PLAIN_TOO.items()} | {"uid": entry["id"]}
    if "name" in entry:
        shown["names"] = {"first": entry["name"].get("givenName"), "last": entry["name"].get("familyName")}
    for own, name, words in (("mail", "emails", MAIL), ("phones", "phoneNumbers", PHONE)):
        if name in entry:
            shown[own] = [
                {word: one[sub] for word, sub in words.items() if sub in one} for one in entry[name]
            ]
    if "entitlements" in entry:
        shown["licences"] = [one["value"] for one in entry["entitlements"]]
    shown["dept"] = entry.get(ENTERPRISE, {}).get("department")
    return {name: value for name, value in shown.items() if value is not None}


MAIL: Final = {"address": "value", "kind": "type", "main": "primary"}
PHONE: Final = {"number": "value", "kind": "type"}


def from_json(body: Mapping[str, Any], request: web.Request) -> dict[str, Any]:
    """Return what the directory keeps of JSON; it refuses what it does not know."""
    if _is_group(request):
        assert body.keys() <= {"title", "ref", "people", "uid"}, body
        members = [{"value": id} for id in body.get("people", ())]
        ref = {"externalId": body["ref"]} if body.get("ref") else {}
        return {"displayName": body["title"], "members": members, **ref}
    assert body.keys() <= {*PLAIN_TOO, "uid", "names", "mail", "phones", "licences", "dept"}, body
    kept = {name: body[own] for own, name in PLAIN_TOO.items() if body.get(own) is not None}
    if names := body.get("names"):
        both = {"givenName": names.get("first"), "familyName": names.get("last")}
        kept["name"] = {name: value for name, value in both.items() if value is not None}
    for own, name, words in (("mail", "emails", MAIL), ("phones", "phoneNumbers", PHONE)):
        if body.get(own):
            kept[name] = [{words[word]: value for word, value in one.items()} for one in body[own]]
    if body.get("licences"):
        kept["entitlements"] = [{"value": value} for value in body["licences"]]
    if body.get("dept"):
        kept[ENTERPRISE] = {"department": body["dept"]}
    return kept


def _is_like(entry: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    if "ref" in asked and entry.get("externalId") != asked["ref"]:
        return False
    return "login" not in asked or entry.get("userName", "").casefold() == asked["login"].casefold()


def _patched(before: Any, patch: Any) -> Any:
    """Return JSON with a merge patch (RFC 7396) laid over it."""
    if not isinstance(patch, dict):
        return patch
    after = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            with suppress(KeyError):
                del after[name]
        else:
            after[name] = _patched(after.get(name), value)
    return after


def _is_group(request: web.Request) -> bool:
    return request.path.startswith("/teams")


def _wrong(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


class Evaluating:
    """A connector that evaluates here, over its pages, what its target cannot filter, as the flow does."""

    def __init__(self, target: OpenTarget) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        """Return a page of what matches."""
        try:
            page = await self._target.query(kind, query)
        except CannotFilter:
            page = None
        if page is not None and page.counted:
            return page
        holds = (lambda entry: True) if query.filter is None else predicate(query.filter, kind)
        ask = partial(self._target.query, kind)
        pages = [entries async for entries in walk(ask, 3, members=query.members)]
        found = [entry for entries in pages for entry in entries if holds(entry)]
        return Page(len(found), window(found, query.start, query.count))


def address_of(service: RestLesser, folder: Path) -> TargetAddress:
    """Return where the service is, as its configuration says it."""
    (folder / "rest.toml").write_text(service.toml())
    settings = load_settings(folder / "rest.toml", CONNECTORS)
    return replace(compiled.address_of(settings.targets["phonebook"]), name="rest")
