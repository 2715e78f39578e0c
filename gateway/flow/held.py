"""What a target holds of somebody: told from what was sent, what it showed then, what it shows now. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.flow.journal_port import Link, Resource, State
from gateway.flow.target_port import Attributes
from gateway.mapping.covers import covers
from gateway.mapping.target import Mapped, TargetMapping
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import truth
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


def held(mapping: TargetMapping, resource: Resource, link: Link, present: Attributes) -> Attributes:
    """Return what the target has, in the form it was sent, whatever the rules have become since."""
    now = edited(mapping, resource, link, present)
    if now == resource.original:
        return link.sent
    return overlay(link.sent, compare(mapping.forward(resource.original).form, mapping.forward(now).form))


def unsent(mapping: TargetMapping, resource: Resource, link: Link) -> tuple[Difference, ...]:
    """Return what the rules make of the original now, and did not when it was sent."""
    return compare(link.sent, with_kept(link.sent, mapping.forward(resource.original)).form)


def with_kept(before: Attributes, mapped: Mapped) -> Mapped:
    """Return the target's form with what it keeps of `before`, because the new value cannot be used."""
    kept = [
        replace(difference, after=difference.before)
        for difference in compare(before, mapped.form)
        if any(covers(where, difference) for where in mapped.kept)
    ]
    return replace(mapped, form=overlay(mapped.form, kept))
