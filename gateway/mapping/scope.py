"""Who is to be on a target at all: a filter over what the provider sent. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.scim.grammar import AttrPath, Filter
from gateway.scim.names import is_standard
from gateway.scim.paths import ANYWHERE, Place, compiled
from gateway.scim.predicate import attributes_named, predicate


class Scope:
    """A filter made ready for one type of resource; a name without its URN is found in any extension, too."""

    def __init__(self, filter: Filter, kind: str = "User") -> None:
        self.text = str(filter)
        self.places = tuple(_place(path) for path in attributes_named(filter))  # what it looks at
        self._matches = predicate(filter, kind)

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Say whether the target is to have the resource that a document says."""
        return self._matches(_flat(document))


def _place(path: AttrPath) -> Place:
    """Return the attribute that a path begins with."""
    whole = replace(compiled(path), sub=None)
    is_anywhere = path.uri is None and not is_standard(None, path.attr)
    return replace(whole, urn=ANYWHERE) if is_anywhere else whole


def _flat(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document with all that its extensions hold beside the core, but for names that that has."""
    extensions = [value for name, value in document.items() if ":" in name and isinstance(value, dict)]
    if not extensions:
        return document
    beside: dict[str, list[Any]] = {}
    for extension in extensions:
        for name, value in extension.items():
            values = value if isinstance(value, list) else [value]
            beside.setdefault(name.casefold(), []).extend(values)
    own = {name.casefold() for name in document}
    return {**document, **{name: values for name, values in beside.items() if name not in own}}
