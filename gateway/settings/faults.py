"""Every fault of a configuration, each with its TOML path and in a user's words. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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


_TOKEN: Final = re.compile(
    r"""(?P<text>\"{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
    r"""|(?P<comment>\#[^\n]*)|(?P<bare>[^\s\[\]{}=,.\#"']+)|(?P<mark>[\[\]{}=,.\n])""",
    re.DOTALL,
)


_LAST: Final = re.compile(r"""(?:\[\d+\]|\.[A-Za-z0-9_-]+|\."[^"]*")$""")  # of a path


class TomlLines:
    """The line of every table, element of a list and, apart, key in a text that is TOML, by its path."""

    def __init__(self, text: str) -> None:
        self.found: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self._table = ""  # the path that keys are below
        self._keys: list[str] = []  # of a key or a heading, as far as it was read
        self._counts: dict[str, int] = {}  # the tables of a list of tables so far
        self._value = ""  # the path of the key whose value is read
        self._open: list[_Bracket] = []
        line = 1
        for token in _TOKEN.finditer(text):
            kind, said = str(token.lastgroup), token.group()
            if kind == "mark":
                self._mark(said, line)
            elif kind != "comment":
                self._word(said, line)
            line += said.count("\n")

    def nearest(self, path: str) -> int | None:
        """Return the line of a path, else of what it is in, None where nothing of it is written."""
        lines = self.keys | self.found
        while path not in lines:
            if (shorter := _LAST.sub("", path)) == path:
                return None
            path = shorter
        return lines[path]

    def _word(self, said: str, line: int) -> None:
        inner = self._open[-1] if self._open else None
        if inner is None or inner.is_heading or inner.mark == "{":
            self._keys.append(said.strip("\"'") if said[0] in "\"'" else said)
        else:
            self._begin(inner, line)

    def _begin(self, inner: "_Bracket", line: int) -> None:
        """Note an element of a list that begins here."""
        if inner.is_between:
            inner.is_between = False
            inner.path, inner.count = at(inner.whole, inner.count), inner.count + 1
            self.found[inner.path] = line

    def _mark(self, mark: str, line: int) -> None:
        inner = self._open[-1] if self._open else None
        match mark:
            case "[" | "{":
                self._enter(mark, inner, line)
            case "]" | "}" if inner is not None:
                self._open.pop()
                if inner.is_heading and self._open:
                    return
                if inner.is_heading:
                    self._head(inner.is_double, line)
                self._keys = []
            case "=" if inner is None or inner.mark == "{":
                holder = inner.path if inner is not None else self._table
                self._value, self._keys = at(holder, *self._keys), []
                self.keys.setdefault(self._value, line)
            case "," if inner is not None:
                inner.is_between, self._keys = True, []
            case "\n" if inner is None:
                self._value, self._keys = "", []

    def _enter(self, mark: str, inner: "_Bracket | None", line: int) -> None:
        if inner is not None and inner.is_heading:
            inner.is_double = True
            self._open.append(_Bracket(mark, "", is_heading=True, is_double=True))
        elif inner is None and not self._value:
            self._open.append(_Bracket(mark, "", is_heading=True))
        elif inner is not None and inner.mark == "[":
            self._begin(inner, line)
            self._open.append(_Bracket(mark, inner.path))
        else:
            self._open.append(_Bracket(mark, self._value))

    def _head(self, is_double: bool, line: int) -> None:
        """Take a heading: what is below a list of tables is in the last one so far."""
        path = ""
        for key in self._keys[:-1]:
            path = at(path, key)
            path = at(path, self._counts[path] - 1) if path in self._counts else path
        path = at(path, *self._keys[-1:])
        if is_double:
            number = self._counts[path] = self._counts.get(path, 0) + 1
            path = at(path, number - 1)
        elif path in self._counts:
            path = at(path, self._counts[path] - 1)
        self.found[path] = line
        self._table = path


@dataclass(slots=True)
class _Bracket:
    """A bracket that is open."""

    mark: str
    path: str  # of the table, or of the element of a list that is read
    is_heading: bool = False
    is_double: bool = False
    is_between: bool = True  # the next thing begins an element
    count: int = 0
    whole: str = field(init=False)  # the path of a list

    def __post_init__(self) -> None:
        self.whole = self.path


class Faults:
    """Collects faults, of which the first one at a path stands, and warnings."""

    def __init__(
        self,
        place: Callable[[str], str] = lambda path: "",
        line: Callable[[str], str] = lambda path: "",
    ) -> None:
        """`place` says where a rule or a test is in the file, `line` where anything with a fault is.

        A warning is told at every start, and its path is enough.
        """
        self._found: dict[str, str] = {}
        self._warnings: dict[str, str] = {}
        self._place = place
        self._line = line

    @property
    def count(self) -> int:
        return len(self._found)

    @property
    def found(self) -> Mapping[str, str]:
        """The faults by their paths."""
        return self._found

    @property
    def doubts(self) -> Mapping[str, str]:
        """The warnings by their paths."""
        return self._warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(str(Fault(path, reason, self._place(path))) for path, reason in self._warnings.items())

    def name(self, path: str) -> str:
        """Return a path with its place, to name it in a sentence."""
        place = self._place(path)
        return f"{path} ({place})" if place else path

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
            places = {path: self._place(path) or self._line(path) for path in self._found}
            found = [Fault(path, reason, places[path]) for path, reason in self._found.items()]
            raise ConfigError(found, self.warnings)


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


def unknown(what: str, word: str, known: Iterable[str], meant: str | None = None) -> str:
    """Return the sentence for a name that nothing has; `meant`: the part of it that is looked for."""
    return f'there is no {what} "{word[:80]}"{hint(meant or word, known)}'


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
