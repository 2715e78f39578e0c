"""Presets: what is known of a product, and what its [guide] table tells people."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from gateway.guide.data import Guide, GuideRow
from gateway.settings.faults import Faults, at, hint, parts, read, unknown
from gateway.settings.fields import read_path
from gateway.settings.model import PresetPin, frozen
from gateway.settings.tables import SomeText, Table
from gateway.settings.target_tables import PresetRuleTable, PresetTable
from gateway.values import sealed

_PIN: Final = re.compile(r"(?P<name>[a-z0-9_-]+)(?:@(?P<revision>\d{1,9}))?")


@sealed
class Preset:
    """A preset as its file has it."""

    pin: PresetPin
    table: PresetTable

    def choose(self, asked: Mapping[str, Any], path: str, faults: Faults) -> Mapping[str, str]:
        """Return a value for every option: what was asked, else the default."""
        declared = self.table.options
        for name, value in asked.items():
            if name not in declared:
                faults.add(at(path, name), f"{self.pin} has no such option{hint(name, declared)}")
            elif value not in declared[name]:
                faults.add(at(path, name), f"must be one of: {', '.join(declared[name])}")
        return frozen({name: asked.get(name, allowed[0]) for name, allowed in declared.items()})

    def rules(self, options: Mapping[str, str], faults: Faults) -> list[tuple[str, PresetRuleTable]]:
        """Return the rules that these options ask for, each with its path."""
        rules = []
        for index, raw in enumerate(self.table.rules):
            path = at(str(self.pin), "rules", index).replace('"', "")
            rule = read(PresetRuleTable, raw, path, faults)
            if rule is not None and rule.if_option.items() <= options.items():
                rules.append((path, rule))
        return rules


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return sorted({name.partition("@")[0] for name in _files()})


def load_preset(text: str, path: str, faults: Faults) -> Preset | None:
    """Return the preset of "dialpad", or of "dialpad@1" in that revision and no other."""
    found = _PIN.fullmatch(text)
    revisions = {} if found is None else _revisions(found["name"])
    if found is None or not revisions:
        faults.add(path, unknown("preset", text, preset_names(), text.partition("@")[0]))
        return None
    wanted = int(found["revision"] or max(revisions))
    if wanted not in revisions:
        known = ", ".join(str(PresetPin(found["name"], revision)) for revision in sorted(revisions))
        faults.add(path, f"there is no such revision of the preset; known: {known}")
        return None
    table = read(PresetTable, revisions[wanted], f"{found['name']}@{wanted}", faults)
    return None if table is None else Preset(PresetPin(found["name"], wanted), table)


def _revisions(name: str) -> dict[int, dict[str, Any]]:
    """Return all revisions: NAME.toml is the newest, NAME@1.toml and so on are the ones before it."""
    tables = [tomllib.loads(text) for stem, text in _files().items() if stem.partition("@")[0] == name]
    return {table["revision"]: table for table in tables}


def _files() -> dict[str, str]:
    folder = Path(__file__).parents[1] / "presets"
    return {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


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
