"""Parts of the audit trail that leave the gateway: each leaves its event."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.audit.event import Personal, act_event
from gateway.flow.journal_port import Trail


@dataclass(frozen=True, slots=True)
class Export:
    """What is taken, as it was asked for: events up to `last`; times are RFC 3339, UTC."""

    format: str  # ndjson | csv
    since: str | None
    until: str | None
    filter: str | None
    q: str | None
    last: int  # seq


@dataclass(frozen=True, slots=True)
class ExportDesk:
    """Notes exports."""

    trail: Trail
    new_id: Callable[[], str]

    async def note(self, export: Export) -> None:
        """Record that an export is about to be made; a filter or a text may hold a person's values."""
        taken = {
            "format": export.format,
            "since": export.since,
            "until": export.until,
            "filter": None if export.filter is None else Personal(export.filter),
            "q": None if export.q is None else Personal(export.q),
            "last": export.last,
        }
        await self.trail.append([act_event(self.new_id(), "export", export=taken)])
