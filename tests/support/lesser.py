"""SCIM services on loopback that can less than the standard asks, or page as it does not say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.support.forms import ENTERPRISE
from tests.support.scim_target import LIST, ScimTarget, _asked, _error

TOTALS: Mapping[str, Callable[[int, int], int | None]] = {  # of all that match, and of those on the page
    "true": lambda match, shown: match,
    "missing": lambda match, shown: None,
    "of the page": lambda match, shown: shown,
    "too high": lambda match, shown: match + 7,
    "too low": lambda match, shown: min(match, 3),
}
HTML: Final = "<html><body>Not here.</body></html>"


@dataclass(frozen=True)
class Paging:
    """How a service pages."""

    most: int = 1_000_000  # entries on a page, whatever is asked for
    starts: bool = True  # heeds startIndex
    counts: bool = True  # heeds count
    totals: str = "true"
    last: int = 1_000_000  # no page begins behind it: the same comes again

    def page(self, found: Sequence[Any], start: int, count: int) -> tuple[int | None, Sequence[Any]]:
        """Return the totalResults and the entries of a page; `start` is 1-based."""
        first = min(start, self.last) - 1 if self.starts else 0
        size = min(count if self.counts else self.most, self.most)
        shown = found[first : first + size]
        return TOTALS[self.totals](len(found), len(shown)), shown


@dataclass
class Lesser(ScimTarget):
    """A directory with habits of its own."""

    paging: Paging = field(default_factory=Paging)
    filters: str = "heeded"  # heeded | ignored | refused
    single: bool = False  # takes one operation a PATCH
    config: dict[str, Any] | None = None  # its ServiceProviderConfig; None: about PATCH alone
    patch_status: int | None = None  # of every PATCH
    patch_is_html: bool = False  # its answer is a page, not a SCIM Error
    lag: int = 0  # reads show the directory as it was so many changes ago
    members: str = "shown"  # shown | empty | left out: in whatever is answered
    unreturned: frozenset[str] = frozenset()  # attributes that are kept, and in no answer
    unlisted: frozenset[str] = frozenset()  # attributes that lists do not show
    total_is_text: bool = False  # totalResults, in quotes
    no_match: int = 200  # status of a search that finds nobody
    longest: int | None = None  # characters of a title; more are refused
    is_plain: bool = False  # shows all it has, and as it is now
    past: list[Any] = field(default_factory=list)  # the directory before each of the last changes
    queries: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # discovery documents

    async def _query(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        found = [self._shown(_asked(request, entry)) for entry in self._read(request).values()]
        if (text := request.query.get("filter")) and self.filters != "ignored":
            if self.filters == "refused":
                return _error(400, "no filters here")
            matches = predicate(parse_filter(text), _kind(request))
            found = list(filter(matches, found))
            if not found and self.no_match != 200:
                return _error(self.no_match, "no match")
        found = [{n: v for n, v in entry.items() if n not in self.unlisted} for entry in found]
        start, count = (int(request.query.get(name, 1)) for name in ("startIndex", "count"))
        total, shown = self.paging.page(found, start, count)
        body = {"schemas": [LIST], "Resources": list(shown)}
        return web.json_response(
            body if total is None else {**body, "totalResults": str(total) if self.total_is_text else total}
        )

    async def _patch(self, request: web.Request) -> web.Response:
        if self.patch_status is not None and self.patch_is_html:
            return web.Response(status=self.patch_status, text=HTML, content_type="text/html")
        if self.patch_status is not None:
            return _error(self.patch_status, "no PATCH here")
        return await super()._patch(request)

    async def _noted(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.changes.append({"method": request.method, "path": request.path, "body": body})
        if self.single and len((body or {}).get("Operations", ())) > 1:
            raise web.HTTPBadRequest(text="one at a time")
        if self.lag:
            self.past = [*self.past, deepcopy((self.entries, self.groups))][-self.lag :]
        return body

    async def _get(self, request: web.Request) -> web.Response:
        entry = self._read(request).get(request.match_info["id"])
        return web.json_response(self._shown(_asked(request, entry))) if entry else _error(404, "none")

    def _read(self, request: web.Request) -> dict[str, dict[str, Any]]:
        """Return what a read sees: the entries as they were `lag` changes ago."""
        if not self.lag or self.is_plain:
            return self._of(request)
        entries, groups = self.past[0] if self.past else (self.entries, self.groups)
        return groups if _kind(request) == "Group" else entries

    def _shown(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return as much of an entry as it shows."""
        if self.is_plain:
            return entry
        hidden = self.unreturned | ({"members"} if self.members != "shown" else set())
        shown = {name: value for name, value in entry.items() if name not in hidden}
        return shown | ({"members": []} if self.members == "empty" and "userName" not in entry else {})

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Show all there is, and as it is now, for a while: what a test reads is then the truth."""
        self.is_plain = True
        try:
            yield
        finally:
            self.is_plain = False

    async def _config(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return await super()._config(request) if self.config is None else web.json_response(self.config)

    def _kept(self, request: web.Request, entry: dict[str, Any], status: int) -> web.Response:
        if self.longest is not None and len(entry.get("title") or "") > self.longest:
            return _error(400, f"title: at most {self.longest} characters")
        name = str(entry.get("userName", "")).casefold()
        others = (other for id, other in self.entries.items() if id != entry["id"])
        if name and any(other["userName"].casefold() == name for other in others):
            return _error(409, "there is such a userName already")
        self._of(request)[entry["id"]] = entry
        return web.json_response(self._shown(entry), status=status)

    def fill(self, *names: str) -> None:
        """Have these people in it."""
        for n, name in enumerate(names, 1):
            self.entries[f"o{n}"] = {"id": f"o{n}", "userName": name, "active": True}

    def toml(self, **keys: str) -> str:
        """Return the table of a target that is asked for five entries at a time."""
        lines = "".join(f"{name} = {value}\n" for name, value in ({"page_size": "5"} | keys).items())
        return f'[targets.phonebook]\nshared = true\nconnector = "scim"\nurl = "{self.url}"\n{lines}'


NO_PATCH: Final = {"config": {"patch": {"supported": False}}}
BY_PATCH: Final = {"config": {"patch": {"supported": True}}}
KEPT_UNSEEN: Final = frozenset({"phoneNumbers", "entitlements", ENTERPRISE})
QUIRKS: Final[Mapping[str, Mapping[str, Any]]] = {  # what services are known to do, each for a `Lesser`
    "reads lag by one, PUT": NO_PATCH | {"lag": 1},
    "reads lag by three, PUT": NO_PATCH | {"lag": 3},
    "reads lag by three, PATCH": BY_PATCH | {"lag": 3},
    "members are never shown, PUT": NO_PATCH | {"members": "empty"},
    "members are left out, PUT": NO_PATCH | {"members": "left out"},
    "members are never shown, PATCH": BY_PATCH | {"members": "empty"},
    "members are left out, PATCH": BY_PATCH | {"members": "left out"},
    "attributes are never returned, PUT": NO_PATCH | {"unreturned": KEPT_UNSEEN},
    "attributes are never returned, PATCH": BY_PATCH | {"unreturned": KEPT_UNSEEN},
    "PATCH is 404": BY_PATCH | {"patch_status": 404},
    "PATCH is a page": BY_PATCH | {"patch_status": 404, "patch_is_html": True},
    "no match is 404": BY_PATCH | {"no_match": 404},
    "totals are text": BY_PATCH | {"total_is_text": True},
    "titles are short, PUT": NO_PATCH | {"longest": 128},
    "titles are short, PATCH": BY_PATCH | {"longest": 128},
}


def _kind(request: web.Request) -> str:
    return "Group" if request.path.startswith("/Groups") else "User"
