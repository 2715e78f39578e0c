"""Over the Unix socket: how the gateway stands, and targets paused and resumed."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict
from typing import Final

import structlog
from aiohttp import web

from gateway.errors import NotFound
from gateway.flow.pause import Pauses
from gateway.flow.status import Status

ACTS: Final = {"pause": Pauses.pause, "resume": Pauses.resume}

log = structlog.get_logger()


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
