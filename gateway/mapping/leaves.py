"""A resource as its single values, each with the place where it stands. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.scim.names import COMPANIONS

SERVER_OWNED: Final = frozenset({"schemas", "id", "meta", "groups", "password"})


class Leaf(NamedTuple):
    """Where one value stands: extension, attribute, index of the element, sub-attribute."""

    urn: str | None
    attribute: str
    at: int | None
    sub: str | None


Leaves = dict[Leaf, Any]


def flatten(document: Mapping[str, Any]) -> Leaves:
    """Return every value of a resource that a provider owns; a list of plain values is one value."""
    leaves: Leaves = {}
    for name, value in document.items():
        if ":" in name and isinstance(value, dict):
            for attribute, inner in value.items():
                leaves.update(_attribute(name, attribute, inner))
        elif name not in SERVER_OWNED:
            leaves.update(_attribute(None, name, value))
    return leaves


def unflatten(leaves: Mapping[Leaf, Any], original: Mapping[Leaf, Any]) -> dict[str, Any]:
    """Return leaves as a document; an element that lost all but what says which one it was is left out."""
    document: dict[str, Any] = {}
    elements: dict[Leaf, dict[str, Any]] = {}
    lists: dict[Leaf, list[Any]] = {}
    for leaf, value in leaves.items():
        holder = document if leaf.urn is None else document.setdefault(leaf.urn, {})
        if leaf.at is None:
            _set(holder, leaf, value)
            continue
        element = Leaf(leaf.urn, leaf.attribute, leaf.at, None)
        if element not in elements:
            elements[element] = {}
            where = Leaf(leaf.urn, leaf.attribute, None, None)
            if where not in lists:
                lists[where] = holder[leaf.attribute] = []
            lists[where].append(element)
        _set_sub(elements, element, leaf.sub, value)
    _fill(document, lists, elements, original)
    return document


def path_of(leaf: Leaf, leaves: Mapping[Leaf, Any]) -> str:
    """Name a leaf as an administrator would: phoneNumbers[type eq "work"].value."""
    text = f"{leaf.urn}:{leaf.attribute}" if leaf.urn else leaf.attribute
    if leaf.at is not None:
        kind = leaves.get(Leaf(leaf.urn, leaf.attribute, leaf.at, "type"))
        text += f'[type eq "{kind}"]' if isinstance(kind, str) else f"[{leaf.at + 1}]"
    return f"{text}.{leaf.sub}" if leaf.sub else text


def _attribute(urn: str | None, name: str, value: Any) -> Iterator[tuple[Leaf, Any]]:
    if isinstance(value, dict):
        yield from ((Leaf(urn, name, None, sub), inner) for sub, inner in value.items())
    elif isinstance(value, list) and any(isinstance(element, dict) for element in value):
        for at, element in enumerate(value):
            if isinstance(element, dict):
                yield from ((Leaf(urn, name, at, sub), inner) for sub, inner in element.items())
            else:
                yield Leaf(urn, name, at, None), element
    else:
        yield Leaf(urn, name, None, None), value


def _set(holder: dict[str, Any], leaf: Leaf, value: Any) -> None:
    if leaf.sub is None:
        holder[leaf.attribute] = value
    else:
        holder.setdefault(leaf.attribute, {})[leaf.sub] = value


def _set_sub(elements: dict[Leaf, Any], element: Leaf, sub: str | None, value: Any) -> None:
    if sub is None:
        elements[element] = value
    else:
        elements[element][sub] = value


def _fill(
    document: dict[str, Any],
    lists: Mapping[Leaf, list[Any]],
    elements: Mapping[Leaf, Any],
    original: Mapping[Leaf, Any],
) -> None:
    for where, places in lists.items():
        holder = document if where.urn is None else document[where.urn]
        kept = [elements[at] for at in sorted(places, key=_index) if not _is_bare(at, elements[at], original)]
        if kept:
            holder[where.attribute] = kept
        else:
            del holder[where.attribute]
            if where.urn is not None and not holder:
                del document[where.urn]


def _is_bare(at: Leaf, element: Any, original: Mapping[Leaf, Any]) -> bool:
    if not isinstance(element, dict) or set(element) - COMPANIONS:
        return False
    return any(leaf[:3] == at[:3] and leaf.sub not in COMPANIONS for leaf in original)


def _index(element: Leaf) -> int:
    return element.at or 0
