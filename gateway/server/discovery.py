"""The three discovery documents of each target (RFC 7644 section 4)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.errors import BadTarget, NotFound
from gateway.flow.model import ReadQuery, Target
from gateway.flow.paging import window
from gateway.mapping.target import ALWAYS_SHOWN, TargetMapping
from gateway.scim.entitlements import EntitlementType, schemas_of
from gateway.scim.messages import list_response
from gateway.scim.names import CORE_GROUP, CORE_URNS, CORE_USER, STANDARD_URNS, is_standard
from gateway.scim.paths import ANYWHERE, Place
from gateway.scim.predicate import predicate
from gateway.scim.schemas import (
    entitlement_type,
    extension_schema,
    find,
    narrowed,
    own_schema,
    requiring,
    resource_types,
    schemas,
    service_provider_config,
)
from gateway.server.request import most

Document = dict[str, Any]
_CORE: Final = frozenset(CORE_URNS.values())
_PASSWORD: Final = frozenset({"password"})  # never kept: listed only where a rule sends it


def discovery_document(target: Target, name: str, id: str | None, has_groups: bool) -> Document:
    """Return a discovery document or list of them; raises NotFound."""
    if name == "ServiceProviderConfig" and id is None:
        return service_provider_config(
            target.location,
            filter_max=most(target),
            sort=target.sorts,
            change_password=target.mapping.sends_password,
        )
    documents = LISTS[name](target, has_groups) if name in LISTS else []
    if id is None:
        return list_response(documents, len(documents), 1)
    found = find(documents, id)
    if found is None:
        raise NotFound(f"{name} has no such id")
    return found


def entitlements(target: Target, one: EntitlementType, id: str | None, question: ReadQuery) -> Document:
    """Return a value, or a page of those that a question is about; raises NotFound and BadTarget."""
    known = target.mapping.entitlements.values(one.name) if target.mapping.entitlements else None
    if known is None:
        raise BadTarget(f"{target.name}: the values of {one.name} could not be read yet; the log says why")
    if id is not None:
        if id not in known:
            raise NotFound(f"{one.name} has no such value")
        return one.document(known[id], target.location)
    documents = [one.document(value, target.location) for value in known.values()]
    if question.filter is not None:
        documents = list(filter(predicate(question.filter), documents))
    return list_response(window(documents, question.start, question.count), len(documents), question.start)


def _schemas(target: Target, has_groups: bool) -> list[Document]:
    """Return the schemas of people and groups, and of what people may be entitled to."""
    entitled = [own_schema(target.location, one) for one in schemas_of(_types(target))]
    return [*_standard(target, has_groups), *entitled]


def _types(target: Target) -> tuple[EntitlementType, ...]:
    return () if target.mapping.entitlements is None else target.mapping.entitlements.types


def _standard(target: Target, has_groups: bool) -> list[Document]:
    """Return the standard's schemas with what rules add, without what is forgotten (RFC 7643 section 7)."""
    own = _by_schema(place for place in target.mapping.sources() if not _is_standard(place))
    extra = [_made(urn, own[urn]) for urn in own if urn not in STANDARD_URNS]
    hidden = frozenset[str]() if target.mapping.sends_password else _PASSWORD
    needed = _by_schema(target.mapping.needed())
    documents = [
        requiring(_extended(schema, own.get(schema["id"], ()), hidden), needed.get(schema["id"], ()))
        for schema in schemas(target.location, has_groups=has_groups, extra=extra)
    ]
    if not target.mapping.forgets:
        return documents
    kept = [
        schema if schema["id"] == CORE_GROUP else narrowed(schema, _shown(schema["id"], target.mapping))
        for schema in documents
    ]
    return [schema for schema in kept if schema["attributes"]]


def _resource_types(target: Target, has_groups: bool) -> list[Document]:
    extensions = [schema["id"] for schema in _standard(target, has_groups) if schema["id"] not in _CORE]
    known = resource_types(target.location, has_groups=has_groups, extensions=extensions)
    return [*known, *(entitlement_type(target.location, one) for one in _types(target))]


LISTS: Final[Mapping[str, Callable[[Target, bool], list[Document]]]] = {
    "ResourceTypes": _resource_types,
    "Schemas": _schemas,
}


def _made(urn: str, places: Sequence[Place]) -> Document:
    """Return the schema of attributes that rules read; those of which they pick elements have several."""
    many = {place.attribute for place in places if place.where is not None}
    schema = extension_schema(urn, _paths(places))
    return schema | {"attributes": [a | {"multiValued": a["name"] in many} for a in schema["attributes"]]}


def _extended(schema: Document, places: Sequence[Place], hidden: Collection[str]) -> Document:
    """Return a standard schema with what rules add to it, and without what nobody would keep."""
    if schema["id"] not in STANDARD_URNS:
        return schema
    standard = [attribute for attribute in schema["attributes"] if attribute["name"] not in hidden]
    return {**schema, "attributes": [*standard, *_made(schema["id"], places)["attributes"]]}


def _shown(urn: str, mapping: TargetMapping) -> list[str]:
    always = (*ALWAYS_SHOWN, *_PASSWORD) if urn == CORE_USER else ()
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
