"""`audit`: who changed what, when, on whose word, and whether the record is whole."""

import csv
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.audit.fields import cell
from gateway.cli.export import erase, export
from gateway.cli.output import (
    CONFIG,
    VIEW,
    ExitStatus,
    Format,
    Stop,
    check_name,
    chosen_of,
    read_settings,
    write,
)
from gateway.cli.terminal import ProgressLine, width_of
from gateway.cli.terminal.usage import Config
from gateway.cli.trail import (
    CSV_COLUMNS,
    HISTORY,
    TABLE,
    Event,
    Filter,
    Since,
    Text,
    Until,
    details,
    fitting,
    line,
    parse_asked,
    with_reasons,
)

if TYPE_CHECKING:
    from gateway.audit.query import AuditQuery
    from gateway.journal.reader import Reader


PAUSE: Final = 0.5  # seconds between two looks


class TailFormat(StrEnum):
    """How events are written that never end."""

    TABLE = "table"
    NDJSON = "ndjson"
    CSV = "csv"


Last = Annotated[int, typer.Option("--last", min=0, help="How many of the newest events to begin with.")]
Shaping = Annotated[TailFormat, typer.Option("--format")]


def tail(
    last: Last = 10,
    filter: Filter = None,
    q: Text = None,
    format: Shaping = TailFormat.TABLE,
    config: Config = CONFIG,
) -> None:
    """Show the newest events, and each that comes, until interrupted."""
    from gateway.journal.reader import reading

    question = parse_asked(filter=filter, q=q)
    with suppress(KeyboardInterrupt), reading(read_settings(config).journal) as reader:
        show = SHAPES[format]()
        for event in events(reader, question, last, _pause):
            show(event)


def events(reader: "Reader", question: "AuditQuery", last: int, pause: Callable[[], Any]) -> Iterator[Event]:
    """Yield the newest events and all that come; `pause` is called while there are none."""
    newest = reader.newest()
    old = islice(reader.answers(question.behind(newest + 1)), last)
    yield from reversed(list(old))
    question = replace(question, newest_first=False, after=newest)
    while True:
        found = reader.find(question)
        yield from found.events
        question = question.behind(found.seen)
        if found.is_over:
            pause()


def _pause() -> None:
    sys.stdout.flush()
    time.sleep(PAUSE)


def _lines() -> Callable[[Event], None]:
    chosen = chosen_of((*TABLE, *CSV_COLUMNS), Format.TABLE)
    most = None if VIEW.get().is_wide else width_of(sys.stdout)
    shown = chosen or fitting(TABLE, most)
    return lambda event: print(line(event, shown, most))


def _objects() -> Callable[[Event], None]:
    chosen_of(CSV_COLUMNS, Format.NDJSON)
    return lambda event: print(orjson.dumps(event).decode())


def _cells() -> Callable[[Event], None]:
    shown = chosen_of((*TABLE, *CSV_COLUMNS), Format.CSV) or CSV_COLUMNS
    writer = csv.writer(sys.stdout, quoting=csv.QUOTE_ALL)
    writer.writerow([column.title for column in shown])
    return lambda event: writer.writerow([cell(column.value(event)) for column in shown])


SHAPES: Final = {TailFormat.TABLE: _lines, TailFormat.NDJSON: _objects, TailFormat.CSV: _cells}


VERDICTS: Final = {"whole": 0, "gap": 10, "changed": 11, "truncated": 12}  # state -> exit status

audit = typer.Typer(help="The audit trail.", no_args_is_help=True)


class SortOrder(StrEnum):
    """Which events come first."""

    DESC = "desc"  # the newest
    ASC = "asc"


Limit = Annotated[int, typer.Option("--limit", min=1, help="How many events at most.")]
Sorting = Annotated[SortOrder, typer.Option("--sort", help="desc: the newest first.")]
After = Annotated[int | None, typer.Option("--after", min=1, help="Go on after this seq.")]
Formatting = Annotated[Format, typer.Option("--format")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An event's id, or a correlation id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A userName, or a group's displayName.")]
Target = Annotated[str | None, typer.Option("--target", metavar="TARGET", help="Only at this target.")]


@audit.command()
def query(  # noqa: PLR0913, PLR0917 - one parameter for each option
    since: Since = None,
    until: Until = None,
    filter: Filter = None,
    q: Text = None,
    limit: Limit = 100,
    sort: Sorting = SortOrder.DESC,
    after: After = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> None:
    """Show events, the newest first."""
    from gateway.journal.reader import reading

    place = None if after is None else str(after)
    question = parse_asked(since=since, until=until, filter=filter, q=q, sort=sort, after=place)
    with reading(read_settings(config).journal) as reader:
        looked_at = ProgressLine("at event {}")
        found = _Limited(reader.answers(question, looked_at.see), limit, looked_at)
        write(found, format, TABLE, CSV_COLUMNS, empty="the trail has no such event")
        if found.has_more:
            print(f"more: --after {found.last}", file=sys.stderr)


@audit.command()
def show(id: Id, format: Formatting = Format.TABLE, config: Config = CONFIG) -> None:
    """Show all that one event says, or every event of one request."""
    from gateway.audit.query import AuditQuery, either, named
    from gateway.journal.reader import reading

    question = AuditQuery(filter=either(named("id", id), named("correlation_id", id)), newest_first=False)
    with reading(read_settings(config).journal) as reader:
        found = _some(reader.answers(question), "no event has this id or correlation id")
        if format is Format.TABLE:
            sys.stdout.write("\n".join(map(details, found)))
        else:
            write(found, format, TABLE, CSV_COLUMNS)


@audit.command()
def history(
    name: Name, target: Target = None, format: Formatting = Format.TABLE, config: Config = CONFIG
) -> None:
    """Show everything about one person or group, under all their names, the oldest first.

    With what was dropped of them, and why.
    """
    from gateway.audit.query import named
    from gateway.journal.reader import reading

    settings = read_settings(config)
    if target is not None:
        check_name("target", target, settings.targets)
    only = None if target is None else named("target.name", target)
    with reading(settings.journal) as reader:
        found = _some(iter(reader.history(name, only)), f'the trail has nothing about "{name}"')
        told = map(with_reasons, found) if format is Format.TABLE else found
        write(told, format, HISTORY, CSV_COLUMNS)


audit.command()(tail)
audit.command()(export)
audit.command()(erase)


Expected = Annotated[
    str | None,
    typer.Option(
        "--expect",
        metavar="SEQ:HASH",
        help="An event that the trail had when you last looked, kept elsewhere.",
    ),
]
_EXPECTED: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@audit.command()
def verify(expect: Expected = None, config: Config = CONFIG) -> int:
    """Recompute the hash chain: exit status 0 whole, 10 gap, 11 changed, 12 truncated."""
    from gateway.journal.reader import reading

    found = _EXPECTED.fullmatch(expect or "")
    if expect is not None and found is None:
        raise Stop("--expect: must be the seq and the hash of an event, as in 17:2c26b4…", ExitStatus.WRONG)
    looked_at = ProgressLine("at event {}")
    with reading(read_settings(config).journal) as reader:
        verdict = reader.verify((int(found[1]), found[2]) if found else None, looked_at.see)
    looked_at.clear()
    where = "" if verdict.seq is None else f" at event {verdict.seq}"
    print(f"{verdict.state}{where}: {verdict.reason}")
    return VERDICTS[verdict.state]


class _Limited:
    """So many events of a walk, and afterwards whether there are more."""

    def __init__(self, events: Iterator[Event], limit: int, looked_at: ProgressLine) -> None:
        self._events = events
        self._looked_at = looked_at
        self._limit = limit
        self.last: int | None = None  # seq

    def __iter__(self) -> Iterator[Event]:
        for event in islice(self._events, self._limit):
            self.last = event["seq"]
            self._looked_at.clear()
            yield event
        self._looked_at.clear()

    @property
    def has_more(self) -> bool:
        return next(self._events, None) is not None


def _some(events: Iterator[Event], otherwise: str) -> Iterable[Event]:
    """Return the events; raises Stop where there are none."""
    first = next(events, None)
    if first is None:
        raise Stop(otherwise, ExitStatus.REFUSED)
    return chain([first], events)
