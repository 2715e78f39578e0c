"""`/healthz`, `/readyz` and `/metrics`, for probes and scrapers, without details of people."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sized
from importlib import import_module
from typing import Any

from aiohttp import web

from gateway.admin.status import Counts, TargetHealth, WriterStats
from gateway.errors import JournalUnavailable
from gateway.metrics import CONTENT_TYPE, Metrics

TargetsHealth = Callable[[], Mapping[str, TargetHealth]]  # by their names
Check = Callable[[], Awaitable[str | None]]  # None: well; else the reason


class Health:
    """Says whether the process serves, and whether it can take changes."""

    def __init__(self, checks: Mapping[str, Check], targets: TargetsHealth) -> None:
        self._checks = checks
        self._targets = targets
        self.draining = False

    async def live(self, request: web.Request) -> web.Response:
        """Answer 200 as long as the process serves, recovery included."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200, or 503 with the checks that fail; `?verbose` shows the targets, too.

        A sick target makes nothing unready: the others are served.
        """
        reasons = {name: await check() for name, check in self._checks.items()}
        if self.draining:
            reasons["process"] = "draining"
        checks = {name: reason or "ok" for name, reason in reasons.items()}
        well = not any(reasons.values())
        told: dict[str, Any] = {"status": "ok" if well else "unavailable", "checks": checks}
        if "verbose" in request.query:
            told["targets"] = {
                name: {"state": health.state, "since": health.since, "until": health.until}
                for name, health in self._targets().items()
            }
        return web.json_response(told, status=200 if well else 503)


class MetricsPage:
    """Shows what was counted, with a look at the journal."""

    def __init__(
        self,
        metrics: Metrics,
        health: Callable[[], Awaitable[str | None]],
        writer_stats: Callable[[], WriterStats],
        counts: Callable[[], Awaitable[Counts]],
        connections: Sized,
        targets: TargetsHealth,
    ) -> None:
        """`health` tries a journal that failed, so that `writer_stats` then says how it is now."""
        self._connections = connections
        self._targets = targets
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
        await asyncio.to_thread(import_module, "prometheus_client")  # the first time that takes a while
        body = self._metrics.render(self._writer_stats(), counts, len(self._connections), self._targets())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})
