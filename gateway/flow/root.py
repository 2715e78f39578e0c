"""A query for resources of every type (RFC 7644 section 3.4.2.1)."""

from dataclasses import replace

from gateway.flow.model import Target
from gateway.flow.read import Question, Reads, refuse_unknown
from gateway.flow.target_port import Attributes, Page, ResourceType
from gateway.scim.paths import compiled
from gateway.scim.typed import for_type


async def query_all(reads: Reads, target: Target, question: Question) -> Page:
    """Return a page of what matches, people before groups; raises as `Reads.query` does."""
    refuse_unknown(target, tuple(ResourceType), question.filter)
    total, found = 0, list[Attributes]()
    for kind in ResourceType:
        start, count = max(1, question.start - total), question.count - len(found)
        page = await _of_type(reads, target, kind, replace(question, start=start, count=count))
        total += page.total
        found.extend(page.entries)
    return Page(total, tuple(found))


async def _of_type(reads: Reads, target: Target, kind: ResourceType, question: Question) -> Page:
    if question.filter is None:
        return await reads.query(target, kind, question)
    mapping = target.mapping_for(kind)
    left = for_type(question.filter, kind, lambda path: mapping.knows(compiled(path)))
    if left is False:
        return Page(0, ())
    return await reads.query(target, kind, replace(question, filter=None if left is True else left))
