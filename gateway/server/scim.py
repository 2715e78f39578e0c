"""`/scim/{target}/v2/…`: every SCIM request of a provider."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from aiohttp import web

from gateway.errors import Forbidden, GatewayError, MethodNotAllowed, NotFound
from gateway.flow.change import Changes
from gateway.flow.change_event import Attempted
from gateway.flow.model import Caller, Change, Services, Target
from gateway.flow.read import Reads, query_all
from gateway.flow.target_port import Attributes, ResourceType
from gateway.log import correlation_id
from gateway.scim.dialects import Dialect
from gateway.scim.messages import Projection, is_known, list_response, parse_tags
from gateway.server.auth import Credential, authenticate
from gateway.server.discovery import discovery_document
from gateway.server.refusals import Refusals
from gateway.server.request import (
    SERVED,
    Endpoint,
    Networks,
    Parameters,
    client_address,
    parse_endpoint,
    parse_projection,
    parse_query,
    parse_read_query,
    parse_search,
    printable,
    read_body,
    read_change,
)
from gateway.server.response import BUSY_STATUS, PROVIDER, ROUTE, answer, not_modified, resource_answer

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
class ScimRequest:
    """One request, once it is known who asks for what."""

    request: web.Request
    endpoint: Endpoint
    target: Target
    provider: Provider
    caller: Caller
    query: Parameters

    def tags(self, header: str) -> tuple[str, ...]:
        """Return the versions that a header names."""
        return parse_tags(", ".join(self.request.headers.getall(header, [])))

    def meant(self) -> tuple[str, ...]:
        """Return the versions that a change is meant for; who names none of any form means none there is."""
        return self.tags("If-Match") or (("",) if "If-Match" in self.request.headers else ())


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
        self._refusals = Refusals(services)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one SCIM request; raises a GatewayError for what it refuses."""
        caller, target = anonymous_caller(request, self._proxies), None
        try:
            credential = authenticate(request.headers.getall("Authorization", []), self._credentials())
            request[PROVIDER] = credential.name
            caller = replace(caller, provider=credential.name, token=credential.token, kind=credential.kind)
            endpoint = parse_endpoint(request.rel_url.raw_path)
            target = self._target(endpoint)
            asked = self._admitted(request, endpoint, target, caller, credential)
            operation = _operation(request.method, endpoint)
        except GatewayError as error:
            await self._refusals.remember(caller, target, error)
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
    ) -> ScimRequest:
        request[ROUTE] = endpoint.route
        if target.name not in credential.targets:
            raise Forbidden(f"this token of {caller.kind} {caller.provider} does not open {target.name}")
        provider = self._providers[caller.provider]
        busy_status = target.busy_status or provider.busy_status
        request[BUSY_STATUS] = busy_status
        query = parse_query(request.rel_url.raw_query_string)
        return ScimRequest(
            request, endpoint, target, provider, replace(caller, busy_status=busy_status), query
        )

    async def _answered(self, asked: ScimRequest, operation: str) -> web.StreamResponse:
        endpoint = asked.endpoint
        kind = TYPES.get(endpoint.name)
        if operation == "search":
            return await self._query(asked, kind, parse_search(await read_body(asked.request)))
        if kind is None and endpoint.name:
            return await self._discover(asked)
        if kind is None or (operation == "read" and endpoint.id is None):
            return await self._query(asked, kind, asked.query)
        if operation != "read":
            return await self._change(asked, kind, operation)
        return await self._get(asked, kind, endpoint.id or "")

    async def _discover(self, asked: ScimRequest) -> web.StreamResponse:
        if "filter" in asked.query:  # RFC 7644 section 4: nobody shall believe that it was heeded
            raise Forbidden("discovery cannot be filtered: ask for all of it, or for one by its id")
        has_groups = await asked.target.has_groups()
        return answer(
            200, discovery_document(asked.target, asked.endpoint.name, asked.endpoint.id, has_groups)
        )

    async def _get(self, asked: ScimRequest, kind: ResourceType, id: str) -> web.StreamResponse:
        shown = parse_projection(asked.query)
        document = await self._reads.get(asked.target, kind, id, members=shown.shows("members"))
        if is_known(asked.tags("If-None-Match"), document["meta"]["version"]):
            return await self._delivered(asked, kind, not_modified(document), document)
        return await self._delivered(asked, kind, resource_answer(200, document, shown), document)

    async def _query(
        self, asked: ScimRequest, kind: ResourceType | None, query: Parameters
    ) -> web.StreamResponse:
        """Answer a query for resources of one type, or of all."""
        shown = parse_projection(query)
        question = parse_read_query(query, asked.provider.dialect, asked.target, shown.shows("members"))
        if kind is None:
            page = await query_all(self._reads, asked.target, question)
        else:
            page = await self._reads.query(asked.target, kind, question)
        entries = [shown.of(document) for document in page.entries]
        return answer(200, list_response(entries, page.total, question.start))

    async def _change(self, asked: ScimRequest, kind: ResourceType, operation: str) -> web.StreamResponse:
        try:
            shown = parse_projection(asked.query)
            change = await self._read_change(asked, kind, operation)
        except GatewayError as error:
            attempted = Attempted(kind, operation, asked.endpoint.id)
            await self._refusals.remember(asked.caller, asked.target, error, attempted)
            raise
        reply = await self._changes.handle(change)
        document = reply.document or await self._read_back(asked, change, shown)
        if document is None:
            return await self._delivered(asked, kind, answer(reply.status, None), None)
        status = reply.status if reply.document else 200
        return await self._delivered(asked, kind, resource_answer(status, document, shown), document)

    async def _read_back(self, asked: ScimRequest, change: Change, shown: Projection) -> Attributes | None:
        """Return a resource whose PATCH is answered briefly, where it says which attributes it wants.

        RFC 7644 section 3.5.2 has these answered. What cannot be read now is changed all the same.
        """
        if change.operation != "patch" or change.id is None or shown.excludes:
            return None
        with suppress(GatewayError):
            return await self._reads.get(asked.target, change.type, change.id, members=shown.shows("members"))
        return None

    async def _read_change(self, asked: ScimRequest, kind: ResourceType, operation: str) -> Change:
        body, password, members = await read_change(asked.request, asked.provider.dialect, kind, operation)
        return Change(
            operation,
            kind,
            asked.target,
            asked.caller,
            correlation_id.get(),
            asked.endpoint.id,
            body,
            password,
            members=members,
            if_match=asked.meant() if asked.endpoint.id is not None else (),
        )

    async def _delivered(
        self,
        asked: ScimRequest,
        kind: ResourceType,
        response: web.Response,
        document: Mapping[str, Any] | None,
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


def anonymous_caller(request: web.Request, proxies: Networks) -> Caller:
    """Return who asks, before it is known whose token that is."""
    agent = printable(request.headers.get("User-Agent"))
    forwarded = request.headers.getall("X-Forwarded-For", [])
    address = client_address(request.remote or "", forwarded, proxies)
    return Caller("", ip=address, user_agent=agent, kind="unknown")


def allowed(endpoint: Endpoint) -> Mapping[str, str]:
    """Return what each method asks for; the root and discovery are only read, a search is only posted."""
    if endpoint.is_search:
        return {"POST": "search"}
    if endpoint.name in TYPES:
        return OPERATIONS[endpoint.id is not None]
    if endpoint.name and endpoint.name not in SERVED:
        raise NotFound(f"no such path; under /v2 are {', '.join(sorted(SERVED))}")
    return dict.fromkeys(READS, "read")


def _operation(method: str, endpoint: Endpoint) -> str:
    operations = allowed(endpoint)
    if method not in operations:
        raise MethodNotAllowed(f"{method} is not possible on {endpoint.route}", tuple(operations))
    return operations[method]
