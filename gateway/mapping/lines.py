"""Which rule writes what of a target's form, and a new entry told attribute by attribute. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.mapping.rules import Rule, covers
from gateway.scim.difference import NOT_COMPARED, Difference, Line, Selector, Step, key_of_elements
from gateway.scim.names import CORE_USER


class RuleIndex:
    """The rules by what they write."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules: dict[str, list[Rule]] = {}  # by the folded name at the top of a document, the last first
        for rule in reversed(rules):
            urn = None if rule.to.urn == CORE_USER else rule.to.urn
            self._rules.setdefault((urn or rule.to.attribute).casefold(), []).append(rule)

    def rule_of(self, difference: Difference) -> Rule | None:
        """Return the rule that writes what differs, the last one where several do."""
        rules = self._rules.get(str(difference.steps[0]).casefold(), ())
        return next((rule for rule in rules if covers(rule.to, difference)), None)

    def lines(self, form: Mapping[str, Any]) -> tuple[Line, ...]:
        """Return all that a new entry has, as `compare` tells it of a target without one."""
        lines: list[Line] = []
        for name, value in form.items():
            if value is None or name in NOT_COMPARED:
                continue
            rules = self._rules.get(name.casefold(), ())
            if isinstance(value, dict) and value:
                _tell(lines, name, (name,), value, rules)
            elif isinstance(value, list):
                _tell_elements(lines, name, (name,), value, rules)
            else:
                label = _label(rules, (name,), value) if rules else None
                lines.append(Line(name, None, value, label))
        return tuple(lines)


def _tell(
    lines: list[Line], path: str, steps: tuple[Step, ...], value: Mapping[str, Any], rules: Sequence[Rule]
) -> None:
    """Add the lines of an object at a path; `rules` are those that may have written it."""
    joint = "" if not path else ":" if ":" in path and len(steps) == 1 else "."
    for name, inner in value.items():
        if inner is None:
            continue
        here = f"{path}{joint}{name}"
        if isinstance(inner, dict) and inner:
            _tell(lines, here, (*steps, name), inner, rules)
        elif isinstance(inner, list):
            _tell_elements(lines, here, (*steps, name), inner, rules)
        else:
            lines.append(Line(here, None, inner, _label(rules, (*steps, name), inner) if rules else None))


def _tell_elements(
    lines: list[Line], path: str, steps: tuple[Step, ...], value: Sequence[Any], rules: Sequence[Rule]
) -> None:
    """Add the lines of a list: one for each element where something names them."""
    by = key_of_elements(value)
    if by is None:
        lines.append(Line(path, None, value, _label(rules, steps, value) if rules else None))
        return
    for element in value:
        key = element[by]
        label = _label(rules, (*steps, Selector(by, key)), element) if rules else None
        lines.append(Line(f'{path}[{by} eq "{key}"]', None, element, label, by == "value"))


def _label(rules: Sequence[Rule], steps: tuple[Step, ...], value: Any) -> str | None:
    """Return the label of the first rule that writes a value, which was not there before."""
    for rule in rules:
        to = rule.to
        is_all = to.urn is None and to.sub is None and to.where is None
        if is_all or covers(to, Difference(steps, None, value)):
            return rule.label
    return None
