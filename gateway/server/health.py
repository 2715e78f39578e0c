"""`/healthz` and `/readyz`: for probes, without a token and without details of people."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

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
