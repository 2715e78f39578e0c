"""What a change starts from: the journal's resource, and the target's entry found by its keys."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.errors import NotFound, Uniqueness
from gateway.flow.journal_port import Key, Operation, Resource, State
from gateway.flow.model import (
    NOTHING_KNOWN,
    Change,
    Services,
    Situation,
    Target,
    is_same_name,
    is_spelled_alike,
    is_usable_id,
    keys_of_change,
    keys_of_resource,
    may_adopt,
)
from gateway.flow.paging import walk
from gateway.flow.resource import as_told
from gateway.flow.services import between
from gateway.flow.target_port import (
    Attributes,
    CannotFilter,
    Connector,
    Nonsense,
    Query,
    ResourceType,
    Silent,
    TargetError,
)
from gateway.log import get_logger
from gateway.scim.documents import fold
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, Filter
from gateway.scim.names import NAMES

log = get_logger()


def known_situation(services: Services, change: Change, resources: Sequence[Resource]) -> Situation:
    """Return what the journal says of the resource that a change is about, and of others under its keys."""
    if change.id is None:  # an id that was somebody's is never given again
        resources = [resource for resource in resources if resource.state is not State.DELETED]
    if not resources:
        return NOTHING_KNOWN
    own = _by_id(change.id, resources) if change.id is not None else _created(services, change, resources)
    return Situation(rivals=tuple(resources)) if own is None else _about(change, own, resources)


def _about(change: Change, own: Resource, resources: Sequence[Resource]) -> Situation:
    rivals = tuple([resource for resource in resources if resource is not own])
    return Situation(own, rivals, None, own.links.get(change.target.name), keys_of_resource(own))


def _by_id(id: str, resources: Sequence[Resource]) -> Resource | None:
    return next((resource for resource in resources if resource.id == id), None)


def _created(services: Services, change: Change, resources: Sequence[Resource]) -> Resource | None:
    """Return whom a create is for: who has both its names, else its externalId, else its userName.

    An externalId need not be unique (RFC 7643 section 3.1), so an active owner who knows their id and has
    another name keeps it, unless the provider gives none twice.
    """
    said = keys_of_change(change)
    shared = {resource.id: said & keys_of_resource(resource) for resource in resources}
    meant = [own for own in resources if not _keeps_to_itself(services, change, own, shared[own.id])]
    order = {id: (-len(keys), {key.kind for key in keys} == {"name"}) for id, keys in shared.items()}
    return min(meant, key=lambda own: order[own.id], default=None)


def _keeps_to_itself(services: Services, change: Change, owner: Resource, shared: frozenset[Key]) -> bool:
    """Say whether who shares no more than the externalId of a create is another."""
    if change.unique_ids or owner.state is not State.ACTIVE or any(key.kind == "name" for key in shared):
        return False
    return owner.replied or any(_makes(other, change.target, owner) for other in services.answering.values())


def _makes(create: Change, target: Target, owner: Resource) -> bool:
    """Say whether a create whose answer is on its way is the one by which somebody came to be."""
    is_there = create.operation == "create" and create.target.name == target.name
    return is_there and create.type is owner.type and keys_of_change(create) <= keys_of_resource(owner)


def in_the_way(own: Resource | None, keys: frozenset[Key], unsettled: Sequence[Operation]) -> list[Operation]:
    """Return the operations under these keys that are to be settled before a change of a resource.

    What holds nothing of it but the externalId that it has already is somebody else's.
    """
    had = keys_of_resource(own) if own is not None else frozenset()
    free = frozenset(key for key in had if key.kind == "external")
    return [operation for operation in unsettled if not keys.intersection(operation.intent.keys) <= free]


async def load_situation(
    services: Services, change: Change, known: Situation, *, is_gone: bool = False
) -> Situation:
    """Return what a change is decided on: what is known, and the target's entry, read now.

    `is_gone`: a change of the entry was just answered that there is none, so a read that says so is right.
    Raises NotFound for an id that is of no use any more, and what the connector raises.
    """
    own, target = known.resource, change.target
    trust = 0 if change.if_match else target.policy.trust  # a version is of what is there now
    if own is None:
        if change.id is None and (vanished := await _vanished_owner(services, change, known.rivals)):
            return _about(change, vanished, known.rivals)
        entry = await _load_unlinked(services, change)
        return Situation(None, known.rivals, entry)
    if own.state is State.DELETED:
        raise NotFound(f"this {change.type.lower()} was deleted")
    entry = await load_entry(services, target, own, trust)
    if entry is None and change.id is not None:
        await _refuse_protected(target, own)
    told = _told(services, target, own) if entry is None and not is_gone else None
    return Situation(own, known.rivals, entry or told, known.link, known.keys, told is not None)


def _told(services: Services, target: Target, own: Resource) -> Attributes | None:
    """Return what a target was told of a resource less than `trust` ago: reads may not show it yet."""
    link = own.links.get(target.name)
    if link is None or link.target_id is None:
        return None
    if between(own.modified, services.now()) >= target.policy.trust:
        return None
    told = as_told(link)
    return None if is_protected(target, told) else told


async def _vanished_owner(services: Services, change: Change, rivals: Sequence[Resource]) -> Resource | None:
    """Return an owner of the externalId of a create whose entry the target has no more."""
    target = change.target
    for owner in rivals:
        if change.mapping.leaves_out(owner.original):
            continue  # has no entry because none is to be
        entry = await load_entry(services, target, owner, target.policy.trust)
        if entry is None and not _told(services, target, owner) and not await _is_hidden(target, owner):
            return owner
    return None


async def _refuse_protected(target: Target, own: Resource) -> None:
    """Raise NotFound where the entry is there, but kept from us: a change of it must not look done."""
    if await _is_hidden(target, own):
        raise protected(target)


def protected(target: Target) -> NotFound:
    """Return the error of a change of an entry that the target's administrator keeps from us."""
    return NotFound(f"targets.{target.name}.protect keeps this entry from providers")


async def _is_hidden(target: Target, own: Resource) -> bool:
    link = own.links.get(target.name)
    if target.policy.protect is None or link is None or link.target_id is None:
        return False
    entry = await target.connector.get(own.type, link.target_id)
    return entry is not None and is_protected(target, entry)


async def recall_situation(services: Services, change: Change, keys: Iterable[Key]) -> Situation | None:
    """Return what the journal alone knows of somebody active; None where that is too little."""
    found = await services.resources.find(change.target.name, change.type, tuple(keys))
    known = known_situation(services, change, found)
    own, link = known.resource, known.link
    if change.id is None or own is None or own.state is not State.ACTIVE:
        return None
    if link is None or link.target_id is None:
        return None
    return replace(known, present=as_told(link))


async def _load_unlinked(services: Services, change: Change) -> Attributes | None:
    """Return the entry of somebody whom the journal does not know, None where there is none."""
    if change.id is not None and change.target.follows is None:
        return await load_unknown_entry(services, change.target, change.type, change.id, trust=0)
    is_refused = change.target.policy.unique_names and change.type is ResourceType.USER
    if is_refused and not services.looks_first:  # few targets refuse a second group of one name
        return None
    if change.mapping.leaves_out({"active": True, **change.body}):  # what is there is nobody's business
        return None
    form = change.mapping.forward(change.body).form
    entry = await search_entry(services, change.target, change.type, form)
    if entry is not None and await _is_taken(services, change.target, change.type, entry):
        raise Uniqueness(f"{change.target.name} holds an entry of that name which may not be adopted")
    return entry and await whole(change.target, change.type, entry)


async def whole(target: Target, kind: ResourceType, found: Attributes) -> Attributes:
    """Return an entry that a search found as it is shown by itself: lists may show less than that.

    The first change of an entry is to keep all of it, so it is not made on what a list shows.
    """
    return await target.connector.get(kind, found["id"]) or found


async def load_unknown_entry(
    services: Services, target: Target, kind: ResourceType, target_id: str, trust: float
) -> Attributes | None:
    """Return an entry that the journal does not know, by the target's own id, None where there is none.

    It is at most `trust` seconds old.
    """
    if "/" in target_id or not is_usable_id(target_id):
        return None  # nothing that a target could take for another path is asked of it
    known = await services.resources.read(target.name, kind, target.name, (target_id,))
    if any(resource.id != target_id for resource in known.values()):
        return None  # known under another id: this one never was the provider's
    entry = services.entry_cache.recall(target.name, kind, target_id, trust)
    asked = services.entry_cache.tick()
    entry = entry or await read_entry(services, target, kind, target_id)
    if entry is None or is_protected(target, entry):
        return None
    services.entry_cache.note(target.name, kind, entry, asked)
    return entry


async def load_entry(
    services: Services, target: Target, resource: Resource, trust: float
) -> Attributes | None:
    """Return what the target shows of a resource of ours, at most `trust` seconds old; None: nothing."""
    link, cache = resource.links.get(target.name), services.entry_cache
    if link is None or link.target_id is None:
        return None
    entry = cache.recall(target.name, resource.type, link.target_id, trust) if trust else None
    if entry is not None and not is_protected(target, entry):
        return entry
    asked = cache.tick()
    entry = await read_entry(services, target, resource.type, link.target_id)
    if entry is None and resource.state is State.ACTIVE:
        entry = await _made_again(services, target, resource)
    if entry is None or is_protected(target, entry):
        return None
    return cache.note(target.name, resource.type, entry, asked, target.policy.trust)


async def read_entry(services: Services, target: Target, kind: ResourceType, id: str) -> Attributes | None:
    """Return what the target shows of an entry; where it has none, what it showed before is forgotten."""
    if (entry := await target.connector.get(kind, id)) is None:
        services.entry_cache.forget(target.name, kind, id)
    return entry


async def shown_after(
    connector: Connector, kind: ResourceType, id: str, answer: Attributes | None
) -> Attributes:
    """Return an entry after a change: as the target answered it, or as it is read then.

    The change happened, so what the read says is doubt (Silent), not refusal; so is an answer with another's
    entry (Nonsense).
    """
    if answer is not None:
        if answer["id"] != id:
            raise Nonsense("the target answered a change with another entry")
        return answer
    try:
        entry = await connector.get(kind, id)
    except TargetError as error:
        raise Silent(error.reason, error.status) from error
    if entry is None:
        raise Silent("the target took the change, but does not show the entry")
    return entry


class LinkedToAnother(Exception):
    """The target answered a create with an entry that is somebody else's."""


async def refuse_linked(services: Services, resource: Resource, known_as: str | None) -> None:
    """Raise LinkedToAnother where the entry of a resource, known by this id so far, is another's."""
    base = resource.base
    ids = [link.target_id for link in resource.links.values() if link.target_id is not None]
    linked = await services.resources.read(base, resource.type, base, ids)
    if any(owner.id != known_as for owner in linked.values()):
        raise LinkedToAnother


def is_protected(target: Target, entry: Attributes) -> bool:
    """Say whether the target's administrator keeps this entry from us."""
    return target.policy.protect is not None and target.policy.protect(entry)


async def _made_again(services: Services, target: Target, resource: Resource) -> Attributes | None:
    """Look for an entry that the target's administrator made anew, under another id, for the same person."""
    entry = await search_entry(services, target, resource.type, resource.links[target.name].sent)
    if entry is None or await _is_taken(services, target, resource.type, entry):
        return None
    entry_shown = target.mapping_for(resource.type).reverse(entry)
    mine = may_adopt(target.policy, resource.original, entry_shown, resource.type)
    return entry if mine else None


async def is_made_again(services: Services, target: Target, resource: Resource, entry: Attributes) -> bool:
    """Say whether an entry that we have no link to belongs to somebody we know, whose own is gone."""
    link = resource.links.get(target.name)
    if resource.state is not State.ACTIVE or link is None or link.target_id is None:
        return False
    entry_shown = target.mapping_for(resource.type).reverse(entry)
    mine = may_adopt(target.policy, resource.original, entry_shown, resource.type)
    return mine and await read_entry(services, target, resource.type, link.target_id) is None


async def may_become(
    services: Services, target: Target, kind: ResourceType, original: Attributes, entry: Attributes
) -> bool:
    """Say whether an entry found on the target may become the one of a resource that has none."""
    if await _is_taken(services, target, kind, entry):
        return False
    return may_adopt(target.policy, original, target.mapping_for(kind).reverse(entry), kind)


async def _is_taken(services: Services, target: Target, kind: ResourceType, entry: Attributes) -> bool:
    linked = await services.resources.read(target.name, kind, target.name, (entry["id"],))
    return bool(linked) or is_protected(target, entry)


async def search_entry(
    services: Services, target: Target, kind: ResourceType, form: Mapping[str, Any]
) -> Attributes | None:
    """Return the target's entry with this form's externalId, else with its name; None where there is none.

    An externalId need not be unique: of several with it the one that has the name, too, is meant, and who is
    linked here has it beside the one that is sought. Raises Uniqueness where it cannot be told which one is
    meant, and what the connector raises.
    """
    name, attribute = NAMES[kind], "externalId"
    alike = await _asked(target, kind, form, attribute)
    both = [entry for entry in alike if is_same_name(entry.get(name), form.get(name))]
    found = both or await _unlinked(services, target, kind, alike)
    if len(found) != 1 and not both and (named := await _asked(target, kind, form, name)):
        found, attribute = named, name
    if len(found) > 1:
        raise Uniqueness(f"{target.name} holds several entries with the same {attribute}")
    return found[0] if found else None


async def namesakes(
    services: Services, target: Target, kind: ResourceType, form: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the entries, by id, of others whom we know, which have the form's externalId."""
    found = await _asked(target, kind, form, "externalId")
    linked = await _linked(services, target, kind, found)
    return tuple(entry["id"] for entry in found if entry["id"] in linked)


async def _unlinked(
    services: Services, target: Target, kind: ResourceType, entries: Sequence[Attributes]
) -> list[Attributes]:
    linked = await _linked(services, target, kind, entries)
    return [entry for entry in entries if entry["id"] not in linked]


async def _linked(
    services: Services, target: Target, kind: ResourceType, entries: Sequence[Attributes]
) -> Mapping[str, Resource]:
    ids = [entry["id"] for entry in entries]
    return await services.resources.read(target.name, kind, target.name, ids) if ids else {}


async def _asked(
    target: Target, kind: ResourceType, form: Mapping[str, Any], attribute: str
) -> list[Attributes]:
    """Return up to two entries with the form's value of an attribute, none where it has none."""
    if not (value := form.get(attribute)):
        return []
    question = eq(attribute, value)
    try:
        page = await target.connector.query(kind, Query(question, count=2))
    except CannotFilter:
        return [entry async for entry in _everybody(target, kind) if _has(entry, question)]
    # a target that ignores the filter answers with everybody
    return [entry for entry in page.entries if _has(entry, question)]


async def _everybody(target: Target, kind: ResourceType) -> AsyncIterator[Attributes]:
    async for entries in walk(partial(target.connector.query, kind), target.policy.page_size):
        for entry in entries:
            yield entry


def _has(entry: Mapping[str, Any], question: Filter) -> bool:
    assert isinstance(question, Comparison)
    name, value = question.attr_path.attr, question.value
    found = entry.get(name)
    if name == "externalId" or not isinstance(found, str) or not isinstance(value, str):
        return bool(found == value)
    if is_spelled_alike(found, value):
        return True
    if fold(found) == fold(value):
        log.warning("entry.name_alike", attribute=name)  # which is another's: a target may think otherwise
    return False


def eq(attribute: str, value: Any) -> Comparison:
    """Return the filter `attribute eq value`."""
    return Comparison(AttrPath(attribute), CompareOperator.eq, value)
