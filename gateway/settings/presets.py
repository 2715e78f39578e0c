"""Presets: the rules and habits of known targets, as TOML files of this package."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from gateway.settings.faults import Faults, at, hint, read
from gateway.settings.model import PresetPin, frozen
from gateway.settings.target_tables import PresetRuleTable, PresetTable

_PIN: Final = re.compile(r"(?P<name>[a-z0-9_-]+)(?:@(?P<revision>\d{1,9}))?")


@dataclass(frozen=True, slots=True)
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
        faults.add(path, f"there is no such preset{hint(text.partition('@')[0], preset_names())}")
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
    folder = resources.files("gateway").joinpath("presets")
    return {
        file.name.removesuffix(".toml"): file.read_text("utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
