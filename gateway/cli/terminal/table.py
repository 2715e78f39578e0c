"""How rows become lines: beside each other where there is room, else as records. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from itertools import zip_longest
from typing import Final

from gateway.cli.terminal import BOLD, FAINT, STATES, Painter
from gateway.values import frozen

GAP: Final = 2  # columns between two fields
LEAST: Final = 24  # columns that prose needs to stand in a table
INDENT: Final = 4  # columns before what stands below its row

WORDING: Final = {"user_name": "userName"}  # SCIM's attributes are called as SCIM calls them


class Kind(Enum):
    """What may be done to a field's values where there is little room."""

    PLAIN = auto()  # stays whole in a table
    ID = auto()  # is never broken: somebody copies it
    NAME = auto()  # stands below its row where it would take the room of all others
    PROSE = auto()  # is broken between its words
    STATE = auto()  # stays whole, and has a colour


@frozen
class Field:
    """One column of a table with what all rows have there."""

    title: str
    cells: Sequence[str]  # one for each row, maybe of several lines
    kind: Kind = Kind.PLAIN
    rank: int = 1  # where there is no room the highest goes first, and 0 never

    @property
    def heading(self) -> str:
        return WORDING.get(self.title, self.title.replace("_", " "))

    @property
    def width(self) -> int:
        """How many columns it takes by itself."""
        return max(size(line) for cell in (self.heading, *self.cells) for line in cell.split("\n"))


@frozen
class Layout:
    """Where fields stand."""

    beside: Sequence[tuple[Field, int]]  # with its width
    below: Sequence[Field]  # under their row
    left_out: Sequence[Field]


def size(text: str) -> int:
    """Return how many columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(_size(character) for character in text)


def _size(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):  # accents, and the vowels of Thai and Hindi
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def rendered(fields: Sequence[Field], most: int | None, paint: Painter, whole: bool) -> Iterator[str]:
    """Yield the lines of a table of so many columns at most; `whole`: no field is left out.

    One row, and rows that cannot stand beside each other, are records: a line for each field.
    """
    if most is None:
        yield from _grid(Layout([(field, field.width) for field in fields], (), ()), paint)
        return
    told = fields if whole else [field for field in fields if any(field.cells)] or fields
    plan = planned(told, most, whole)
    if plan is None or len(fields[0].cells) == 1:
        yield from _records(told, most, paint, whole)
        return
    yield from _grid(plan, paint, most)
    if plan.left_out:
        names = ", ".join(field.heading for field in plan.left_out)
        yield paint("\n".join(wrapped(f"not shown: {names}; --wide shows all", most)), FAINT)


def planned(fields: Sequence[Field], most: int, whole: bool) -> Layout | None:
    """Return where fields stand in so many columns; None where not even the needed ones have room."""
    solid = [field for field in fields if field.kind is not Kind.PROSE]
    prose = [field for field in fields if field.kind is Kind.PROSE]
    names: list[Field] = []
    left_out: list[Field] = []
    while _together(solid) > most:
        found = [] if whole else [field for field in solid[1:] if field.rank]
        if not found:
            return None
        gone = max(reversed(found), key=lambda field: (_is_long(field, most), field.rank))
        solid.remove(gone)
        (names if gone.kind is Kind.NAME else left_out).append(gone)
    room = most - _together(solid)
    widths = {id(field): field.width for field in solid}
    if sum(GAP + min(LEAST, field.width) for field in prose) <= room:
        widths |= _shared(prose, room)
        prose = []
    beside = [(field, widths[id(field)]) for field in fields if id(field) in widths]
    return Layout(beside, [*names, *prose], [field for field in fields if field in left_out])


def _is_long(field: Field, most: int) -> bool:
    """Return whether a name takes more than half of a line."""
    return field.kind is Kind.NAME and field.width > most // 2


def _together(fields: Sequence[Field]) -> int:
    return sum(field.width + GAP for field in fields) - GAP


def _shared(prose: Sequence[Field], room: int) -> dict[int, int]:
    """Give each field of prose its own width, or its share of what the narrower ones leave."""
    widths = {}
    for position, field in enumerate(sorted(prose, key=lambda field: field.width)):
        widths[id(field)] = min(field.width, room // (len(prose) - position) - GAP)
        room -= widths[id(field)] + GAP
    return widths


def _grid(plan: Layout, paint: Painter, most: int = 0) -> Iterator[str]:
    yield _line([(paint(field.heading, BOLD), size(field.heading), width) for field, width in plan.beside])
    count = len((*(field for field, _ in plan.beside), *plan.below)[0].cells)
    for row in range(count):
        cells = [_wrapped_cell(field, row, width) for field, width in plan.beside]
        for lines in zip_longest(*cells, fillvalue=""):
            yield _line(
                [
                    (_coloured(field, line, paint), size(line), width)
                    for (field, width), line in zip(plan.beside, lines, strict=True)
                ]
            )
        for field in plan.below:
            if field.cells[row]:
                for line in wrapped(f"{field.heading}: {field.cells[row]}", most - INDENT):
                    yield f"{'':{INDENT}}{line}"


def _wrapped_cell(field: Field, row: int, width: int) -> list[str]:
    if field.kind is Kind.PROSE:
        return wrapped(field.cells[row], width)
    return field.cells[row].split("\n")


def _line(cells: Sequence[tuple[str, int, int]]) -> str:
    """Join texts, each with the columns it takes and those it has."""
    gap = " " * GAP
    return gap.join(text + " " * (width - taken) for text, taken, width in cells).rstrip()


def _coloured(field: Field, text: str, paint: Painter) -> str:
    return paint(text, STATES.get(text)) if field.kind is Kind.STATE else text


def _records(fields: Sequence[Field], most: int, paint: Painter, whole: bool) -> Iterator[str]:
    label = max(size(field.heading) for field in fields) + GAP
    for row in range(len(fields[0].cells)):
        if row:
            yield ""
        for field in fields:
            value = field.cells[row]
            if not value and not whole:
                continue
            lines = [value] if field.kind is Kind.ID else wrapped(value, max(most - label, 1))
            heads = (paint(field.heading, BOLD) + " " * (label - size(field.heading)),)
            for head, line in zip_longest(heads, lines or [""], fillvalue=" " * label):
                yield f"{head}{_coloured(field, line, paint)}".rstrip()


def wrapped(text: str, most: int) -> list[str]:
    """Return a text in lines of so many columns at most, broken between words where that is possible."""
    return [line for given in text.split("\n") for line in _broken(given, most)]


def _broken(text: str, most: int) -> Iterator[str]:
    if size(text) <= most:
        yield text
        return
    line = ""
    for word in re.findall(r" *[^ ]+", text):
        if size(line) + size(word) <= most:
            line += word
            continue
        if line:
            yield line
        line = word.lstrip()
        while size(line) > most:
            start = _beginning(line, most)
            yield start
            line = line[len(start) :]
    if line:
        yield line


def _beginning(text: str, most: int) -> str:
    """Return as much of a text as so many columns hold, one character at least."""
    room = most
    for position, character in enumerate(text):
        room -= _size(character)
        if room < 0 and position:
            return text[:position]
    return text
