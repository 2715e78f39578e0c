"""A token endpoint on loopback with a target behind it that takes its tokens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer

SECRET = "canary s3cret/ä"
NOBODY = {"totalResults": 0, "Resources": []}


class Fault(NamedTuple):
    """What a token endpoint says instead of a token."""

    status: int
    text: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes it


@dataclass
class Authority:
    """Gives `token-1`, `token-2` and so on; its target takes those that are not revoked."""

    url: str = ""
    said: dict[str, Any] = field(default_factory=lambda: {"expires_in": 3600})  # beside the token
    faults: list[Fault] = field(default_factory=list)  # instead of a token, one at a time
    asked: list[tuple[str, str]] = field(default_factory=list)  # Authorization and form of each fetch
    tokens: list[str] = field(default_factory=list)  # that the target was shown, in order
    bodies: list[bytes] = field(default_factory=list)  # that the target took
    revoked: set[str] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # fetches wait for it

    async def give(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["Authorization"], await request.text()))
        await self.gate.wait()
        if self.faults:
            fault = self.faults.pop(0)
            return web.Response(status=fault.status, text=fault.text, headers=fault.headers)
        token = {"access_token": f"canary-token-{len(self.asked)}", "token_type": "bearer"}
        return web.json_response(token | self.said)

    async def take(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"]
        self.tokens.append(token)
        if token.partition(" ")[2] in self.revoked:
            return web.json_response({"detail": f"not with {token}"}, status=401)
        self.bodies.append(await request.read())
        return web.json_response(NOBODY)


def refusing(status: int, **document: str) -> Fault:
    """Return a refusal as RFC 6749 section 5.2 has it."""
    return Fault(status, json.dumps(document))


@asynccontextmanager
async def token_authority() -> AsyncIterator[Authority]:
    """Serve an authority on a free port; it gives tokens at once."""
    authority = Authority()
    authority.gate.set()
    application = web.Application()
    application.router.add_post("/token", authority.give)
    application.router.add_route("*", "/scim/{path:.*}", authority.take)
    async with TestServer(application) as server:
        authority.url = f"http://127.0.0.1:{server.port}"
        yield authority
