"""An HTTP request read and bounded: path, body, and what a read asks for (RFC 7644 section 3)."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from aiohttp import StreamReader, web

from gateway.errors import Busy, InvalidSyntax, InvalidValue, NotFound, TooLarge, UnsupportedMedia
from gateway.flow.model import ReadQuery, Target
from gateway.flow.services import LARGE, off_loop
from gateway.flow.target_port import ResourceType
from gateway.scim.dialects import Dialect
from gateway.scim.filters import parse_sort, refuse_unordered
from gateway.scim.grammar import Sort, parse_filter
from gateway.scim.ingest import Document, ingest
from gateway.scim.jsontext import MAX_BODY, MAX_NAMES, MAX_VALUES, dump, parse_json, refuse_many
from gateway.scim.members import left_over, take_member_operations
from gateway.scim.messages import EVERYTHING, Projection, projection
from gateway.scim.names import get

Networks = Sequence[IPv4Network | IPv6Network]

MAX_GROUP_BODY: Final = 16 * MAX_BODY
MAX_SEARCH: Final = 64 * 1024
MAX_MEMBER_VALUES: Final = 30 * MAX_VALUES  # in a body with a group: 60,000 members that tell all there is
MAX_AT_WORK: Final = MAX_GROUP_BODY + 4 * MAX_BODY  # bytes of a provider's large bodies: each takes ten
BODY_TIME: Final = 10.0  # seconds for the whole body
SEARCH: Final = ".search"
SEARCHED: Final = ("", "Users", "Groups")  # whose resources can be searched; "" is the root
SERVED: Final = frozenset({"Users", "Groups", "ServiceProviderConfig", "ResourceTypes", "Schemas"})

_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+")


class Endpoint(NamedTuple):
    """What a SCIM path points to."""

    target: str
    name: str  # Users, Groups, Schemas, …; "" is the root of the target
    id: str | None
    is_search: bool = False  # ends in /.search

    @property
    def route(self) -> str:
        """The path as logs may show it: a name we do not serve may be anything, even a person's."""
        route = f"/scim/{self.target}/v2"
        if self.name:
            route += f"/{self.name}" if self.name in SERVED else "/{name}"
        if self.id:
            route += "/{id}"
        return f"{route}/{SEARCH}" if self.is_search else route


def parse_endpoint(raw_path: str) -> Endpoint:
    """Return what `/scim/{target}/v2/{name}/{id}` names, each of the last two or none, and `/.search` on it.

    Doubled and trailing slashes are forgiven. Raises NotFound. The path is taken apart before it is decoded,
    so an id may hold `%2F`.
    """
    parts = list(filter(None, raw_path.partition("?")[0].split("/")))
    if "%" in raw_path:
        parts = list(map(unquote, parts))
    count = len(parts)
    if not 3 <= count <= 5 or parts[0] != "scim" or parts[2] != "v2":
        raise NotFound("no such path: the base URL ends in /scim/{target}/v2")
    if "%" in raw_path and "\0" in "".join(parts):
        raise NotFound("no such path: it contains a NUL character")
    if parts[-1] == SEARCH and (searched := "".join(parts[3:-1])) in SEARCHED:
        return Endpoint(parts[1], searched, None, is_search=True)
    return Endpoint(parts[1], parts[3] if count > 3 else "", parts[4] if count > 4 else None)


class LargeBodies:
    """Bounds how much of large bodies one provider has us keep at once, from their reading to their answers.

    So nobody fills the memory, or the queue of large work for all others.
    """

    def __init__(self) -> None:
        self.taken: dict[int, tuple[str, int]] = {}  # of each request: whose it is, and how many bytes

    def take(self, request: web.Request, provider: str, size: int) -> None:
        """Count so many bytes of a body until `give_back`; raises Busy where it is too much beside others."""
        others = (
            taken for key, (whose, taken) in self.taken.items() if whose == provider and key != id(request)
        )
        if size + sum(others) > MAX_AT_WORK:
            raise Busy("too many large requests of this provider are under way: fewer at a time", 1.0, 429)
        self.taken[id(request)] = provider, size

    def give_back(self, request: web.Request) -> None:
        """Count the body of a request no longer."""
        self.taken.pop(id(request), None)


Take = Callable[[int], None]  # is told how large a body has become, and raises where it is too much


async def read_body(request: web.Request, limit: int = MAX_BODY, take: Take | None = None) -> bytes:
    """Return the body of a request, within its limits of size (bytes) and time; `take` hears of it."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("a request body may not be compressed")
    content = request.content
    try:
        if content.is_eof():  # all of it is here, as a rule
            body = content.read_nowait()
        else:
            async with asyncio.timeout(BODY_TIME):
                body = await _read_rest(content, limit, take)
    except TimeoutError as error:
        # 429 for all: who is slow today may be quick tomorrow, and Okta takes any other 4xx as final
        raise Busy(f"the request body did not arrive within {BODY_TIME} seconds", 1.0, 429) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidSyntax("the request body broke off") from error
    if len(body) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    if take is not None and len(body) > LARGE:
        take(len(body))
    return body


async def read_search(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a search request; raises the GatewayError that refuses it."""
    body = await read_body(request, MAX_SEARCH)
    refuse_many(body, MAX_VALUES)
    return parse_json(body, refuse_duplicates=True)


async def _read_rest(content: StreamReader, limit: int, take: Take | None) -> bytes:
    """Return a body as it arrives, and no more of it than shows that it is larger than the limit."""
    body = bytearray()
    while len(body) <= limit and (chunk := await content.readany()):
        body += chunk
        if take is not None and len(body) > LARGE:
            take(len(body))
    return bytes(body)


def client_address(peer: str, forwarded: Sequence[str], proxies: Networks) -> str:
    """Return who asks: the peer, or, where that is a trusted proxy, whom it says it speaks for.

    Addresses are read from the right, as each proxy adds the one it heard from; the first that is no
    trusted proxy is the client.
    """
    if not proxies and not peer.startswith("::"):  # no proxy to be heard, no IPv4 written as IPv6
        return peer
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = _plain(peer)
    while hops and _is_trusted(address, proxies):
        address = _plain(hops.pop())
    return printable(address, 64)


def network_of(address: str) -> str:
    """Return what counts as one client: an address, or of IPv6 the /64 network, as its first half."""
    with suppress(ValueError):  # a proxy may say anything
        return ip_address(address.partition("%")[0]).exploded[:19] if ":" in address else address
    return address


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
    if text is None or text.isprintable():
        return (text or "")[:most]
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(character for character in clean if character.isprintable())[:most]


LIMITS: Final = {ResourceType.USER: MAX_BODY, ResourceType.GROUP: MAX_GROUP_BODY}  # bytes
VALUES: Final = {ResourceType.USER: MAX_VALUES, ResourceType.GROUP: MAX_MEMBER_VALUES}


async def read_change(
    request: web.Request, dialect: Dialect, kind: ResourceType, operation: str, take: Take | None = None
) -> Document:
    """Return what a change asks for, of a PATCH its message; raises the GatewayError that refuses it."""
    if operation == "delete":
        return Document({})
    body = await read_body(request, LIMITS[kind], take)
    if len(body) > LARGE:
        return await off_loop(parse_change, body, dialect, kind, operation)
    return parse_change(body, dialect, kind, operation)


def parse_change(body: bytes, dialect: Dialect, kind: ResourceType, operation: str) -> Document:
    """Return what the body of a change asks for, of a PATCH its message; raises what refuses it."""
    if len(body) > MAX_VALUES:
        refuse_many(body, VALUES[kind])
    if operation != "patch":
        document = ingest(body, kind, dialect, replaces=operation == "replace")
        rest: Any = document.attributes
    else:
        message = dialect.patch(parse_json(body, refuse_duplicates=True), kind)
        if kind is ResourceType.USER:
            return Document(message)
        message, edits = take_member_operations(message)
        document, rest = Document(message, members=edits), left_over(message)
    if kind is ResourceType.GROUP and len(body) > MAX_VALUES:
        _refuse_large(rest)
    return document


def _refuse_large(rest: Any) -> None:
    """Raise TooLarge where what a group says besides its members is more than a person may say."""
    text = dump(rest)
    if len(text) > MAX_BODY:
        raise TooLarge(f"the body without members is larger than {MAX_BODY} bytes")
    refuse_many(text, MAX_VALUES)


MAX_COUNT: Final = 1000
LISTS: Final = ("attributes", "excludedAttributes")
TEXTS: Final = ("filter", "sortBy", "sortOrder")
NUMBERS: Final = ("startIndex", "count")

Parameters = Mapping[str, str]


def parse_query(raw: str) -> dict[str, str]:
    """Return the parameters of a URL, the first of each name.

    A plus sign is a space, as forms have it, unless the value has spaces as `%20`: then it is itself.
    """
    found: dict[str, str] = {}
    for part in raw.split("&") if raw else ():
        name, _, value = part.partition("=")
        found.setdefault(unquote(name), unquote(value if "%20" in value else value.replace("+", " ")))
    return found


def parse_search(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a search request; raises InvalidValue for one of another type."""
    given = {name: get(body, name) for name in (*LISTS, *TEXTS, *NUMBERS)}
    return {name: _text(name, value) for name, value in given.items() if value is not None}


def parse_projection(query: Parameters) -> Projection:
    """Return what an answer is to show; raises InvalidValue."""
    if not query:
        return EVERYTHING
    lists = [query.get(name, "").split(",") for name in LISTS]
    if max(map(len, lists)) > MAX_NAMES:
        raise InvalidValue(f"attributes and excludedAttributes can name {MAX_NAMES} attributes at most")
    return projection(*lists)


def parse_read_query(query: Parameters, dialect: Dialect, target: Target, members: bool) -> ReadQuery:
    """Return the page asked for; raises InvalidFilter, InvalidPath and InvalidValue."""
    text = query.get("filter")
    found = parse_filter(dialect.filter(text)) if text is not None else None
    if found is not None:
        refuse_unordered(found)
    start = max(1, _whole(query, "startIndex", 1))
    count = max(0, _whole(query, "count", most(target)))
    return ReadQuery(found, start, min(count, most(target)), members, _sort(query, target))


def most(target: Target) -> int:
    """Return how many resources a page of a target holds at most."""
    return min(target.policy.page_size, MAX_COUNT)


def _sort(query: Parameters, target: Target) -> Sort | None:
    by = query.get("sortBy", "")
    return parse_sort(by, query.get("sortOrder", "")) if by and target.sorts else None


def _whole(query: Parameters, name: str, default: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidValue(f"{name} is not a whole number")
    return int(text)


def _text(name: str, value: Any) -> str:
    """Return a value of a search request as a URL would have it."""
    if name in LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    is_number = name in NUMBERS and isinstance(value, int) and not isinstance(value, bool)
    if is_number or isinstance(value, str):
        return str(value)
    raise InvalidValue(f"{name} must be {'a list of texts' if name in LISTS else _WANTED[name in NUMBERS]}")


_WANTED: Final = {True: "a whole number", False: "text"}
