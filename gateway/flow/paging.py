"""Pages of what a target holds: all of them walked, one of them cut out, in order; what it cannot tell."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from hashlib import blake2b
from typing import Any, Final, TypeVar

from gateway.errors import InvalidFilter
from gateway.flow.journal_port import Key
from gateway.flow.model import Services, Target
from gateway.flow.services import is_large, off_loop
from gateway.flow.target_port import Attributes, Contradiction, Page, Query, ResourceType
from gateway.mapping.filters import equals, is_shown_as_it_is
from gateway.scim.documents import fold
from gateway.scim.filters import rank
from gateway.scim.grammar import Comparison, Filter, Sort, leaves
from gateway.scim.names import get
from gateway.scim.paths import compiled
from gateway.scim.predicate import attributes_named

KEYS: Final[Mapping[ResourceType, Mapping[str, tuple[str, Callable[[str], str]]]]] = {  # name -> kind of key
    ResourceType.USER: {
        "username": ("name", fold),
        "externalid": ("external", str),
        "emails": ("email", fold),
    },
    ResourceType.GROUP: {"displayname": ("name", fold), "externalid": ("external", str)},
}

T = TypeVar("T")
IsAsked = Callable[[Attributes, Attributes], bool]  # of an entry, and of the document it is shown as


def literals(filter: Filter | None) -> list[Any]:
    """Return what a filter looks for: a target may repeat it."""
    found = leaves(filter) if filter is not None else ()
    return [leaf.value for leaf in found if isinstance(leaf, Comparison)]


async def is_wanted(is_asked: IsAsked, entry: Attributes, document: Attributes) -> bool:
    """Say whether an entry, shown as this document, is one that is asked for."""
    is_odd = is_large(entry, document)
    return await off_loop(is_asked, entry, document) if is_odd else is_asked(entry, document)


def refuse_unknown(target: Target, kinds: Collection[ResourceType], filter: Filter | None) -> None:
    """Raise InvalidFilter for a filter that names what no resource of these types can have."""
    for path in attributes_named(filter) if filter is not None else ():
        if not any(target.mapping_for(kind).knows(compiled(path)) for kind in kinds):
            raise InvalidFilter(f"filter: {path} is not an attribute that {target.name} has")


def is_about_members(filter: Filter) -> bool:
    """Say whether a filter asks for members: the target knows them by other ids."""
    return any(path.attr.casefold() == "members" for path in attributes_named(filter))


def is_sorted_here(target: Target, kind: ResourceType, sort: Sort | None) -> bool:
    """Say whether only we know the values to sort by: the target has others than we show."""
    return sort is not None and not is_shown_as_it_is(sort.by, target.mapping_for(kind))


def is_shown_active(target: Target, kind: ResourceType, filter: Filter) -> bool:
    """Say whether a filter asks who is active, by no key, where others are that there than we show."""
    is_scoped = target.mapping_for(kind).scope is not None
    if not is_scoped or not KEYS[kind].keys().isdisjoint(equals(filter)):
        return False
    return any(path.attr.casefold() == "active" for path in attributes_named(filter))


def window(found: Sequence[T], start: int, count: int) -> tuple[T, ...]:
    """Return what a page shows that begins at the 1-based `start`."""
    return tuple(found[start - 1 : start - 1 + count])


def with_hidden(page: Page, hidden: Sequence[Attributes]) -> Page:
    """Return a page with documents that the target does not show behind those it does, each once."""
    there = {document["id"] for document in page.entries}
    more = [document for document in hidden if document["id"] not in there]
    return Page(page.total + len(more), (*page.entries, *more))


def without(page: Page, ids: Collection[str]) -> Page:
    """Return a page without the documents that have these ids."""
    if not ids:
        return page
    entries = tuple(document for document in page.entries if document["id"] not in ids)
    return Page(page.total - len(page.entries) + len(entries), entries, page.counted)


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


SHOWS_AGAIN: Final = "on its next page it shows what it has shown before"
SHOWS_FEWER: Final = (
    "it says that it has {} entries, and shows {}: if its totalResults are wrong, set `totals`"
)


async def walk(
    ask: Callable[[Query], Awaitable[Page]], size: int, *, members: bool = False
) -> AsyncIterator[tuple[Attributes, ...]]:
    """Yield what each page has that no page before it had; of everybody sixteen bytes are kept.

    Raises Contradiction where the pages end before all are seen that the target says it has; what it says may
    change on the way.
    """
    seen, least, start = set[bytes](), None, 1
    while True:
        page = await ask(Query(None, start, size, members, rest=True))
        news = tuple(_unseen(page.entries, seen))
        yield news
        start += len(page.entries)
        if page.counted:
            least = page.total if least is None else min(least, page.total)
        if not page.entries or (page.counted and start > page.total):
            break
        if not news:
            raise Contradiction(SHOWS_AGAIN)
    if least is not None and len(seen) < least:
        raise Contradiction(SHOWS_FEWER.format(least, len(seen)))


def _unseen(entries: Iterable[Attributes], seen: set[bytes]) -> Iterator[Attributes]:
    for entry in entries:
        if (mark := _fingerprint(entry["id"])) not in seen:
            seen.add(mark)
            yield entry


def _fingerprint(id: str) -> bytes:
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_SAME: Final[Mapping[str, Callable[[str], str]]] = {"username": fold, "externalid": str, "displayname": fold}


async def without_namesakes(
    services: Services, target: Target, kind: ResourceType, asked: Mapping[str, Any], page: Page
) -> Page:
    """Leave out whom we know by another name than the one asked for; unknown have what the target shows."""
    named = {name: same(asked[name]) for name, same in _SAME.items() if name in asked}
    others = [document for document in page.entries if not _is_named(document, named)]
    known = [document["id"] for document in others if await _is_known(services, target, kind, document["id"])]
    return without(page, known)


def _is_named(document: Attributes, named: Mapping[str, str]) -> bool:
    values = {name: get(document, name) for name in named}
    return all(isinstance(value, str) and _SAME[name](value) == named[name] for name, value in values.items())


async def _is_known(services: Services, target: Target, kind: ResourceType, id: str) -> bool:
    return bool(await services.resources.find(target.name, kind, (Key("id", id),)))
