"""The body of a change: read, made standard, and taken apart."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from aiohttp import web

from gateway.flow.target_port import ResourceType
from gateway.scim.dialects import Dialect
from gateway.scim.documents import ABSENT_IS_UNCHANGED, canonical, check, take_password
from gateway.scim.members import Edit, take_member_operations, take_members
from gateway.server.inbound import MAX_BODY, MAX_GROUP_BODY, read_body


class Wanted(NamedTuple):
    """What a change asks for: a document or a PATCH message, and what must not stay in it."""

    body: dict[str, Any]
    password: str | None
    members: tuple[Edit, ...]


async def read_change(request: web.Request, dialect: Dialect, kind: ResourceType, operation: str) -> Wanted:
    """Return what a change asks for; raises the GatewayError that refuses its body."""
    body, password = await _READERS[operation](request, dialect, kind)
    if kind is ResourceType.USER:
        return Wanted(body, password, ())
    rest, members = _SPLITTERS[operation](body)
    return Wanted(rest, password, members)


Body = tuple[dict[str, Any], str | None]
LIMITS: Final = {ResourceType.USER: MAX_BODY, ResourceType.GROUP: MAX_GROUP_BODY}  # bytes


async def _document(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    body = canonical(dialect.document(await read_body(request, LIMITS[kind]), kind), kind)
    check(body, kind)
    return take_password(body)


async def _replacement(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    sent = dialect.document(await read_body(request, LIMITS[kind]), kind)
    body = canonical(sent, kind, keep=ABSENT_IS_UNCHANGED)
    check({name: value for name, value in body.items() if value is not None}, kind)
    return take_password(body)


async def _patch(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    return dialect.patch(await read_body(request, LIMITS[kind]), kind), None


async def _nothing(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    return {}, None


_SPLITTERS: Final[Mapping[str, Callable[[dict[str, Any]], tuple[dict[str, Any], tuple[Edit, ...]]]]] = {
    "create": partial(take_members, replaces=False),
    "replace": partial(take_members, replaces=True),
    "patch": take_member_operations,
    "delete": lambda body: (body, ()),
}
_READERS: Final[Mapping[str, Callable[[web.Request, Dialect, ResourceType], Awaitable[Body]]]] = {
    "create": _document,
    "replace": _replacement,
    "patch": _patch,
    "delete": _nothing,
}
