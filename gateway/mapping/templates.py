"""Shapes of JSON with `{path}` where a value stands: filled from a document, and read back into one. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from gateway.errors import InvalidPath
from gateway.scim.grammar import rfc_notation
from gateway.scim.names import EMPTY, Attribute, resource
from gateway.scim.paths import Place, place, put, read, select
from gateway.values import frozen

Document = Mapping[str, Any]

ABSENT: Final = object()  # what a shape comes to whose attributes nobody has
_PARTS: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([^{}]+)|([{}])")
_BRACES: Final = {"{{": "{", "}}": "}"}
_EACH: Final = frozenset({"each", "as"})  # the keys of a list with one object for each element


class Unfit(ValueError):
    """A value cannot stand where a template wants it; the text names the path."""


class Shape(Protocol):
    """Part of a JSON value with places for attributes."""

    def fill(self, document: Document) -> Any:
        """Return the JSON, or `ABSENT` where none of the attributes is there; raises Unfit."""

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        """Return the document with what JSON of this shape says."""

    def places(self) -> Iterator[Place]:
        """Yield every place in it."""


@frozen
class Fixed:
    """What is the same for everybody."""

    value: Any

    def fill(self, document: Document) -> Any:
        return self.value

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        return document

    def places(self) -> Iterator[Place]:
        return iter(())


@frozen
class Slot:
    """A value as it is, with its JSON type; many where an attribute's elements have it."""

    place: Place
    attribute: Attribute | None  # as the standard has it

    def fill(self, document: Document) -> Any:
        found = [(index, value) for index, value in select(document, self.place) if value not in EMPTY]
        if not found:
            return ABSENT
        is_one = found[0][0] is None or self.place.where is not None
        return found[0][1] if is_one else [value for _, value in found]

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        if found in EMPTY:
            return document
        where, sub = self.place, self.place.sub
        if isinstance(found, list) and sub is not None and where.where is None:
            elements = [{sub: self._read(value)} for value in found]
            return put(document, replace(where, sub=None), elements, many=False)
        many = self.attribute is not None and self.attribute.multi_valued
        return put(document, where, self._read(found), many=many)

    def places(self) -> Iterator[Place]:
        yield self.place

    def _read(self, value: Any) -> Any:
        """Return a number as the text that the standard has for it."""
        known = self.attribute
        part = known if known is None or self.place.sub is None else known.find(self.place.sub)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number and part is not None and not part.boolean else value


@frozen
class Text:
    """Values inside a text; it is written, and never read."""

    parts: tuple[str | Place, ...]

    def fill(self, document: Document) -> Any:
        return self.filled(document, str)

    def filled(self, document: Document, spelled: Callable[[str], str]) -> Any:
        """Return the text with every value as `spelled` writes it, `ABSENT` where one is missing."""
        words = []
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
                continue
            values = read(document, part)
            if not values or values[0] in EMPTY:
                return ABSENT
            words.append(spelled(_plain(values[0], part.text)))
        return "".join(words)

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        return document

    def places(self) -> Iterator[Place]:
        yield from (part for part in self.parts if isinstance(part, Place))


@frozen
class Record:
    """An object; members that nobody has are left out, and all of it where it has nothing else to say."""

    members: Mapping[str, Shape]

    def fill(self, document: Document) -> Any:
        values = self.filled(document)
        said = [name for name, shape in self.members.items() if any(shape.places())]
        return ABSENT if said and not any(name in values for name in said) else values

    def filled(self, document: Document) -> dict[str, Any]:
        """Return the object whatever it says."""
        filled = ((name, shape.fill(document)) for name, shape in self.members.items())
        return {name: value for name, value in filled if value is not ABSENT}

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        if isinstance(found, dict):
            for name, shape in self.members.items():
                if name in found:
                    document = shape.unfill(found[name], document)
        return document

    @property
    def is_told(self) -> bool:
        """Say whether something in it is the same for everybody."""
        return any(isinstance(shape, Fixed) for shape in self.members.values())

    def is_like(self, found: Any) -> bool:
        """Say whether an object has all that is the same for everybody."""
        fixed = ((name, shape) for name, shape in self.members.items() if isinstance(shape, Fixed))
        return isinstance(found, dict) and all(found.get(name) == shape.value for name, shape in fixed)

    def places(self) -> Iterator[Place]:
        for shape in self.members.values():
            yield from shape.places()


@frozen
class Row:
    """A list of certain elements, each known again by what is the same for everybody."""

    shapes: tuple[Shape, ...]

    def fill(self, document: Document) -> Any:
        values = [value for shape in self.shapes if (value := shape.fill(document)) is not ABSENT]
        return values if values or not any(self.places()) else ABSENT

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        left = list(found) if isinstance(found, list) else []
        for shape in self.shapes:
            like = [one for one in left if not isinstance(shape, Record) or shape.is_like(one)]
            if like:
                left.remove(like[0])
                document = shape.unfill(like[0], document)
        return document

    def places(self) -> Iterator[Place]:
        for shape in self.shapes:
            yield from shape.places()


@frozen
class Each:
    """A list with one of a shape for each element of an attribute."""

    place: Place
    shape: Shape

    def fill(self, document: Document) -> Any:
        found = read(document, self.place)
        elements = found[0] if found and isinstance(found[0], list) else found
        filled = (self.shape.fill(one) for one in elements if isinstance(one, dict))
        return [value for value in filled if value is not ABSENT] or ABSENT

    def unfill(self, found: Any, document: dict[str, Any]) -> dict[str, Any]:
        read_back = (self.shape.unfill(one, {}) for one in (found if isinstance(found, list) else ()))
        elements = [one for one in read_back if one]
        return put(document, self.place, elements, many=False) if elements else document

    def places(self) -> Iterator[Place]:
        yield self.place


def compile_shape(raw: Any, kind: str = "User", within: Attribute | None = None) -> Shape:
    """Return the shape that JSON with `{path}` has; raises ValueError.

    `within`: the attribute whose elements the paths are of.
    """
    if isinstance(raw, str):
        return _compile_text(raw, within or resource(kind))
    if isinstance(raw, list):
        return Row(tuple(compile_shape(one, kind, within) for one in raw))
    if isinstance(raw, dict) and raw.keys() == _EACH:
        where = compile_place(str(raw["each"]))
        known = resource(kind).find(where.attribute) or Attribute(where.attribute)
        return Each(where, compile_shape(raw["as"], kind, known))
    if isinstance(raw, dict):
        return Record({name: compile_shape(value, kind, within) for name, value in raw.items()})
    return Fixed(raw)


def compile_text(raw: str) -> Text:
    """Return a text with `{path}` for values; `{{` and `}}` are braces. Raises ValueError."""
    parts: list[str | Place] = []
    for found in _PARTS.finditer(raw):
        path, text, stray = found.groups()
        if stray:
            raise ValueError(f"has a {stray} by itself; write {stray}{stray} where it is meant as it is")
        parts.append(compile_place(path) if path is not None else text or _BRACES[found[0]])
    return Text(tuple(parts))


def compile_place(text: str) -> Place:
    """Return where a path points; raises ValueError."""
    try:
        return place(rfc_notation(text))
    except InvalidPath as error:
        raise ValueError(f"has {{{text}}}, which is no path: {error.detail}") from None


def _compile_text(raw: str, known: Attribute) -> Shape:
    text = compile_text(raw)
    if len(text.parts) == 1 and isinstance(where := text.parts[0], Place):
        holder = known if where.urn is None else known.find(where.urn)
        return Slot(where, holder.find(where.attribute) if holder is not None else None)
    if any(isinstance(part, Place) for part in text.parts):
        return text
    return Fixed("".join(str(part) for part in text.parts))


def _plain(value: Any, path: str) -> str:
    """Return a value as text; raises Unfit for one that has parts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Unfit(f"{path} has parts, and cannot stand inside a text")
    return str(value)


def faults_of(
    raw: Any, wrong: Callable[[Place], str | None], kind: str = "User", keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what is wrong with templates in JSON, and the keys it is below; `wrong` judges a place."""
    if isinstance(raw, dict) and raw.keys() == _EACH:
        yield from _faults_of_each(raw, wrong, kind, keys)
    elif isinstance(raw, dict | list):
        for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
            yield from faults_of(value, wrong, kind, (*keys, key))
    elif isinstance(raw, str):
        try:
            found = [reason for where in compile_text(raw).places() if (reason := wrong(where))]
        except ValueError as error:
            found = [str(error)]
        yield from ((keys, reason) for reason in found)


def _faults_of_each(
    raw: Mapping[str, Any], wrong: Callable[[Place], str | None], kind: str, keys: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from faults_of(f"{{{raw['each']}}}", wrong, kind, (*keys, "each"))
    known = resource(kind).find(str(raw["each"]))

    def is_no_part(where: Place) -> str | None:
        is_one = known is None or known.find(where.attribute) is not None
        return None if is_one else f"has {{{where.text}}}, and {raw['each']} has no {where.attribute}"

    yield from faults_of(raw["as"], is_no_part, kind, (*keys, "as"))


def read_back(raw: Any, kind: str = "User") -> set[str]:
    """Return the attributes that are read from JSON of this shape."""
    if isinstance(raw, dict) and raw.keys() == _EACH:
        return {str(raw["each"])}
    if isinstance(raw, dict | list):
        inner = raw.values() if isinstance(raw, dict) else raw
        return {name for value in inner for name in read_back(value, kind)}
    shape = compile_shape(raw, kind)
    return {shape.place.attribute} if isinstance(shape, Slot) else set()


@frozen
class Spot:
    """Where in foreign JSON something is: a path, or keys one inside the other."""

    place: Place | None
    keys: tuple[str, ...] = ()

    def of(self, document: Any) -> Any:
        """Return what is there, None where nothing is."""
        if self.place is not None:
            found = read(document, self.place) if isinstance(document, dict) else []
            return found[0] if found else None
        for key in self.keys:
            document = document.get(key) if isinstance(document, dict) else None
        return document

    def is_null(self, document: Any) -> bool:
        """Say whether nothing is there because JSON says so: null, under the last of the names."""
        where = self.place
        names = self.keys if where is None else tuple(filter(None, (where.attribute, where.sub)))
        holder = Spot(None, names[:-1]).of(document)
        return isinstance(holder, dict) and names[-1:] != () and holder.get(names[-1], holder) is None


def compile_spot(raw: str | tuple[str, ...] | None) -> Spot:
    """Return where a path, or keys one inside the other, point; None is all of it. Raises ValueError."""
    if raw is None or not isinstance(raw, str):
        return Spot(None, tuple(raw or ()))
    try:
        return Spot(place(raw))
    except InvalidPath:
        raise ValueError(
            'must be a path such as "meta.total", or keys one inside the other: ["_links", "next", "href"]'
        ) from None
