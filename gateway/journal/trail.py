"""The audit trail in SQLite; `page` and `verify` read it without a gateway."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.flow.journal_port import Event
from gateway.flow.trail import Question, Slice
from gateway.journal.lines import Appender, page, read_head
from gateway.journal.slices import find
from gateway.journal.store import Store
from gateway.journal.verdict import TrailState, Verdict, verify

__all__ = ["SqliteTrail", "TrailState", "Verdict", "page", "verify"]


class SqliteTrail:
    """The audit trail: seq without gaps, each event chained to the one before it."""

    def __init__(self, store: Store, path: Path, appender: Appender) -> None:
        self._store = store
        self._path = path
        self._appender = appender

    async def append(self, events: Sequence[Event]) -> None:
        """Add events durably, in order."""
        await self._store.write(lambda connection: self._appender.write(connection, events))

    async def page(
        self, before: int | None, count: int, since: str | None, until: str | None
    ) -> tuple[Mapping[str, Any], ...]:
        """Return up to `count` events with seq < `before`, newest first, personal values in place."""
        return await self._store.read(lambda connection: page(connection, before, count, since, until))

    async def find(self, question: Question) -> Slice:
        """Look at the next events of a question, those of months that have left the journal included."""
        return await self._store.read(lambda connection: find(connection, self._path, question))

    async def head(self) -> tuple[int, str]:
        """Return the newest seq and hash; (0, "") for an empty trail."""
        head = await self._store.read(read_head)
        return head.seq, head.hash
