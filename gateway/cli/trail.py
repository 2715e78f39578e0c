"""How commands ask the audit trail, and how they show events to people."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.audit.fields import CSV_PATHS
from gateway.cli.output import Column, ExitStatus, Stop, columns, second, shortened, text
from gateway.cli.terminal.table import Kind, wrapped

if TYPE_CHECKING:
    from gateway.audit.query import AuditQuery

Event = Mapping[str, Any]

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


def period(month: str | None, quarter: str | None) -> tuple[str, str] | None:
    """Return from when until when a month or a quarter is, None where neither is named; raises Stop."""
    from gateway.audit.query import parse_month, parse_quarter

    parsers = {"--month": (month, parse_month), "--quarter": (quarter, parse_quarter)}
    for option, (given, parse) in parsers.items():
        if given is not None:
            try:
                return parse(given)
            except ValueError as error:
                raise Stop(f"{option}: {error}", ExitStatus.WRONG) from error
    return None


def parse_asked(**given: str | None) -> "AuditQuery":
    """Return the question that options ask; raises InvalidValue and InvalidFilter."""
    from gateway.audit.query import parse_audit_query

    return parse_audit_query(given, datetime.now(UTC))


def changed(diff: Any, show: Callable[[Any], str] = text) -> str:
    """Return what changed, a line for each change; `show` writes a value's JSON."""
    return "\n".join(_change(line, show) for line in diff or ())


def briefly(diff: Any) -> str:
    """Return what changed without the rest of long values, such as a thousand members."""
    return changed(diff, shortened(LONGEST))


def with_reasons(event: Event) -> Event:
    """Return an event that says in words what was dropped, and why where a rule did."""
    why = {one["path"]: f": {one['reason']} (rule {one['rule']})" for one in event.get("reasons") or ()}
    dropped = [f"{path}{why.get(path, '')}" for path in event.get("dropped") or ()]
    return {**event, "dropped": "; ".join(dropped)}


def details(event: Event) -> str:
    """Return all that an event says, a line for each field that says something."""
    return "".join(f"{path:<{GAP}}{text(value)}\n" for path, value in _leaves(event))


def _change(line: Mapping[str, Any], show: Callable[[Any], str]) -> str:
    path, before, after, rule = (line.get(name) for name in ("path", "before", "after", "rule"))
    if before is None and after is None:
        return f"{text(path)}: {text(line.get('op'))}, its values are not kept"
    by = f"  [{text(rule)}]" if rule else ""
    old, new = ("–" if value is None else show(orjson.dumps(value).decode()) for value in (before, after))
    return f"{text(path)}: {old} → {new}{by}"


def _leaves(event: Event) -> Iterator[tuple[str, Any]]:
    for name, value in event.items():
        if name == "diff":
            yield from (("diff", line) for line in changed(value).splitlines())
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{sub}", inner) for sub, inner in value.items() if inner is not None)
        elif value not in (None, [], ""):
            yield name, value


LONGEST: Final = 120  # characters of a value where changes are in a table
GAP: Final = 20  # columns that the name of a field has
CSV_COLUMNS: Final = columns(*CSV_PATHS)
TABLE: Final = (
    Column("time", "published", second, rank=0),
    Column("event", "event", rank=0),
    Column("result", "outcome.result", rank=0),
    Column("actor", "actor.name", rank=3),
    Column("target", "target.name", rank=2),
    Column("userName", "target.user_name"),
    Column("correlation id", "correlation_id", rank=4),
    Column("reason", "outcome.reason"),
)
HISTORY: Final = (
    Column("time", "published", second, rank=0),
    Column("event", "event", rank=0),
    Column("result", "outcome.result", rank=0),
    Column("actor", "actor.name", rank=2),
    Column("target", "target.name"),
    Column("reason", "outcome.reason"),
    Column("changes", "diff", briefly),
    Column("dropped", "dropped"),
)
WIDTHS: Final = {  # where rows are shown one by one; others have what they take
    "published": 20,
    "event": 16,
    "outcome.result": 9,
    "actor.name": 10,
    "target.name": 12,
    "target.user_name": 28,
    "correlation_id": 32,
}


def fitting(shown: Sequence[Column], most: int | None) -> tuple[Column, ...]:
    """Return the columns that a line of so many has room for, whoever comes: the highest rank goes first."""
    left = list(shown)
    while most is not None and sum(WIDTHS.get(column.path, -2) + 2 for column in left) - 2 > most:
        if not (found := [column for column in left if column.rank and column.path in WIDTHS]):
            break
        left.remove(max(found, key=lambda column: column.rank))
    return tuple(left)


def line(event: Event, shown: Sequence[Column] = TABLE, most: int | None = None) -> str:
    """Return an event as one row of these columns, for who cannot wait for the others.

    On a terminal, which has so many columns, prose stands below.
    """
    beside = [column for column in shown if most is None or column.kind is not Kind.PROSE]
    row = "  ".join(column.show(column.value(event)).ljust(WIDTHS.get(column.path, 0)) for column in beside)
    below = [column.show(column.value(event)) for column in shown if column not in beside]
    lines = [f"    {part}" for prose in below if prose for part in wrapped(prose, (most or 0) - 4)]
    return "\n".join((row.rstrip(), *lines))
