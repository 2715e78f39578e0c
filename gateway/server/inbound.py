"""An HTTP request read and bounded: path, query, body (DESIGN section 8)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from gateway.errors import Busy, InvalidSyntax, InvalidValue, NotFound, TooLarge, UnsupportedMedia
from gateway.flow.read import Question
from gateway.scim.dialects import Dialect
from gateway.scim.grammar import parse_filter
from gateway.scim.jsontext import parse_json

Networks = Sequence[IPv4Network | IPv6Network]

MAX_BODY: Final = 1024 * 1024  # bytes
BODY_TIME: Final = 10.0  # seconds for the whole body
MAX_COUNT: Final = 1000
SERVED: Final = frozenset({"Users", "Groups", "ServiceProviderConfig", "ResourceTypes", "Schemas"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a SCIM path points to."""

    target: str
    name: str  # Users, Groups, Schemas, …
    id: str | None

    @property
    def route(self) -> str:
        """The path as logs may show it: a name we do not serve may be anything, even a person's."""
        name = self.name if self.name in SERVED else "{name}"
        return f"/scim/{self.target}/v2/{name}" + ("" if self.id is None else "/{id}")


def parse_endpoint(raw_path: str) -> Endpoint:
    """Return what `/scim/{target}/v2/{name}/{id}` names; doubled and trailing slashes are forgiven.

    Raises NotFound. The path is taken apart before it is decoded, so an id may hold `%2F`.
    """
    parts = [unquote(part) for part in raw_path.partition("?")[0].split("/") if part]
    if len(parts) not in (4, 5) or parts[0] != "scim" or parts[2] != "v2":
        raise NotFound("no such path: the base URL ends in /scim/{target}/v2")
    if any("\0" in part for part in parts):
        raise NotFound("no such path: it contains a NUL character")
    return Endpoint(parts[1], parts[3], parts[4] if len(parts) == 5 else None)


async def read_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a change, within its limits of size, time and depth."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("a request body may not be compressed")
    try:
        async with asyncio.timeout(BODY_TIME):
            body = await request.read()
    except TimeoutError as error:
        # 429 for all: who is slow today may be quick tomorrow, and Okta takes any other 4xx as final
        raise Busy(f"the request body did not arrive within {BODY_TIME} seconds", 1.0, 429) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"the body is larger than {MAX_BODY} bytes") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidSyntax("the request body broke off") from error
    return parse_json(body, refuse_duplicates=True)


def parse_question(query: Mapping[str, str], dialect: Dialect, page_size: int) -> Question:
    """Return the page asked for; raises InvalidFilter and InvalidValue."""
    text = query.get("filter")
    found = parse_filter(dialect.filter(text)) if text else None
    start = max(1, _whole(query, "startIndex", 1))
    count = max(0, _whole(query, "count", page_size))
    return Question(found, start, min(count, page_size, MAX_COUNT))


def client_address(peer: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """Return who asks: the peer, or, where that is a trusted proxy, whom it says it speaks for.

    Addresses are read from the right, as each proxy adds the one it heard from; the first that is no
    trusted proxy is the client.
    """
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = peer
    while hops and _is_trusted(address, proxies):
        address = hops.pop()
    return printable(address, 64)


def _is_trusted(address: str, proxies: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in proxies)


def printable(text: str | None, most: int = 200) -> str:
    """Return header text that can be stored: no broken characters, bounded."""
    clean = (text or "").encode("utf-8", "replace").decode("utf-8")
    return "".join(character for character in clean if character.isprintable())[:most]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidValue(f"{name} is not a whole number")
    return int(text)
