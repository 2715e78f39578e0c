"""Targets that an administrator has paused: nothing is sent to them until they are resumed."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.audit.event import Event, act_event


class PausesKept(Protocol):
    """Where pauses outlive the process."""

    async def read(self) -> Mapping[str, str]:
        """Return since when each paused target is paused (RFC 3339, UTC)."""

    async def note(self, target: str, since: str | None, event: Event) -> None:
        """Keep a pause, or None for no longer one, and its event; raises `JournalUnavailable`."""


class Pauses:
    """Pauses and resumes; known here, so that a change need not ask the journal."""

    def __init__(self, kept: PausesKept, now: Callable[[], str], new_id: Callable[[], str]) -> None:
        self._kept = kept
        self._now = now
        self._new_id = new_id
        self._since: dict[str, str] = {}

    async def load(self) -> None:
        """Know what an earlier process was told."""
        self._since = dict(await self._kept.read())

    def since(self, target: str) -> str | None:
        """Return since when the target is paused, None where it is not."""
        return self._since.get(target)

    async def pause(self, target: str) -> bool:
        """Send nothing more; False where that is so already."""
        if target in self._since:
            return False
        since = self._now()
        await self._kept.note(target, since, self._event("target.paused", target))
        self._since[target] = since
        return True

    async def resume(self, target: str) -> bool:
        """Send again; False where the target is not paused."""
        if target not in self._since:
            return False
        await self._kept.note(target, None, self._event("target.resumed", target))
        del self._since[target]
        return True

    def _event(self, name: str, target: str) -> Event:
        return act_event(self._new_id(), name, target={"name": target})
