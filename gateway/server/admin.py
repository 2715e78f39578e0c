"""The Unix socket beside the journal: commands that change something reach the running gateway here.

Its file mode (0600) is the sign-in.
"""

import asyncio
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.admin.acts import ErasureDesk, Export, ExportDesk, Pauses, Token, TokenDesk
from gateway.admin.operations import OperationDesk
from gateway.admin.reconcile import Reconciliation
from gateway.admin.resync import Resync
from gateway.admin.runs import Lines, render_line
from gateway.admin.status import Status
from gateway.errors import GatewayError, InvalidValue, NotFound
from gateway.flow.change import Changes
from gateway.flow.model import Services, Target
from gateway.log import get_logger
from gateway.scim.jsontext import parse_json
from gateway.server.auth import Credentials
from gateway.server.response import Handler, boundary
from gateway.users import INVOKER, acting, name_of

RUNS: Final[Mapping[str, type[Reconciliation] | type[Resync]]] = {
    "reconcile": Reconciliation,  # its option: repair
    "resync": Resync,  # its option: changed
}


@dataclass(frozen=True, slots=True)
class Runs:
    """Starts them."""

    services: Services
    changes: Changes
    targets: Mapping[str, Target]

    def lines(self, run: str, target: str, *, option: bool) -> Lines:
        """Return the lines of a run; nothing is done before the first is asked for."""
        return RUNS[run](self.services, self.changes, self.targets[target], option).lines()


log = get_logger()

_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
FIELDS: Final = {  # of a token -> its form
    "id": r"[A-Za-z0-9_-]{1,64}",
    "provider": r"[a-z0-9-]+",
    "sha256": r"[0-9a-f]{64}",
    "created": _MOMENT,
    "expires": _MOMENT,
}


class Control:
    """Does what a command asks, and makes it valid at once."""

    def __init__(
        self,
        desk: TokenDesk,
        credentials: Credentials,
        providers: frozenset[str],
        operations: OperationDesk,
        wake: Callable[[], None],
    ) -> None:
        """`wake` has what is due looked at now."""
        self._desk = desk
        self._credentials = credentials
        self._providers = providers
        self._operations = operations
        self._wake = wake

    def application(self) -> web.Application:
        """Return the routes of the socket."""
        application = web.Application(middlewares=[boundary, in_their_name])
        application.add_routes(
            [
                web.post("/tokens", self.issue_token),
                web.delete("/tokens/{id}", self.revoke_token),
                web.post("/operations/{id}/retry", self.retry_operation),
                web.delete("/operations/{id}", self.drop_operation),
                web.post("/targets/{name}/release", self.release_target),
            ]
        )
        return application

    async def issue_token(self, request: web.Request) -> web.Response:
        """Let a token in that the command has made: only its digest comes here."""
        fields = parse_json(await request.read(), refuse_duplicates=True)
        token = Token(**{name: _text(fields, name) for name in FIELDS})
        if token.provider not in self._providers:
            raise InvalidValue("provider is not in the running gateway's configuration")
        await self._desk.issue(token)
        await self._credentials.refresh()
        return web.json_response({"id": token.id}, status=201)

    async def revoke_token(self, request: web.Request) -> web.Response:
        """End a token."""
        if not await self._desk.revoke(request.match_info["id"]):
            raise NotFound("no live token has this id")
        await self._credentials.refresh()
        return web.Response(status=204)

    async def retry_operation(self, request: web.Request) -> web.Response:
        """Have an operation tried again now."""
        if not await self._operations.retry(request.match_info["id"]):
            raise NotFound("no operation that can be tried again has this id")
        self._wake()
        return web.Response(status=204)

    async def drop_operation(self, request: web.Request) -> web.Response:
        """Give an operation up."""
        if not await self._operations.drop(request.match_info["id"]):
            raise NotFound("no operation that can be dropped has this id")
        return web.Response(status=204)

    async def release_target(self, request: web.Request) -> web.Response:
        """Let the removals go that a target's brake holds."""
        name = request.match_info["name"]
        if name not in self._operations.targets:
            raise InvalidValue("the target is not in the running gateway's configuration")
        count = await self._operations.release(name)
        log.info("removals.released", target=name, count=count)
        self._wake()
        return web.json_response({"released": count})


def _text(fields: dict[str, Any], name: str) -> Any:
    value = fields.get(name)
    if value is None and name == "expires":
        return None
    if not isinstance(value, str) or not re.fullmatch(FIELDS[name], value, re.ASCII):
        raise InvalidValue(f"{name} is missing, or not as a command writes it")
    return value


class LongControl:
    """Streams what comes of a run."""

    def __init__(self, runs: Runs, is_stopping: Callable[[], bool]) -> None:
        self._runs = runs
        self._is_stopping = is_stopping

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the application of the socket."""
        return [web.post(f"/targets/{{name}}/{{run:{'|'.join(RUNS)}}}", self.run)]

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Start a run; its option is `true` or `false` in the body."""
        name, run = request.match_info["name"], request.match_info["run"]
        if name not in self._runs.targets:
            raise NotFound("the target is not in the running gateway's configuration")
        option = parse_json(await request.read(), refuse_duplicates=True).get("option")
        if not isinstance(option, bool):
            raise InvalidValue("option is missing, or not as a command writes it")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the command has gone
            await self._stream(response, self._runs.lines(run, name, option=option))
        return response

    async def _stream(self, response: web.StreamResponse, lines: Lines) -> None:
        try:
            async with aclosing(lines):
                async for line in lines:
                    if self._is_stopping():
                        raise Stopping("the gateway stops")
                    await _write(response, render_line(line))
        except GatewayError as error:
            await _write(response, {"error": error.detail})


class Stopping(GatewayError):
    """The gateway ends before the run does."""


async def _write(response: web.StreamResponse, line: dict[str, Any]) -> None:
    await response.write(orjson.dumps(line) + b"\n")


ACTS: Final = {"pause": Pauses.pause, "resume": Pauses.resume}


class StandingControl:
    """Answers `status`, and does what `pause` and `resume` ask."""

    def __init__(
        self,
        status: Callable[[], Awaitable[Status]],
        pauses: Pauses,
        targets: Collection[str],
        wake: Callable[[], None],
    ) -> None:
        """`wake` has what is due looked at now."""
        self._status = status
        self._pauses = pauses
        self._targets = targets
        self._wake = wake

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the application of the socket."""
        return [
            web.get("/status", self.status),
            web.post(f"/targets/{{name}}/{{act:{'|'.join(ACTS)}}}", self.act),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """Answer how everything stands."""
        return web.json_response(asdict(await self._status()))

    async def act(self, request: web.Request) -> web.Response:
        """Pause or resume a target; "changed" is false where that was so already."""
        name, act = request.match_info["name"], request.match_info["act"]
        if name not in self._targets:
            raise NotFound("the target is not in the running gateway's configuration")
        changed = await ACTS[act](self._pauses, name)
        if changed:
            log.warning(f"target.{act}d", target=name)
        self._wake()
        return web.json_response({"changed": changed})


FORMATS: Final = ("ndjson", "csv")
TEXTS: Final = ("since", "until", "filter", "q")


class ExportControl:
    """Has exports noted before they are made."""

    def __init__(self, desk: ExportDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Return the route, for the application of the socket."""
        return [web.post("/exports", self.note)]

    async def note(self, request: web.Request) -> web.Response:
        """Note one export."""
        await self._desk.note(_export(parse_json(await request.read(), refuse_duplicates=True)))
        return web.Response(status=204)


def _export(fields: dict[str, Any]) -> Export:
    texts = {name: fields.get(name) for name in TEXTS}
    format, last = fields.get("format"), fields.get("last")
    are_texts = all(text is None or isinstance(text, str) for text in texts.values())
    if format not in FORMATS or type(last) is not int or not are_texts:
        raise InvalidValue("the export is not as a command writes it")
    return Export(format=format, last=last, **texts)


class ErasureControl:
    """Erases who a command names: in the body, as addresses are logged."""

    def __init__(self, desk: ErasureDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, for the application of the socket."""
        return [web.post("/erasures", self.erase)]

    async def erase(self, request: web.Request) -> web.Response:
        """Remove a person's values, and say what was removed and what was not."""
        name = parse_json(await request.read(), refuse_duplicates=True).get("name")
        if not isinstance(name, str) or not name:
            raise InvalidValue("name is missing, or not as a command writes it")
        erased = await self._desk.erase(name)
        log.info("person.erased", events=len(erased.events), originals=len(erased.originals))
        return web.json_response(asdict(erased))


_CREDENTIALS: Final = struct.Struct("iII")  # process, user, group


@web.middleware
async def in_their_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have what a command asks done in the name of its user."""
    user = await asyncio.to_thread(name_of, _peer(request), request.headers.get(INVOKER))
    token = acting.set(user)
    try:
        return await handler(request)
    finally:
        acting.reset(token)


def _peer(request: web.Request) -> int:
    """Return the user at the other end; this process's where the system does not say: others are kept out."""
    end = request.get_extra_info("socket")
    if end is None or not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    said = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(said)[1]
    return uid
