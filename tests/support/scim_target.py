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
    """A directory without PATCH, unless it is sent one; userNames are unique there."""

    url: str = ""
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        ids = count(1)

        async def create(request: web.Request) -> web.Response:
            wanted = await self._noted(request)
            names = {entry["userName"].casefold() for entry in self.entries.values()}
            if wanted["userName"].casefold() in names:
                return _error(409, "there is such a userName already")
            return self._kept({**wanted, "id": f"t{next(ids)}"}, 201)

        async def replace(request: web.Request) -> web.Response:
            wanted = await self._noted(request)
            return (
                self._kept(wanted, 200) if request.match_info["id"] in self.entries else _error(404, "none")
            )

        async def patch(request: web.Request) -> web.Response:
            message = await self._noted(request)
            return self._kept(apply_patch(self.entries[request.match_info["id"]], message), 200)

        async def delete(request: web.Request) -> web.Response:
            await self._noted(request)
            gone = self.entries.pop(request.match_info["id"], None)
            return web.Response(status=204) if gone else _error(404, "none")

        application = web.Application()
        application.router.add_get("/Users", self._query)
        application.router.add_post("/Users", create)
        application.router.add_get("/Users/{id}", self._get)
        application.router.add_put("/Users/{id}", replace)
        application.router.add_patch("/Users/{id}", patch)
        application.router.add_delete("/Users/{id}", delete)
        application.router.add_get("/ServiceProviderConfig", _config)
        return application

    async def _noted(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.changes.append({"method": request.method, "path": request.path, "body": body})
        self.authorizations.add(request.headers["Authorization"])
        return body

    def _kept(self, entry: dict[str, Any], status: int) -> web.Response:
        self.entries[entry["id"]] = entry
        return web.json_response(entry, status=status)

    async def _get(self, request: web.Request) -> web.Response:
        entry = self.entries.get(request.match_info["id"])
        return web.json_response(entry) if entry else _error(404, "none")

    async def _query(self, request: web.Request) -> web.Response:
        found = list(self.entries.values())
        if text := request.query.get("filter"):
            asked = EQUALS.fullmatch(text)
            if asked is None:
                return _error(400, "only eq")
            name, value = asked.groups()
            found = [entry for entry in found if str(entry.get(name)).casefold() == value.casefold()]
        return web.json_response({"schemas": [LIST], "totalResults": len(found), "Resources": found})


async def _config(request: web.Request) -> web.Response:
    return web.json_response({"patch": {"supported": False}})


def _error(status: int, detail: str) -> web.Response:
    return web.json_response({"schemas": [ERROR], "status": str(status), "detail": detail}, status=status)


@asynccontextmanager
async def scim_target() -> AsyncIterator[ScimTarget]:
    """Serve an empty directory on a free port."""
    target = ScimTarget()
    runner = web.AppRunner(target.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        await runner.cleanup()
