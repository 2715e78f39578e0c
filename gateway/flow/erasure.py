"""A person's values removed from the trail and the journal: what was found, what stays, and its event."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from gateway.audit.event import Event, act_event

NAME: Final = "erase"  # of its event


@dataclass(frozen=True, slots=True)
class Kept:
    """An original that an erasure may not touch."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class ErasureDesk:
    """Erases a person, which leaves an event without their name."""

    erasures: Erasures
    new_id: Callable[[], str]

    async def erase(self, name: str) -> Erased:
        """Remove what is kept of the person with this userName, as far as it may be removed."""
        event = act_event(self.new_id(), NAME)  # made here, where it is known who acts
        return await self.erasures.erase(name, partial(_told, event))


def _told(event: Event, erased: Erased) -> Event:
    reason = f"values of {len(erased.events)} events and {len(erased.originals)} originals removed"
    outcome = {**event.fields["outcome"], "reason": reason}
    lost = {"events": list(erased.events), "originals": list(erased.originals)}
    more = {"outcome": outcome, "subject": erased.subject, "erased": lost}
    return replace(event, fields={**event.fields, **more})
