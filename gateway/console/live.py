"""Tells pages that something has happened (server-sent events); what it was, they ask as anybody does."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Busy, JournalUnavailable

if TYPE_CHECKING:
    from gateway.console.house import Desk

EVERY: Final = 1.0  # seconds between looks
ALIVE: Final = 15  # looks after which a line shows who has gone
MOST: Final = 50  # pages at a time


class Live:
    """Has one look at the trail for all pages that are open."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._open = 0
        self._seq = 0
        self._looking: asyncio.Task[None] | None = None

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with a line for each time that the trail has grown, while who asks is signed in."""
        if self._open >= MOST:
            raise Busy("too many pages are open that wait for news", 60.0, 503)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        self._desk.access.harden(response)
        self._open += 1
        try:
            with suppress(ConnectionError):  # the page was closed
                await response.prepare(request)
                await self._tell(request, response)
        finally:
            self._open -= 1
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        told, looks = -1, 0
        while not self._desk.admin.is_stopping() and self._desk.access.session_of(request) is not None:
            seq = await self._newest()
            if seq != told:
                await response.write(f"data: {seq}\n\n".encode())
                told = seq
            elif looks % ALIVE == 0:
                await response.write(b":\n\n")
            looks += 1
            await asyncio.sleep(EVERY)

    async def _newest(self) -> int:
        """Return the seq of the newest event; who asks while another looks gets what they see."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        await asyncio.wait([self._looking])
        return self._seq

    async def _look(self) -> None:
        try:
            with suppress(JournalUnavailable):
                self._seq, _ = await self._desk.journal.trail.head()
        finally:
            self._looking = None
