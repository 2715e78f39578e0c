"""A gateway in this process and who talks to it: real settings, journal, targets and sockets."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gateway import app
from gateway.app import Gateway, open_gateway, serving
from gateway.build import services_on
from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from gateway.flow.model import Services
from gateway.flow.target_port import Query, ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.scim.names import ERROR
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

# whatever is a secret or a person's here has this word in it, and no line of any log may have it
CANARY = "canary"
TOKENS = {
    name: f"{CANARY}-token-of-{name}" for name in ("okta", "entra", "rfc", "idle", "alice", "olga", "henry")
}
CONFIG = """
[server]
listen = "127.0.0.1:0"
public_url = "https://gateway.example.com"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.okta]
dialect = "okta"
token = {{ sha256 = "{okta}" }}
targets = ["phonebook"]
[providers.rfc]
token = {{ sha256 = "{rfc}" }}
targets = ["other"]
[providers.idle]
token = {{ sha256 = "{idle}" }}
targets = []
[providers.fresh]
targets = ["other"]
[auditors.alice]
token = {{ sha256 = "{alice}" }}
"""
PHONEBOOK = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "GB"
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
"""
OTHER = """
[targets.other]
shared = true
connector = "embedded"
url = "sqlite:var/other.db"
"""
USERS = "/scim/phonebook/v2/Users"
ANN = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": f"{CANARY}.ann@example.com",
    "externalId": f"{CANARY}-1",
    "name": {"givenName": f"{CANARY} Ann", "familyName": "Lee"},
    "password": f"{CANARY}-password",
    "active": True,
}


async def deliver(gateway: Gateway) -> None:
    """Have groups delivered that wait for their members: comes by itself, some seconds later."""
    deliveries = Deliveries(gateway.services, Changes(gateway.services, gateway.recovery))
    for target in gateway.targets.values():
        await deliveries.sweep(target)


@dataclass(frozen=True)
class Answer:
    """What came back; no body is None."""

    status: int
    headers: CIMultiDict[str]
    body: Any


@dataclass
class Served:
    """A gateway that listens, and those who talk to it."""

    gateway: Gateway
    port: int
    session: aiohttp.ClientSession
    end: Callable[[], Awaitable[None]]

    async def ask(
        self, method: str, path: str, body: Any = None, token: str | None = "okta", **headers: str
    ) -> Answer:
        """Send a request; a body that is no bytes is sent as JSON, `token` None without Authorization."""
        sent = {} if token is None else {"Authorization": f"Bearer {TOKENS[token]}"}
        text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        data = None if text is None else BytesIO(text)
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(
            method, URL(url, encoded=True), data=data, headers=sent | headers
        ) as response:
            text = await response.read()
            return Answer(response.status, CIMultiDict(response.headers), json.loads(text) if text else None)

    async def say(self, request: bytes) -> Answer:
        """Send bytes as they are, and read one answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = CIMultiDict(line.split(": ", 1) for line in head[1:] if line)
            text = await reader.readexactly(int(headers.get("Content-Length", 0)))
        finally:
            writer.close()
            await writer.wait_closed()
        return Answer(int(head[0].split()[1]), headers, json.loads(text) if text else None)

    async def events(self) -> list[Any]:
        """Return the trail, oldest first, without the start of the gateway."""
        return list(await self.gateway.services.trail.page(None, 1000, None, None))[-2::-1]

    async def entries(self, target: str = "phonebook") -> list[Any]:
        connector = self.gateway.targets[target].connector
        return list((await connector.query(ResourceType.USER, Query(count=1000))).entries)


Serve = Callable[..., Awaitable[Served]]


@asynccontextmanager
async def gateways(folder: Path) -> AsyncIterator[Serve]:
    """Yield what starts a gateway in the folder; all of them end with the context."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def run(*targets: str, config: str = CONFIG) -> Served:
            settings = load_settings(written(folder, config, targets or (PHONEBOOK, OTHER)), CONNECTORS)
            own = await stack.enter_async_context(AsyncExitStack())
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(app, "services_on", without_chance)
                gateway = await own.enter_async_context(open_gateway(settings))
            port = await own.enter_async_context(serving(gateway))
            return Served(gateway, port, session, own.aclose)

        yield run


def without_chance(journal: SqliteJournal) -> Services:
    """Return what the flow is given, so that each pause between attempts is as long as it may be."""
    return replace(services_on(journal), chance=lambda: 1.0)


def written(folder: Path, config: str, targets: tuple[str, ...]) -> Path:
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    path = folder / "config.toml"
    path.write_text(config.format(**digests) + "".join(targets))
    return path


def check_refused(answer: Answer, status: int, says: str) -> None:
    """Assert that an answer is a SCIM Error which an administrator can act on."""
    name = answer.headers["X-Correlation-Id"]
    assert (answer.status, answer.body["status"]) == (status, str(status))
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert answer.body["schemas"] == [ERROR]
    assert answer.body["detail"].endswith(f" [{name}]")
    assert says in answer.body["detail"]
    assert CANARY not in answer.body["detail"]


@dataclass
class Scripted:
    """A target on loopback that answers every request as it is told, and writes down what it was asked."""

    url: str = ""
    reply: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: list[str] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)  # answers of `hold` wait for it

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.headers.append(request.headers)
        assert self.reply is not None
        return await self.reply(request)

    def says(self, status: int, body: str = "", **headers: str) -> None:
        """Answer everything with this."""

        async def reply(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=body, headers=headers, content_type="application/json")

        self.reply = reply

    def holds(self, status: int, body: str) -> None:
        """Answer with this, but not before `held` is set."""
        self.says(status, body)
        say = self.reply

        async def reply(request: web.Request) -> web.StreamResponse:
            await self.held.wait()
            assert say is not None
            return await say(request)

        self.reply = reply

    def toml(self, **keys: str) -> str:
        """Return the table of a target that is tried once, and given up soon."""
        default = {"timeout": '"200ms"', "deadline": '"300ms"', "patch": "false"}
        lines = "".join(f"{name} = {value}\n" for name, value in (default | keys).items())
        return f'[targets.phonebook]\nshared = true\nconnector = "scim"\nurl = "{self.url}"\n{lines}'


@asynccontextmanager
async def scripted_target() -> AsyncIterator[Scripted]:
    """Serve a target that answers as it is told, on a free port."""
    target = Scripted()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", target.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        target.held.set()
        await runner.cleanup()


async def falls_sick(served: Served, target: Scripted) -> None:
    """Have the target of `phonebook` answer 503 until the gateway takes it for sick."""
    target.says(503)
    for _ in range(5):
        await served.ask("GET", USERS)
    assert served.gateway.oversight.health()["phonebook"].state == "open"
