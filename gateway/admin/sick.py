"""Targets that fall sick and get well: in the trail each time, told to administrators once an illness."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NoReturn

from gateway.admin.status import Counts
from gateway.audit.event import Event
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import OperationState
from gateway.flow.model import Services
from gateway.flow.services import AGAIN, Alert, Wakeup, between
from gateway.values import frozen

STEADY: Final = 60.0  # seconds that a target has to be well until that is told: it may be for a moment only
LOOK: Final = 5.0  # seconds between looks
MOST: Final = 100  # events that wait for a journal that cannot be written
WAITING: Final = (OperationState.OPEN, OperationState.DOUBT, OperationState.PENDING)


@frozen
class _Illness:
    """From when a target fell sick until it has been well for a while; times are monotonic seconds."""

    began: float
    since: str  # the same, RFC 3339, UTC
    failure: str  # what was the matter the last time
    told: float | None = None
    well: float | None = None  # since when it is, perhaps for a moment only
    is_proven: bool = True  # False: an earlier process has seen it, and this one knows nothing yet


class Illnesses:
    """Hears which targets fall sick and get well; a call only takes note, `run` does what takes time."""

    def __init__(self, services: Services, counts: Callable[[], Awaitable[Counts]]) -> None:
        self._services = services
        self._counts = counts
        self._known: dict[str, _Illness] = {}
        self.unproven: set[str] = set()  # targets of which only an earlier process knows that they are sick
        self._events: deque[Event] = deque(maxlen=MOST)
        self._news = Wakeup()

    def opened(self, target: str, failure: str) -> None:
        """Take note that nothing is sent to a target any more; `failure` has no value of a person."""
        now, since = self._services.monotonic(), self._services.now()
        known = self._known.get(target, _Illness(now, since, failure))
        self._known[target] = replace(known, failure=failure, well=None, is_proven=True)
        self.unproven.discard(target)
        self._note("target.sick", target, "failed", failure)

    def closed(self, target: str) -> None:
        """Take note that changes are sent to it again."""
        if (known := self._known.get(target)) is not None:
            self._known[target] = replace(known, well=self._services.monotonic(), is_proven=True)
            self.unproven.discard(target)
            self._note("target.well", target, "applied", f"it was sick since {known.since[:19]}Z")

    def remember(self, target: str, since: str, failure: str) -> None:
        """Know that a target was sick when an earlier process ended, and that this was told."""
        now = self._services.monotonic()
        began = now - between(since, self._services.now())
        self._known[target] = _Illness(began, since, failure, told=now, is_proven=False)
        self.unproven.add(target)

    def doubt(self, target: str) -> None:
        """Take for unproven that a target is sick: it is reached otherwise from now on, or not at all."""
        if (known := self._known.get(target)) is not None:
            self._known[target] = replace(known, is_proven=False)
            self.unproven.add(target)

    async def run(self) -> NoReturn:
        """Tell of them until cancelled."""
        while True:
            rung = self._news.next
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await rung.wait()

    async def look(self) -> None:
        """Record what has happened, and raise the alarms that are due."""
        with suppress(JournalUnavailable):  # it is tried again with the next look
            while self._events:
                await self._services.trail.append([self._events[0]])
                self._events.popleft()
        now = self._services.monotonic()
        for target in list(self._known):
            illness = self._known[target]
            if illness.well is not None:
                if now - illness.well >= STEADY:
                    del self._known[target]
                    await self._tell_well(target, illness)
            elif illness.told is None or (
                illness.is_proven and now - illness.told >= AGAIN and not self._is_paused(target)
            ):
                self._known[target] = replace(illness, told=now)
                await self._tell_sick(target, illness)

    def _is_paused(self, target: str) -> bool:
        """Say whether an administrator has paused it: then somebody knows."""
        return self._services.paused_since(target) is not None

    async def _tell_sick(self, target: str, illness: _Illness) -> None:
        since, waiting = f"{illness.since[:19]}Z", await self._waiting(target)
        reason = f"sick since {since}, last failure: {illness.failure}, changes that wait: {waiting}"
        self._services.alarm(Alert("target.sick", target, reason, is_rare=True))

    async def _tell_well(self, target: str, illness: _Illness) -> None:
        assert illness.well is not None
        seconds, waiting = round(illness.well - illness.began), await self._waiting(target)
        reason = f"well after {seconds // 60} min {seconds % 60} s, changes that still wait: {waiting}"
        self._services.alarm(Alert("target.well", target, reason, is_rare=True, is_good=True))

    async def _waiting(self, target: str) -> str:
        """Say how many changes of people and groups are kept for a target."""
        try:
            counts = await self._counts()
        except JournalUnavailable:
            return "unknown"
        return str(sum(counts.unsettled.get((target, state), 0) for state in WAITING))

    def _note(self, name: str, target: str, result: str, reason: str) -> None:
        self._events.append(
            Event(
                self._services.new_id(),
                {
                    "event": name,
                    "outcome": {"result": result, "status": None, "reason": reason},
                    "actor": {"type": "gateway", "name": "breaker", "token": None},
                    "client": {"ip": None, "user_agent": None},
                    "target": {"name": target, "type": None, "id": None, "user_name": None},
                    "correlation_id": None,
                },
            )
        )
        self._news.wake()
