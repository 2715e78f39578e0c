"""What `audit query` asks: times, a filter over the fields of events, a text, and in which order. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.failures import Status, Stop

if TYPE_CHECKING:
    from gateway.journal.reading import Reader
    from gateway.scim.grammar import AttrPath

PAGE: Final = 500  # events in one read
UNSAID: Final = frozenset({"prev", "hash"})  # nobody looks for a text in these

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {  # of an event, with what is in them (DESIGN section 9)
    "id": (),
    "seq": (),
    "published": (),
    "event": (),
    "outcome": ("result", "status", "reason"),
    "actor": ("type", "name", "token"),
    "client": ("ip", "user_agent"),
    "target": ("name", "type", "id", "user_name"),
    "diff": ("path", "op", "before", "after", "rule"),
    "held": (),
    "dropped": (),
    "attempts": ("n", "status", "ms"),
    "correlation_id": (),
    "timing": ("total_ms",),
    "provider": (),
    "config": ("digest", "presets"),
    "prev": (),
    "hash": (),
}
NAMES: Final = frozenset(FIELDS) | {f"{name}.{sub}" for name, subs in FIELDS.items() for sub in subs}

Event = Mapping[str, Any]
Test = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """Which events, and in which order."""

    since: str | None  # RFC 3339
    until: str | None
    tests: tuple[Test, ...]
    newest_first: bool = True
    after: int | None = None  # seq of the last event seen


def answers(reader: "Reader", question: Question) -> Iterator[Event]:
    """Yield the events asked for."""
    walk = _newest_first if question.newest_first else _oldest_first
    return (event for event in walk(reader, question) if all(test(event) for test in question.tests))


def parse_moment(value: str, now: datetime) -> str:
    """Return a time, or how long ago ("2h", "7d"), as RFC 3339; raises ValueError."""
    from gateway.settings.fields import parse_seconds

    try:
        moment = now - timedelta(seconds=parse_seconds(value))
    except ValueError:
        moment = _time(value)
    return moment.astimezone(UTC).isoformat()


def filter_test(text: str) -> Test:
    """Return the test of a filter over events; raises InvalidFilter, and Stop for a field they lack."""
    from gateway.scim.grammar import parse_filter
    from gateway.scim.names import UNKNOWN
    from gateway.scim.predicate import attributes_named, element_predicate
    from gateway.settings.faults import hint

    tree = parse_filter(text)
    for name in map(_name, attributes_named(tree)):
        if name.casefold() not in NAMES:
            raise Stop(f'--filter: an event has no "{name}"{hint(name, NAMES)}', Status.WRONG)
    return element_predicate(tree, UNKNOWN)


def text_test(text: str) -> Test:
    """Return the test whether a text stands in any value of an event, in any case."""
    needle = text.casefold()
    return lambda event: any(
        needle in found for name, value in event.items() if name not in UNSAID for found in _texts(value)
    )


def _newest_first(reader: "Reader", question: Question) -> Iterator[Event]:
    for page in reader.pages(question.after, PAGE, question.since, question.until):
        yield from page


def _oldest_first(reader: "Reader", question: Question) -> Iterator[Event]:
    """Walk up in windows of seq: the trail is read downwards within each."""
    newest = reader.page(None, 1, question.since, question.until)
    end = newest[0]["seq"] if newest else 0
    for start in range((question.after or 0) + 1, end + 1, PAGE):
        page = reader.page(start + PAGE, PAGE, question.since, question.until)
        yield from (event for event in reversed(page) if start <= event["seq"] <= end)


def _time(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            'must be a time such as "2026-03-01T09:00:00Z", or how long ago: "2h", "7d"'
        ) from None


def _name(path: "AttrPath") -> str:
    name = path.attr if path.uri is None else f"{path.uri}:{path.attr}"
    return name if path.sub_attr is None else f"{name}.{path.sub_attr}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value).casefold()
