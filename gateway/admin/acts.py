"""What an administrator does, each act with its event: tokens, pauses, exports, and people erased."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn, Protocol

from gateway.admin.status import Pause, Tried
from gateway.audit.event import ERASURE, Event, Personal, Remark, act_event
from gateway.errors import InvalidValue, JournalUnavailable
from gateway.flow.journal_port import Trail
from gateway.flow.services import plus
from gateway.log import get_logger
from gateway.values import frozen

log = get_logger()


@frozen
class Token:
    """A token of a provider; times are RFC 3339, UTC."""

    id: str
    provider: str
    sha256: str  # hex; the token itself is nowhere
    created: str
    expires: str | None = None
    revoked: str | None = None

    def is_active(self, now: str) -> bool:
        """Say whether the token lets its provider in at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Tokens(Protocol):
    """Where issued tokens are kept."""

    async def add(self, token: Token) -> None:
        """Let the token in from now on."""

    async def list(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first, those that are over too."""

    async def revoke(self, id: str) -> bool:
        """End a token; False where there is none, or it is revoked already."""


class TokenJournal(Protocol):
    """Where tokens are kept, and what became of them."""

    @property
    def tokens(self) -> Tokens: ...

    @property
    def trail(self) -> Trail: ...


async def issue_token(journal: TokenJournal, token: Token, event_id: str) -> None:
    """Let the token in."""
    await journal.tokens.add(token)
    target = {"type": "Token", "id": token.id}
    issued = act_event(event_id, "token.issued", target=target, provider=token.provider)
    await journal.trail.append([issued])


async def revoke_token(journal: TokenJournal, id: str, event_id: str) -> bool:
    """End the token; False where there is none, or it is over already."""
    done = await journal.tokens.revoke(id)
    if done:
        target = {"type": "Token", "id": id}
        await journal.trail.append([act_event(event_id, "token.revoked", target=target, provider=None)])
    return done


class PausesKept(Protocol):
    """Where pauses outlive the process."""

    async def read(self) -> Mapping[str, Pause]:
        """Return the pause of each paused target."""

    async def note(self, target: str, pause: Pause | None, event: Event) -> None:
        """Keep a pause, or None for no longer one, and its event; raises `JournalUnavailable`."""


LONGEST_PAUSE: Final = 366 * 86_400.0  # seconds
LONGEST_REASON: Final = 200  # characters
LOOK: Final = 1.0  # seconds between looks at whose pause is over
OVER: Final = "its time is over"


class Pauses:
    """Pauses and resumes; known here, so that a change need not ask the journal."""

    def __init__(self, kept: PausesKept, now: Callable[[], str], new_id: Callable[[], str]) -> None:
        self._kept = kept
        self._now = now
        self._new_id = new_id
        self._known: dict[str, Pause] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Know what an earlier process, or another gateway, was told."""
        async with self._turn:
            self._known = dict(await self._kept.read())

    def since(self, target: str) -> str | None:
        """Return since when the target is paused, None where it is not."""
        pause = self._known.get(target)
        return None if pause is None else pause.since

    async def pause(self, target: str, seconds: float | None = None, reason: str | None = None) -> bool:
        """Send nothing more, for so long or until somebody resumes; False where that is so already.

        Of a target that is paused, the end becomes what is said now; its reason stays where none is said.
        Raises InvalidValue.
        """
        if seconds is not None and not 0 < seconds <= LONGEST_PAUSE:
            raise InvalidValue("a pause lasts longer than 0 seconds, and a year at most")
        if reason is not None and not (reason.isprintable() and 0 < len(reason) <= LONGEST_REASON):
            raise InvalidValue(f"a reason is one line of text, of {LONGEST_REASON} characters at most")
        async with self._turn:
            known, now = self._known.get(target), self._now()
            since, said = (now, None) if known is None else (known.since, known.reason)
            pause = Pause(since, None if seconds is None else plus(now, seconds), reason or said)
            if pause == known:
                return False
            event = act_event(self._new_id(), "target.paused", target={"name": target})
            outcome = {**event.fields["outcome"], "reason": reason and Remark(reason)}
            fields = {**event.fields, "outcome": outcome, "until": pause.until}
            await self._kept.note(target, pause, replace(event, fields=fields))
            self._known[target] = pause
            return True

    async def resume(self, target: str) -> bool:
        """Send again; False where the target is not paused."""
        async with self._turn:
            if target not in self._known:
                return False
            await self._resume(target, act_event(self._new_id(), "target.resumed", target={"name": target}))
            return True

    async def end_due(self) -> tuple[str, ...]:
        """Send again to those whose time is over, and return them; raises `JournalUnavailable`."""
        async with self._turn:
            now = self._now()
            due = [name for name, pause in self._known.items() if pause.until and pause.until <= now]
            for target in due:
                event = act_event(self._new_id(), "target.resumed", target={"name": target}, reason=OVER)
                actor = {"type": "gateway", "name": "pause", "token": None}
                await self._resume(target, replace(event, fields={**event.fields, "actor": actor}))
        return tuple(due)

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> NoReturn:
        """End each pause whose time is over, until cancelled; that of an earlier process, too."""
        while True:
            with suppress(JournalUnavailable):  # then nothing could be sent either
                for target in await self.end_due():
                    log.warning("target.resumed", target=target, reason=OVER)
            await sleep(LOOK)

    async def _resume(self, target: str, event: Event) -> None:
        await self._kept.note(target, None, event)
        del self._known[target]


@frozen
class Export:
    """What is taken, as it was asked for: events up to `last`; times are RFC 3339, UTC."""

    format: str  # ndjson | csv
    since: str | None
    until: str | None
    filter: str | None
    q: str | None
    last: int  # seq


async def note_export(trail: Trail, export: Export, event_id: str) -> None:
    """Record that an export is about to be made; a filter or a text may hold a person's values."""
    taken = {
        "format": export.format,
        "since": export.since,
        "until": export.until,
        "filter": None if export.filter is None else Personal(export.filter),
        "q": None if export.q is None else Personal(export.q),
        "last": export.last,
    }
    await trail.append([act_event(event_id, "export", export=taken)])


async def note_test(trail: Trail, tried: Sequence[Tried], event_id: str) -> None:
    """Record that the channels of alerts were tried, and how each took it."""
    said = "; ".join(f"{one.channel}: {one.error or 'taken'}" for one in tried) or "there is none"
    await trail.append([act_event(event_id, "alerts.tested", reason=said)])


@frozen
class Kept:
    """An original that an erasure may not touch."""

    target: str
    reason: str


@frozen
class Erased:
    """What was removed; `subject` is the keyed digest of the name."""

    subject: str
    events: tuple[int, ...] = ()  # seqs of those that lost values
    archived: int = 0  # how many of them have left the journal
    originals: tuple[str, ...] = ()  # the target of each
    kept: tuple[Kept, ...] = ()
    is_done: bool = True  # False: copies are in the files until the next try, which comes by itself

    @property
    def is_anything(self) -> bool:
        """Whether something was removed."""
        return bool(self.events or self.originals)


class Erasures(Protocol):
    """Where a person's values are kept."""

    async def erase(self, name: str, tell: Callable[[Erased], Event]) -> Erased:
        """Remove the values and, with them, record the event; none where nothing was found.

        Raises `JournalUnavailable`.
        """


async def erase_person(erasures: Erasures, name: str, event_id: str) -> Erased:
    """Remove what is kept of the person with this userName, as far as it may be removed.

    It leaves an event without their name.
    """
    event = act_event(event_id, ERASURE)  # made here, where it is known who acts
    return await erasures.erase(name, partial(_erasure_event, event))


def _erasure_event(event: Event, erased: Erased) -> Event:
    reason = f"values of {len(erased.events)} events and {len(erased.originals)} originals removed"
    outcome = {**event.fields["outcome"], "reason": reason}
    lost = {"events": list(erased.events), "originals": list(erased.originals)}
    more = {"outcome": outcome, "subject": erased.subject, "erased": lost}
    return replace(event, fields={**event.fields, **more})
