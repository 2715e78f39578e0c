"""Every fault of a configuration, each with its TOML path and in a user's words. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import ConfigError, Fault
from gateway.mapping.specs import nearest

T = TypeVar("T", bound=BaseModel)
R = TypeVar("R")
V = TypeVar("V")

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

PHRASES: Final[Mapping[str, str]] = {  # pydantic's error type -> our sentence
    "missing": "is required",
    "string_type": 'must be text in quotes: "…"',
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "list_type": "must be a list: […]",
    "dict_type": "must be a table: {{…}}",
    "model_type": "must be a table: {{…}}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "too_short": "must have at least one entry",
    "value_error": "{error}",
}


class Faults:
    """Collects faults, of which the first one at a path stands, and warnings."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._warnings: dict[str, str] = {}

    @property
    def count(self) -> int:
        return len(self._found)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{path}: {reason}" for path, reason in self._warnings.items())

    def add(self, path: str, reason: str) -> None:
        self._found.setdefault(path, reason)

    def warn(self, path: str, reason: str) -> None:
        self._warnings.setdefault(path, reason)

    def attempt(self, parse: Callable[[R], V], raw: R, path: str) -> V | None:
        """Return parse(raw), or None with a fault where it raises ValueError."""
        try:
            return parse(raw)
        except ValueError as error:
            self.add(path, str(error))
            return None

    def raise_all(self) -> None:
        """Raise ConfigError if there is any fault."""
        if self._found:
            raise ConfigError([Fault(path, reason) for path, reason in self._found.items()])


def at(path: str, *keys: str | int) -> str:
    """Return the TOML path of something below `path`: at("targets.a", "rules", 2) is targets.a.rules[2]."""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
            continue
        name = key if _BARE_KEY.fullmatch(key) else f'"{key[:80]!a}"'.replace("'", "")
        path = f"{path}.{name}" if path else name
    return path


def parts(raw: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield one value, or each of a list, with its TOML path; nothing for None."""
    if isinstance(raw, list):
        yield from ((at(path, index), entry) for index, entry in enumerate(raw))
    elif raw is not None:
        yield path, raw


def hint(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the nearest right word, or all of them."""
    names = sorted(known)
    if near := nearest(word, names):
        return f'; did you mean "{near}"?'
    return f"; known: {', '.join(names)}" if names else ""


def read(table: type[T], raw: object, path: str, faults: Faults) -> T | None:
    """Return the table, without the keys that had faults; None where nothing can be made of it."""
    try:
        return table.model_validate(raw)
    except ValidationError as error:
        details = error.errors()
    for detail in details:
        faults.add(at(path, *detail["loc"]), _reason(detail, table))
    wrong = {detail["loc"][0] for detail in details if detail["loc"]}
    if not isinstance(raw, dict):
        return None
    try:
        return table.model_validate({key: value for key, value in raw.items() if key not in wrong})
    except ValidationError:
        return None


def _reason(detail: ErrorDetails, table: type[BaseModel]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            known = [field.alias or name for name, field in table.model_fields.items()]
            return f"unknown key{hint(str(detail['loc'][-1]), known)}"
        case "literal_error" | "enum":
            expected = detail["ctx"]["expected"].replace("'", '"')
            return f"must be {expected}"
        case kind:
            return PHRASES.get(kind, "cannot be used here").format_map(detail.get("ctx", {}))
