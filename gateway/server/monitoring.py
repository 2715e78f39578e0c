"""`/healthz`, `/readyz` and `/metrics`, for probes and scrapers, without details of people."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.admin.status import Counts, WriterStats
from gateway.errors import JournalUnavailable, NotFound
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.server.request import SERVED, parse_endpoint
from gateway.server.response import PROVIDER, Handler

Check = Callable[[], Awaitable[str | None]]  # None: well; else the reason


class Health:
    """Says whether the process serves, and whether it can take changes."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.draining = False

    async def live(self, request: web.Request) -> web.Response:
        """Answer 200 as long as the process serves, recovery included."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200, or 503 with the checks that fail."""
        reasons = {name: await check() for name, check in self._checks.items()}
        if self.draining:
            reasons["process"] = "draining"
        checks = {name: reason or "ok" for name, reason in reasons.items()}
        well = not any(reasons.values())
        return web.json_response(
            {"status": "ok" if well else "unavailable", "checks": checks}, status=200 if well else 503
        )


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
        writer_stats: Callable[[], WriterStats],
        counts: Callable[[], Awaitable[Counts]],
    ) -> None:
        """`health` tries a journal that failed, so that `writer_stats` then says how it is now."""
        self._metrics = metrics
        self._health = health
        self._writer_stats = writer_stats
        self._counts = counts

    async def show(self, request: web.Request) -> web.Response:
        """Answer with everything; without the journal's numbers where it cannot be read."""
        await self._health()
        try:
            counts = await self._counts()
        except JournalUnavailable:
            counts = None
        body = self._metrics.render(self._writer_stats(), counts)
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
