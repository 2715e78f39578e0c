"""Which rule a difference belongs to. Pure."""

from typing import Any

from gateway.scim.difference import Difference, Selector, Step
from gateway.scim.names import CORE_USER
from gateway.scim.paths import Place, is_match


def covers(where: Place, difference: Difference) -> bool:
    """Say whether a place points into what a difference changes."""
    steps = difference.steps
    if where.urn is not None and where.urn != CORE_USER:
        if not _is(steps[0], where.urn):
            return False
        steps = steps[1:]
    if not steps:
        return True
    return _is(steps[0], where.attribute) and _covers_rest(where, steps[1:], difference)


def _covers_rest(where: Place, rest: tuple[Step, ...], difference: Difference) -> bool:
    if rest and isinstance(rest[0], Selector):
        if not _picks(where, rest[0], difference if len(rest) == 1 else None):
            return False
        rest = rest[1:]
    return not rest or where.sub is None or _is(rest[0], where.sub)


def _picks(where: Place, selector: Selector, element: Difference | None) -> bool:
    if where.where is None:
        return True
    if element is not None:
        return any(is_match(side, where.where) for side in (element.before, element.after))
    named = [value for name, value in where.where if name.casefold() == selector.name.casefold()]
    return not named or is_match({selector.name: selector.value}, ((selector.name, named[0]),))


def _is(step: Any, name: str) -> bool:
    return isinstance(step, str) and step.casefold() == name.casefold()
