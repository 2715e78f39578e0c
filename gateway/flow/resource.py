"""A resource as the journal keeps it, as the target has it, and as a provider is shown it. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from gateway.flow.journal_port import Link, Resource, State
from gateway.flow.model import Change, Plan, Send, Situation, Target, is_usable_id
from gateway.flow.target_port import Attributes, ResourceType, Update
from gateway.mapping.program import Mapped
from gateway.mapping.rules import covers
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import schemas_of, take_password, truth
from gateway.scim.members import Emptied, edited
from gateway.scim.messages import meta_of, version
from gateway.scim.names import get
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
    is_new = plan.send is Send.CREATE or (change.operation == "create" and not plan.is_in_scope)
    is_whole = is_new or any(isinstance(edit, Emptied) for edit in change.members[:1])
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
    mapping = target.mapping if resource.type is ResourceType.USER else target.groups
    is_left_out = mapping.scope is not None and mapping.leaves_out(resource.original)
    if link is None or link.seen is None or is_left_out:
        return dict(resource.original)
    return mapping.view(resource.original, link.seen, entry)


def is_absent_rightly(target: Target, resource: Resource) -> bool:
    """Say whether a target has no entry of a resource, or none that counts, because none is to be."""
    return resource.state is State.INACTIVE or is_left_out(target, resource)


def is_left_out(target: Target, resource: Resource) -> bool:
    """Say whether a resource is out of a target's scope."""
    return target.mapping_for(resource.type).leaves_out(resource.original)


def forgets(target: Target, resource: Resource) -> bool:
    """Say whether the target did not show the externalId that it was sent."""
    link, external = resource.links.get(target.name), resource.original.get("externalId")
    if link is None or link.seen is None or not external:
        return False
    return bool(target.mapping_for(resource.type).reverse(link.seen).get("externalId") != external)


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
    if kind is ResourceType.USER and (known := target.mapping.entitlements) is not None:
        content = known.shown(content)  # with the version of what is kept: names may change at any time
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


def document_there(mapping: TargetMapping, resource: Resource, link: Link, present: Attributes) -> Attributes:
    """Return the document as the target has it: the original with what was changed there.

    Somebody inactive whom the target shows as active is active in it, even where it never showed otherwise.
    """
    original = resource.original
    view = dict(original) if link.seen is None else mapping.view(original, link.seen, present)
    return {**view, "active": True} if is_still_active(mapping, resource, link, present) else view


def is_still_active(
    mapping: TargetMapping, resource: Resource, link: Link | None, present: Mapping[str, Any]
) -> bool:
    """Say whether somebody inactive is active on the target, by its own words, else by what it was sent."""
    if resource.state is not State.INACTIVE:
        return False
    shown = truth(get(mapping.reverse(present), "active"))
    if shown is None and link is not None:
        shown = truth(get(mapping.reverse(link.sent), "active"))
    return shown is True


def as_on_target(mapping: TargetMapping, resource: Resource) -> Resource:
    """Return a resource as the target is to have it: who is out of its scope is inactive there."""
    if not mapping.leaves_out(resource.original):
        return resource
    return replace(resource, original={**resource.original, "active": False}, state=State.INACTIVE)


def seems_left_out(target: Target, resource: Resource, entry: Attributes) -> bool:
    """Say whether a target shows somebody active as inactive, as it does of who is out of its scope."""
    shown = truth(get(target.mapping_for(resource.type).reverse(entry), "active"))
    return resource.state is State.ACTIVE and shown is False


def as_told(link: Link) -> Attributes:
    """Return the entry of a link as the target last showed it, else as it was sent."""
    return {**(link.seen or link.sent), "id": link.target_id}


def form_on_target(mapping: TargetMapping, resource: Resource, link: Link, present: Attributes) -> Attributes:
    """Return what the target has, in the form it was sent, whatever the rules have become since."""
    if mapping.scope is not None:
        resource = as_on_target(mapping, resource)
    if present == link.seen and resource.state is not State.INACTIVE:
        return link.sent
    now = document_there(mapping, resource, link, present)
    if now == resource.original:
        return link.sent
    return overlay(link.sent, compare(mapping.forward(resource.original).form, mapping.forward(now).form))


def unsent(mapping: TargetMapping, resource: Resource, link: Link) -> tuple[Difference, ...]:
    """Return what the rules make of the original now, and did not when it was sent."""
    return compare(link.sent, with_kept(link.sent, mapping.forward(resource.original)).form)


def with_kept(before: Attributes, mapped: Mapped) -> Mapped:
    """Return the target's form with what it keeps of `before`, because the new value cannot be used."""
    if not mapped.kept:
        return mapped
    kept = [
        replace(difference, after=difference.before)
        for difference in compare(before, mapped.form)
        if any(covers(where, difference) for where in mapped.kept)
    ]
    return replace(mapped, form=overlay(mapped.form, kept))


def view_of(mapping: TargetMapping, situation: Situation) -> Attributes:
    """Return the document that GET would return now, without id and meta."""
    resource, present, link = situation.resource, situation.present, situation.link
    if resource is None:
        return mapping.reverse(present or {})
    is_left_out = mapping.scope is not None and mapping.leaves_out(resource.original)
    if present is None or link is None or link.seen is None or is_left_out:
        return dict(resource.original)
    return mapping.view(resource.original, link.seen, present)


def without_password(entry: Attributes) -> Attributes:
    """Return a target's entry without a password that it echoes."""
    return take_password(entry)[0] if "password" in entry else entry


def beside_rules(
    mapping: TargetMapping,
    present: Attributes,
    documents: tuple[Attributes | None, Attributes],
    forms: tuple[Attributes, Attributes],
) -> tuple[Attributes, tuple[Difference, ...]]:
    """Return what a target holds in the form, and what goes of the values beside those that rules write.

    `documents`: what the provider said before (None: whatever is there), and what is wanted; `forms`: what is
    held of it, and wanted. A value that is there already is the rule's own. The others stay, unless the
    provider said them before and does not any more, or the rule writes nothing any more.
    """
    (said, wanted), (before, form), gone = documents, forms, list[Difference]()
    for name, values in mapping.several(present, form).items():
        normal = {value: mapping.normal(name, value, wanted) for value in values}
        if form.get(name) in normal.values():
            before = {**before, name: form[name]}
        had = frozenset(normal.values()) if said is None else mapping.said(name, said)
        left = had - mapping.said(name, wanted)
        gone += [
            Difference((name,), value, None)
            for value in values
            if normal[value] != before.get(name) and (name not in form or normal[value] in left)
        ]
    return before, tuple(gone)


def laid(mapping: TargetMapping, present: Attributes, differences: Iterable[Difference]) -> Attributes:
    """Return what a target shows with differences laid over it: of several values the one that is meant."""
    result, others = present, list[Difference]()
    for difference in differences:
        name = str(difference.steps[0])
        there = result.get(name) if name in mapping.singles else None
        if there is None or isinstance(difference.before, list) or isinstance(difference.after, list):
            others.append(difference)
        else:
            values = there if isinstance(there, list) else [there]
            normal = [mapping.normal(name, value, {}) for value in values]
            result = {**result, name: _exchanged(values, normal, difference.before, difference.after)}
    return overlay(result, others)


def _exchanged(values: Sequence[Any], normal: Sequence[Any], before: Any, after: Any) -> Any:
    """Return values with one exchanged, or gone: which is `before` in the rule's form, else the first."""
    unknown = before if after is None else values[0]
    own = values[normal.index(before)] if before in normal else unknown
    left = dict.fromkeys(after if value == own else value for value in values)
    kept = [value for value in left if value is not None]
    return kept[0] if len(kept) == 1 else kept or None


def update_of(
    mapping: TargetMapping,
    present: Attributes,
    differences: tuple[Difference, ...],
    form: Attributes,
    secret: Attributes,
) -> Update:
    """Return the update that lays the differences over what the target shows now."""
    wanted = without_password(laid(mapping, present, differences)) | secret
    shown = present.get("schemas")
    known = [urn for urn in shown if isinstance(urn, str)] if isinstance(shown, list) else []
    wanted["schemas"] = list(dict.fromkeys((*known, *form["schemas"])))
    return Update(present, wanted, differences, held=form)
