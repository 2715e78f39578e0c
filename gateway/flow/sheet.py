"""Rows as CSV, for spreadsheets that would run what they read. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # what a spreadsheet would run
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def cell(value: Any) -> str:
    """Return a value as one line that no spreadsheet runs; control characters become `\\x1b` and the like."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    quoted = f"'{value}" if value.startswith(FORMULA) else value
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", quoted)


def at(row: Any, path: str) -> Any:
    """Return what a row has at names joined by dots, or None."""
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def render_sheet(rows: Iterable[Mapping[str, Any]], paths: Sequence[str]) -> str:
    """Return CSV with the paths as titles; lines end in CR LF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(paths)
    writer.writerows([cell(at(row, path)) for path in paths] for row in rows)
    return out.getvalue()
