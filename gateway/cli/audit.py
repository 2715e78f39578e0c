"""`audit`: who changed what, when, on whose word, and whether the record is whole."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any, Final

import typer

from gateway.cli.failures import Status, Stop
from gateway.cli.options import CONFIG, Config, read_settings
from gateway.cli.tables import Column, Format, columns, shortened, text, write
from gateway.cli.trail import Event, Question, Test, answers, filter_test, parse_moment, text_test

VERDICTS: Final = {"whole": 0, "gap": 10, "changed": 11, "truncated": 12}  # state -> exit status

audit = typer.Typer(help="The audit trail.", no_args_is_help=True)


class Sort(StrEnum):
    """Which events come first."""

    DESC = "desc"  # the newest
    ASC = "asc"


def _second(published: Any) -> str:
    return f"{text(published)[:19]}Z"


TABLE: Final = (
    Column("TIME", "published", _second),
    Column("EVENT", "event"),
    Column("RESULT", "outcome.result"),
    Column("PROVIDER", "actor.name"),
    Column("TARGET", "target.name"),
    Column("USER", "target.user_name"),
    Column("CORRELATION ID", "correlation_id"),
    Column("REASON", "outcome.reason", shortened(60)),
)
SHEET: Final = columns(
    "seq",
    "published",
    "event",
    "outcome.result",
    "outcome.status",
    "outcome.reason",
    "actor.name",
    "target.name",
    "target.type",
    "target.id",
    "target.user_name",
    "correlation_id",
)

WHEN: Final = 'A time such as 2026-03-01T09:00:00Z, or how long ago: "2h", "7d".'
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=WHEN)]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help=WHEN)]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter", help='A SCIM filter over the fields: target.name eq "cx" and outcome.status ge 400'
    ),
]
Text = Annotated[str | None, typer.Option("--q", metavar="TEXT", help="A text in any value.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many events at most.")]
Sorting = Annotated[Sort, typer.Option("--sort", help="desc: the newest first.")]
After = Annotated[int | None, typer.Option("--after", min=1, help="Go on after this seq.")]
Formatting = Annotated[Format, typer.Option("--format")]


@audit.command()
def query(  # noqa: PLR0913, PLR0917 - one parameter for each option
    since: Since = None,
    until: Until = None,
    filter: Filter = None,
    q: Text = None,
    limit: Limit = 100,
    sort: Sorting = Sort.DESC,
    after: After = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> None:
    """Show events, the newest first."""
    from gateway.journal.reading import reading

    tests: list[Test] = []
    if filter is not None:
        tests.append(filter_test(filter))
    if q is not None:
        tests.append(text_test(q))
    now = datetime.now(UTC)
    question = Question(
        _moment("--since", since, now), _moment("--until", until, now), tuple(tests), sort is Sort.DESC, after
    )
    with reading(read_settings(config).journal.path) as reader:
        found = _Limited(answers(reader, question), limit)
        write(found, format, TABLE, SHEET)
        if found.has_more:
            print(f"more: --after {found.last}", file=sys.stderr)


@audit.command()
def verify(config: Config = CONFIG) -> int:
    """Recompute the hash chain: exit status 0 whole, 10 gap, 11 changed, 12 truncated."""
    from gateway.journal.reading import reading

    with reading(read_settings(config).journal.path) as reader:
        verdict = reader.verify()
    where = "" if verdict.seq is None else f" at event {verdict.seq}"
    print(f"{verdict.state}{where}: {verdict.reason}")
    return VERDICTS[verdict.state]


class _Limited:
    """So many events of a walk, and afterwards whether there are more."""

    def __init__(self, events: Iterator[Event], limit: int) -> None:
        self._events = events
        self._limit = limit
        self.last: int | None = None  # seq

    def __iter__(self) -> Iterator[Event]:
        for event in islice(self._events, self._limit):
            self.last = event["seq"]
            yield event

    @property
    def has_more(self) -> bool:
        return next(self._events, None) is not None


def _moment(option: str, value: str | None, now: datetime) -> str | None:
    try:
        return None if value is None else parse_moment(value, now)
    except ValueError as error:
        raise Stop(f"{option}: {error}", Status.WRONG) from error
