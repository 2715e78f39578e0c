"""The Unix socket beside the journal: commands that change something reach the running gateway here.

Its file mode (0600) is the sign-in.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from gateway.errors import InvalidValue, NotFound
from gateway.flow.desk import OperationDesk
from gateway.flow.tokens import Token, TokenDesk
from gateway.scim.jsontext import parse_json
from gateway.server.auth import Credentials
from gateway.server.boundary import boundary
from gateway.server.peer import in_their_name

log = structlog.get_logger()

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
