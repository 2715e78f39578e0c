"""`audit tail`: events as they come."""

import csv
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.audit.fields import cell
from gateway.cli.options import CONFIG, Config, read_settings
from gateway.cli.trail import SHEET, Event, Filter, Text, line, parse_asked

if TYPE_CHECKING:
    from gateway.audit.query import Question
    from gateway.journal.reader import Reader

PAUSE: Final = 0.5  # seconds between two looks


class Shape(StrEnum):
    """How events are written that never end."""

    TABLE = "table"
    NDJSON = "ndjson"
    CSV = "csv"


Last = Annotated[int, typer.Option("--last", min=0, help="How many of the newest events to begin with.")]
Shaping = Annotated[Shape, typer.Option("--format")]


def tail(
    last: Last = 10,
    filter: Filter = None,
    q: Text = None,
    format: Shaping = Shape.TABLE,
    config: Config = CONFIG,
) -> None:
    """Show the newest events, and each that comes, until interrupted."""
    from gateway.journal.reader import reading

    question = parse_asked(filter=filter, q=q)
    with suppress(KeyboardInterrupt), reading(read_settings(config).journal.path) as reader:
        show = SHAPES[format]()
        for event in events(reader, question, last, _pause):
            show(event)


def events(reader: "Reader", question: "Question", last: int, pause: Callable[[], Any]) -> Iterator[Event]:
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
    return lambda event: print(line(event))


def _objects() -> Callable[[Event], None]:
    return lambda event: print(orjson.dumps(event).decode())


def _cells() -> Callable[[Event], None]:
    writer = csv.writer(sys.stdout)
    writer.writerow([column.title for column in SHEET])
    return lambda event: writer.writerow([cell(column.value(event)) for column in SHEET])


SHAPES: Final = {Shape.TABLE: _lines, Shape.NDJSON: _objects, Shape.CSV: _cells}
