"""What the gateway looks at by itself, for alerts that nothing else raises, and to say when they are over."""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, Protocol

from gateway.admin.acts import Token
from gateway.admin.alerts import DAY, Alarms
from gateway.admin.status import Counts
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import OperationState, Outcome
from gateway.flow.model import Services
from gateway.flow.services import Alert, between
from gateway.values import frozen

LOOK: Final = 60.0  # seconds between looks
JOURNAL_LOOK: Final = 5.0  # seconds between looks at whether the journal can be written
QUIET: Final[Mapping[str, float]] = {  # what is over once it was not so for so many seconds
    "connections.exhausted": 900.0,
    "auth.failing": 900.0,
    "token.over": 3600.0,
}
LIFE: Final = 0.2  # the last part of a token's life in which its end is near
FEW: Final = 20  # changes that say something of a share
SPAN: Final = 15  # looks that they are of
LEAST_FREE: Final = 1 << 30  # bytes, or
LEAST_SHARE: Final = 0.1  # of the file system, where that is less
FREE_AGAIN: Final = 1.25  # of the least: what is written meanwhile does not end and raise it in turn
NOT_DONE: Final = (Outcome.REJECTED, Outcome.FAILED)

SLICE_PAUSE: Final = 0.5  # seconds between two slices of the trail
STEP_PAUSE: Final = 60.0  # seconds until what came meanwhile is looked at

Place = tuple[str, str]  # a target, and what else it is about, "" for none
Found = Mapping[Place, str | None]  # what is so now, and how it is said; None: another has told it
Totals = Mapping[tuple[str, str], int]  # target and outcome -> changes since the start


@frozen
class Limits:
    """When something is told."""

    token_expiry: float  # seconds before a token's end
    refused_share: float  # of the changes for a target


class TokenList(Protocol):
    """Where issued tokens are listed."""

    async def list(self) -> tuple[Token, ...]:
        """Return all tokens."""


class TrailWalk(Protocol):
    """Goes through the audit trail, a slice at a time."""

    async def step(self) -> tuple[str | None, bool]:
        """Go on by a slice; return what is wrong, and whether there is nothing more to go through now.

        Raises `JournalUnavailable`.
        """

    def begin(self) -> None:
        """Begin anew."""


@frozen
class Sources:
    """What is looked at."""

    counts: Callable[[], Awaitable[Counts]]
    tokens: TokenList
    changes: Callable[[], Totals]
    trail: TrailWalk
    journal: Path


class Watch:
    """Looks once a minute, raises what is so, and says what of it is over."""

    def __init__(self, services: Services, alarms: Alarms, sources: Sources) -> None:
        self._services = services
        self._alarms = alarms
        self._sources = sources
        # of the configuration in force
        self.limits = Limits(0.0, 1.0)
        self.providers: Collection[str] = ()
        self._changes: deque[Totals] = deque([sources.changes()], maxlen=SPAN + 1)

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await self.look()
            await self._services.sleep(LOOK)

    async def look(self) -> None:
        """Look once at everything; what cannot be seen now stays as it was said."""
        self._quieted()
        self._changes.append(self._sources.changes())
        self._tell("changes.refused", refused(self._changes, self.limits.refused_share))
        try:
            counts, tokens = await self._sources.counts(), await self._sources.tokens.list()
        except JournalUnavailable:
            return
        own = [token for token in tokens if token.provider in self.providers]
        self._tell("token.expiring", expiring(own, self._services.now(), self.limits.token_expiry))
        self._tell("removals.held", {(target, ""): None for target in counts.braked})
        self._tell("operation.dead", dead(counts))
        await self._look_at_disk()

    async def walk(self) -> NoReturn:
        """Go through the trail, again each day, until cancelled, in slices for which nobody waits."""
        began, pause = self._services.monotonic(), STEP_PAUSE
        while True:
            await self._services.sleep(pause)
            pause = STEP_PAUSE if await self._stepped() else SLICE_PAUSE
            if self._services.monotonic() - began >= DAY:
                began = self._services.monotonic()
                self._sources.trail.begin()

    async def watch_journal(self, health: Callable[[], Awaitable[str | None]]) -> NoReturn:
        """Raise the alarm while the journal cannot be written; a look tries it again."""
        while True:
            if (reason := await health()) is not None:
                self._services.alarm(Alert("journal.unwritable", None, reason))
            else:
                self._end("journal.unwritable", "", "", "the journal can be written again")
            await self._services.sleep(JOURNAL_LOOK)

    async def _stepped(self) -> bool:
        """Go through a slice; say whether there is nothing more now."""
        try:
            fault, is_end = await self._sources.trail.step()
        except JournalUnavailable:
            return True
        if fault is not None:
            self._tell("trail.broken", {("", ""): fault})
            self._sources.trail.begin()
            return True
        if is_end:
            self._tell("trail.broken", {})
        return is_end

    async def _look_at_disk(self) -> None:
        try:
            free, size = await asyncio.to_thread(room_at, self._sources.journal.parent)
        except OSError:  # what cannot be seen cannot be written either, and that is told
            return
        least = min(LEAST_FREE, size * LEAST_SHARE)
        is_told = ("disk.low", "", "") in self._alarms.active
        if free < least * (FREE_AGAIN if is_told else 1.0):
            said = f"{free // 1_000_000:,} MB are left of {size // 1_000_000:,} MB"
            self._tell("disk.low", {("", ""): said})
        else:
            self._tell("disk.low", {})

    def _quieted(self) -> None:
        for name, target, about in list(self._alarms.active):
            if name in QUIET and self._alarms.quiet((name, target, about)) >= QUIET[name]:
                self._end(name, target, about, f"not once in {QUIET[name] / 60:.0f} minutes")

    def _tell(self, name: str, found: Found) -> None:
        """Raise what is so and is news, and end what is not so any more."""
        for (target, about), reason in found.items():
            alert = Alert(name, target or None, reason or "", in_trail=False, about=about)
            if reason is not None and self._alarms.is_news(alert):
                self._alarms(alert)
        for known, target, about in list(self._alarms.active):
            if known == name and (target, about) not in found:
                self._end(name, target, about, "it is so no more")

    def _end(self, name: str, target: str, about: str, reason: str) -> None:
        standing = self._alarms.active.get((name, target, about))
        if standing is not None:
            said = f"{reason}; since {standing.since[:19]}Z it was: {standing.reason}"
            self._alarms(Alert(name, target or None, said, in_trail=False, is_good=True, about=about))


def expiring(tokens: Iterable[Token], now: str, ahead: float) -> Found:
    """Return the live tokens whose end is near. Pure."""
    return {
        ("", token.id): f"token {token.id} of {token.provider} ends at {token.expires[:19]}Z"
        for token in tokens
        if token.expires is not None and token.is_active(now)
        if between(now, token.expires) <= min(ahead, LIFE * between(token.created, token.expires))
    }


def dead(counts: Counts) -> Found:
    """Return the targets that have dead operations. Pure."""
    found = counts.unsettled.items()
    return {(target, ""): None for (target, state), n in found if state == OperationState.DEAD and n}


def refused(totals: Sequence[Totals], share: float) -> Found:
    """Return the targets for which more than a share of the changes between first and last failed. Pure."""
    first, last = totals[0], totals[-1]
    made: dict[str, int] = {}
    failed: dict[str, int] = {}
    for (target, outcome), count in last.items():
        new = count - first.get((target, outcome), 0)
        made[target] = made.get(target, 0) + new
        failed[target] = failed.get(target, 0) + (new if outcome in NOT_DONE else 0)
    return {
        (target, ""): f"{failed[target]} of {count} changes were refused or failed within {SPAN} minutes"
        for target, count in made.items()
        if count >= FEW and failed[target] > share * count
    }


def room_at(folder: Path) -> tuple[int, int]:
    """Return the bytes that are free to the gateway, and all of the file system; raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
