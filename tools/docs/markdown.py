"""Values of the configuration as Markdown."""

import json
import re
from collections.abc import Iterable
from typing import Any


def code(value: Any) -> str:
    """Return a value as the configuration has it, for a cell."""
    return f"`{toml(value)}`".replace("|", r"\|")


def words(values: Iterable[str]) -> str:
    """Return a choice between texts."""
    return ", ".join(code(value) for value in values)


def toml(value: Any) -> str:
    """Return a value in TOML; what cannot be seen is escaped."""
    match value:
        case dict():
            pairs = (f"{_key(name)} = {toml(inner)}" for name, inner in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case str() if '"' in value and "'" not in value:
            return f"'{value}'"
        case _:
            return visible(value)


def visible(value: Any) -> str:
    """Return a value in JSON; what cannot be seen is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def grid(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(titles), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else visible(name)
