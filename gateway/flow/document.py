"""The document a provider is shown: the attributes, our id, and meta. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway.flow.journal_port import Resource
from gateway.flow.model import Target
from gateway.flow.target_port import Attributes, ResourceType
from gateway.scim.documents import schemas_of
from gateway.scim.messages import meta_of
from gateway.scim.versions import version

Members = Sequence[Attributes] | None  # of a group; None: they were not read, and are not shown


def shown(target: Target, resource: Resource, view: Mapping[str, Any], members: Members = None) -> Attributes:
    """Return a resource of ours as the provider sees it."""
    times = (resource.created, resource.modified)
    return _dressed(target, resource.type, resource.id, view, members, times)


def shown_entry(
    target: Target, kind: ResourceType, entry: Mapping[str, Any], members: Members = None
) -> Attributes:
    """Return an entry that the journal does not know as the provider sees it."""
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    times = (meta.get("created"), meta.get("lastModified"))
    return _dressed(target, kind, entry["id"], target.mapping_for(kind).reverse(entry), members, times)


def version_of(kind: ResourceType, id: str, view: Mapping[str, Any], members: Members = None) -> str:
    """Return the version that a resource is shown with."""
    ids = None if members is None else [member["value"] for member in members]
    return version(_content(kind, id, view), ids)


def _dressed(
    target: Target,
    kind: ResourceType,
    id: str,
    view: Mapping[str, Any],
    members: Members,
    times: tuple[str | None, str | None],
) -> Attributes:
    document = _content(kind, id, view) | ({"members": list(members)} if members else {})
    location = f"{target.location}/{kind.value}s/{quote(id, safe='')}"
    document["meta"] = meta_of(kind.value, *times, location, version_of(kind, id, view, members))
    return document


def _content(kind: ResourceType, id: str, view: Mapping[str, Any]) -> Attributes:
    own = {"schemas", "id", "meta"}
    rest = {name: value for name, value in view.items() if name not in own}
    return {"schemas": schemas_of(view, kind), "id": id, **rest}
