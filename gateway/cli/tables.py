"""Rows for people and for programs: table, JSON, NDJSON, CSV."""

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TextIO

import orjson

from gateway.audit.fields import at, cell

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


@dataclass(frozen=True, slots=True)
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
    sheet: Sequence[Column] | None = None,
    out: TextIO | None = None,
) -> None:
    """Write rows, by default to standard output; `sheet` has CSV's columns where they are not the table's."""
    chosen = sheet if sheet is not None and format is Format.CSV else table
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
    writer = csv.writer(out)  # lines end in CR LF (RFC 4180)
    writer.writerow([column.title for column in columns])
    for row in rows:
        writer.writerow([cell(column.value(row)) for column in columns])


WRITERS: Final[Mapping[Format, Callable[[Iterable[Row], Sequence[Column], TextIO], None]]] = {
    Format.TABLE: _table,
    Format.JSON: _json,
    Format.NDJSON: _ndjson,
    Format.CSV: _csv,
}
