"""The runs that last, over the Unix socket: one JSON object a line, as things become known.

A command that goes away, or a gateway that stops, ends a run after the people who are under way.
"""

from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson
from aiohttp import web

from gateway.errors import GatewayError, InvalidValue, NotFound
from gateway.flow.passes import Lines, render_line
from gateway.flow.runs import RUNS, Runs
from gateway.scim.jsontext import parse_json


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
