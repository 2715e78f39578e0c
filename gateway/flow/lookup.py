"""Finding an entry on a target by what it is known by, never by guessing."""

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from typing import Any

from gateway.errors import Uniqueness
from gateway.flow.model import Target
from gateway.flow.target_port import Attributes, CannotFilter, Query, ResourceType
from gateway.flow.walk import walk
from gateway.scim.documents import fold
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, Filter


async def find_entry(target: Target, kind: ResourceType, form: Mapping[str, Any]) -> Attributes | None:
    """Return the target's entry with this form's externalId, else with its name; None where there is none.

    Raises Uniqueness where several have it, and what the connector raises.
    """
    for question in _questions(kind, form):
        found = await _ask(target, kind, question)
        if len(found) > 1:
            raise Uniqueness(f"{target.name} holds several entries with the same {question.attr_path}")
        if found:
            return found[0]
    return None


async def _ask(target: Target, kind: ResourceType, question: Comparison) -> list[Attributes]:
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


def _questions(kind: ResourceType, form: Mapping[str, Any]) -> Iterator[Comparison]:
    name = "userName" if kind is ResourceType.USER else "displayName"
    for attribute in ("externalId", name):
        if value := form.get(attribute):
            yield eq(attribute, value)


def _has(entry: Mapping[str, Any], question: Filter) -> bool:
    assert isinstance(question, Comparison)
    name, value = question.attr_path.attr, question.value
    found = entry.get(name)
    if name == "externalId" or not isinstance(found, str) or not isinstance(value, str):
        return bool(found == value)
    return fold(found) == fold(value)


def eq(attribute: str, value: Any) -> Comparison:
    """Return the filter `attribute eq value`."""
    return Comparison(AttrPath(attribute), CompareOperator.eq, value)
