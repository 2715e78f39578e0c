"""What a group's document asks of its members, in the plainest way there is."""

from collections.abc import Mapping
from typing import Any

from gateway.scim.members import Added, Edit, Emptied, elements_of
from gateway.scim.names import key_of

Attributes = dict[str, Any]


def take_members(document: Mapping[str, Any], *, replaces: bool) -> tuple[Attributes, tuple[Edit, ...]]:
    """Return a document without its members, and what it asks of them; raises InvalidValue.

    `replaces`: it is the whole membership, as in a PUT; absent members are not asked about.
    """
    key = key_of(document, "members")
    if key is None:
        return dict(document), ()
    rest = {name: value for name, value in document.items() if name.casefold() != "members"}
    elements = elements_of(document[key])
    edits: tuple[Edit, ...] = (Emptied(),) if replaces else ()
    return rest, (*edits, Added(elements)) if elements else edits
