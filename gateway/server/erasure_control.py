"""Erasing a person, over the Unix socket."""

from dataclasses import asdict

import structlog
from aiohttp import web

from gateway.errors import InvalidValue
from gateway.flow.erasure import ErasureDesk
from gateway.scim.jsontext import parse_json

log = structlog.get_logger()


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
