"""The trail asked a slice at a time, over the months that have left the journal and the journal itself.

A month leaves the journal only once its file is there. So the journal is looked at first, and what is older
than its oldest event is in the files: nothing is missed, and nothing told twice, while months leave.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.flow.trail import Question, Slice, predicate_of
from gateway.journal.files import archives_of, open_archive
from gateway.journal.lines import read_salt, told
from gateway.journal.seek import NEWEST, Seek, Seeker

SIZE: Final = 250  # events that are looked at in one slice

RANGE: Final = "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)"
HASH: Final = "SELECT hash FROM event WHERE seq = ?"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the trail, and which events of it count."""

    connection: sqlite3.Connection
    low: int  # seq, both included
    high: int


def find(connection: sqlite3.Connection, path: Path, question: Question) -> Slice:
    """Look at the next events of a question; `connection` shows one snapshot of the journal `path`."""
    newest_first, start = question.newest_first, _start(question)
    with _part(connection, path, start, newest_first) as part:
        if part is None:
            return Slice((), start, is_over=True)
        seek = Seeker(part.connection, read_salt(connection), newest_first).of(question, part.low, part.high)
        seqs = _walked(seek, start, -1 if newest_first else 1)
        found = [
            _linked(connection, path, event) if event["seq"] == part.low else event
            for event in told(part.connection, seqs)
        ]
    test = predicate_of(question)
    events = tuple(event for event in found if test(event))
    if len(seqs) == SIZE:
        return Slice(events, seqs[-1], is_over=False)
    if newest_first:
        return Slice(events, part.low, is_over=part.low <= 1)
    return Slice(events, max(part.high, start - 1), is_over=part.connection is connection)


def _start(question: Question) -> int:
    if question.newest_first:
        return NEWEST if question.after is None else question.after - 1
    return 1 if question.after is None else question.after + 1


def _walked(seek: Seek, start: int, step: int) -> list[int]:
    seqs: list[int] = []
    found = seek(start)
    while found is not None:
        seqs.append(found)
        found = seek(found + step) if len(seqs) < SIZE else None
    return seqs


@contextmanager
def _part(connection: sqlite3.Connection, path: Path, seq: int, newest_first: bool) -> Iterator[Part | None]:
    """Open the file in which a walk that has come to `seq` goes on; None where the walk is over."""
    low, high = _range(connection)
    if seq >= low:
        yield Part(connection, low, high)
        return
    files = archives_of(path)
    for file in reversed(files) if newest_first else files:
        with closing(open_archive(file)) as archive:
            first, last = _range(archive)
            if first <= seq if newest_first else last >= seq:
                yield Part(archive, first, last)
                return
    yield None if newest_first else Part(connection, low, high)


def _range(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the first and the last seq of a file; where it has none, what no walk comes to."""
    low, high = connection.execute(RANGE).fetchone()
    return (NEWEST, 0) if low is None else (low, high)


def _linked(connection: sqlite3.Connection, path: Path, event: dict[str, Any]) -> dict[str, Any]:
    """Return the first event of a file with the hash of the one before it, which is in another."""
    seq = event["seq"] - 1
    with _part(connection, path, seq, newest_first=True) as part:
        row = part.connection.execute(HASH, (seq,)).fetchone() if part is not None else None
    return event | {"prev": row[0]} if row else event
