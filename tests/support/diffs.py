"""The lines of a diff as they were before they were kept."""

from typing import Any

from gateway.scim.difference import Line, Lines, parts_of


def lines_in(kept: Lines) -> list[Line]:
    """Return each line with its values in place."""
    found = []
    for path, *numbers, rule in parts_of(kept.labels):
        before, after = (None if number is None else kept.values[number] for number in numbers)
        is_personal = isinstance(path, int)
        whole: Any = kept.values[path] if is_personal else path
        found.append(Line(whole, before, after, rule, is_personal))
    return found
