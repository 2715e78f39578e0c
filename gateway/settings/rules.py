"""A target's rules: the preset's and the file's, merged and compiled. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.mapping.rules import Rule
from gateway.mapping.specs import Office, Transform, is_json
from gateway.mapping.transforms import BadTransform, compile_transform
from gateway.scim.paths import Place, place
from gateway.scim.predicate import predicate
from gateway.settings.faults import Faults, at, hint, parts, read
from gateway.settings.fields import read_path
from gateway.settings.presets import Preset
from gateway.settings.target_tables import RuleTable

ANYWHERE: Final = "*:"

Key = tuple[str, str]  # a rule's `to` and `when`, by which a later one replaces it


class Rules:
    """Compiles the rules of one target."""

    def __init__(self, offices: Mapping[str, Office], faults: Faults, *, flat: bool = False) -> None:
        self._offices = offices
        self._flat = flat  # the target's entries are: LDAP
        self._faults = faults
        self._rules: dict[Key, Rule] = {}

    def add_preset(self, preset: Preset, options: Mapping[str, str]) -> None:
        """Begin with the preset's rules."""
        for path, table in preset.rules(options, self._faults):
            self._lay(self._compile(table, path, str(preset.pin)), table)

    def add_written(self, written: list[Any], path: str) -> None:
        """Lay the file's rules over them: replace in place, take away, or append."""
        seen: dict[Key, str] = {}
        for index, raw in enumerate(written):
            where = at(path, index)
            if (table := read(RuleTable, raw, where, self._faults)) is None:
                continue
            rule = self._compile(table, where, "config")
            if (first := seen.setdefault(_key(rule.to, table), where)) != where:
                self._faults.add(at(where, "to"), f"{first} has the same `to` and `when`")
            elif table.off:
                self._take_away(rule.to, table, where)
            else:
                self._lay(rule, table)

    def compiled(self) -> tuple[Rule, ...]:
        return tuple(self._rules.values())

    def _lay(self, rule: Rule, table: RuleTable) -> None:
        self._rules[_key(rule.to, table)] = rule

    def _take_away(self, to: Place, table: RuleTable, path: str) -> None:
        if self._rules.pop(_key(to, table), None) is None:
            known = {rule.to.text for rule in self._rules.values()}
            reason = f"the preset has no rule with this `to` and `when` to turn off{hint(to.text, known)}"
            self._faults.add(at(path, "to"), reason)

    def _compile(self, table: RuleTable, path: str, source: str) -> Rule:
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
            try:
                yield compile_transform(entry, self._offices)
            except BadTransform as error:
                for option, reason in error.faults:
                    self._faults.add(at(where, option) if option else where, reason)


def _key(to: Place, table: RuleTable) -> Key:
    return repr((to.urn, to.attribute, to.where, to.sub)).casefold(), repr(table.when)
