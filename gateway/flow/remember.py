"""What the journal knows of a resource once an operation is settled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.flow.journal_port import Key, Link, Resource, State
from gateway.flow.model import Services
from gateway.flow.target_port import Attributes, ResourceType


@dataclass(frozen=True, slots=True)
class Known:
    """A settled state: the original, the form that was sent, and what the target shows of it."""

    target: str
    type: ResourceType
    original: Attributes
    state: State
    sent: Attributes
    entry: Attributes | None  # None: no entry any more


async def remembered(
    services: Services, before: Resource | None, known: Known, id: str | None, *, replied: bool
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


async def _new_id(services: Services, known: Known, target_id: str | None) -> str:
    """The target's id at first sight, or one of ours where there is none or it was used before."""
    if target_id is None:
        return services.new_id()
    used = await services.resources.find(known.target, known.type, (Key("id", target_id),))
    return services.new_id() if used else target_id


def _is_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return before == after
