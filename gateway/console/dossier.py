"""What is told of a person or group at one target: what the rules make, what was sent, what is there now."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from gateway.admin.person import Told, covered_person, person_of, shown_now
from gateway.audit.masking import Cover, blotted, covering, masked, nothing_covered
from gateway.audit.query import StoredEvent
from gateway.errors import GatewayError
from gateway.flow.find import is_protected
from gateway.flow.journal_port import Resource
from gateway.flow.model import Target
from gateway.flow.target_port import Attributes, ResourceType
from gateway.journal.store import load_key
from gateway.scim.difference import Selector, compare
from gateway.scim.documents import fold
from gateway.scim.names import NAMES
from gateway.settings.compiled import cover_of
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.journal.lookup import BelongingPage, Lookup
    from gateway.server.admin import Administration
    from gateway.settings import Settings

PATIENCE: Final = 3.0  # seconds that a page waits for a target


@frozen
class Side:
    """Somebody at a target, as the journal and the rules have them."""

    target: Target
    told: Told
    resource: Resource | None  # None: the target has been told nothing that it took


@frozen
class Shown:
    """What a target shows now, or why it could not be asked; times are RFC 3339, UTC."""

    asked: str
    entry: Attributes | None = None
    unasked: str | None = None


@frozen
class Extent:
    """How much of somebody is read."""

    sides: bool = False
    events: int = 0
    after: int | None = None  # seq of the event behind which they go on
    belonging: int = 0  # members, or groups, of each target, or of `target` alone
    behind: str = ""  # the id behind which they go on
    target: str | None = None


@frozen
class Dossier:
    """What the journal says of somebody, or of a group."""

    known: tuple[Resource, ...]  # at each target that knows them; the first is whom the address names
    sides: tuple[Side, ...]
    names: tuple[str, ...]  # folded, that they have or had
    events: tuple[StoredEvent, ...]
    belonging: Mapping[str, "BelongingPage"]  # target -> members of a group, or groups of somebody
    counted: Mapping[str, tuple[int, int]]  # target -> members of a group, and those it was not told of


def read_dossier(
    lookup: "Lookup", targets: Mapping[str, Target], kind: ResourceType, text: str, part: Extent
) -> Dossier:
    """Return what is known of whom an id or a name means; nothing is in it where that is nobody."""
    known = _everywhere(lookup, tuple(targets), kind, text)
    names, ids = lookup.names(known, () if known else (text,)), frozenset(one.id for one in known)
    events = lookup.timeline(names, ids, part.after, part.events) if part.events else ()
    is_group = kind is ResourceType.GROUP
    page = lookup.members if is_group else lookup.groups
    asked = [one for one in known if part.belonging and part.target in (None, one.base)]
    return Dossier(
        known,
        tuple(_sides(lookup, targets, kind, known, text)) if part.sides else (),
        names,
        tuple(event for event in events if ids or event["target"].get("type") == kind),
        {one.base: page(one, part.behind, part.belonging) for one in asked},
        {one.base: lookup.counted(one) for one in asked} if is_group else {},
    )


def named_in(lookup: "Lookup", bases: Sequence[str], kind: ResourceType, text: str) -> list[Resource]:
    """Return who has, or once had, a name or an id."""
    return lookup.by_key(bases, kind, text) or lookup.by_earlier_name(kind, text)


def storable(text: str) -> str:
    """Return text that a file and a page take."""
    return text.encode(errors="replace").decode()


def _everywhere(
    lookup: "Lookup", bases: Sequence[str], kind: ResourceType, text: str
) -> tuple[Resource, ...]:
    """Return whom an id or a name means at each target; the one that it names best comes first."""
    own = named_in(lookup, bases, kind, text)
    if not own:
        return ()
    first = min(own, key=lambda one: (one.id != text, fold(str(one.original.get(NAMES[kind]))) != fold(text)))
    found = {first.base: first}
    for one in lookup.elsewhere(bases, first):
        found.setdefault(one.base, one)
    return tuple(found.values())


def _sides(
    lookup: "Lookup",
    targets: Mapping[str, Target],
    kind: ResourceType,
    known: Sequence[Resource],
    text: str,
) -> Iterator[Side]:
    """Yield somebody at each target that has to do with them."""
    by_target = {one.base: one for one in known}
    name = next((one.original.get(NAMES[kind]) for one in known), None) or text
    for target in targets.values():
        if kind is ResourceType.USER:
            side = side_of(lookup, target, by_target, name)
        else:
            side = group_side(lookup, target, by_target[target.name]) if target.name in by_target else None
        if side is not None:
            yield side


def side_of(lookup: "Lookup", target: Target, known: Mapping[str, Resource], text: str) -> Side | None:
    """Return a person at a target; None where it has nothing to do with them.

    `known`: by the target that knows them. `text`: what they are called where it does not.
    """
    own = known.get(target.name)
    nearest = own or known.get(target.follows or "")
    told = person_of(
        lookup, target.name, target.mapping, text if nearest is None else nearest.id, target.follows
    )
    return None if told is None else Side(target, told, own)


def group_side(lookup: "Lookup", target: Target, group: Resource) -> Side:
    """Return a group at a target; its members are not in it."""
    mapped, link = target.groups.forward(group.original), group.links.get(target.name)
    is_in_scope = not target.groups.leaves_out(group.original)
    told = {
        "accepted": not mapped.problems,
        "in_scope": is_in_scope,
        "scope": None if target.groups.scope is None else target.groups.scope.text,
        "resource": mapped.form if is_in_scope and not mapped.problems else None,
        "steps": [],
        "unsent": mapped.unsent(),
        "problems": [asdict(problem) for problem in mapped.problems],
        "userName": group.original.get(NAMES[ResourceType.GROUP]),
        "externalId": group.original.get("externalId"),
        "state": group.state.value,
        "standing": lookup.standing_of(group),
        "original": group.original,
        "modified": group.modified,
        "sent": link.sent if link else None,
        "target_id": link.target_id if link else None,
    }
    return Side(target, told, group)


async def look_there(admin: "Administration", side: Side) -> Shown | None:
    """Ask a target, and wait no longer than a page may; None where it has no entry of theirs."""
    if side.resource is None or side.told["target_id"] is None:
        return None
    resource, asked = side.resource, admin.services.now()
    try:
        async with asyncio.timeout(PATIENCE):
            entry = await shown_now(admin.services, side.target, resource.type, resource.id)
    except TimeoutError:
        return Shown(asked, unasked=f"{side.target.name} did not answer within {PATIENCE:g} seconds")
    except GatewayError as error:
        return Shown(asked, unasked=error.detail)
    return Shown(asked, entry)


def cover_for(settings: "Settings", target: str, *, is_masked: bool) -> Cover:
    """Return what covers a target's values for a reader, as its `audit` and their role say."""
    own: Cover = nothing_covered
    with suppress(KeyError):  # a reload has taken the target away meanwhile
        own = cover_of(settings, target, load_key)
    return covering(masked) if is_masked and own is nothing_covered else own


def page_of(admin: "Administration", side: Side, shown: Shown | None, cover: Cover) -> dict[str, Any]:
    """Return what the page shows of a side."""
    entry = shown.entry if shown else None
    findings, is_repaired = ([], False) if shown and shown.unasked else _compared(admin, side, entry)
    quotes = (side.told["original"], side.told["sent"], entry)
    told = covered_person({**side.told, "shows": entry}, cover)

    def part(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "path": _path(one["path"], cover), "reason": _reason(one["reason"], quotes, cover)}

    return {
        **told,
        "name": side.target.name,
        "id": None if side.resource is None else side.resource.id,
        "unsent": [part(one) for one in told["unsent"]],
        "problems": [part(one) for one in told["problems"]],
        "shown": shown,
        "unasked": _reason(shown.unasked, quotes, cover) if shown else None,
        "rows": list(_rows(side.told, entry, cover)),
        "left": [
            {"path": path, "value": value} for path, value in _leaves(side.told["original"], cover).items()
        ],
        "findings": [covered_finding(finding, quotes, cover) for finding in findings],
        "repairs": is_repaired,
    }


def _compared(
    admin: "Administration", side: Side, entry: Attributes | None
) -> tuple[list[Mapping[str, Any]], bool]:
    """Return what a comparison finds, and whether a repair would do something."""
    if side.resource is None or (entry is not None and is_protected(side.target, entry)):
        return [], False
    return admin.runs.compared(side.target, side.resource, entry)


def covered_finding(row: Mapping[str, Any], quotes: tuple[Any, ...], cover: Cover) -> dict[str, Any]:
    """Return a row of a run with a person's values covered."""
    values = {side: cover(row[side], False) for side in ("ours", "theirs", "user_name") if side in row}
    return {
        **row,
        **values,
        "path": _path(row["path"], cover),
        "reason": _reason(row["reason"], quotes, cover),
    }


def _path(path: str | None, cover: Cover) -> str | None:
    return path and cover(path, True)


def _reason(reason: str | None, quotes: tuple[Any, ...], cover: Cover) -> str | None:
    """Return why something is so, without values where these are covered."""
    return reason if reason is None or cover is nothing_covered else blotted(reason, quotes)


def _rows(told: Told, entry: Attributes | None, cover: Cover) -> Iterator[dict[str, Any]]:
    """Yield a row for each attribute of the target's form: to be sent, sent, there now, and what differs."""
    forms = [told["resource"] or {}, told["sent"] or {}, entry or {}]
    plain = [_leaves(form, nothing_covered) for form in forms]
    for path in dict.fromkeys((*plain[0], *plain[1], *plain[2])):
        wanted, sent, there = (form.get(path) for form in plain)
        is_ours = path in plain[0] or path in plain[1]
        yield {
            "path": _path(path, cover),
            "cells": [cover(value, False) for value in (wanted, sent, there)],
            "is_news": told["resource"] is not None and wanted != sent,
            "is_changed": entry is not None and is_ours and there != sent,
            "is_theirs": not is_ours,
        }


def _leaves(document: Attributes | None, cover: Cover) -> dict[str, Any]:
    """Return the values of a document by their paths."""
    found = dict[str, Any]()
    for one in compare({}, document or {}):
        path, value, last = _path(one.path, cover) or "", one.after, one.steps[-1]
        if not isinstance(last, Selector) or not isinstance(value, dict):
            found[path] = cover(value, False)
            continue
        for name, inner in value.items():
            if name != last.name or len(value) == 1:
                found[f"{path}.{name}"] = cover(inner, False)
    return found
