"""Which rule writes what of a target's form, and a new entry told attribute by attribute. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.mapping.places import SINGLE
from gateway.mapping.rules import Rule, covers
from gateway.scim.difference import (
    ENTERPRISE,
    NOT_COMPARED,
    SHORT,
    Difference,
    Label,
    Line,
    Lines,
    Selector,
    Step,
    compare,
    key_of_elements,
)
from gateway.scim.names import CORE_USER, ENTERPRISE_USER, RESOURCES


class RuleIndex:
    """The rules by what they write."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules: dict[str, list[Rule]] = {}  # by the folded name at the top of a document, the last first
        for rule in reversed(rules):
            urn = None if rule.to.urn == CORE_USER else rule.to.urn
            self._rules.setdefault((urn or rule.to.attribute).casefold(), []).append(rule)
        usual = {known.name for kind in RESOURCES.values() for known in kind.sub.values()}
        named = {rule.to.attribute for rule in rules if rule.to.urn is None}
        self._labels = {name: self._label(name) for name in (usual | named) - NOT_COMPARED}

    def rule_of(self, difference: Difference) -> Rule | None:
        """Return the rule that writes what differs, the last one where several do."""
        rules = self._rules.get(str(difference.steps[0]).casefold(), ())
        return next((rule for rule in rules if covers(rule.to, difference)), None)

    def line(self, difference: Difference) -> Line:
        """Return a difference as the audit trail tells it."""
        rule = self.rule_of(difference)
        path, label = difference.path, rule.label if rule else None
        return Line(path, difference.before, difference.after, label, difference.picks_by_value)

    def lines(self, form: Mapping[str, Any]) -> Lines:
        """Return all that a new entry has, as `compare` tells it of a target without one."""
        lines = Lines()
        known, tell, keep = self._labels, lines.labels.append, lines.values.append
        for name, value in form.items():
            label = known.get(name)
            if label is None:
                self._tell_unknown(lines, name, value)
            elif value.__class__ in SINGLE:
                tell(label)
                keep(value)
            elif value is not None:
                self._tell(lines, name, value)
        return lines

    def _label(self, name: str) -> Label:
        """Return the label of all of an attribute."""
        rules = self._rules.get(name.casefold())
        return [name, rules[0].label] if rules else name

    def _tell(self, lines: Lines, name: str, value: Any) -> None:
        """Add the lines of an attribute."""
        rules = self._rules.get(name.casefold(), ())
        if isinstance(value, list):
            _tell_elements(lines, name, (name,), value, rules)
        elif isinstance(value, dict) and value:
            prefix = SHORT if name == ENTERPRISE_USER else f"{name}:" if ":" in name else f"{name}."
            _tell_object(lines, prefix, (name,), value, rules)
        else:
            lines.labels.append(self._label(name))
            lines.values.append(value)

    def _tell_unknown(self, lines: Lines, name: str, value: Any) -> None:
        """Add the lines of an attribute that neither the standard nor a rule names."""
        if value is None or name in NOT_COMPARED:
            return
        if name and not name.startswith((SHORT, ENTERPRISE)):
            self._tell(lines, name, value)
            return
        for difference in compare({}, {name: value}):  # its path may look as if it were short
            lines.add(self.line(difference))


def _tell_object(
    lines: Lines, prefix: str, steps: tuple[Step, ...], value: Mapping[str, Any], rules: Sequence[Rule]
) -> None:
    """Add the lines of an object; `rules` are those that may have written it."""
    for name, inner in value.items():
        if inner is None:
            continue
        here = prefix + name
        if isinstance(inner, dict) and inner:
            _tell_object(lines, f"{here}.", (*steps, name), inner, rules)
        elif isinstance(inner, list):
            _tell_elements(lines, here, (*steps, name), inner, rules)
        else:
            rule = _rule_of(rules, (*steps, name), inner) if rules else None
            lines.labels.append(here if rule is None else [here, rule])
            lines.values.append(inner)


def _tell_elements(
    lines: Lines, path: str, steps: tuple[Step, ...], value: Sequence[Any], rules: Sequence[Rule]
) -> None:
    """Add the lines of a list: one for each element where something names them."""
    labels, values = lines.labels, lines.values
    first = rules[0] if rules else None
    is_its = first is None or (len(steps) == 1 and first.to.urn is None and first.to.where is None)
    rule = None if first is None else first.label  # of all elements if `is_its`
    by = key_of_elements(value)
    if by is None:
        rule = rule if is_its else _rule_of(rules, steps, value)
        labels.append(path if rule is None else [path, rule])
        values.append(value)
        return
    for element in value:
        key = element[by]
        rule = rule if is_its else _rule_of(rules, (*steps, Selector(by, key)), element)
        here = f'{path}[{by} eq "{key}"]'
        if by == "value":
            number = len(values)
            whole = f"{ENTERPRISE}{here[len(SHORT) :]}" if here.startswith(SHORT) else here
            labels.append([number, None, number + 1, rule])
            values.extend((whole, element))
        else:
            labels.append(here if rule is None else [here, rule])
            values.append(element)


def _rule_of(rules: Sequence[Rule], steps: tuple[Step, ...], value: Any) -> str | None:
    """Return the label of the first rule that writes a value, which was not there before."""
    for rule in rules:
        to = rule.to
        is_all = to.urn is None and to.sub is None and to.where is None
        if is_all or covers(to, Difference(steps, None, value)):
            return rule.label
    return None
