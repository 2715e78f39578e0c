"""A resource as the journal keeps it, and as the document that a provider is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from gateway.flow.journal_port import Key, Link, Resource, State
from gateway.flow.model import Services, Target
from gateway.flow.target_port import Attributes, ResourceType
from gateway.scim.documents import schemas_of
from gateway.scim.messages import meta_of, version

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


@dataclass(frozen=True, slots=True)
class SettledState:
    """A settled state: the original, the form that was sent, and what the target shows of it."""

    target: str
    type: ResourceType
    original: Attributes
    state: State
    sent: Attributes
    entry: Attributes | None  # None: no entry any more


async def updated_resource(
    services: Services, before: Resource | None, known: SettledState, id: str | None, *, replied: bool
) -> Resource:
    """Return the resource to be stored; `id` is the one the provider used, None where it has none yet."""
    now = services.now()
    target_id = known.entry["id"] if known.entry is not None else None
    link = Link(known.target, target_id, known.sent, known.entry)
    if before is None:
        own = id or await _new_id(services, known, target_id)
        times, links = (now, now), {known.target: link}
        return Resource(known.target, known.type, own, known.original, known.state, *times, replied, links)
    return replace(
        before,
        original=known.original,
        state=known.state,
        modified=before.modified if _is_same(before.original, known.original) else now,
        replied=before.replied or replied,
        links={**before.links, known.target: link},
    )


async def _new_id(services: Services, known: SettledState, target_id: str | None) -> str:
    """The target's id at first sight, or one of ours where there is none or it was used before."""
    if target_id is None:
        return services.new_id()
    used = await services.resources.find(known.target, known.type, (Key("id", target_id),))
    return services.new_id() if used else target_id


def _is_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return before == after
