"""Somebody with a browser that knows no scripts: pages, forms and cookies."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tests.support.served import CONFIG, TOKENS

CONSOLE = (
    CONFIG
    + """
[auditors.henry]
role = "helpdesk"
token = {{ sha256 = "{henry}" }}
[operators.olga]
token = {{ sha256 = "{olga}" }}
[console]
public_url = "http://127.0.0.1"
"""
)
FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass(frozen=True)
class Page:
    """What a browser got, redirects not followed."""

    status: int
    headers: CIMultiDict[str]
    text: str

    @property
    def where(self) -> str:
        return self.headers.get("Location", "")

    @property
    def fields(self) -> dict[str, str]:
        """The hidden fields of its forms."""
        return {name: unescape(value) for name, value in FIELD.findall(self.text)}

    def body(self) -> str:
        """Return what of it is content."""
        return self.text.partition("<main")[2]


class Visitor:
    """A browser with cookies of its own."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.session = session

    async def get(self, path: str, **headers: str) -> Page:
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        return await self._ask("POST", path, fields, headers)

    async def sign_in(self, name: str | None, token: str = "", path: str = "/console/sign-in") -> Page:
        """Send the form of the sign-in, with a known token or another."""
        form = (await self.get(path)).fields
        return await self.post("/console/sign-in", {**form, "token": TOKENS[name] if name else token})

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    async def _ask(
        self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]
    ) -> Page:
        url = URL(f"{self.base}{path}", encoded=True)
        async with self.session.request(
            method, url, data=fields, headers=headers, allow_redirects=False
        ) as answer:
            return Page(answer.status, CIMultiDict(answer.headers), await answer.text())


@asynccontextmanager
async def visitor(port: int) -> AsyncIterator[Visitor]:
    """Open a browser before a gateway."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(port, session)
