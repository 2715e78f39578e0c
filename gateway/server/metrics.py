"""`/metrics`, and the counting of every request on its way out."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.errors import JournalUnavailable, NotFound
from gateway.flow.status import Census, Pulse
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.server.boundary import PROVIDER, Handler
from gateway.server.inbound import SERVED, parse_endpoint

OPERATIONS: Final = {  # method, has an id in the path -> operation
    ("GET", False): "query",
    ("HEAD", False): "query",
    ("GET", True): "get",
    ("HEAD", True): "get",
    ("POST", False): "create",
    ("PUT", True): "replace",
    ("PATCH", True): "patch",
    ("DELETE", True): "delete",
}
RESOURCES: Final = ("Users", "Groups")


class MetricsPage:
    """Shows what was counted, with a look at the journal."""

    def __init__(
        self,
        metrics: Metrics,
        health: Callable[[], Awaitable[str | None]],
        pulse: Callable[[], Pulse],
        census: Callable[[], Awaitable[Census]],
    ) -> None:
        """`health` tries a journal that failed, so that `pulse` then says how it is now."""
        self._metrics = metrics
        self._health = health
        self._pulse = pulse
        self._census = census

    async def show(self, request: web.Request) -> web.Response:
        """Answer with everything; without the journal's numbers where it cannot be read."""
        await self._health()
        try:
            census = await self._census()
        except JournalUnavailable:
            census = None
        body = self._metrics.render(self._pulse(), census)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


def counted(metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> Middleware:
    """Return the layer that counts requests; outside of the one that answers errors."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = clock()
        response = await handler(request)
        target, operation = _asked(request)
        provider = request.get(PROVIDER, "")
        metrics.answered(provider, target, operation, response.status, clock() - begun)
        return response

    return count


def _asked(request: web.Request) -> tuple[str, str]:
    """Return target and operation of a SCIM request; "" for what it does not name."""
    try:
        endpoint = parse_endpoint(request.rel_url.raw_path)
    except NotFound:
        return "", ""
    if endpoint.name in RESOURCES:
        return endpoint.target, OPERATIONS.get((request.method, endpoint.id is not None), "")
    return endpoint.target, "discovery" if endpoint.name in SERVED else ""
