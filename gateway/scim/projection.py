"""Which attributes an answer shows: `attributes` and `excludedAttributes` (RFC 7644 section 3.9). Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.errors import InvalidValue
from gateway.scim.names import CORE_URNS, is_urn

ALWAYS: Final = frozenset({"schemas", "id"})  # `returned` is "always" in RFC 7643
_CORE: Final = tuple(f"{urn}:".casefold() for urn in CORE_URNS.values())
_EMPTY: Final[tuple[Any, ...]] = (None, [], {})

Names = dict[str, Any]  # folded name -> Names of its sub-attributes; empty: the attribute as a whole


@dataclass(frozen=True, slots=True)
class Projection:
    """What to show of a document: all, nothing but what is named, or all but that."""

    named: Mapping[str, Any] = field(default_factory=dict)
    excludes: bool = True

    def shows(self, attribute: str) -> bool:
        """Say whether anything of an attribute at the core level is shown."""
        named = self.named.get(attribute.casefold())
        return named != {} if self.excludes else named is not None

    def of(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return what is shown of a resource; what is always returned stays."""
        if not self.named:
            return document
        shown = _without(document, self.named) if self.excludes else _only(document, self.named)
        shown |= {name: value for name, value in document.items() if name.casefold() in ALWAYS}
        return {name: shown[name] for name in document if name in shown}


EVERYTHING: Final = Projection()


def projection(attributes: Iterable[str], excluded: Iterable[str]) -> Projection:
    """Return the projection that a request asks for; raises InvalidValue. Unknown names select nothing."""
    only, without = _tree(attributes), _tree(excluded)
    if only and without:
        raise InvalidValue("attributes and excludedAttributes exclude each other: send one of them")
    return Projection(only, excludes=False) if only else Projection(without)


def _tree(names: Iterable[str]) -> Names:
    tree: Names = {}
    for name in names:
        for first, *subs in _readings(name.strip().casefold()):
            if not subs:
                tree[first] = {}
            elif tree.get(first) != {}:
                _plant(tree.setdefault(first, {}), subs)
    return tree


def _plant(tree: Names, steps: list[str]) -> None:
    for step in steps[:-1]:
        if tree.get(step) == {}:  # the whole of it is named already
            return
        tree = tree.setdefault(step, {})
    tree[steps[-1]] = {}


def _readings(name: str) -> Iterator[list[str]]:
    """Yield the steps a folded name may stand for: a URN alone is an extension, or an attribute of one."""
    name = next((name[len(core) :] for core in _CORE if name.startswith(core)), name)
    if not name:
        return
    if not is_urn(name):
        yield name.split(".", 1)
        return
    urn, _, attribute = name.rpartition(":")
    yield [name]
    yield [urn, *attribute.split(".", 1)]


def _only(value: Any, named: Mapping[str, Any]) -> Any:
    if not named:
        return value
    if isinstance(value, list):
        return [kept for item in value if (kept := _only(item, named)) not in _EMPTY]
    if isinstance(value, dict):
        found = ((name, named.get(name.casefold()), inner) for name, inner in value.items())
        kept = ((name, _only(inner, subs)) for name, subs, inner in found if subs is not None)
        return {name: inner for name, inner in kept if inner not in _EMPTY}
    return value if "value" in named else None  # a plain text is its own `value`


def _without(value: Any, named: Mapping[str, Any] | None) -> Any:
    if named is None:
        return value
    if isinstance(value, list):
        return [left for item in value if (left := _without(item, named)) not in _EMPTY]
    if isinstance(value, dict):
        found = ((name, named.get(name.casefold()), inner) for name, inner in value.items())
        left = ((name, _without(inner, subs)) for name, subs, inner in found if subs != {})
        return {name: inner for name, inner in left if inner not in _EMPTY}
    return None if "value" in named else value
