"""The way of a read: translate, ask the target (always), show what the provider knows."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.errors import InvalidFilter, NotFound
from gateway.flow.alert import alert
from gateway.flow.answers import answer_to_read
from gateway.flow.document import shown, shown_entry
from gateway.flow.look import entry_of, foreign_entry, is_protected
from gateway.flow.model import Services, Target
from gateway.flow.ports import (
    Attributes,
    CannotFilter,
    Key,
    Page,
    Query,
    Resource,
    ResourceType,
    State,
    TargetError,
)
from gateway.mapping.query import equals, translate
from gateway.scim.documents import fold
from gateway.scim.grammar import Filter
from gateway.scim.paths import compiled
from gateway.scim.predicate import attributes_named, predicate

Matches = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """A provider's query for a page; `start` is 1-based."""

    filter: Filter | None = None
    start: int = 1
    count: int = 100


class Reads:
    """Answers every request that alters nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, target: Target, kind: ResourceType, id: str) -> Attributes:
        """Return one resource; raises NotFound, and the GatewayError for a target that cannot be read."""
        try:
            found = await self._find(target, kind, id)
        except TargetError as error:
            alert(target, error)
            raise answer_to_read(target.name, error) from error
        if found is None:
            raise NotFound(f"{target.name} has no {kind.value.lower()} with this id")
        return found

    async def query(self, target: Target, kind: ResourceType, question: Question) -> Page:
        """Return one page of what matches; raises the GatewayError for a target that cannot be read."""
        if kind is not ResourceType.USER:
            return Page(0, ())
        _refuse_unknown(target, question.filter)
        try:
            if question.filter is None:
                return await self._page(target, kind, None, question)
            return await self._matching(target, kind, question.filter, question)
        except TargetError as error:
            alert(target, error)
            raise answer_to_read(target.name, error) from error

    async def _find(self, target: Target, kind: ResourceType, id: str) -> Attributes | None:
        known = await self._services.resources.find(target.name, kind, (Key("id", id),))
        if not known:
            entry = await foreign_entry(self._services, target, kind, id)
            return None if entry is None else shown_entry(target, kind, entry)
        resource = known[0]
        if resource.state is State.DELETED:
            return None
        entry = await entry_of(self._services, target, resource, trust=0)
        if entry is None:
            return shown(target, resource, resource.original) if _is_absent_rightly(resource) else None
        return shown(target, resource, _view(target, resource, entry))

    async def _matching(self, target: Target, kind: ResourceType, filter: Filter, question: Question) -> Page:
        matches = predicate(filter)
        names = equals(filter)
        if "id" in names:
            return _window([await self._by_id(target, kind, names["id"], matches)], question)
        removed = await self._removed(target, kind, names, matches)
        page = await self._filtered(target, kind, filter, question)
        if page is None:
            page = await self._search(target, kind, matches, question)
        return _with_removed(page, removed, question)

    async def _filtered(
        self, target: Target, kind: ResourceType, filter: Filter, question: Question
    ) -> Page | None:
        """Return the page as the target filters it, None where it cannot say what is asked."""
        translated = translate(filter, target.mapping)
        if translated is None:
            return None
        with suppress(CannotFilter):
            return await self._page(target, kind, translated, question)
        return None

    async def _by_id(
        self, target: Target, kind: ResourceType, id: str, matches: Matches
    ) -> Attributes | None:
        found = await self._find(target, kind, id)
        return found if found is not None and matches(found) else None

    async def _page(
        self, target: Target, kind: ResourceType, filter: Filter | None, question: Question
    ) -> Page:
        count = min(question.count, target.policy.page_size)
        page = await target.connector.query(kind, Query(filter, question.start, count))
        return Page(page.total, tuple(await self._shown(target, kind, page.entries)))

    async def _search(self, target: Target, kind: ResourceType, matches: Matches, question: Question) -> Page:
        """Evaluate a filter here, over the target's pages: only the wanted window is kept."""
        total, window = 0, []
        async for document in self._everybody(target, kind):
            if matches(document):
                total += 1
                if question.start <= total < question.start + question.count:
                    window.append(document)
        return Page(total, tuple(window))

    async def _everybody(self, target: Target, kind: ResourceType) -> AsyncIterator[Attributes]:
        start = 1
        while True:
            page = await target.connector.query(kind, Query(None, start, target.policy.page_size))
            for document in await self._shown(target, kind, page.entries):
                yield document
            start += len(page.entries)
            if not page.entries or start > page.total:
                return

    async def _shown(
        self, target: Target, kind: ResourceType, entries: Sequence[Attributes]
    ) -> list[Attributes]:
        """Return a target's entries as the provider sees them, protected ones left out."""
        visible = [entry for entry in entries if not is_protected(target, entry)]
        ids = [entry["id"] for entry in visible]
        linked = await self._services.resources.read(target.name, kind, target.name, ids) if ids else {}
        documents = []
        for entry in visible:
            self._services.sights.note(target.name, kind, entry)
            resource = linked.get(entry["id"])
            documents.append(
                shown(target, resource, _view(target, resource, entry))
                if resource
                else shown_entry(target, kind, entry)
            )
        return documents

    async def _removed(
        self, target: Target, kind: ResourceType, names: Mapping[str, str], matches: Matches
    ) -> list[Attributes]:
        """Return deactivated people who have no entry on the target any more."""
        keys = [Key(_KEYS[name], _FOLDED[name](value)) for name, value in names.items() if name in _KEYS]
        if not keys:
            return []
        found = await self._services.resources.find(target.name, kind, keys)
        documents = [shown(target, r, r.original) for r in found if _is_absent_rightly(r)]
        return [document for document in documents if matches(document)]


def _refuse_unknown(target: Target, filter: Filter | None) -> None:
    for path in attributes_named(filter) if filter is not None else ():
        if not target.mapping.knows(compiled(path)):
            raise InvalidFilter(f"filter: {path} is not an attribute that {target.name} has")


_KEYS = {"username": "name", "externalid": "external", "emails": "email"}
_FOLDED: Mapping[str, Callable[[str], str]] = {"username": fold, "externalid": str, "emails": fold}


def _view(target: Target, resource: Resource, entry: Attributes) -> Attributes:
    link = resource.links.get(target.name)
    if link is None or link.seen is None:
        return dict(resource.original)
    return target.mapping.view(resource.original, link.seen, entry)


def _is_absent_rightly(resource: Resource) -> bool:
    return resource.state is State.INACTIVE


def _window(found: Sequence[Attributes | None], question: Question) -> Page:
    documents = [document for document in found if document is not None]
    first = question.start - 1
    return Page(len(documents), tuple(documents[first : first + question.count]))


def _with_removed(page: Page, removed: Sequence[Attributes], question: Question) -> Page:
    """Put people without an entry behind the target's own, in the same numbering."""
    there = {document["id"] for document in page.entries}
    removed = [document for document in removed if document["id"] not in there]
    first = max(0, question.start - 1 - page.total)
    room = max(0, question.count - len(page.entries))
    extra = removed[first : first + room] if question.start - 1 + len(page.entries) >= page.total else []
    return Page(page.total + len(removed), (*page.entries, *extra))
