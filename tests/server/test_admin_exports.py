"""Exports told to the running gateway over its socket."""

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.cli.client import ask

EXPORT = {"format": "csv", "since": None, "until": None, "filter": "seq gt 1", "q": None, "last": 1}


async def told(served: Any, document: Any) -> tuple[int, Any]:
    path = f"{served.gateway.settings.journal.path}.sock"
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session,
        session.post("http://gateway/exports", data=BytesIO(json.dumps(document).encode())) as answer,
    ):
        return answer.status, await answer.json(content_type=None) if answer.status != 204 else None


async def test_an_export_is_noted_in_the_trail(serve) -> None:
    served = await serve()

    assert await told(served, EXPORT) == (204, None)

    (event,) = await served.events()
    assert (event["event"], event["export"]) == ("export", EXPORT)


async def test_the_command_tells_the_running_gateway(serve, tmp_path: Path) -> None:
    served = await serve()
    socket = Path(f"{served.gateway.settings.journal.path}.sock")

    answer = await asyncio.to_thread(ask, socket, "POST", "/exports", EXPORT)

    assert answer.status == 204
    assert [event["event"] for event in await served.events()] == ["export"]


@pytest.mark.parametrize(
    "changes",
    [{"format": "xml"}, {"last": "1"}, {"last": True}, {"q": 1}, {"filter": ["seq gt 1"]}],
    ids=str,
)
async def test_an_export_that_no_command_writes_is_refused(serve, changes: Any) -> None:
    served = await serve()

    status, answer = await told(served, EXPORT | changes)

    assert (status, "not as a command writes it" in answer["detail"]) == (400, True)
    assert await served.events() == []
