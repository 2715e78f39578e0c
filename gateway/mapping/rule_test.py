"""Tests of a target's rules: what a resource is expected to become, and what differs from that. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.scim.difference import compare
from gateway.scim.names import get
from gateway.values import frozen

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@frozen
class RuleTest:
    """A resource, and what a target is expected to get of it; None: whatever it is."""

    name: str
    path: str  # its TOML path
    input: Mapping[str, Any]
    form: Mapping[str, Any] | None = None
    held: tuple[str, ...] | None = None
    dropped: tuple[str, ...] | None = None
    problems: tuple[str, ...] | None = None  # the paths that are refused


@frozen
class Mismatch:
    """What is not as a test expects."""

    path: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.path}: expected {_said(self.expected)}, got {_said(self.got)}"


class Word(str):
    """What became of a value, told as it is and not in quotes."""

    __slots__ = ()


def mismatches(test: RuleTest, explanation: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Yield what of an explanation, in the form of `explain --format json`, is not as a test expects."""
    refused = {one["path"]: f"refused: {one['reason']}" for one in explanation["problems"]}
    wanted = dict.fromkeys(test.problems or (), "refused")
    yield from _fates(wanted, refused, "accepted")
    for fate in ("held", "dropped"):
        if (paths := getattr(test, fate)) is not None and not (refused and not wanted):
            yield from _fates(
                dict.fromkeys(paths, fate), dict.fromkeys(explanation[fate], fate), f"not {fate}"
            )
    if test.form is None or refused:
        return
    form = dict(explanation["resource"] or {})
    if get(test.form, "active") is None and get(test.input, "active") is None:
        form.pop("active", None)  # as for everybody of whom nothing else is said
    for difference in compare(test.form, form):
        yield Mismatch(difference.path, difference.before, difference.after)


def _fates(wanted: Mapping[str, str], found: Mapping[str, str], otherwise: str) -> Iterator[Mismatch]:
    yield from (
        Mismatch(path, Word(fate), Word(otherwise)) for path, fate in wanted.items() if path not in found
    )
    yield from (
        Mismatch(path, Word(otherwise), Word(fate)) for path, fate in found.items() if path not in wanted
    )


def _said(value: Any) -> str:
    if value is None:
        return "nothing"
    return str(value) if isinstance(value, Word) else orjson.dumps(value).decode()


def as_test(resource: Mapping[str, Any], explanation: Mapping[str, Any]) -> str:
    """Return the test that expects of a resource what its explanation says, as TOML to paste."""
    table = f"targets.{explanation['target']}.tests"
    given = {name: value for name, value in resource.items() if name.casefold() != "password"}
    paths = {
        "held": explanation["held"],
        "dropped": explanation["dropped"],
        "problems": list(dict.fromkeys(problem["path"] for problem in explanation["problems"])),
    }
    lines = [f"[[{table}]]", f"name = {_inline(_name_of(given))}"]
    lines += [f"{key} = {_inline(found)}" for key, found in paths.items() if found]
    lines += ["", f"[{table}.input]", *toml_pairs(given)]
    if not explanation["problems"]:
        form = {name: value for name, value in (explanation["resource"] or {}).items() if name != "schemas"}
        lines += ["", f"[{table}.form]", *toml_pairs(form)]
    return "\n".join(lines)


def _name_of(resource: Mapping[str, Any]) -> str:
    name = get(resource, "userName")
    return name if isinstance(name, str) else "somebody"


def toml_pairs(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of a table with their values, as TOML, which has no null: that means absent."""
    for name, value in table.items():
        if value is not None:
            yield f"{name if _BARE.fullmatch(name) else _text(name)} = {_inline(value)}"


def _inline(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case Mapping():
            return f"{{ {', '.join(toml_pairs(value))} }}" if value else "{}"
        case Sequence():
            return f"[{', '.join(_inline(item) for item in value if item is not None)}]"
        case bool():
            return str(value).lower()
    return repr(value)


def _text(value: str) -> str:
    """Return a text in quotes: as JSON has it, but for the one sign that TOML escapes and JSON does not."""
    return orjson.dumps(value).decode().replace("\x7f", "\\u007f")
