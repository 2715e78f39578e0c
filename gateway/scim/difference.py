"""What differs between two documents, attribute by attribute, and laying that over a third. Pure."""

from bisect import insort
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, groupby
from operator import ne
from typing import Any, Final, NamedTuple

from gateway.scim.names import ENTERPRISE_USER, key_of
from gateway.values import frozen

NOT_COMPARED: Final = frozenset({"schemas", "id", "meta", "groups", "password"})  # not a provider's to see
SHORT: Final = "@"  # stands for the following in the path of a label
ENTERPRISE: Final = f"{ENTERPRISE_USER}:"

Label = str | list[Any]
Parts = tuple[str | int, int | None, int | None, str | None]  # path, before, after, rule; int: of a value


@frozen
class Selector:
    """Picks the element of a list that has this value in this sub-attribute."""

    name: str
    value: Any

    def __str__(self) -> str:
        literal = str(self.value).lower() if isinstance(self.value, bool) else f'"{self.value}"'
        return f"[{self.name} eq {literal}]"


Step = str | Selector


@frozen
class Difference:
    """One attribute, sub-attribute or element that differs; `before` or `after` is None where absent."""

    steps: tuple[Step, ...]
    before: Any
    after: Any

    @property
    def path(self) -> str:
        """The path as an administrator writes it: phoneNumbers[type eq "work"].value."""
        return path_text(self.steps)

    @property
    def picks_by_value(self) -> bool:
        """Whether the path itself holds a value of the resource."""
        return any(isinstance(step, Selector) and step.name == "value" for step in self.steps)

    @property
    def op(self) -> str:
        """add, replace or remove, as in PATCH."""
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "replace"


class Line(NamedTuple):
    """A difference as the audit trail tells it: both values are personal, the path where it holds one."""

    path: str
    before: Any
    after: Any
    rule: str | None = None  # the label of the one that wrote it
    personal_path: bool = False


@dataclass(slots=True)
class Lines:
    """A label for each line, and the personal values of all in their order.

    What is only there afterwards, as all of a newcomer is, has its path as its label, or [path, rule]: its
    value is the next one. Any other label is [path, before, after, rule], with numbers for personal values.
    """

    labels: list[Label] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "Lines":
        """Return lines as they are kept."""
        kept = cls()
        for line in lines:
            kept.add(line)
        return kept

    def add(self, line: Line) -> None:
        """Add a line."""
        path, before, after, rule, personal_path = line
        if before is None and after is not None and not personal_path and not path.startswith(SHORT):
            path = f"{SHORT}{path[len(ENTERPRISE) :]}" if path.startswith(ENTERPRISE) else path
            self.labels.append(path if rule is None else [path, rule])
            self.values.append(after)
            return
        parts: list[Any] = [path, None, None, rule]
        for at, value in enumerate((path if personal_path else None, before, after)):
            if value is not None:
                parts[at] = len(self.values)
                self.values.append(value)
        self.labels.append(parts)


def parts_of(labels: Iterable[Label]) -> Iterator[Parts]:
    """Yield what each label says."""
    number = 0  # of the next value
    for label in labels:
        match label:
            case str(path):
                parts: Any = (_whole(path), None, number, None)
            case [path, rule]:
                parts = (_whole(path), None, number, rule)
            case _:
                parts = label
        number += sum(isinstance(part, int) for part in parts)
        yield parts


def _whole(path: str) -> str:
    return f"{ENTERPRISE}{path[len(SHORT) :]}" if path.startswith(SHORT) else path


def path_text(steps: Sequence[Step]) -> str:
    """Return steps as a path in RFC 7644 notation."""
    text = ""
    for step in steps:
        if isinstance(step, Selector):
            text += str(step)
        else:
            joint = "" if not text else ":" if text == steps[0] and ":" in text else "."
            text += joint + step
    return text


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what must be done to `before` to have `after`, in a stable order."""
    if before == after:
        return ()
    return tuple(
        difference
        for name, old, new in _changed(before, after)
        if name not in NOT_COMPARED
        for difference in _compare_values((name,), old, new)
    )


def overlay(base: Mapping[str, Any], differences: Iterable[Difference]) -> dict[str, Any]:
    """Return `base` with the differences laid over it; what they do not name stays."""
    result: dict[str, Any] = _lay(base, [(one.steps, one.after) for one in differences])
    return result


def _compare_objects(
    prefix: tuple[Step, ...], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for name, old, new in _changed(before, after):
        yield from _compare_values((*prefix, name), old, new)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each name whose values differ, with both."""
    names = {**before, **after}
    for name in compress(names, map(ne, map(before.get, names), map(after.get, names))):
        yield name, before.get(name), after.get(name)


def _compare_values(steps: tuple[Step, ...], old: Any, new: Any) -> Iterator[Difference]:
    if _is_object(old) and _is_object(new) and (old or new):
        yield from _compare_objects(steps, old or {}, new or {})
    elif (by := key_of_elements(*(value for value in (old, new) if value is not None))) is not None:
        yield from _compare_elements(steps, by, old or [], new or [])
    else:
        yield Difference(steps, old, new)


def _compare_elements(
    steps: tuple[Step, ...], by: str, old: Sequence[Any], new: Sequence[Any]
) -> Iterator[Difference]:
    olds = {element[by]: element for element in old}
    news = {element[by]: element for element in new}
    for key in dict.fromkeys((*olds, *news)):
        here = (*steps, Selector(by, key))
        if key in olds and key in news:
            yield from _compare_objects(here, olds[key], news[key])
        else:
            yield Difference(here, olds.get(key), news.get(key))


def key_of_elements(*lists: Any) -> str | None:
    """Return the sub-attribute that names the elements of all these lists, or None where none does."""
    for name in ("type", "value"):
        for elements in lists:
            if not _is_named_by(name, elements):
                break
        else:
            return name
    return None


def _is_named_by(name: str, elements: Any) -> bool:
    if not isinstance(elements, list):
        return False
    keys = set()
    for element in elements:
        key = element.get(name) if isinstance(element, dict) else None
        if not isinstance(key, str):
            return False
        keys.add(key.casefold())
    return len(keys) == len(elements)


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


_Laid = tuple[Sequence[Step], Any]  # where, and the value there


def _lay(holder: Any, changes: Iterable[_Laid]) -> Any:
    """Return what a place holds once the changes are made in it, one after another."""
    for kind, some in groupby(changes, _kind_of_step):
        if kind is Selector:
            holder = _lay_elements(holder if isinstance(holder, list) else [], some)
        elif kind is str:
            holder = _lay_attributes(holder if isinstance(holder, dict) else {}, some)
        else:
            *_, (_, holder) = some
    return holder


def _kind_of_step(change: _Laid) -> type | None:
    steps = change[0]
    return None if not steps else Selector if isinstance(steps[0], Selector) else str


def _first_step(change: _Laid) -> Step:
    return change[0][0]


def _rest(changes: Iterable[_Laid]) -> list[_Laid]:
    return [(steps[1:], value) for steps, value in changes]


def _lay_attributes(document: Mapping[str, Any], changes: Iterable[_Laid]) -> dict[str, Any]:
    result = dict(document)
    for name, some in groupby(changes, _first_step):
        key = key_of(result, str(name)) or str(name)
        inner = _lay(result.get(key), _rest(some))
        if inner in (None, {}, []):
            result.pop(key, None)
        else:
            result[key] = inner
    return result


def _lay_elements(elements: Sequence[Any], changes: Iterable[_Laid]) -> list[Any]:
    """Return a list with its elements changed; each is found without a search."""
    result = list(elements)
    places: _Places = {}
    for selector, some in groupby(changes, _first_step):
        assert isinstance(selector, Selector)
        at, rest = _place(result, selector, places), _rest(some)
        if at is None:
            rest = [change for change in rest if change != ((), None)]
            if all(value is None for _, value in rest):
                continue
            at, before, after = len(result), None, _lay({selector.name: selector.value}, rest)
            result.append(None)
        else:
            before, after = result[at], _lay(result[at], rest) or _GONE
        result[at] = after
        _note_place(places, at, before, after)
    return [element for element in result if element is not _GONE]


_GONE: Final = object()
_Places = dict[str, dict[Any, list[int]]]  # of elements: by sub-attribute and its folded value, in order


def _place(elements: Sequence[Any], selector: Selector, places: _Places) -> int | None:
    """Return where the first element is that a selector picks."""
    if selector.name not in places:
        known = places[selector.name] = {}
        for at, element in enumerate(elements):
            _note_place({selector.name: known}, at, None, element)
    found = places[selector.name].get(_folded(selector.value))
    return found[0] if found else None


def _note_place(places: _Places, at: int, before: Any, after: Any) -> None:
    """Note what is at a place now."""
    for name, known in places.items():
        old, new = _key(before, name), _key(after, name)
        if old != new:
            if old is not None:
                known[old].remove(at)
            if new is not None:
                insort(known.setdefault(new, []), at)


def _key(element: Any, name: str) -> Any:
    key = _folded(element.get(name)) if isinstance(element, dict) else None
    return key if isinstance(key, Hashable) else None


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
