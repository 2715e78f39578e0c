"""An entry as a row of columns and back, and as the parameters of statements of one's own. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.address import SqlCollection, SqlList
from gateway.flow.target_port import Attributes, Refused, ResourceType
from gateway.mapping.templates import ABSENT, Shape, Slot, Text, Unfit, compile_place, compile_shape
from gateway.scim.documents import is_active, truth
from gateway.scim.names import EMPTY, NAMES, get
from gateway.scim.paths import Place, read
from gateway.values import frozen

Row = Mapping[str, Any]

_TOKENS: Final = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|::|:\{([^{}]*)\}|(?<![\w:]):([A-Za-z_]\w*)", re.S
)


@frozen
class Element:
    """One element of an attribute, as its table holds it."""

    type: Any
    value: Any
    primary: bool = False


class RowForm:
    """How people, or groups, stand in a table."""

    def __init__(self, kind: ResourceType, spec: SqlCollection) -> None:
        self.kind, self.spec = kind, spec
        self.name = NAMES[kind]
        self.shapes: dict[str, Shape] = {
            column: compile_shape(text, kind) for column, text in spec.columns.items()
        }
        self._paths = dict(_paths_of(self.shapes))
        if spec.active is not None:
            self._paths.setdefault(spec.active.column, "active")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, the key first."""
        said = (self.spec.active.column,) if self.spec.active else ()
        version = (self.spec.version,) if self.spec.version else ()
        return tuple(dict.fromkeys((self.spec.id, *self.shapes, *said, *version)))

    def filled(self, form: Attributes) -> dict[str, Any]:
        """Return what each column holds of an entry, None where it has nothing; raises Refused."""
        values: dict[str, Any] = {}
        if self.kind is ResourceType.USER:
            form = {**form, "active": is_active(form)}
        for column, shape in self.shapes.items():
            try:
                found = shape.fill(form)
            except Unfit as error:
                raise Refused(str(error), 400) from error
            values[column] = None if found is ABSENT else found
        if (said := self.spec.active) is not None:
            values[said.column] = said.yes if is_active(form) else said.no
        return values

    def shown(self, row: Row, lists: Mapping[str, Iterable[Element]]) -> Attributes:
        """Return the entry that a row is, with the elements that stand elsewhere."""
        entry: Attributes = {}
        for column, shape in self.shapes.items():
            entry = shape.unfill(row[column], entry)
        entry.pop("password", None)
        if (said := self.spec.active) is not None:
            entry["active"] = row[said.column] == said.yes
        elif self.kind is ResourceType.USER:
            entry["active"] = _is_yes(entry.get("active", True))
        for name, elements in lists.items():
            if shown := [_element(self.spec.lists[name], one) for one in elements]:
                entry[name] = shown
        return {"id": str(row[self.spec.id]), **entry}

    def elements(self, name: str, form: Attributes) -> list[Element]:
        """Return what the table of an attribute holds of an entry; raises Refused."""
        found, spec = get(form, name), self.spec.lists[name]
        return [_row_of(name, spec, one) for one in (found if isinstance(found, list) else ())]

    def attribute(self, column: str) -> str:
        """Return which attribute a column holds, the column itself where it is none."""
        return self._paths.get(column, column)

    def column(self, path: str) -> str | None:
        """Return the column that holds exactly what is at a folded path."""
        return next((own for own, text in self._paths.items() if text.casefold() == path), None)

    def unsent(self, form: Attributes) -> list[str]:
        """Return the attributes of an entry that no column has."""
        named = {where.attribute.casefold() for shape in self.shapes.values() for where in shape.places()}
        urns = {where.urn for shape in self.shapes.values() for where in shape.places()}
        named |= {name.casefold() for name in self.spec.lists} | {"schemas", "id", "active"}
        return [name for name in form if name.casefold() not in named and name not in urns]


def _paths_of(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, str]]:
    for column, shape in shapes.items():
        if isinstance(shape, Slot):
            yield column, shape.place.text
        elif isinstance(shape, Text):
            yield column, " and ".join(where.text for where in shape.places())


_YES: Final = (True, 1)


def _is_yes(value: Any) -> bool:
    found = truth(value)
    return found in _YES or found == "1"


def _element(spec: SqlList, one: Element) -> Attributes:
    names = {value: name for name, value in spec.types.items()}
    shown: Attributes = {"value": one.value}
    if spec.type is not None:
        shown["type"] = names.get(one.type, one.type)
    if spec.primary is not None and _is_yes(one.primary):
        shown["primary"] = True
    return shown


def _row_of(name: str, spec: SqlList, element: Any) -> Element:
    if not isinstance(element, dict) or get(element, "value") in (None, ""):
        raise Refused(f"{name}: an element without a value has no row", 400)
    kind = get(element, "type")
    if spec.type is None:
        kind = None
    elif spec.types:
        if kind not in spec.types:
            raise Refused(f"{name}: its type is none of {', '.join(spec.types)}", 400)
        kind = spec.types[kind]
    elif kind is None:
        raise Refused(f"{name}: an element without a type has no row", 400)
    is_primary = spec.primary is not None and truth(get(element, "primary")) is True
    return Element(kind, get(element, "value"), is_primary)


@frozen
class Parameter:
    """One named parameter: a column's value, or what stands at a path."""

    word: str  # as it is bound
    name: str  # as it is written
    place: Place | None


class Written:
    """The statements of one operation, which run one after the other."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises ValueError where a parameter is no path."""
        self._texts = [_parsed(text) for text in texts]

    @property
    def plain(self) -> str:
        """The first statement, of one that has no parameters."""
        return self._texts[0][0]

    @property
    def parameters(self) -> Iterator[Parameter]:
        for _, parameters in self._texts:
            yield from parameters

    def calls(
        self, form: Attributes, values: Mapping[str, Any], key: Any, **more: Any
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each statement with its parameters: columns by their names, attributes by their paths."""
        known = {**values, "id": key, **more}
        for text, parameters in self._texts:
            yield text, {one.word: _value(one, form, known) for one in parameters}


def _parsed(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """Return a statement with every parameter as a word, and nothing else that looks like one."""
    found: dict[str, Parameter] = {}

    def bound(match: re.Match[str]) -> str:
        path = match[1] or match[2]
        if path is None:
            return match[0] if match[0] == "::" else match[0].replace(":", r"\:")
        if path not in found:
            word = path if match[2] else f"p{len(found) + 1}"
            found[path] = Parameter(word, path, compile_place(path))
        return f":{found[path].word} "  # what follows may be a cast

    return _TOKENS.sub(bound, text), tuple(found.values())


def _value(parameter: Parameter, form: Attributes, known: Mapping[str, Any]) -> Any:
    if parameter.name in known:
        return known[parameter.name]
    if parameter.place is None:
        return None
    values = read(form, parameter.place)
    if not values or values[0] in EMPTY:
        return None
    if isinstance(values[0], list | dict):
        raise Refused(f"{parameter.name} has parts, and a parameter takes one value", 400)
    return values[0]
