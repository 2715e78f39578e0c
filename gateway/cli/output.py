"""What commands share: rows as table, JSON, NDJSON or CSV, how a command fails, the configuration."""

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import orjson
import typer

from gateway.audit.fields import at, cell
from gateway.errors import CannotListen, ConfigError, GatewayError, JournalUnavailable
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings import Settings


WIDE: Final = 10_000  # columns of a table that no terminal bounds

Row = Mapping[str, Any]


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


def text(value: Any) -> str:
    """Return a value on one line, without what a terminal would obey."""
    if value is None:
        return ""
    plain = value if isinstance(value, str) else orjson.dumps(value).decode()
    return "".join(character if character.isprintable() else "?" for character in plain)


def shortened(most: int) -> Callable[[Any], str]:
    """Return `text` for at most so many characters."""

    def show(value: Any) -> str:
        line = text(value)
        return line if len(line) <= most else f"{line[: most - 1]}…"

    return show


@frozen
class Column:
    """One column: its title, where its value is in a row, and how a table shows it."""

    title: str
    path: str  # names joined by dots
    show: Callable[[Any], str] = text

    def value(self, row: Row) -> Any:
        """Return the row's value, or None."""
        return at(row, self.path)


def columns(*paths: str) -> tuple[Column, ...]:
    """Return columns that are titled as their paths."""
    return tuple(Column(path, path) for path in paths)


def write(
    rows: Iterable[Row],
    format: Format,
    table: Sequence[Column],
    csv_columns: Sequence[Column] | None = None,
    out: TextIO | None = None,
) -> None:
    """Write rows, by default to standard output; CSV has the table's columns, or others."""
    chosen = csv_columns if csv_columns is not None and format is Format.CSV else table
    WRITERS[format](rows, chosen, sys.stdout if out is None else out)


def _table(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column.title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(column.show(column.value(row))) for column in columns))
    Console(file=out, width=None if out.isatty() else WIDE).print(table)


def _json(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    separator = "[\n"
    for row in rows:
        out.write(f"{separator}{orjson.dumps(row).decode()}")
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _ndjson(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    for row in rows:
        out.write(f"{orjson.dumps(row).decode()}\n")


def _csv(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)  # lines end in CR LF (RFC 4180)
    writer.writerow([column.title for column in columns])
    for row in rows:
        writer.writerow([cell(column.value(row)) for column in columns])


WRITERS: Final[Mapping[Format, Callable[[Iterable[Row], Sequence[Column], TextIO], None]]] = {
    Format.TABLE: _table,
    Format.JSON: _json,
    Format.NDJSON: _ndjson,
    Format.CSV: _csv,
}


class ExitStatus(IntEnum):
    """Exit statuses (README.md)."""

    DONE = 0
    REFUSED = 1  # or differs
    WRONG = 2  # usage or configuration
    UNREACHABLE = 3  # a target or the journal


class Stop(Exception):
    """Ends a command; its text is for standard error."""

    def __init__(self, sentence: str, status: ExitStatus) -> None:
        super().__init__(sentence)
        self.status = status


def stop_of(error: Exception) -> Stop | None:
    """Return how a command ends with an error of ours; None for an error that is nobody's answer."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, ConfigError):
        faults = "\n".join(f"{fault.path}: {fault.reason}" for fault in error.faults)
        return Stop(faults, ExitStatus.WRONG)
    known = (status for kind, status in _statuses().items() if isinstance(error, kind))
    status = next(known, None)
    return None if status is None else Stop(str(error), status)


def _statuses() -> dict[type[Exception], ExitStatus]:
    """Return what each kind of error means here, the special before the general."""
    from gateway.flow.target_port import TargetError
    from gateway.journal.store import JournalLocked

    return {
        JournalUnavailable: ExitStatus.UNREACHABLE,
        JournalLocked: ExitStatus.UNREACHABLE,
        TargetError: ExitStatus.UNREACHABLE,
        CannotListen: ExitStatus.UNREACHABLE,
        GatewayError: ExitStatus.WRONG,
    }


Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration.")]
CONFIG: Final = Path("config.toml")


def read_settings(config: Path, *, make_tokens: bool = False, read_secrets: bool = False) -> "Settings":
    """Read the configuration; raises ConfigError.

    Without `read_secrets` no secret has to be there: what only reads or explains needs none.
    """
    from gateway.settings import load_settings
    from gateway.targets.registry import CONNECTORS

    return load_settings(config, CONNECTORS, make_tokens=make_tokens, read_secrets=read_secrets)


def targets_of(settings: "Settings", name: str) -> tuple[str, ...]:
    """Return the targets that a name means, of a route all of its; raises Stop where it means none."""
    if name in settings.routes:
        return settings.routes[name].targets
    check_name(
        "target or route" if settings.routes else "target", name, (*settings.targets, *settings.routes)
    )
    return (name,)


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raise Stop with the nearest right name where `name` is not among the known ones."""
    from gateway.settings.faults import hint

    names = tuple(known)
    if name not in names:
        raise Stop(f'there is no {what} "{name}"{hint(name, names)}', ExitStatus.WRONG)
