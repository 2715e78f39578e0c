"""What a target holds of somebody: told from what was sent, what it showed then, what it shows now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway.flow.journal_port import Link, Resource, State
from gateway.flow.model import Situation
from gateway.flow.target_port import Attributes, Update
from gateway.mapping.program import Mapped
from gateway.mapping.rules import covers
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import take_password, truth
from gateway.scim.names import get


def edited(mapping: TargetMapping, resource: Resource, link: Link, present: Attributes) -> Attributes:
    """Return the document as the target has it: the original with what was changed there.

    Somebody inactive whom the target shows as active is active in it, even where it never showed otherwise.
    """
    original = resource.original
    view = dict(original) if link.seen is None else mapping.view(original, link.seen, present)
    return {**view, "active": True} if is_still_active(mapping, resource, present) else view


def is_still_active(mapping: TargetMapping, resource: Resource, present: Mapping[str, Any]) -> bool:
    """Say whether somebody inactive is active on the target, by its own words."""
    return resource.state is State.INACTIVE and truth(get(mapping.reverse(present), "active")) is True


def form_on_target(mapping: TargetMapping, resource: Resource, link: Link, present: Attributes) -> Attributes:
    """Return what the target has, in the form it was sent, whatever the rules have become since."""
    if present == link.seen and resource.state is not State.INACTIVE:
        return link.sent
    now = edited(mapping, resource, link, present)
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
    if present is None or link is None or link.seen is None:
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
    result = present
    for difference in differences:
        name, before, after = str(difference.steps[0]), difference.before, difference.after
        there = result.get(name)
        if (
            name not in mapping.singles
            or there is None
            or isinstance(before, list)
            or isinstance(after, list)
        ):
            result = overlay(result, [difference])
            continue
        values = there if isinstance(there, list) else [there]
        own = next((value for value in values if mapping.normal(name, value, {}) == before), None)
        own = before if own is None and after is None else own
        own = values[0] if own is None else own
        left = dict.fromkeys(after if value == own else value for value in values)
        kept = [value for value in left if value is not None]
        result = {**result, name: kept[0] if len(kept) == 1 else kept or None}
    return dict(result)


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
