"""The mapping of one target as somebody tries it: TOML that never becomes the configuration.

No secret is looked up, and no file is read but the tables that the configuration has in files itself.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gateway.mapping.rule_test import toml_pairs
from gateway.settings.faults import Faults, TomlLines, at, hint
from gateway.settings.model import Settings, TargetSettings
from gateway.settings.rules import Same, TableFiles
from gateway.settings.secrets import Secrets
from gateway.settings.tables import is_in_file
from gateway.settings.targets import World, load_target
from gateway.values import frozen

LONGEST: Final = 64 * 1024  # characters
MOST_RULES: Final = 200
MOST_COMPARED: Final = 30  # rules with conditions: each is compared with each other, for people made up
PLAIN: Final = ("region", "unlisted", "require", "scope", "options")
MAPPING: Final = (*PLAIN, "offices", "rules")  # the keys that say what a person becomes
NO_FILES: Final = "no file is read for a trial but those that the configuration itself has its tables in"
NOT_HERE: Final = "is not tried here: only {}"

_TOML_FAULT: Final = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|.*)\)", re.DOTALL)


@frozen
class Note:
    """A fault of what is tried, or what is doubtful about it."""

    line: int | None  # None: nothing of it is written
    path: str
    reason: str


@frozen
class Tryout:
    """What somebody tries, read."""

    target: TargetSettings | None  # None: it has faults
    faults: tuple[Note, ...] = ()
    doubts: tuple[Note, ...] = ()


def written_mapping(settings: Settings, name: str) -> str:
    """Return the mapping of a target as the configuration in force has it, as TOML to edit."""
    own, here = _own(settings, name), at("targets", name)
    rules, offices = own.get("rules", []), own.get("offices", {})
    plain = {key: own[key] for key in PLAIN if key in own}
    if is_in_file(offices):
        plain, offices = plain | {"offices": offices}, {}
    parts = [[f"[{here}]", *toml_pairs(plain)]] if plain else []
    parts += [[f"[{here}.offices]", *toml_pairs(offices)]] if offices else []
    parts += [[f"[[{here}.rules]]", *toml_pairs(rule)] for rule in rules]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def read_draft(settings: Settings, name: str, text: str) -> Tryout:
    """Return what a target would be with this mapping in place of its own, or every fault of it."""
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST:
        return Tryout(None, (Note(None, at("targets", name), f"is longer than {LONGEST} characters"),))
    try:
        raw = tomllib.loads(text)
        lines = TomlLines(text)
        faults = Faults()
        tried = _tried(raw, name, faults)
        if faults.count:
            return Tryout(None, tuple(_notes(faults.found, lines)))
        return _read(settings, name, tried, lines)
    except RecursionError:
        return Tryout(None, (Note(None, at("targets", name), "is nested too deep"),))
    except ValueError as error:  # TOMLDecodeError, or a number of thousands of digits
        found = _TOML_FAULT.fullmatch(str(error))
        if found is None:
            return Tryout(None, (Note(None, "TOML", str(error)),))
        line = int(found["line"] or text.count("\n") + 1)  # it was read to its end without
        return Tryout(None, (Note(line, "TOML", found["what"]),))


def _tried(raw: Mapping[str, Any], name: str, faults: Faults) -> dict[str, Any]:
    """Return the mapping that a text has; anything else in it is a fault."""
    here, keys = at("targets", name), ", ".join(MAPPING)
    tables = raw.get("targets", {})
    for key in raw.keys() - {"targets"}:
        faults.add(at("", key), NOT_HERE.format(f"{keys} of {here}"))
    if not isinstance(tables, dict):
        faults.add("targets", "must be a table: {…}")
        return {}
    for key in tables.keys() - {name}:
        faults.add(at("targets", key), NOT_HERE.format(f"{keys} of {here}"))
    own = tables.get(name, {})
    if not isinstance(own, dict):
        faults.add(here, "must be a table: {…}")
        return {}
    for key in own.keys() - set(MAPPING):
        faults.add(at(here, key), NOT_HERE.format(keys) + hint(key, MAPPING))
    if isinstance(rules := own.get("rules"), list) and len(rules) > MOST_RULES:
        faults.add(at(here, "rules", MOST_RULES), f"more than {MOST_RULES} rules are not tried here")
    return own


def _read(settings: Settings, name: str, tried: Mapping[str, Any], lines: TomlLines) -> Tryout:
    own = {key: value for key, value in _own(settings, name).items() if key != "auth"}
    rest = {key: value for key, value in own.items() if key not in MAPPING}
    found, read = _loaded(settings, name, {**rest, **tried}, own)
    here = tuple(at("targets", name, key) for key in MAPPING)
    faults = read.found
    if not all(path.startswith(here) for path in faults):
        # such as that a target needs credentials, which nobody looks up here
        before = _loaded(settings, name, own, own)[1].found
        faults = {
            path: reason for path, reason in faults.items() if path.startswith(here) or path not in before
        }
    doubts = {path: reason for path, reason in read.doubts.items() if path.startswith(here)}
    target = None
    if found is not None and not faults:
        made = {key: getattr(found, key) for key in MAPPING}
        known = settings.targets[name]
        target = replace(known, **made, rest=found.rest or known.rest)
    return Tryout(target, tuple(_notes(faults, lines)), tuple(_notes(doubts, lines)))


def _loaded(
    settings: Settings, name: str, table: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[TargetSettings | None, Faults]:
    """Read a target's table; the files of tables that `own` has may be read."""
    assert settings.source is not None
    base, faults = settings.source.path.parent, Faults()
    rules = table["rules"] if isinstance(table.get("rules"), list) else []
    conditional = sum(isinstance(rule, dict) and "when" in rule for rule in rules)
    world = World(
        base,
        (settings.targets[name].connector,),
        faults,
        Secrets(base, faults, make_tokens=False, read=False),
        _KnownFiles(base, faults, list(_tables_in_files(own))),
        looks_over=conditional <= MOST_COMPARED,
    )
    return load_target(name, dict(table), world), faults


def _own(settings: Settings, name: str) -> Mapping[str, Any]:
    """Return a target's table as the configuration in force has it."""
    assert settings.source is not None
    own: Mapping[str, Any] = tomllib.loads(settings.source.content.decode("utf-8-sig"))["targets"][name]
    return own


def _tables_in_files(own: Mapping[str, Any]) -> Iterator[object]:
    entries = (entry for rule in own.get("rules", ()) for entry in rule.get("via", ()))
    tables = (entry.get("table") for entry in entries if isinstance(entry, dict))
    yield from filter(is_in_file, (own.get("offices"), *tables))


class _KnownFiles(TableFiles):
    """Reads tables from files that are known, and from no other."""

    def __init__(self, base: Path, faults: Faults, known: Sequence[object]) -> None:
        super().__init__(base, faults)
        self._known = known

    def rows(
        self,
        raw: object,
        path: str,
        most: int = 2,
        check: Callable[[Sequence[str]], object] = tuple,
        same: Same = str,
    ) -> Mapping[str, Sequence[str]]:
        """Return what a known file has; for any other there is a fault, whether or not it is there."""
        if raw in self._known:
            return super().rows(raw, path, most, check, same)
        self._faults.add(at(path, "file"), NO_FILES)
        return {}


def _notes(found: Mapping[str, str], lines: TomlLines) -> Iterator[Note]:
    """Yield what was found by its lines, in their order."""
    notes = [Note(lines.nearest(path), path, reason) for path, reason in found.items()]
    yield from sorted(notes, key=lambda note: note.line or 0)
