"""What is asked of the audit trail: times, a filter over the fields of events, a text, the order. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from gateway.audit.fields import NAMES
from gateway.errors import InvalidFilter, InvalidValue
from gateway.scim.grammar import (
    AttrPath,
    CompareOperator,
    Comparison,
    Filter,
    LogicalExpr,
    LogicalOperator,
    parse_filter,
)
from gateway.scim.names import UNKNOWN
from gateway.scim.predicate import attributes_named, element_predicate
from gateway.values import frozen

StoredEvent = Mapping[str, Any]
Test = Callable[[StoredEvent], bool]

SLICE: Final = 250  # events
UNSAID: Final = frozenset({"prev", "hash"})  # nobody looks for a text in these
ORDERS: Final = {"desc": True, "asc": False}  # word -> the newest first
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_AGO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([smhd])", re.ASCII)
_MONTH: Final = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])", re.ASCII)
_QUARTER: Final = re.compile(r"([12]\d{3})-?[Qq]([1-4])", re.ASCII)
_SEQ: Final = re.compile(r"[1-9]\d{0,17}", re.ASCII)


@frozen
class AuditQuery:
    """Which events, and in which order."""

    since: str | None = None  # RFC 3339; included
    until: str | None = None  # not included
    filter: Filter | None = None
    q: str | None = None  # a text in any value
    name: str | None = None  # whom they are about
    newest_first: bool = True
    after: int | None = None  # seq of the last event seen
    slice: int = SLICE  # events that are looked at in one short read

    def behind(self, seq: int) -> "AuditQuery":
        """Return the question for what is left once `seq` was seen."""
        return replace(self, after=seq)


@frozen
class Batch:
    """What one short read found, how far it came, and whether it came to the end."""

    events: tuple[StoredEvent, ...]
    seen: int  # seq
    is_over: bool  # oldest first: for now


class Inquiry(Protocol):
    """The trail as it is asked while it grows."""

    async def find(self, question: AuditQuery) -> Batch:
        """Look at some hundreds of events: those that are asked for, in the order asked for."""


async def collect(
    inquiry: Inquiry, question: AuditQuery, limit: int, is_gone: Callable[[], bool]
) -> tuple[tuple[StoredEvent, ...], bool]:
    """Return the first `limit` answers, and whether there are more; ends early for somebody who is gone."""
    found: list[StoredEvent] = []
    is_over = False
    while not is_over and len(found) <= limit and not is_gone():
        part = await inquiry.find(question)
        found.extend(part.events)
        question, is_over = question.behind(part.seen), part.is_over
    return tuple(found[:limit]), len(found) > limit


@frozen
class EventPage:
    """The next answers to a question, as many as were found in time."""

    events: tuple[StoredEvent, ...]
    after: int | None  # seq behind which the question goes on; None: there is no more
    is_full: bool  # False: its time was over before, or there is no more


async def find_page(
    inquiry: Inquiry, question: AuditQuery, limit: int, is_late: Callable[[], bool]
) -> EventPage:
    """Return the first `limit` answers, or those found until it is late: the next page goes on there.

    Where an index answers the question, no more than these are looked at.
    """
    found: list[StoredEvent] = []
    part = await inquiry.find(replace(question, slice=min(limit + 1, SLICE)))
    while True:
        found.extend(part.events)
        if len(found) > limit:
            return EventPage(tuple(found[:limit]), found[limit - 1]["seq"], is_full=True)
        if part.is_over:
            return EventPage(tuple(found), None, is_full=False)
        if is_late():
            return EventPage(tuple(found), part.seen, is_full=False)
        question = question.behind(part.seen)
        part = await inquiry.find(question)


def parse_audit_query(given: Mapping[str, str | None], now: datetime) -> AuditQuery:
    """Return the question of `since`, `until`, `filter`, `q`, `sort`, `after`; raises Invalid…."""
    filter, sort, after = given.get("filter"), given.get("sort") or "desc", given.get("after")
    if sort not in ORDERS:
        raise InvalidValue("sort: must be desc or asc")
    if after is not None and not _SEQ.fullmatch(after):
        raise InvalidValue("after: must be the seq of an event")
    since, until = (_moment(name, given.get(name), now) for name in ("since", "until"))
    if since is not None and until is not None and since > until:
        raise InvalidValue("since: is after until, so nothing lies between them")
    return AuditQuery(
        since=since,
        until=until,
        filter=None if filter is None else parse_event_filter(filter),
        q=given.get("q"),
        newest_first=ORDERS[sort],
        after=None if after is None else int(after),
    )


def parse_month(text: str) -> tuple[str, str]:
    """Return when a month begins and when the next one does, of "2026-09"; raises ValueError."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError('must be a month such as "2026-09"')
    return _months(int(found[1]), int(found[2]), 1)


def parse_quarter(text: str) -> tuple[str, str]:
    """Return when a quarter begins and when the next one does, of "2026Q3"; raises ValueError."""
    found = _QUARTER.fullmatch(text)
    if found is None:
        raise ValueError('must be a quarter such as "2026Q3"')
    return _months(int(found[1]), 3 * int(found[2]) - 2, 3)


def _months(year: int, month: int, count: int) -> tuple[str, str]:
    years, last = divmod(month - 1 + count, 12)
    first, end = (datetime(*of, 1, tzinfo=UTC) for of in ((year, month), (year + years, last + 1)))
    return first.isoformat(), end.isoformat()


def parse_event_filter(text: str) -> Filter:
    """Return the tree of a filter over events; raises InvalidFilter, also for a field they lack."""
    tree = parse_filter(text)
    for name in map(_name, attributes_named(tree)):
        if name.casefold() not in NAMES:
            from difflib import get_close_matches

            near = get_close_matches(name[:80].casefold(), sorted(NAMES), n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise InvalidFilter(f'filter: an event has no "{name}"{hint}')
    return tree


def fields_asked(question: AuditQuery) -> tuple[str, ...]:
    """Return the fields that the filter of a question names, in order, each once."""
    named = attributes_named(question.filter) if question.filter is not None else ()
    return tuple(sorted({_name(path).casefold() for path in named}))


def parse_moment(text: str, now: datetime) -> str:
    """Return a time, or how long ago ("2h", "7d"), as RFC 3339 in UTC; raises ValueError."""
    ago = _AGO.fullmatch(text)
    try:
        length = timedelta(**{UNITS[ago[2]]: float(ago[1])}) if ago else None
        moment = datetime.fromisoformat(text) if length is None else now - length
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise ValueError(
            'must be a time such as "2026-03-01T09:00:00Z", or how long ago: "2h", "7d"'
        ) from None


def named(field: str, value: str) -> Filter:
    """Return the filter for one value of a field."""
    name, _, sub = field.partition(".")
    return Comparison(AttrPath(name, sub or None), CompareOperator.eq, value)


def either(*filters: Filter) -> Filter:
    """Return the filter for what any of these finds."""
    return LogicalExpr(LogicalOperator.or_, filters)


def predicate_of(question: AuditQuery) -> Test:
    """Return whether an event is what filter and text ask for; times, name and place are not looked at."""
    tests: list[Test] = []
    if question.filter is not None:
        tests.append(element_predicate(question.filter, UNKNOWN))
    if question.q is not None:
        tests.append(_has_text(question.q))
    return lambda event: all(test(event) for test in tests)


def _has_text(text: str) -> Test:
    """Return whether a text stands in any value of an event, in any case."""
    needle = text.casefold()
    return lambda event: any(
        needle in found for name, value in event.items() if name not in UNSAID for found in _texts(value)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value).casefold()


def _moment(name: str, text: str | None, now: datetime) -> str | None:
    try:
        return None if text is None else parse_moment(text, now)
    except ValueError as error:
        raise InvalidValue(f"{name}: {error}") from error


def _name(path: AttrPath) -> str:
    name = path.attr if path.uri is None else f"{path.uri}:{path.attr}"
    return name if path.sub_attr is None else f"{name}.{path.sub_attr}"
