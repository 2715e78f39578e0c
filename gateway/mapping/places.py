"""A place made ready for the walk over a resource, and the single values of an attribute. Pure."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from gateway.scim.names import key_of
from gateway.scim.paths import Place, comparable
from gateway.values import frozen

CORE: Final = ""  # the level of what is in no extension
TRUE: Final = (True, "true", "True")  # as `primary` is written
SINGLE: Final = frozenset({str, bool, int, float})  # the types of values without parts


class Leaf(NamedTuple):
    """One value of an attribute: the index of its element, its sub-attribute, and the object it is in."""

    at: int | None
    sub: str | None
    value: Any
    element: Any


@frozen
class CompiledPlace:
    """A place with its names folded, and what picks its elements in the form in which it is compared."""

    place: Place
    level: str  # the extension's folded URN, CORE or ANYWHERE
    attribute: str
    sub: str | None
    terms: tuple[tuple[str, Any], ...] | None
    also: frozenset[str]  # the sub-attributes in the terms: they are named with what they pick
    identity: tuple[str, ...]  # the sub-attributes that go with a value wherever its element has them
    primary: Place  # says which of several elements is the primary one
    is_whole: bool  # all of an attribute

    def names(self, sub: str | None, element: Any) -> bool:
        """Say whether it names a sub-attribute of an element; None: the value itself."""
        if self.terms is not None and not self._picks(element):
            return False
        if self.sub is None or sub is None:
            return True
        folded = sub.casefold()
        return folded == self.sub or folded in self.also

    def sub_in(self, element: Any) -> str | None:
        """Return the sub-attribute in an element's own spelling; None where the element is the value."""
        sub = self.place.sub
        return key_of(element, sub) if sub is not None and isinstance(element, dict) else None

    def _picks(self, element: Any) -> bool:
        known = element if isinstance(element, dict) else {}
        return all(comparable(known.get(name)) == value for name, value in self.terms or ())


def compile_place(place: Place) -> CompiledPlace:
    """Make a place ready."""
    terms = None if place.where is None else tuple((name, comparable(value)) for name, value in place.where)
    return CompiledPlace(
        place,
        CORE if place.urn is None else place.urn.casefold(),
        place.attribute.casefold(),
        None if place.sub is None else place.sub.casefold(),
        terms,
        frozenset(name.casefold() for name, _ in terms or ()),
        ("type", "primary") if terms is None else tuple(name for name, _ in terms),
        Place(place.text, place.urn, place.attribute, place.where, "primary"),
        place.sub is None and terms is None,
    )


def leaves_of(value: Any) -> Iterator[Leaf]:
    """Yield every single value of an attribute; a list of plain values is one."""
    if isinstance(value, dict):
        for sub, inner in value.items():
            yield Leaf(None, sub, inner, value)
    elif has_objects(value):
        for at, element in enumerate(value):
            if isinstance(element, dict):
                for sub, inner in element.items():
                    yield Leaf(at, sub, inner, element)
            else:
                yield Leaf(at, None, element, None)
    else:
        yield Leaf(None, None, value, None)


def has_objects(value: Any) -> bool:
    """Say whether a value is a list with an object in it."""
    if isinstance(value, list):
        for element in value:
            if isinstance(element, dict):
                return True
    return False


def path_of(urn: str | None, name: str, at: int | None, sub: str | None, element: Any) -> str:
    """Name a value as an administrator would: phoneNumbers[type eq "work"].value."""
    text = f"{urn}:{name}" if urn else name
    if at is not None:
        kind = element.get("type") if isinstance(element, dict) else None
        text += f'[type eq "{kind}"]' if isinstance(kind, str) else f"[{at + 1}]"
    return f"{text}.{sub}" if sub else text


def once(elements: list[Any]) -> list[Any]:
    """Return a list without the objects whose value and type an earlier one has (RFC 7643 section 2.4).

    What else such a one says is kept where the earlier one says nothing, and so is that it is primary.
    """
    found: dict[Any, int] = {}
    kept: list[Any] = []
    for element in elements:
        at = found.setdefault(key, len(kept)) if (key := _identity(element)) else len(kept)
        if at == len(kept):
            kept.append(element)
        else:
            is_primary = {"primary": True} if element.get("primary") in TRUE else {}
            kept[at] = {**element, **kept[at], **is_primary}
    return kept


def _identity(element: Any) -> tuple[str, str] | None:
    if not isinstance(element, dict):
        return None
    value, kind = element.get("value"), element.get("type", "")
    return (value, kind.casefold()) if isinstance(value, str) and isinstance(kind, str) else None
