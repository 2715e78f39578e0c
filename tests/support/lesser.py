"""SCIM services on loopback that can less than the standard asks, or page as it does not say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.scim.grammar import parse_filter
from gateway.scim.predicate import predicate
from tests.support.scim_target import LIST, ScimTarget, _asked, _error

TOTALS: Mapping[str, Callable[[int, int], int | None]] = {  # of all that match, and of those on the page
    "true": lambda match, shown: match,
    "missing": lambda match, shown: None,
    "of the page": lambda match, shown: shown,
    "too high": lambda match, shown: match + 7,
    "too low": lambda match, shown: min(match, 3),
}


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
    queries: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # discovery documents

    async def _query(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        found = [_asked(request, entry) for entry in self._of(request).values()]
        if (text := request.query.get("filter")) and self.filters != "ignored":
            if self.filters == "refused":
                return _error(400, "no filters here")
            found = list(filter(predicate(parse_filter(text), _kind(request)), found))
        start, count = (int(request.query.get(name, 1)) for name in ("startIndex", "count"))
        total, shown = self.paging.page(found, start, count)
        body = {"schemas": [LIST], "Resources": list(shown)}
        return web.json_response(body if total is None else {**body, "totalResults": total})

    async def _patch(self, request: web.Request) -> web.Response:
        if self.patch_status is not None:
            return _error(self.patch_status, "no PATCH here")
        return await super()._patch(request)

    async def _noted(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.changes.append({"method": request.method, "path": request.path, "body": body})
        if self.single and len((body or {}).get("Operations", ())) > 1:
            raise web.HTTPBadRequest(text="one at a time")
        return body

    async def _config(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return await super()._config(request) if self.config is None else web.json_response(self.config)

    def _kept(self, request: web.Request, entry: dict[str, Any], status: int) -> web.Response:
        name = str(entry.get("userName", "")).casefold()
        others = (other for id, other in self.entries.items() if id != entry["id"])
        if name and any(other["userName"].casefold() == name for other in others):
            return _error(409, "there is such a userName already")
        return super()._kept(request, entry, status)

    def fill(self, *names: str) -> None:
        """Have these people in it."""
        for n, name in enumerate(names, 1):
            self.entries[f"o{n}"] = {"id": f"o{n}", "userName": name, "active": True}

    def toml(self, **keys: str) -> str:
        """Return the table of a target that is asked for five entries at a time."""
        lines = "".join(f"{name} = {value}\n" for name, value in ({"page_size": "5"} | keys).items())
        return f'[targets.phonebook]\nshared = true\nconnector = "scim"\nurl = "{self.url}"\n{lines}'


def _kind(request: web.Request) -> str:
    return "Group" if request.path.startswith("/Groups") else "User"
