"""The journal's file for commands that only read, whether or not a gateway writes it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import JournalUnavailable
from gateway.flow.tokens import Token
from gateway.journal.lines import page, pages
from gateway.journal.listing import Waiting, active_people, refused_creates, waiting
from gateway.journal.store import answered
from gateway.journal.tokens import list_tokens
from gateway.journal.verdict import Verdict, verify
from gateway.sqlite import read_only

Events = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """An open journal; its pages are those of `lines`."""

    connection: sqlite3.Connection

    def page(self, before: int | None, count: int, since: str | None, until: str | None) -> Events:
        """Return up to `count` events with seq < `before`, newest first."""
        return page(self.connection, before, count, since, until)

    def pages(self, before: int | None, count: int, since: str | None, until: str | None) -> Iterator[Events]:
        """Yield page after page, newest first."""
        return pages(self.connection, before, count, since, until)

    def verify(self) -> Verdict:
        """Recompute the chain; afterwards the reader is of no more use."""
        return verify(self.connection)

    def tokens(self) -> tuple[Token, ...]:
        """Return all tokens, the oldest first."""
        return list_tokens(self.connection)

    def waiting(self, target: str | None, before: str) -> Iterator[Waiting]:
        """Yield brakes that hold, unsettled operations, and creates from before `before` never acknowledged.

        `target` None: those of all targets.
        """
        return waiting(self.connection, target, before)

    def active_people(self, base: str) -> Iterator[dict[str, Any]]:
        """Yield the originals of active people, in bounded memory."""
        return active_people(self.connection, base)

    def refused_creates(self, target: str) -> Iterator[tuple[str, str]]:
        """Yield name and reason of everybody whose newest create was refused, and who is not there since."""
        return refused_creates(self.connection, target)


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a journal for reading; raises `JournalUnavailable` where there is none or it cannot be read."""
    if not path.exists():
        raise JournalUnavailable(f"there is no journal {path} yet: `serve` makes it")
    try:
        with answered(), closing(read_only(path)) as connection:
            yield Reader(connection)
    except sqlite3.Error as error:
        raise JournalUnavailable(f"the journal {path} cannot be read: {error}") from error
