"""Whether the trail is whole: one verification at a time, aside, with word of how far it has come."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.audit.event import act_event
from gateway.console.rendering import path_of
from gateway.errors import JournalUnavailable
from gateway.journal.reader import reading
from gateway.journal.verify import Verdict
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

STEP: Final = 100  # events
REST: Final = 0.002  # seconds after each so many, in which the gateway has the processor to itself


@frozen
class Verified:
    """What came of a verification, and when; times are RFC 3339, UTC."""

    verdict: Verdict | None  # None: the journal could not be read
    reason: str
    begun: str
    ended: str


class Verification:
    """Has it run, and shows it."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._running: asyncio.Task[None] | None = None
        self._begun = ""
        self._seen = 0  # seq
        self._is_closing = False
        self._latest: Verified | None = None

    async def show(self, request: web.Request) -> web.Response:
        """Answer with how far it has come, and what came of the last one."""
        head, hash = await self._desk.journal.trail.head()
        return self._desk.pages.answer(
            request,
            "verify",
            running=self._running is not None,
            begun=self._begun,
            seen=self._seen,
            head=head,
            hash=hash,
            latest=self._latest,
        )

    async def start(self, request: web.Request) -> web.Response:
        """Begin one, where none is under way."""
        desk = self._desk
        if self._running is None:
            services = desk.admin.services
            await desk.journal.trail.append([act_event(services.new_id(), "audit.verified")])
            self._begun, self._seen = services.now(), 0
            self._running = asyncio.create_task(self._run())
        return web.Response(status=303, headers={"Location": path_of("verify")})

    async def close(self) -> None:
        """End the one that is under way."""
        self._is_closing = True
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            verdict = await asyncio.to_thread(self._verify)
            self._end(verdict, verdict.reason)
        except (JournalUnavailable, _Closing) as error:
            self._end(None, str(error))
        finally:
            self._running = None

    def _end(self, verdict: Verdict | None, reason: str) -> None:
        self._latest = Verified(verdict, reason, self._begun, self._desk.admin.services.now())

    def _verify(self) -> Verdict:
        with reading(self._desk.settings().journal) as reader:
            return reader.verify(see=self._see)

    def _see(self, seq: int) -> None:
        if self._is_closing:
            raise _Closing("the gateway stops")
        self._seen = seq
        if seq % STEP == 0:
            time.sleep(REST)


class _Closing(Exception):
    """The gateway ends before the verification does."""
