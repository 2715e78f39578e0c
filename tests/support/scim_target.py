"""A SCIM service on loopback that keeps what it is sent and writes down every change it gets."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

from gateway.scim.patch import apply_patch

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
EQUALS = re.compile(r'(\w+) eq "(.*)"')


@dataclass
class ScimTarget:
    """A directory that takes PATCH, promised or not; userNames are unique there, names of groups are not."""

    url: str = ""
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    takes_patch: bool = False
    has_groups: bool = True
    changes: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        ids = count(1)

        async def create(request: web.Request) -> web.Response:
            wanted = await self._noted(request)
            if request.path == "/Groups":
                return self._kept(request, {**wanted, "id": f"g{next(ids)}"}, 201)
            names = {entry["userName"].casefold() for entry in self.entries.values()}
            if wanted["userName"].casefold() in names:
                return _error(409, "there is such a userName already")
            return self._kept(request, {**wanted, "id": f"t{next(ids)}"}, 201)

        application = web.Application()
        for path in ("/Users", "/Groups"):
            application.router.add_get(path, self._query)
            application.router.add_post(path, create)
            application.router.add_get(path + "/{id}", self._get)
            application.router.add_put(path + "/{id}", self._replace)
            application.router.add_patch(path + "/{id}", self._patch)
            application.router.add_delete(path + "/{id}", self._delete)
        application.router.add_get("/ServiceProviderConfig", self._config)
        application.router.add_get("/ResourceTypes", self._types)
        return application

    async def _replace(self, request: web.Request) -> web.Response:
        wanted = await self._noted(request)
        known = request.match_info["id"] in self._of(request)
        return self._kept(request, wanted, 200) if known else _error(404, "none")

    async def _patch(self, request: web.Request) -> web.Response:
        message = await self._noted(request)
        entry = self._of(request).get(request.match_info["id"])
        if entry is None:
            return _error(404, "none")
        kind = "Group" if request.path.startswith("/Groups") else "User"
        return self._kept(request, apply_patch(entry, message, kind), 200)

    async def _delete(self, request: web.Request) -> web.Response:
        await self._noted(request)
        gone = self._of(request).pop(request.match_info["id"], None)
        return web.Response(status=204) if gone else _error(404, "none")

    def _of(self, request: web.Request) -> dict[str, dict[str, Any]]:
        return self.groups if request.path.startswith("/Groups") else self.entries

    async def _noted(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.changes.append({"method": request.method, "path": request.path, "body": body})
        self.authorizations.add(request.headers["Authorization"])
        return body

    def _kept(self, request: web.Request, entry: dict[str, Any], status: int) -> web.Response:
        self._of(request)[entry["id"]] = entry
        return web.json_response(entry, status=status)

    async def _get(self, request: web.Request) -> web.Response:
        entry = self._of(request).get(request.match_info["id"])
        return web.json_response(_asked(request, entry)) if entry else _error(404, "none")

    async def _query(self, request: web.Request) -> web.Response:
        found = [_asked(request, entry) for entry in self._of(request).values()]
        if text := request.query.get("filter"):
            asked = EQUALS.fullmatch(text)
            if asked is None:
                return _error(400, "only eq")
            name, value = asked.groups()
            found = [entry for entry in found if str(entry.get(name)).casefold() == value.casefold()]
        return web.json_response({"schemas": [LIST], "totalResults": len(found), "Resources": found})

    async def _config(self, request: web.Request) -> web.Response:
        return web.json_response({"patch": {"supported": self.takes_patch}})

    async def _types(self, request: web.Request) -> web.Response:
        names = ["User", "Group"] if self.has_groups else ["User"]
        types = [{"id": name, "name": name, "endpoint": f"/{name}s"} for name in names]
        return web.json_response({"schemas": [LIST], "totalResults": len(types), "Resources": types})


def _asked(request: web.Request, entry: dict[str, Any]) -> dict[str, Any]:
    excluded = request.query.get("excludedAttributes")
    return {name: value for name, value in entry.items() if name != excluded}


def _error(status: int, detail: str) -> web.Response:
    return web.json_response({"schemas": [ERROR], "status": str(status), "detail": detail}, status=status)


@asynccontextmanager
async def scim_target(target: ScimTarget | None = None) -> AsyncIterator[ScimTarget]:
    """Serve a directory on a free port; an empty one, unless you say which."""
    target = target or ScimTarget()
    runner = web.AppRunner(target.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        await runner.cleanup()
