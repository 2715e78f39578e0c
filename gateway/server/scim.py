"""`/scim/{target}/v2/…`: every SCIM request of a provider."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import orjson
from aiohttp import web

from gateway.errors import Busy, Forbidden, GatewayError, MethodNotAllowed, NotFound
from gateway.flow.change_event import Attempted
from gateway.flow.model import Caller, Change, ChangeHandler, Services, Target, named_keys, reading
from gateway.flow.read import Reads, query_all
from gateway.flow.services import CROWD, MANY, is_awaited, is_large, off_loop, on_behalf
from gateway.flow.target_port import Attributes, Page, ResourceType, errand
from gateway.log import correlation_id
from gateway.scim.entitlements import EntitlementType
from gateway.scim.jsontext import dump
from gateway.scim.messages import Projection, is_known, list_response, parse_tags
from gateway.server.auth import Authentication, Credential, Provider
from gateway.server.discovery import discovery_document, entitlements
from gateway.server.request import (
    SERVED,
    Endpoint,
    LargeBodies,
    Parameters,
    parse_endpoint,
    parse_projection,
    parse_query,
    parse_read_query,
    parse_search,
    read_change,
    read_search,
)
from gateway.server.response import (
    SUMMARY,
    ResourceAnswer,
    Sent,
    Summary,
    answer,
    not_modified,
    resource_answer,
    send,
)

FEW: Final = 4  # reads of groups at once, of one provider at one target
TYPES: Final = {"Users": ResourceType.USER, "Groups": ResourceType.GROUP}
READS: Final = ("GET", "HEAD")
OPERATIONS: Final = {  # has an id in the path -> method -> operation
    False: {**dict.fromkeys(READS, "query"), "POST": "create"},
    True: {**dict.fromkeys(READS, "get"), "PUT": "replace", "PATCH": "patch", "DELETE": "delete"},
}


class ScimRequest(NamedTuple):
    """One SCIM request, once it is known who asks for what."""

    http: web.Request
    endpoint: Endpoint
    target: Target
    provider: Provider
    caller: Caller
    query: Parameters

    def tags(self, header: str) -> tuple[str, ...]:
        """Return the versions that a header names."""
        found = self.http.headers.getall(header, None)
        return parse_tags(", ".join(found)) if found else ()

    def meant(self) -> tuple[str, ...]:
        """Return the versions that a change is meant for; who names none of any form means none there is."""
        return self.tags("If-Match") or (("",) if "If-Match" in self.http.headers else ())


class Addresses(NamedTuple):
    """What stands in base URLs, and which target answers there."""

    answering: Mapping[str, Target]
    within: Mapping[str, str]  # target that has no address -> the route it is in

    @classmethod
    def of(cls, addresses: Mapping[str, Sequence[str]], targets: Mapping[str, Target]) -> "Addresses":
        """Return those at which the first of some targets answers."""
        answering = {address: targets[names[0]] for address, names in addresses.items()}
        return cls(answering, {name: own.route for name, own in targets.items() if own.route is not None})

    def know(self, name: str) -> bool:
        """Say whether something of the configuration has this name."""
        return name in self.answering or name in self.within

    def target(self, name: str) -> Target:
        """Return the target that answers; raises NotFound that says where one is reached."""
        target = self.answering.get(name)
        if target is None:
            if (route := self.within.get(name)) is not None:
                raise NotFound(f"{name} is a target of the route {route}: its base URL is /scim/{route}/v2")
            raise NotFound("no target of that name: its base URL is /scim/{target}/v2")
        return target


class ScimApi:
    """Signs a request in, reads it, has it done, and answers."""

    def __init__(
        self, authentication: Authentication, services: Services, changes: ChangeHandler, reads: Reads
    ) -> None:
        self._addresses = Addresses({}, {})
        self._providers: Mapping[str, Provider] = {}
        self._authentication = authentication
        self._resources = services.resources
        self._answering = services.answering
        self._monotonic = services.monotonic
        self._changes = changes
        self._reads = reads
        self._large = LargeBodies()
        self._turns = defaultdict[tuple[str, str], asyncio.Semaphore](lambda: asyncio.Semaphore(FEW))

    def serve(self, addresses: Addresses, providers: Mapping[str, Provider]) -> None:
        """Take another configuration: a request that is under way has its provider and target already."""
        self._addresses, self._providers = addresses, providers

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer one SCIM request; raises a GatewayError for what it refuses."""
        summary = http[SUMMARY]
        credential = target = None
        try:
            credential = self._authentication.credential(http)
            summary.provider = credential.name
            on_behalf.set(credential.name)
            is_awaited.set(partial(_is_awaited, http))
            endpoint = parse_endpoint(http.rel_url.raw_path)
            target = self._addresses.target(endpoint.target)
            request = self._admitted(http, summary, endpoint, target, credential)
            operation = _operation(http.method, request.endpoint, target)
        except GatewayError as error:
            _name(summary, http, self._addresses)
            caller = self._authentication.caller(http, credential)
            await self._authentication.refusals.remember(caller, target, error)
            raise
        summary.target, summary.operation = target.name, counted(request.endpoint, http.method, target)
        target.admission.users += 1
        try:
            return await self._answered(request, operation)
        finally:
            target.admission.users -= 1

    def _admitted(
        self, http: web.Request, summary: Summary, endpoint: Endpoint, target: Target, credential: Credential
    ) -> ScimRequest:
        if endpoint.target not in credential.targets:
            summary.route = endpoint.route
            raise Forbidden(
                f"this token of {credential.kind} {credential.name} does not open {endpoint.target}"
            )
        provider = self._providers[credential.name]
        if endpoint.name not in SERVED and provider.dialect.paths:
            meant = provider.dialect.paths.get(endpoint.name.casefold(), endpoint.name)
            endpoint = endpoint._replace(name=meant)
        summary.route = endpoint.route
        summary.busy_status = target.busy_status or provider.busy_status
        caller = self._authentication.caller(http, credential, summary.busy_status)
        query = parse_query(http.rel_url.raw_query_string)
        return ScimRequest(http, endpoint, target, provider, caller, query)

    def _answered(self, request: ScimRequest, operation: str) -> Awaitable[web.StreamResponse]:
        endpoint = request.endpoint
        kind = TYPES.get(endpoint.name)
        if kind is None and endpoint.name:
            return self._discover(request)
        read: Callable[[], Awaitable[web.StreamResponse]]
        if operation == "search":
            read = partial(self._search, request, kind)
        elif kind is None or operation == "query":
            read = partial(self._query, request, kind, request.query)
        elif operation == "get":
            read = partial(self._get, request, kind, endpoint.id or "")
        else:
            return self._change(request, kind, operation)
        return read() if kind is ResourceType.USER else self._one_of_few(request, read)

    async def _one_of_few(
        self, request: ScimRequest, read: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Read groups when few others of this provider are: each may have thousands of members in memory."""
        turns = self._turns[request.provider.name, request.target.name]
        token = errand.set(reading(request.target.policy, now := self._monotonic()))
        try:
            await _taken(turns, errand.get().latest - now)
            try:
                return await read()
            finally:
                turns.release()
        finally:
            errand.reset(token)

    async def _discover(self, request: ScimRequest) -> web.StreamResponse:
        entitled = request.target.mapping.entitlements
        if entitled is not None and (one := entitled.at(request.endpoint.name)) is not None:
            return await self._entitlements(request, one)
        if "filter" in request.query:  # RFC 7644 section 4: nobody shall believe that it was heeded
            raise Forbidden("discovery cannot be filtered: ask for all of it, or for one by its id")
        has_groups = await request.target.has_groups()
        return answer(
            200, discovery_document(request.target, request.endpoint.name, request.endpoint.id, has_groups)
        )

    async def _entitlements(self, request: ScimRequest, one: EntitlementType) -> web.StreamResponse:
        """Answer what people may be entitled to: a page, or one by its id."""
        shown, target = parse_projection(request.query), request.target
        question = parse_read_query(request.query, request.provider.dialect, target, members=False)
        if target.renew is not None:
            await target.renew(again=True)
        found = entitlements(target, one, request.endpoint.id, question)
        if request.endpoint.id is not None:
            return answer(200, shown.of(found))
        return answer(200, {**found, "Resources": [shown.of(each) for each in found["Resources"]]})

    async def _get(self, request: ScimRequest, kind: ResourceType, id: str) -> web.StreamResponse:
        shown = parse_projection(request.query)
        document = await self._reads.get(request.target, kind, id, members=shown.shows("members"))
        if is_known(request.tags("If-None-Match"), document["meta"]["version"]):
            return await self._deliver(request, kind, not_modified(document), document["id"])
        is_crowd = _is_crowd(kind, document)
        parts = (200, document, shown)
        made = await off_loop(resource_answer, *parts) if is_crowd else resource_answer(*parts)
        return await self._deliver(request, kind, made, document["id"])

    async def _search(self, request: ScimRequest, kind: ResourceType | None) -> web.StreamResponse:
        return await self._query(request, kind, parse_search(await read_search(request.http)))

    async def _query(
        self, request: ScimRequest, kind: ResourceType | None, query: Parameters
    ) -> web.StreamResponse:
        """Answer a query for resources of one type, or of all."""
        shown = parse_projection(query)
        question = parse_read_query(query, request.provider.dialect, request.target, shown.shows("members"))
        if kind is None:
            page = await query_all(self._reads, request.target, question)
        else:
            page = await self._reads.query(request.target, kind, question)
        if len(page.entries) > MANY or is_large(*page.entries):
            return await off_loop(_listed_apart, page, question.start, shown)
        return _listed(page, question.start, shown)

    async def _change(self, request: ScimRequest, kind: ResourceType, operation: str) -> web.StreamResponse:
        change = None
        try:
            if request.target.renew is not None:  # what is not known yet cannot be judged
                await request.target.renew()
            shown = parse_projection(request.query)
            change = await self._read_change(request, kind, operation)
            self._answering[id(change)] = change
            return await self._changed(request, change, shown)
        except GatewayError as error:
            if change is None:
                attempted = Attempted(kind, operation, request.endpoint.id)
                await self._authentication.refusals.remember(request.caller, request.target, error, attempted)
            raise
        finally:
            if change is not None:
                del self._answering[id(change)]
            if self._large.taken:
                self._large.give_back(request.http)

    async def _changed(self, request: ScimRequest, change: Change, shown: Projection) -> web.StreamResponse:
        reply, kind = await self._changes.handle(change), change.type
        request.http[SUMMARY].outcome = reply.outcome
        document = reply.document or await self._read_back(request, change, shown)
        if document is None:
            return await self._deliver(request, kind, ResourceAnswer(reply.status, {}), None)
        status = reply.status if reply.document else 200
        # who used the id has it: recorded with the change
        news = document["id"] if change.id is None else None
        is_crowd, parts = _is_crowd(kind, document), (status, document, shown)
        made = await off_loop(resource_answer, *parts) if is_crowd else resource_answer(*parts)
        return await self._deliver(request, kind, made, news)

    async def _read_back(self, request: ScimRequest, change: Change, shown: Projection) -> Attributes | None:
        """Return a resource whose PATCH is answered briefly, where it says which attributes it wants.

        RFC 7644 section 3.5.2 has these answered. What cannot be read now is changed all the same.
        """
        if change.operation != "patch" or change.id is None or shown.excludes:
            return None
        with suppress(GatewayError):
            return await self._reads.get(
                request.target, change.type, change.id, members=shown.shows("members")
            )
        return None

    async def _read_change(self, request: ScimRequest, kind: ResourceType, operation: str) -> Change:
        take = partial(self._large.take, request.http, request.provider.name)
        document = await read_change(request.http, request.provider.dialect, kind, operation, take)
        return Change(
            operation,
            kind,
            request.target,
            request.caller,
            correlation_id.get(),
            request.endpoint.id,
            document.attributes,
            document.password,
            members=document.members,
            unique_ids=request.provider.dialect.unique_ids,
            keys=named_keys(document.name, document.external_id),
            if_match=request.meant() if request.endpoint.id is not None else (),
        )

    async def _deliver(
        self, request: ScimRequest, kind: ResourceType, answer: ResourceAnswer, id: str | None
    ) -> web.StreamResponse:
        """Send the answer, and note that the provider knows the id once it is out."""
        try:
            sent = await send(request.http, answer)
        except ConnectionError:  # hung up: what was done stays done, and the answer was not delivered
            return Sent(answer.status, keep_alive=False)
        transport = request.http.transport
        if id is not None and transport is not None and not transport.is_closing():
            await self._resources.note_replied(request.target.name, kind, id)
        return sent


async def _taken(turns: asyncio.Semaphore, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await turns.acquire()
    except TimeoutError as error:
        raise Busy("too many reads of groups are under way: fewer at a time", 1.0, 429) from error


def _is_crowd(kind: ResourceType, document: Attributes) -> bool:
    """Say whether a group has so many members that to write them would keep others waiting."""
    return kind is ResourceType.GROUP and len(document.get("members", ())) > CROWD  # else they are anything


def _listed(page: Page, start: int, shown: Projection) -> web.Response:
    """Return a page as it is answered."""
    entries = [shown.of(document) for document in page.entries]
    return answer(200, list_response(entries, page.total, start))


def _listed_apart(page: Page, start: int, shown: Projection) -> web.Response:
    """Return a large page as it is answered, written one by one: nobody runs while JSON is written."""
    entries = [orjson.Fragment(dump(shown.of(document))) for document in page.entries]
    return answer(200, list_response(entries, page.total, start))


def counted(endpoint: Endpoint, method: str, target: Target | None = None) -> str:
    """Return the name a request is counted by, "" for what is not served."""
    if endpoint.is_search:
        return "query"
    if endpoint.name in TYPES:
        return OPERATIONS[endpoint.id is not None].get(method, "")
    return "discovery" if endpoint.name in SERVED or _is_entitled(endpoint, target) else ""


def _is_entitled(endpoint: Endpoint, target: Target | None) -> bool:
    """Say whether a target has entitlements at an endpoint."""
    known = target.mapping.entitlements if target is not None else None
    return known is not None and known.at(endpoint.name) is not None


def _name(summary: Summary, http: web.Request, addresses: Addresses) -> None:
    """Say in the summary of a refused request what its path names; a stranger can write anything there."""
    with suppress(NotFound):
        endpoint = parse_endpoint(http.rel_url.raw_path)
        summary.operation = counted(endpoint, http.method)
        if addresses.know(endpoint.target):
            summary.target = endpoint.target


def allowed(endpoint: Endpoint, target: Target | None = None) -> Mapping[str, str]:
    """Return what each method asks for; the root and discovery are only read, a search is only posted."""
    if endpoint.is_search:
        return {"POST": "search"}
    if endpoint.name in TYPES:
        return OPERATIONS[endpoint.id is not None]
    if endpoint.name and endpoint.name not in SERVED and not _is_entitled(endpoint, target):
        raise NotFound(f"no such path; under /v2 are {', '.join(sorted(SERVED))}")
    return dict.fromkeys(READS, "read" if endpoint.name else "query")


def _operation(method: str, endpoint: Endpoint, target: Target) -> str:
    operations = allowed(endpoint, target)
    if method not in operations:
        raise MethodNotAllowed(f"{method} is not possible on {endpoint.route}", tuple(operations))
    return operations[method]


def _is_awaited(http: web.Request) -> bool:
    return http.transport is not None and not http.transport.is_closing()
