"""The journal's file for commands that only read, whether or not a gateway writes it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import JournalUnavailable
from gateway.flow.status import Census
from gateway.flow.tokens import Token
from gateway.flow.trail import Event, Question, Slice
from gateway.journal.census import census
from gateway.journal.lines import read_head
from gateway.journal.listing import Waiting, active_people, refused, waiting
from gateway.journal.slices import find
from gateway.journal.store import answered
from gateway.journal.tokens import list_tokens
from gateway.journal.verdict import Verdict, verify
from gateway.sqlite import read_only


@dataclass(frozen=True, slots=True)
class Reader:
    """An open journal, with the months that have left it."""

    connection: sqlite3.Connection
    path: Path

    def answers(self, question: Question, see: Callable[[int], None] | None = None) -> Iterator[Event]:
        """Yield the events asked for, each slice of them a short read; `see` is told how far that came."""
        is_over = False
        while not is_over:
            part = self.find(question)
            yield from part.events
            question, is_over = question.behind(part.seen), part.is_over
            if see is not None:
                see(part.seen)

    def find(self, question: Question) -> Slice:
        """Look at the next events of a question."""
        self.connection.execute("BEGIN")
        try:
            return find(self.connection, self.path, question)
        finally:
            self.connection.execute("ROLLBACK")

    def newest(self) -> int:
        """Return the seq of the newest event; 0 where there is none."""
        return read_head(self.connection).seq

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

    def census(self) -> Census:
        """Return what the journal holds, counted."""
        return census(self.connection)

    def active_people(self, base: str) -> Iterator[dict[str, Any]]:
        """Yield the originals of active people, in bounded memory."""
        return active_people(self.connection, base)

    def refused(self, target: str) -> Iterator[tuple[str, str]]:
        """Yield name and reason of everybody whose newest change was refused, with none done since."""
        return refused(self.connection, target)


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a journal for reading; raises `JournalUnavailable` where there is none or it cannot be read."""
    if not path.exists():
        raise JournalUnavailable(f"there is no journal {path} yet: `serve` makes it")
    try:
        with answered(), closing(read_only(path)) as connection:
            yield Reader(connection, path)
    except sqlite3.Error as error:
        raise JournalUnavailable(f"the journal {path} cannot be read: {error}") from error
