"""The part of what was found that a page shows. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.flow.target_port import Attributes, Page, ResourceType
from gateway.scim.order import Sort, rank

T = TypeVar("T")


def window(found: Sequence[T], start: int, count: int) -> tuple[T, ...]:
    """Return what a page shows that begins at the 1-based `start`."""
    return tuple(found[start - 1 : start - 1 + count])


def with_hidden(page: Page, hidden: Sequence[Attributes]) -> Page:
    """Return a page with documents that the target does not show behind those it does, each once."""
    there = {document["id"] for document in page.entries}
    more = [document for document in hidden if document["id"] not in there]
    return Page(page.total + len(more), (*page.entries, *more))


def in_order(found: Sequence[Attributes], sort: Sort | None, kind: ResourceType) -> list[Attributes]:
    """Return documents as they are to be ordered; equal ones stay as they come."""
    if sort is None:
        return list(found)
    return sorted(found, key=rank(sort, kind), reverse=sort.descending)


class Order:
    """What is found, one by one, put in order: no more of it is held than what orders it, and its id."""

    def __init__(self, sort: Sort, kind: ResourceType) -> None:
        self._sort = sort
        self._rank: Callable[[Attributes], Any] = rank(sort, kind)
        self._found: list[tuple[Any, str]] = []

    def add(self, document: Attributes) -> None:
        """Take note of a document."""
        self._found.append((self._rank(document), document["id"]))

    def ids(self) -> list[str]:
        """Return the ids of all, in order."""
        ordered = sorted(self._found, key=lambda found: found[0], reverse=self._sort.descending)
        return [id for _, id in ordered]
