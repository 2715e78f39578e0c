"""`/scim/{target}/v2/…`: every SCIM request of a provider."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from gateway.errors import Forbidden, GatewayError, MethodNotAllowed, NotFound
from gateway.flow.change import Changes
from gateway.flow.model import Caller, Change, Services, Target
from gateway.flow.ports import ResourceType
from gateway.flow.read import Reads
from gateway.flow.record import NOTHING, Attempted, refused_event
from gateway.log import correlation_id
from gateway.scim.dialects import Dialect
from gateway.scim.documents import ABSENT_IS_UNCHANGED, canonical, check, take_password
from gateway.scim.messages import list_response
from gateway.server.answer import answer
from gateway.server.auth import Credential, authenticate
from gateway.server.boundary import BUSY_STATUS, ROUTE
from gateway.server.discovery import discovery_document
from gateway.server.inbound import (
    SERVED,
    Endpoint,
    Networks,
    client_address,
    parse_endpoint,
    parse_question,
    printable,
    read_body,
)

TYPES: Final = {"Users": ResourceType.USER, "Groups": ResourceType.GROUP}
READS: Final = ("GET", "HEAD")
OPERATIONS: Final = {  # has an id in the path -> method -> operation
    False: {**dict.fromkeys(READS, "read"), "POST": "create"},
    True: {**dict.fromkeys(READS, "read"), "PUT": "replace", "PATCH": "patch", "DELETE": "delete"},
}


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider speaks, and how it is told to come again."""

    name: str
    dialect: Dialect
    busy_status: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, once it is known who asks for what."""

    request: web.Request
    endpoint: Endpoint
    target: Target
    provider: Provider
    caller: Caller


class ScimApi:
    """Signs a request in, reads it, has it done, and answers."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        providers: Mapping[str, Provider],
        credentials: Callable[[], tuple[Credential, ...]],
        services: Services,
        changes: Changes,
        reads: Reads,
        proxies: Networks = (),
    ) -> None:
        self._targets = targets
        self._providers = providers
        self._credentials = credentials
        self._services = services
        self._changes = changes
        self._reads = reads
        self._proxies = proxies

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one SCIM request; raises a GatewayError for what it refuses."""
        caller, target = _stranger(request, self._proxies), None
        try:
            credential = authenticate(request.headers.getall("Authorization", []), self._credentials())
            caller = replace(caller, provider=credential.name, token=credential.token, kind=credential.kind)
            endpoint = parse_endpoint(request.rel_url.raw_path)
            target = self._target(endpoint)
            asked = self._admitted(request, endpoint, target, caller, credential)
            operation = _operation(request.method, endpoint)
        except GatewayError as error:
            await self._remember(caller, target, error)
            raise
        return await self._answered(asked, operation)

    def _target(self, endpoint: Endpoint) -> Target:
        target = self._targets.get(endpoint.target)
        if target is None:
            raise NotFound("no target of that name: its base URL is /scim/{target}/v2")
        return target

    def _admitted(
        self,
        request: web.Request,
        endpoint: Endpoint,
        target: Target,
        caller: Caller,
        credential: Credential,
    ) -> Asked:
        request[ROUTE] = endpoint.route
        if target.name not in credential.targets:
            raise Forbidden(f"this token of {caller.kind} {caller.provider} does not open {target.name}")
        provider = self._providers[caller.provider]
        busy_status = target.busy_status or provider.busy_status
        request[BUSY_STATUS] = busy_status
        return Asked(request, endpoint, target, provider, replace(caller, busy_status=busy_status))

    async def _answered(self, asked: Asked, operation: str) -> web.StreamResponse:
        endpoint = asked.endpoint
        kind = TYPES.get(endpoint.name)
        if kind is None:
            return answer(200, discovery_document(asked.target, endpoint.name, endpoint.id))
        if operation != "read":
            return await self._change(asked, kind, operation)
        if endpoint.id is None:
            return await self._query(asked, kind)
        return await self._get(asked, kind, endpoint.id)

    async def _get(self, asked: Asked, kind: ResourceType, id: str) -> web.StreamResponse:
        document = await self._reads.get(asked.target, kind, id)
        return await self._delivered(asked, kind, answer(200, document), document)

    async def _query(self, asked: Asked, kind: ResourceType) -> web.StreamResponse:
        question = parse_question(asked.request.query, asked.provider.dialect, asked.target.policy.page_size)
        page = await self._reads.query(asked.target, kind, question)
        return answer(200, list_response(list(page.entries), page.total, question.start))

    async def _change(self, asked: Asked, kind: ResourceType, operation: str) -> web.StreamResponse:
        try:
            change = await self._read_change(asked, kind, operation)
        except GatewayError as error:
            attempted = Attempted(kind, operation, asked.endpoint.id)
            await self._remember(asked.caller, asked.target, error, attempted)
            raise
        reply = await self._changes.handle(change)
        document = reply.document
        headers = {"Location": document["meta"]["location"]} if document and reply.status == 201 else None
        return await self._delivered(asked, kind, answer(reply.status, document, headers), document)

    async def _read_change(self, asked: Asked, kind: ResourceType, operation: str) -> Change:
        body, password = await _READERS[operation](asked.request, asked.provider.dialect, kind)
        return Change(
            operation,
            kind,
            asked.target,
            asked.caller,
            correlation_id.get(),
            asked.endpoint.id,
            body,
            password,
        )

    async def _delivered(
        self, asked: Asked, kind: ResourceType, response: web.Response, document: Mapping[str, Any] | None
    ) -> web.StreamResponse:
        """Send the answer, and note that the provider knows the id once it is out."""
        response.headers["X-Correlation-Id"] = correlation_id.get()
        try:
            await response.prepare(asked.request)
            await response.write_eof()
        except ConnectionError:  # hung up: what was done stays done, and the answer was not delivered
            return response
        transport = asked.request.transport
        if document is not None and transport is not None and not transport.is_closing():
            await self._services.resources.note_replied(asked.target.name, kind, document["id"])
        return response

    async def _remember(
        self, caller: Caller, target: Target | None, error: GatewayError, attempted: Attempted = NOTHING
    ) -> None:
        event = refused_event(self._services.new_id(), caller, target, correlation_id.get(), error, attempted)
        await self._services.trail.append([event])


def _stranger(request: web.Request, proxies: Networks) -> Caller:
    agent = printable(request.headers.get("User-Agent"))
    forwarded = request.headers.getall("X-Forwarded-For", [])
    address = client_address(request.remote or "", forwarded, proxies)
    return Caller("", ip=address, user_agent=agent, kind="unknown")


def _operation(method: str, endpoint: Endpoint) -> str:
    """Return what a method asks for; a collection is read or added to, discovery is only read."""
    if endpoint.name not in TYPES:
        if endpoint.name not in SERVED:
            raise NotFound(f"no such path; under /v2 are {', '.join(sorted(SERVED))}")
        allowed = dict.fromkeys(READS, "read")
    else:
        allowed = OPERATIONS[endpoint.id is not None]
    if method not in allowed:
        raise MethodNotAllowed(f"{method} is not possible on {endpoint.route}", tuple(allowed))
    return allowed[method]


Body = tuple[dict[str, Any], str | None]


async def _document(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    body = canonical(dialect.document(await read_body(request)), kind)
    check(body, kind)
    return take_password(body)


async def _replacement(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    body = canonical(dialect.document(await read_body(request)), kind, keep=ABSENT_IS_UNCHANGED)
    check({name: value for name, value in body.items() if value is not None}, kind)
    return take_password(body)


async def _patch(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    return dialect.patch(await read_body(request)), None


async def _nothing(request: web.Request, dialect: Dialect, kind: ResourceType) -> Body:
    return {}, None


_READERS: Final[Mapping[str, Callable[[web.Request, Dialect, ResourceType], Awaitable[Body]]]] = {
    "create": _document,
    "replace": _replacement,
    "patch": _patch,
    "delete": _nothing,
}
