"""A target's rules: the preset's and the file's, merged and compiled; and tables in files of their own."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.mapping.precedence import TargetKey, target_key
from gateway.mapping.rules import Rule
from gateway.mapping.specs import Office, Transform, is_json
from gateway.mapping.tables import fold_width
from gateway.mapping.transforms import BadTransform, compile_transform
from gateway.scim.paths import Place, place
from gateway.scim.predicate import predicate
from gateway.settings.faults import Faults, at, hint, parts, read
from gateway.settings.fields import read_path
from gateway.settings.model import Stamp
from gateway.settings.presets import Preset
from gateway.settings.rule_check import WrittenRule
from gateway.settings.secrets import read_content
from gateway.settings.tables import FileTable, is_in_file
from gateway.settings.target_tables import RuleTable
from gateway.users import why

ANYWHERE: Final = "*:"
LARGEST: Final = 4 * 1024 * 1024  # bytes of a table's file
MOST_TOLD: Final = 10  # lines of it that are wrong
DELIMITERS: Final = ("\t", ";", ",")
Same = Callable[[str], str]  # what makes of a key that by which it is compared
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")  # as spreadsheets write "Unicode text"


class TableFiles:
    """Reads tables of two columns or more from CSV files beside the configuration."""

    def __init__(self, base: Path, faults: Faults) -> None:
        self._base = base
        self._faults = faults
        self.files: dict[Path, Stamp] = {}  # that were read
        self._digests: list[bytes] = []  # of their contents

    def digest(self, of_configuration: str) -> str:
        """Return the SHA-256, in hex, of a configuration with these files: without any, its own."""
        if not self._digests:
            return of_configuration
        return hashlib.sha256(bytes.fromhex(of_configuration) + b"".join(self._digests)).hexdigest()

    def rows(
        self,
        raw: object,
        path: str,
        most: int = 2,
        check: Callable[[Sequence[str]], object] = tuple,
        same: Same = str,
    ) -> Mapping[str, Sequence[str]]:
        """Return each first cell with those behind it, up to `most` in all; the first two are never empty.

        `check` raises ValueError for a row that cannot be used; so are two whose first cells are the `same`.
        """
        table = read(FileTable, raw, path, self._faults)
        if table is None:
            return {}
        columns = table.columns
        if columns is not None and not 2 <= len(columns) <= most:
            self._faults.add(
                at(path, "columns"), f"must name {' or '.join(map(str, range(2, most + 1)))} columns"
            )
            return {}
        try:
            return _picked(self._lines(table.file), columns, most, check, same)
        except ValueError as error:
            self._faults.add(at(path, "file"), f"{table.file}: {error}")
            return {}

    def _lines(self, name: str) -> list[tuple[int, list[str]]]:
        """Return the cells of each line that has any, with its number."""
        try:
            content = read_content(self._base / name, LARGEST + 1, self.files)
        except OSError as error:
            raise ValueError(f"the file cannot be read: {why(error, self._base / name)}") from error
        if len(content) > LARGEST:
            raise ValueError(f"the file is larger than {LARGEST // 1024 // 1024} MiB")
        self._digests.append(hashlib.sha256(content).digest())
        text = _text(content)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        try:
            numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from error
        return [(number, row) for number, row in numbered if any(row)]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: is not UTF-8 text") from error


def _delimiter(text: str) -> str:
    """Return what parts the first line that has anything into most cells."""
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    return max(DELIMITERS, key=lambda mark: len(next(csv.reader([first[:1000]], delimiter=mark), ())))


def _picked(
    lines: list[tuple[int, list[str]]],
    columns: Sequence[str] | None,
    most: int,
    check: Callable[[Sequence[str]], object],
    same: Same,
) -> Mapping[str, Sequence[str]]:
    """Return the cells that are asked for by their first; raises ValueError for all lines that are wrong."""
    places: Sequence[int] = range(most)
    if columns is not None:
        (number, titles), *lines = lines or [(1, [])]
        if missing := [name for name in columns if name not in titles]:
            told = (f"there is no column {name}{hint(name, filter(None, titles))}" for name in missing)
            raise ValueError(f"line {number}: {'; '.join(told)}")
        if twice := [name for name in columns if titles.count(name) > 1]:
            raise ValueError(f"line {number}: has several columns {', '.join(twice)}")
        places = [titles.index(name) for name in columns]
    found: dict[str, Sequence[str]] = {}
    seen: dict[str, tuple[int, str]] = {}
    wrong = []
    for number, cells in lines:
        row = [cells[place] if place < len(cells) else "" for place in places]
        try:
            _check_size(len(cells) if columns is None else most, most)
            _check_pair(row, number, seen, same)
            check(row)
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
        found[row[0]] = row[1:]
    if wrong:
        more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        raise ValueError("; ".join(wrong[:MOST_TOLD]) + more)
    if not found:
        raise ValueError("the file has no lines")
    return found


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"has {size} cells; say which are meant with `columns`")


def _check_pair(row: Sequence[str], number: int, seen: dict[str, tuple[int, str]], same: Same) -> None:
    """Note a line; raises ValueError where it has no pair of cells, or the first one of another line."""
    if not row[0] or not row[1]:
        raise ValueError("a cell is empty")
    first, spelled = seen.setdefault(same(row[0]), (number, row[0]))
    if first != number:
        but = "" if spelled == row[0] else ", as case and width do not count"
        raise ValueError(f"begins as line {first} does{but}")


def warn_of_likes(table: object, same: Same, path: str, faults: Faults) -> None:
    """Warn of keys that are the `same` and say different things."""
    first: dict[str, tuple[str, object]] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        known, said = first.setdefault(same(key), (key, value))
        if said != value:
            faults.warn(
                at(path, key),
                f"is {known} as well, as case and width do not count: other spellings mean that",
            )


Key = tuple[TargetKey, str]  # a rule's `to` and `when`, by which a later one replaces it


class Rules:
    """Compiles the rules of one target."""

    def __init__(
        self,
        offices: Mapping[str, Office],
        faults: Faults,
        files: TableFiles,
        *,
        flat: bool = False,
        excuses: bool = False,
    ) -> None:
        """`excuses`: what is required is the preset's word, which an exception of one's own overrides."""
        self._offices = offices
        self._files = files
        self._flat = flat  # the target's entries are: LDAP
        self._excuses = excuses
        self._faults = faults
        self._rules: dict[Key, Rule] = {}
        self.written: list[WrittenRule] = []  # those of the file that have no fault

    def add_preset(self, preset: Preset, options: Mapping[str, str]) -> None:
        """Begin with the preset's rules."""
        for path, table in preset.rules(options, self._faults):
            self._lay(self._compile(table, path, str(preset.pin), is_own=False), table)

    def add_written(self, written: list[Any], path: str) -> None:
        """Lay the file's rules over them: replace in place, take away, or append."""
        seen: dict[Key, str] = {}
        for index, raw in enumerate(written):
            where = at(path, index)
            if (table := read(RuleTable, raw, where, self._faults)) is None:
                continue
            before = self._faults.count
            rule = self._compile(table, where, "config")
            if (first := seen.setdefault(_key(rule.to, table), where)) != where:
                self._faults.add(at(where, "to"), f"{self._faults.name(first)} has the same `to` and `when`")
            elif table.off:
                self._take_away(rule.to, table, where)
            else:
                self._lay(rule, table)
                if self._faults.count == before:
                    self.written.append(WrittenRule(where, rule))

    def compiled(self) -> tuple[Rule, ...]:
        return tuple(self._rules.values())

    def _lay(self, rule: Rule, table: RuleTable) -> None:
        """Add a rule, or replace the preset's; one's own without a condition is for everybody."""
        self._rules[_key(rule.to, table)] = rule
        if rule.is_own and rule.when is None:
            place = target_key(rule.to)
            beaten = [key for key, other in self._rules.items() if key[0] == place and not other.is_own]
            for key in beaten:
                del self._rules[key]

    def _take_away(self, to: Place, table: RuleTable, path: str) -> None:
        if self._rules.pop(_key(to, table), None) is None:
            known = {rule.to.text for rule in self._rules.values()}
            reason = f"the preset has no rule with this `to` and `when` to turn off{hint(to.text, known)}"
            self._faults.add(at(path, "to"), reason)

    def _compile(self, table: RuleTable, path: str, source: str, *, is_own: bool = True) -> Rule:
        """Return the rule; where it has faults, what is left of it."""
        to = self._to(table.to, at(path, "to"))
        if table.default is not None and not is_json(table.default):
            self._faults.add(at(path, "default"), "must be text, a number, true, false, a list or a table")
        sources = tuple(self._sources(table.from_, at(path, "from")))
        via = tuple(self._transforms(table.via, at(path, "via")))
        return Rule(
            to=to,
            sources=tuple(map(place, sources)) or (to,),
            via=via,
            when=predicate(table.when) if table.when is not None else None,
            default=table.default,
            on_invalid=table.on_invalid,
            label=f"{source}:{to.text}",
            condition=table.when,
            is_own=is_own,
            excuses=is_own and table.when is not None and self._excuses,
        )

    def _to(self, text: str, path: str) -> Place:
        if not text:
            self._faults.add(path, "is required")
        if text.startswith(ANYWHERE):
            self._faults.add(path, "`*:` can stand in `from` only: a target needs one place")
        right = read_path(text, path, self._faults, flat=self._flat)
        return place(right) if right else Place(text, None, text, None, None)

    def _sources(self, raw: object, path: str) -> Iterator[str]:
        if isinstance(raw, list) and not raw:
            self._faults.add(path, "must not be empty")
        for where, text in parts(raw, path):
            if (source := read_path(text, where, self._faults)) is not None:
                yield source

    def _transforms(self, entries: list[Any], path: str) -> Iterator[Transform]:
        for index, entry in enumerate(entries):
            where = at(path, index)
            if not isinstance(entry, str | dict):
                self._faults.add(where, 'must be a transform\'s name, or { name = "…", … }')
                continue
            if (whole := self._with_table(entry, where)) is None:
                continue
            try:
                yield compile_transform(whole, self._offices)
            except BadTransform as error:
                for option, reason in error.faults:
                    self._faults.add(at(where, option) if option else where, reason)

    def _with_table(self, entry: str | dict[str, Any], path: str) -> str | dict[str, Any] | None:
        """Return an entry with its table, where that stands in a file; None where the file has faults."""
        if not isinstance(entry, dict):
            return entry
        table, where = entry.get("table"), at(path, "table")
        same = fold_width if entry.get("ignore_case") is True else str
        if not is_in_file(table):
            warn_of_likes(table, same, where, self._faults)
            return entry
        rows = self._files.rows(table, where, same=same)
        return {**entry, "table": {key: cells[0] for key, cells in rows.items()}} if rows else None


def _key(to: Place, table: RuleTable) -> Key:
    return target_key(to), repr(table.when)
