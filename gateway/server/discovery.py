"""The three discovery documents of each target (RFC 7644 section 4)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import NotFound
from gateway.flow.model import Target
from gateway.mapping.target import ALWAYS_SHOWN, TargetMapping, Unlisted
from gateway.scim.messages import list_response
from gateway.scim.names import CORE_USER, STANDARD_URNS, is_standard
from gateway.scim.paths import ANYWHERE, Place
from gateway.scim.schemas import (
    extension_schema,
    find,
    narrowed,
    resource_types,
    schemas,
    service_provider_config,
)

Document = dict[str, Any]


def discovery_document(target: Target, name: str, id: str | None) -> Document:
    """Return a discovery document or list of them; raises NotFound."""
    if name == "ServiceProviderConfig" and id is None:
        return service_provider_config(target.location, filter_max=target.policy.page_size)
    documents = LISTS[name](target) if name in LISTS else []
    if id is None:
        return list_response(documents, len(documents), 1)
    found = find(documents, id)
    if found is None:
        raise NotFound(f"{name} has no such id")
    return found


def _schemas(target: Target) -> list[Document]:
    """Return the standard's schemas with what rules add, without what is forgotten (DESIGN section 6)."""
    own = _by_schema(place for place in target.mapping.sources() if not _is_standard(place))
    extra = [extension_schema(urn, _paths(own[urn])) for urn in own if urn not in STANDARD_URNS]
    documents = [
        _extended(schema, own.get(schema["id"], ()))
        for schema in schemas(target.location, has_groups=False, extra=extra)
    ]
    if target.mapping.unlisted is not Unlisted.DROP:
        return documents
    kept = [narrowed(schema, _shown(schema["id"], target.mapping)) for schema in documents]
    return [schema for schema in kept if schema["attributes"]]


def _resource_types(target: Target) -> list[Document]:
    extensions = [schema["id"] for schema in _schemas(target) if schema["id"] != CORE_USER]
    return resource_types(target.location, has_groups=False, extensions=extensions)


LISTS: Final[Mapping[str, Callable[[Target], list[Document]]]] = {
    "ResourceTypes": _resource_types,
    "Schemas": _schemas,
}


def _extended(schema: Document, places: Sequence[Place]) -> Document:
    """Return a schema with attributes of rules that the standard does not have there."""
    many = {place.attribute for place in places if place.where is not None}
    made = (
        extension_schema(schema["id"], _paths(places))["attributes"] if schema["id"] in STANDARD_URNS else []
    )
    added = [attribute | {"multiValued": attribute["name"] in many} for attribute in made]
    return {**schema, "attributes": [*schema["attributes"], *added]}


def _shown(urn: str, mapping: TargetMapping) -> list[str]:
    always = ALWAYS_SHOWN if urn == CORE_USER else ()
    return [*always, *(place.attribute for place in _by_schema(mapping.sources()).get(urn, ()))]


def _by_schema(places: Iterable[Place]) -> dict[str, list[Place]]:
    """Return places by the schema that names them; what is looked for anywhere is shown at the core."""
    found: dict[str, list[Place]] = {}
    for place in places:
        urn = CORE_USER if place.urn in (None, ANYWHERE) else place.urn
        found.setdefault(urn, []).append(place)
    return found


def _paths(places: Sequence[Place]) -> list[str]:
    return [f"{place.attribute}.{place.sub}" if place.sub else place.attribute for place in places]


def _is_standard(place: Place) -> bool:
    return is_standard(None if place.urn == ANYWHERE else place.urn, place.attribute)
