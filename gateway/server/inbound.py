"""An HTTP request read and bounded: path, query, body (DESIGN section 8)."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from gateway.errors import Busy, InvalidSyntax, NotFound, TooLarge, UnsupportedMedia
from gateway.scim.jsontext import parse_json

Networks = Sequence[IPv4Network | IPv6Network]

MAX_BODY: Final = 1024 * 1024  # bytes
MAX_GROUP_BODY: Final = 16 * MAX_BODY
BODY_TIME: Final = 10.0  # seconds for the whole body
SEARCH: Final = ".search"
SEARCHED: Final = ("", "Users", "Groups")  # whose resources can be searched; "" is the root
SERVED: Final = frozenset({"Users", "Groups", "ServiceProviderConfig", "ResourceTypes", "Schemas"})

_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a SCIM path points to."""

    target: str
    name: str  # Users, Groups, Schemas, …; "" is the root of the target
    id: str | None
    is_search: bool = False  # ends in /.search

    @property
    def route(self) -> str:
        """The path as logs may show it: a name we do not serve may be anything, even a person's."""
        name = self.name if self.name in SERVED else "{name}"
        steps = [name if self.name else None, self.id and "{id}", SEARCH if self.is_search else None]
        return "/".join([f"/scim/{self.target}/v2", *filter(None, steps)])


def parse_endpoint(raw_path: str) -> Endpoint:
    """Return what `/scim/{target}/v2/{name}/{id}` names, each of the last two or none, and `/.search` on it.

    Doubled and trailing slashes are forgiven. Raises NotFound. The path is taken apart before it is decoded,
    so an id may hold `%2F`.
    """
    parts = [unquote(part) for part in raw_path.partition("?")[0].split("/") if part]
    if len(parts) not in (3, 4, 5) or parts[0] != "scim" or parts[2] != "v2":
        raise NotFound("no such path: the base URL ends in /scim/{target}/v2")
    if any("\0" in part for part in parts):
        raise NotFound("no such path: it contains a NUL character")
    steps = parts[3:]
    is_search = steps[-1:] == [SEARCH] and "".join(steps[:-1]) in SEARCHED
    name, id, *_ = [*(steps[:-1] if is_search else steps), None, None]
    return Endpoint(parts[1], name or "", id, is_search)


async def read_body(request: web.Request, limit: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object of a change, within its limits of size (bytes), time and depth."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("a request body may not be compressed")
    try:
        async with asyncio.timeout(BODY_TIME):
            body = await request.clone(client_max_size=limit).read()
    except TimeoutError as error:
        # 429 for all: who is slow today may be quick tomorrow, and Okta takes any other 4xx as final
        raise Busy(f"the request body did not arrive within {BODY_TIME} seconds", 1.0, 429) from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"the body is larger than {limit} bytes") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidSyntax("the request body broke off") from error
    return parse_json(body, refuse_duplicates=True)


def client_address(peer: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """Return who asks: the peer, or, where that is a trusted proxy, whom it says it speaks for.

    Addresses are read from the right, as each proxy adds the one it heard from; the first that is no
    trusted proxy is the client.
    """
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = _plain(peer)
    while hops and _is_trusted(address, proxies):
        address = _plain(hops.pop())
    return printable(address, 64)


def _plain(hop: str) -> str:
    """Return an address without the port that some proxies add, and IPv4 as itself where it came as IPv6."""
    found = _WITH_PORT.fullmatch(hop)
    try:
        address = ip_address((found[1] or found[2]) if found else hop)
    except ValueError:
        return hop
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


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
