"""The gateway in this process, on a free port: real settings, journal, targets and sockets."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from multidict import CIMultiDict
from yarl import URL

from gateway.app import Gateway, open_gateway, serving
from gateway.flow.ports import Query, ResourceType
from gateway.log import set_up_logging
from gateway.scim.names import ERROR
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

# whatever is a secret or a person's here has this word in it, and no line of any log may have it
CANARY = "canary"
TOKENS = {name: f"{CANARY}-token-of-{name}" for name in ("okta", "rfc", "idle", "alice")}
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


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[StringIO]:
    """The log of the gateway; that no line of it has a secret or a person's value, every test proves."""
    stream = StringIO()
    set_up_logging(stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    structlog.reset_defaults()
    assert CANARY not in stream.getvalue()
    assert caplog.text == ""


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Start a gateway with these targets; all of them end with the test."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def run(*targets: str, config: str = CONFIG, **changes: str) -> Served:
            settings = load_settings(written(tmp_path, config, targets or (PHONEBOOK, OTHER)), CONNECTORS)
            own = await stack.enter_async_context(AsyncExitStack())
            gateway = await own.enter_async_context(open_gateway(settings))
            port = await own.enter_async_context(serving(gateway))
            return Served(gateway, port, session, own.aclose)

        yield run


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


@pytest.fixture
def refused() -> Callable[[Answer, int, str], None]:
    return check_refused
