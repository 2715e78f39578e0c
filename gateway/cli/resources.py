"""Resources from a file or standard input, one at a time: JSON, NDJSON, or CSV whose headers are paths."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, Final, TextIO

import orjson

from gateway.cli.output import ExitStatus, Stop
from gateway.errors import GatewayError, InvalidPath
from gateway.mapping.rules import is_many
from gateway.scim.jsontext import parse_json
from gateway.scim.names import resource
from gateway.scim.paths import Place, place, put
from gateway.settings.faults import hint
from gateway.users import why

STDIN: Final = "-"
ENCODING: Final = "utf-8-sig"  # with or without a byte order mark

Resource = dict[str, Any]
Knows = Callable[[Place], bool]  # says whether a path may stand over a column


def read_resources(source: str, knows: Knows) -> Iterator[Resource]:
    """Yield the resources of a file, `-` for standard input; raises Stop where they cannot be read."""
    name = "standard input" if source == STDIN else source
    try:
        with _open(source) as lines:
            yield from _resources(lines, knows)
    except UnicodeDecodeError as error:
        raise Stop(f"{name}: is not UTF-8 text", ExitStatus.WRONG) from error
    except OSError as error:
        raise Stop(f"{name}: cannot be read: {why(error, source)}", ExitStatus.WRONG) from error
    except (ValueError, GatewayError) as error:
        raise Stop(f"{name}: {error}", ExitStatus.WRONG) from error


def _open(source: str) -> AbstractContextManager[TextIO]:
    if source == STDIN:
        return nullcontext(io.TextIOWrapper(sys.stdin.buffer, ENCODING, newline=""))
    return Path(source).open(encoding=ENCODING, newline="")


def _resources(lines: Iterable[str], knows: Knows) -> Iterator[Resource]:
    numbered = enumerate(lines, 1)
    number, first = next(((n, line) for n, line in numbered if line.strip()), (0, ""))
    match first.lstrip()[:1]:
        case "":
            raise ValueError("holds no resource")
        case "[":
            raise ValueError("a JSON array is not taken: write one object a line")
        case "{" if _is_whole(first):
            return _of_lines(chain([(number, first)], numbered))
        case "{":
            return _of_document(chain([first], (line for _, line in numbered)))
        case _:
            return _of_csv(number, chain([first], (line for _, line in numbered)), knows)


def _is_whole(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _of_document(lines: Iterable[str]) -> Iterator[Resource]:
    """Yield one object that is written over many lines."""
    yield parse_json("".join(lines).encode(), refuse_duplicates=True)


def _of_lines(lines: Iterable[tuple[int, str]]) -> Iterator[Resource]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield parse_json(line.encode(), refuse_duplicates=True)
        except GatewayError as error:
            raise ValueError(f"line {number}: {error}") from error


def _of_csv(number: int, lines: Iterable[str], knows: Knows) -> Iterator[Resource]:
    rows = csv.reader(lines, strict=True)
    try:
        columns = _columns(next(rows), knows)
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _of_row(columns, row)
    except (csv.Error, _TooLong) as error:
        raise ValueError(f"line {number + rows.line_num - 1}: {error}") from error


class _TooLong(Exception):
    """A row has more cells than there are columns."""


def _of_row(columns: list[Place], row: list[str]) -> Resource:
    if len(row) > len(columns):
        raise _TooLong(f"{len(row)} cells, but only {len(columns)} columns")
    document: Resource = {}
    for where, cell in zip(columns, row, strict=False):
        if cell.strip():
            document = put(document, where, cell, many=is_many(where))
    return document


def _columns(titles: list[str], knows: Knows) -> list[Place]:
    columns = [_column(f"column {n}", title.strip(), knows) for n, title in enumerate(titles, 1)]
    for n, where in enumerate(columns, 1):
        if where in columns[: n - 1]:
            raise ValueError(f'column {n}, "{where.text}": stands there twice')
    return columns


def _column(position: str, title: str, knows: Knows) -> Place:
    """Return where a column's cells belong; raises ValueError, which names the column."""
    try:
        where = place(title)
    except InvalidPath as error:
        raise ValueError(f'{position}, "{title}": {error}') from error
    if where.where is not None and where.sub is None:
        raise ValueError(f'{position}, "{title}": name a sub-attribute, such as {title}.value')
    if not knows(where):
        attributes = (attribute.name for attribute in resource("User").sub.values())
        raise ValueError(f'{position}, "{title}": no such attribute{hint(where.attribute, attributes)}')
    return where
