"""From one event to the next that may be asked for, by the trail's indexes.

A seek takes a seq and returns the nearest one from there on, in the direction of the walk, that may be asked
for; what it passes over is not. A term that no index answers passes over nothing: whoever reads the event
sees. So an indexed question costs the same in a long trail as in a short one, whichever of its terms is rare.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

from gateway.flow.trail import Question
from gateway.journal.chain import stamp, stamp_of, subject
from gateway.journal.levels import MASK
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
FIRST_FROM: Final = "SELECT seq FROM event WHERE published >= ? ORDER BY published LIMIT 1"
FIRST_AFTER: Final = "SELECT seq FROM event WHERE published > ? ORDER BY published LIMIT 1"
BOUNDS: Final[Mapping[CompareOperator, Callable[[int, int], tuple[int, int]]]] = {
    # the first seq that is not less than the literal, the first that is more -> between which it holds
    CompareOperator.eq: lambda first, beyond: (first, beyond - 1),
    CompareOperator.ge: lambda first, beyond: (first, NEWEST),
    CompareOperator.gt: lambda first, beyond: (beyond, NEWEST),
    CompareOperator.le: lambda first, beyond: (1, beyond - 1),
    CompareOperator.lt: lambda first, beyond: (1, first - 1),
}


@dataclass(frozen=True, slots=True)
class Seeker:
    """Makes seeks over one file of the trail."""

    connection: sqlite3.Connection
    salt: bytes  # the key of `subject`
    newest_first: bool

    def of(self, question: Question, low: int, high: int) -> Seek:
        """Return the seek of a question from one seq to another, both included."""
        seeks = [self._between(low, high)]
        if question.since is not None:
            seeks.append(self._between(self._first(FIRST_FROM, stamp_of(question.since)), NEWEST))
        if question.until is not None:
            seeks.append(self._between(1, self._first(FIRST_FROM, stamp_of(question.until)) - 1))
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

    def _first(self, sql: str, published: str) -> int:
        row = self.connection.execute(sql, (published,)).fetchone()
        return row[0] if row else NEWEST

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
        return self._first(FIRST_FROM, published), self._first(FIRST_AFTER, published)


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
