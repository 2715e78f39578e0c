"""What a preset tells people: its [guide] table, for the set-up page."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from gateway.guide.data import Guide, GuideRow
from gateway.settings.faults import Faults, at, parts, read
from gateway.settings.model import frozen
from gateway.settings.paths import read_path
from gateway.settings.tables import SomeText, Table


class GuideTable(Table):
    """[guide]"""

    name: SomeText = Field(description="The target's name as people say it.")
    catalogue: str = Field(default="", description="Why not the target's own app in Okta's catalogue.")
    before: list[SomeText] = Field(default=[], description="What is done at the target first, in this order.")
    replaced: dict[str, SomeText] = Field(
        default={}, description="Steps of the target's own guide, and why each is not needed here."
    )
    notes: list[SomeText] = Field(default=[], description="What else is to be known.")
    rows: list[Any] = Field(default=[], description="The attributes that people set up, in this order.")


class GuideRowTable(Table):
    """[[guide.rows]]"""

    path: Any = Field(description="Where at the provider it is: a path, or a list of alternatives.")
    name: str = Field(default="", description="The display name.")
    variable: str = Field(default="", pattern="^[a-z][A-Za-z0-9_]*$|^$", description="Its name in a profile.")
    okta: str = Field(default="", description="What Okta maps to it: an expression.")
    entra: str = Field(default="", description="What Entra ID maps to it.")
    note: str = Field(default="", description="What it is at the target.")
    values: dict[str, SomeText] = Field(default={}, description="What it may be, and what each means.")


def load_guide(raw: Any, path: str, faults: Faults) -> Guide:
    """Return the guide of a preset; an empty one where it has none."""
    table = read(GuideTable, raw, path, faults) if raw else None
    if table is None:
        return Guide()
    return Guide(
        table.name,
        table.catalogue,
        tuple(table.before),
        tuple(_rows(table.rows, at(path, "rows"), faults)),
        frozen(table.replaced),
        tuple(table.notes),
    )


def _rows(rows: list[Any], path: str, faults: Faults) -> Iterator[GuideRow]:
    for index, raw in enumerate(rows):
        where = at(path, index)
        if (table := read(GuideRowTable, raw, where, faults)) is None:
            continue
        read_paths = (read_path(text, spot, faults) for spot, text in parts(table.path, at(where, "path")))
        paths = tuple(found for found in read_paths if found is not None)
        if not paths:
            faults.add(at(where, "path"), "is required")
            continue
        yield GuideRow(
            paths,
            table.name,
            table.variable,
            table.okta,
            table.entra,
            table.note,
            frozen(table.values),
        )
