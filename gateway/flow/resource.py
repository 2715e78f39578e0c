"""A resource as the journal keeps it, and as the document that a provider is shown."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from gateway.flow.journal_port import Link, Resource, State
from gateway.flow.model import Change, Plan, Send, Target, is_usable_id
from gateway.flow.target_port import Attributes, ResourceType
from gateway.scim.documents import schemas_of
from gateway.scim.members import Emptied, edited
from gateway.scim.messages import meta_of, version
from gateway.values import frozen

_is_plain: Final = re.compile(r"[\w.~-]+", re.ASCII).fullmatch  # nothing in it has to be quoted in a URL

Members = Sequence[Attributes] | None  # of a group; None: they were not read, and are not shown


def shown(target: Target, resource: Resource, view: Mapping[str, Any], members: Members = None) -> Attributes:
    """Return a resource of ours as the provider sees it."""
    times = (resource.created, resource.modified)
    return _dressed(target, resource.type, _content(resource.type, resource.id, view), members, times)


def is_answered_briefly(change: Change) -> bool:
    """Say whether the answer has no body: a group of thousands would be sent back for each new member."""
    return change.type is ResourceType.GROUP and change.operation == "patch"


def answer_of(change: Change, plan: Plan, resource: Resource, entry: Attributes | None) -> Attributes:
    """Return the resource as the answer to its change shows it."""
    view, mapping = resource.original, change.mapping
    if mapping.singles and entry is not None:
        view = mapping.with_further(view, entry)
    members = _known_members(change, plan) if change.type is ResourceType.GROUP else None
    return shown(change.target, resource, view, members)


def _known_members(change: Change, plan: Plan) -> Members:
    """Return the members as the request had them, for its answer; None where it does not say who they are."""
    is_whole = plan.send is Send.CREATE or any(isinstance(edit, Emptied) for edit in change.members[:1])
    return list(edited({}, change.members).values()) if is_whole else None


def shown_entry(
    target: Target, kind: ResourceType, entry: Mapping[str, Any], members: Members = None
) -> Attributes:
    """Return an entry that the journal does not know as the provider sees it."""
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    times = (meta.get("created"), meta.get("lastModified"))
    content = _content(kind, entry["id"], target.mapping_for(kind).reverse(entry))
    return _dressed(target, kind, content, members, times)


def document_of(
    target: Target, kind: ResourceType, resource: Resource | None, entry: Attributes, members: Members
) -> Attributes:
    """Return an entry as the provider sees it, of a group with these members."""
    if resource is None:
        return shown_entry(target, kind, entry, members)
    return shown(target, resource, _view(target, resource, entry), members)


def _view(target: Target, resource: Resource, entry: Attributes) -> Attributes:
    link = resource.links.get(target.name)
    if link is None or link.seen is None:
        return dict(resource.original)
    return target.mapping_for(resource.type).view(resource.original, link.seen, entry)


def version_of(kind: ResourceType, id: str, view: Mapping[str, Any], members: Members = None) -> str:
    """Return the version that a resource is shown with."""
    return version(_content(kind, id, view), _ids(members))


def _dressed(
    target: Target,
    kind: ResourceType,
    content: Attributes,
    members: Members,
    times: tuple[str | None, str | None],
) -> Attributes:
    tag, id = version(content, _ids(members)), content["id"]
    location = f"{target.location}/{kind}s/{id if _is_plain(id) else quote(id, safe='')}"
    if members:
        content["members"] = list(members)
    content["meta"] = meta_of(str(kind), *times, location, tag)
    return content


def _content(kind: ResourceType, id: str, view: Mapping[str, Any]) -> Attributes:
    content = {"schemas": [], "id": id, **view}  # these come first
    content["schemas"], content["id"] = schemas_of(view, kind), id
    content.pop("meta", None)
    return content


def _ids(members: Members) -> list[str] | None:
    return None if members is None else [member["value"] for member in members]


@frozen
class SettledState:
    """A settled state: the original, the form that was sent, and what the target shows of it."""

    target: str
    type: ResourceType
    original: Attributes
    state: State
    sent: Attributes
    entry: Attributes | None  # None: no entry any more
    moves: bool = False  # it is another one now, though its original is the same: members, or its end


def updated_resource(
    before: Resource | None,
    known: SettledState,
    id: str | None,
    now: str,
    new_id: Callable[[], str],
    *,
    replied: bool,
) -> Resource:
    """Return the resource to be stored.

    `id` is the one the provider used; where it has none yet it gets the target's id at first sight, or one of
    ours where there is none, or none that can stand in a URL.
    """
    target_id = known.entry["id"] if known.entry is not None else None
    link = Link(known.target, target_id, known.sent, known.entry)
    if before is None:
        first = target_id if target_id and is_usable_id(target_id) else new_id()
        own, links = id or first, {known.target: link}
        return Resource(known.target, known.type, own, known.original, known.state, now, now, replied, links)
    return Resource(
        before.base,
        before.type,
        before.id,
        known.original,
        known.state,
        before.created,
        before.modified if before.original == known.original and not known.moves else now,
        before.replied or replied,
        {**before.links, known.target: link},
    )
