"""The document a provider is shown: the attributes, our id, and meta. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gateway.flow.model import Target
from gateway.flow.ports import Attributes, Resource, ResourceType
from gateway.scim.documents import schemas_of, version
from gateway.scim.messages import meta_of


def shown(target: Target, resource: Resource, view: Mapping[str, Any]) -> Attributes:
    """Return a resource of ours as the provider sees it."""
    return _dressed(target, resource.type, resource.id, view, (resource.created, resource.modified))


def shown_entry(target: Target, kind: ResourceType, entry: Mapping[str, Any]) -> Attributes:
    """Return an entry that the journal does not know as the provider sees it."""
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    times = (meta.get("created"), meta.get("lastModified"))
    return _dressed(target, kind, entry["id"], target.mapping.reverse(entry), times)


def _dressed(
    target: Target,
    kind: ResourceType,
    id: str,
    view: Mapping[str, Any],
    times: tuple[str | None, str | None],
) -> Attributes:
    own = {"schemas", "id", "meta"}
    document = {"schemas": schemas_of(view), "id": id, **{k: v for k, v in view.items() if k not in own}}
    location = f"{target.location}/{kind.value}s/{quote(id, safe='')}"
    created, modified = times
    document["meta"] = meta_of(kind.value, created, modified, location, version(document))
    return document
