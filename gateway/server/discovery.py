"""The three discovery documents of each target (RFC 7644 section 4)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.errors import NotFound
from gateway.flow.model import Target
from gateway.scim.messages import list_response
from gateway.scim.schemas import find, resource_types, schemas, service_provider_config

Document = dict[str, Any]

LISTS: Final[Mapping[str, Callable[[str], list[Document]]]] = {
    "ResourceTypes": lambda location: resource_types(location, has_groups=False),
    "Schemas": lambda location: schemas(location, has_groups=False),
}


def discovery_document(target: Target, name: str, id: str | None) -> Document:
    """Return a discovery document or list of them; raises NotFound."""
    if name == "ServiceProviderConfig" and id is None:
        return service_provider_config(target.location, filter_max=target.policy.page_size)
    if name not in LISTS:
        raise NotFound(f"{name} is not served here")
    documents = LISTS[name](target.location)
    if id is None:
        return list_response(documents, len(documents), 1)
    found = find(documents, id)
    if found is None:
        raise NotFound(f"{name} has no such id")
    return found
