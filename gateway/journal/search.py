"""The trail asked a batch at a time, over its months in files and the journal, by its indexes where it can.

A month leaves the journal only once its file is there. So the journal is looked at first, and what is older
than its oldest event is in the files: nothing is missed, and nothing told twice, while months leave.

A seek takes a seq and returns the nearest one from there on, in the direction of the walk, that may be asked
for; what it passes over is not. A term that no index answers passes over nothing: whoever reads the event
sees. So an indexed question costs the same in a long trail as in a short one, whichever of its terms is rare.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

from gateway.audit.chain import stamp, stamp_of, subject
from gateway.audit.masking import MASK
from gateway.audit.query import AuditQuery, Batch, predicate_of
from gateway.flow.journal_port import Outcome
from gateway.journal.events import changed_part, first_from, load_events, read_salt, rows
from gateway.journal.store import archives_of, open_archive
from gateway.scim.documents import fold
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)
from gateway.scim.predicate import moment
from gateway.values import frozen

Seek = Callable[[int], int | None]

NEWEST: Final = 2**63 - 1  # a seq that is never reached
HASHED: Final = "hmac:"
ROUNDS: Final = 64  # of a conjunction, before an event is looked at all the same
COLUMNS: Final[Mapping[str, str]] = {  # field -> column; they hold names and ids of ours, in lower case
    "id": "id",
    "event": "event",
    "target.name": "target",
    "outcome.result": "result",
    "correlation_id": "correlation_id",
    "actor.name": "actor",
}
DOWN: Final = "SELECT seq FROM event WHERE {} = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
UP: Final = "SELECT seq FROM event WHERE {} = ? AND seq >= ? ORDER BY seq LIMIT 1"
BOUNDS: Final[Mapping[CompareOperator, Callable[[int, int], tuple[int, int]]]] = {
    # the first seq that is not less than the literal, the first that is more -> between which it holds
    CompareOperator.eq: lambda first, beyond: (first, beyond - 1),
    CompareOperator.ge: lambda first, beyond: (first, NEWEST),
    CompareOperator.gt: lambda first, beyond: (beyond, NEWEST),
    CompareOperator.le: lambda first, beyond: (1, beyond - 1),
    CompareOperator.lt: lambda first, beyond: (1, first - 1),
}


@frozen
class Seeker:
    """Makes seeks over one file of the trail."""

    connection: sqlite3.Connection
    salt: bytes  # the key of `subject`
    newest_first: bool

    def of(self, question: AuditQuery, low: int, high: int) -> Seek:
        """Return the seek of a question from one seq to another, both included."""
        seeks = [self._between(low, high)]
        if question.since is not None:
            seeks.append(self._between(self._from(stamp_of(question.since)), NEWEST))
        if question.until is not None:
            seeks.append(self._between(1, self._from(stamp_of(question.until)) - 1))
        if question.name is not None:
            seeks.append(self._about(question.name))
        if question.filter is not None and (narrower := self._filter(question.filter)) is not None:
            seeks.append(narrower)
        return _all(seeks)

    def _filter(self, tree: Filter, within: str = "") -> Seek | None:
        """Return the seek of a filter; None where it may hold everywhere."""
        match tree:
            case Comparison(path, operator, value):
                return self._comparison(f"{within}{_name(path)}", operator, value)
            case ValuePath(path, inner):
                return self._filter(inner, f"{within}{_name(path)}.")
            case LogicalExpr(LogicalOperator.and_, terms):
                found = [seek for term in terms if (seek := self._filter(term, within)) is not None]
                return _all(found) if found else None
            case LogicalExpr(LogicalOperator.or_, terms):
                each = [self._filter(term, within) for term in terms]
                known = [seek for seek in each if seek is not None]
                return self._any(known) if len(known) == len(each) else None
        return None

    def _comparison(self, name: str, operator: CompareOperator, value: Any) -> Seek | None:
        if name in PLACES and operator in BOUNDS:
            places = PLACES[name](self, value)
            return None if places is None else self._between(*BOUNDS[operator](*places))
        if operator is not CompareOperator.eq or not isinstance(value, str) or moment(value) is not None:
            return None
        if name == "target.user_name":
            return None if _is_covered(value) else self._about(value)
        return self._equal(COLUMNS[name], fold(_storable(value))) if name in COLUMNS else None

    def _about(self, name: str) -> Seek:
        return self._equal("subject", subject(self.salt, fold(_storable(name))))

    def _equal(self, column: str, value: str) -> Seek:
        sql = (DOWN if self.newest_first else UP).format(column)

        def seek(seq: int) -> int | None:
            row = self.connection.execute(sql, (value, seq)).fetchone()
            return row[0] if row else None

        return seek

    def _between(self, low: int, high: int) -> Seek:
        if self.newest_first:
            return lambda seq: found if (found := min(seq, high)) >= low else None
        return lambda seq: found if (found := max(seq, low)) <= high else None

    def _any(self, seeks: Sequence[Seek]) -> Seek:
        nearest: Callable[..., int | None] = max if self.newest_first else min

        def seek(seq: int) -> int | None:
            return nearest((found for each in seeks if (found := each(seq)) is not None), default=None)

        return seek

    def _from(self, published: str, *, beyond: bool = False) -> int:
        return first_from(self.connection, published, beyond=beyond)

    def _number(self, value: Any) -> tuple[int, int] | None:
        """Return the first seq from a number on, and the first after it."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        return ceil(value), floor(value) + 1

    def _time(self, value: Any) -> tuple[int, int] | None:
        """Return the first seq from a time on, and the first after it."""
        instant = moment(value) if isinstance(value, str) else None
        try:
            published = "" if instant is None else stamp(instant)
        except OverflowError:  # of the year 1, in a zone where UTC has not come to it
            return None
        if not published:
            return None
        return self._from(published), self._from(published, beyond=True)


PLACES: Final[Mapping[str, Callable[[Seeker, Any], tuple[int, int] | None]]] = {
    "seq": Seeker._number,
    "published": Seeker._time,
}


def _all(seeks: Sequence[Seek]) -> Seek:
    """Return the seek of what all of these may hold for: each moves the others on, and the rarest leads."""

    def seek(seq: int) -> int | None:
        found: int | None = seq
        for _ in range(ROUNDS):
            start = found
            for each in seeks:
                if found is None or (found := each(found)) is None:
                    return None
            if found == start:
                break
        return found

    return seek


def _name(path: AttrPath) -> str:
    name = path.attr if path.sub_attr is None else f"{path.attr}.{path.sub_attr}"
    return name.casefold()


def _is_covered(name: str) -> bool:
    """Say whether this may be a name as a level other than `full` shows it: the index has the name itself."""
    return MASK in name or fold(name).startswith(HASHED)


def _storable(text: str) -> str:
    """Return text that SQLite takes; what no event can hold becomes a question mark."""
    return text.encode(errors="replace").decode()


RANGE: Final = "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)"
HASH: Final = "SELECT hash FROM event WHERE seq = ?"
COUNT: Final = "SELECT count(*) FROM event WHERE result = ? AND seq BETWEEN ? AND ?"


@frozen
class Part:
    """One file of the trail, and which events of it count."""

    connection: sqlite3.Connection
    low: int  # seq, both included
    high: int


def find(connection: sqlite3.Connection, path: Path, question: AuditQuery) -> Batch:
    """Look at the next events of a question; `connection` shows one snapshot of the journal `path`."""
    newest_first, start = question.newest_first, _start(question)
    with _part(connection, path, start, newest_first) as part:
        if part is None:
            return Batch((), start, is_over=True)
        seek = Seeker(part.connection, read_salt(connection), newest_first).of(question, part.low, part.high)
        seqs = _walked(seek, start, -1 if newest_first else 1, question.slice)
        found = [
            _linked(connection, path, event) if event["seq"] == part.low else event
            for event in load_events(part.connection, seqs)
        ]
    test = predicate_of(question)
    events = tuple(event for event in found if test(event))
    if len(seqs) == question.slice:
        return Batch(events, seqs[-1], is_over=False)
    if newest_first:
        return Batch(events, part.low, is_over=part.low <= 1)
    return Batch(events, max(part.high, start - 1), is_over=part.connection is connection)


def count_outcomes(connection: sqlite3.Connection, path: Path, since: str, until: str) -> dict[str, int]:
    """Return how many events of each outcome there are from one time until before another (RFC 3339, UTC)."""
    found = _counted(connection, since, until)
    months = [file for file in archives_of(path) if since[:7] <= file.name.split(".")[-2] <= until[:7]]
    low, _ = _range(connection)
    for file in months:
        with closing(open_archive(file)) as archive:
            for outcome, count in _counted(archive, since, until, low - 1).items():
                found[outcome] += count
    return found


def _counted(connection: sqlite3.Connection, since: str, until: str, most: int = NEWEST) -> dict[str, int]:
    low, high = first_from(connection, stamp_of(since)), first_from(connection, stamp_of(until)) - 1
    asked = (low, min(high, most))
    return {outcome: connection.execute(COUNT, (outcome, *asked)).fetchone()[0] for outcome in Outcome}


def changed_in(connection: sqlite3.Connection, path: Path, seq: int) -> str | None:
    """Return what of one event is not what its hash covers; None where all of it is."""
    with _part(connection, path, seq, newest_first=True) as part:
        row = next(rows(part.connection, seq - 1), None) if part is not None else None
    if row is None or row.seq != seq or row.body is None:
        return "the event"
    with _part(connection, path, seq - 1, newest_first=True) as part:
        before = part.connection.execute(HASH, (seq - 1,)).fetchone() if part is not None else None
    try:
        return changed_part(row, row.body, before[0] if before else "", read_salt(connection))
    except ValueError:  # the hash before it is none
        return "the hash of the event before"


def _start(question: AuditQuery) -> int:
    if question.newest_first:
        return NEWEST if question.after is None else question.after - 1
    return 1 if question.after is None else question.after + 1


def _walked(seek: Seek, start: int, step: int, most: int) -> list[int]:
    seqs: list[int] = []
    found = seek(start)
    while found is not None:
        seqs.append(found)
        found = seek(found + step) if len(seqs) < most else None
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
