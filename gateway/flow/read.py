"""The way of a read: translate, ask the target (always), show what the provider knows."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.errors import InvalidFilter, NotFound
from gateway.flow.alert import alert
from gateway.flow.answers import answer_to_read
from gateway.flow.document import shown, shown_entry
from gateway.flow.look import entry_of, foreign_entry, is_made_again, is_protected
from gateway.flow.model import Services, Target, keys_of, keys_of_resource
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
from gateway.flow.recovery import Recovery
from gateway.mapping.query import equals, translate
from gateway.scim.documents import fold
from gateway.scim.grammar import Filter
from gateway.scim.paths import compiled
from gateway.scim.predicate import attributes_named, predicate

Matches = Callable[[Mapping[str, Any]], bool]
IsAsked = Callable[[Attributes, Attributes], bool]  # of an entry, and of the document it is shown as


@dataclass(frozen=True, slots=True)
class Question:
    """A provider's query for a page; `start` is 1-based."""

    filter: Filter | None = None
    start: int = 1
    count: int = 100


class Reads:
    """Answers every request that alters nothing."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery

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
                return await self._page(target, kind, None, _is_anybody, question)
            return await self._matching(target, kind, question.filter, question)
        except TargetError as error:
            alert(target, error)
            raise answer_to_read(target.name, error) from error

    async def _find(self, target: Target, kind: ResourceType, id: str) -> Attributes | None:
        known = await self._services.resources.find(target.name, kind, (Key("id", id),))
        if not known:
            entry = await foreign_entry(self._services, target, kind, id, trust=0)
            return None if entry is None else shown_entry(target, kind, entry)
        resource = known[0]
        if resource.state is State.DELETED:
            return None
        entry = await entry_of(self._services, target, resource, trust=0)
        if entry is not None:
            return shown(target, resource, _view(target, resource, entry))
        if not _is_absent_rightly(resource):
            resource = await self._settled(target, resource)
        return shown(target, resource, resource.original) if _is_absent_rightly(resource) else None

    async def _settled(self, target: Target, resource: Resource) -> Resource:
        """Return what is known once it is clear whether we removed the entry ourselves."""
        keys = keys_of_resource(resource)
        if not await self._services.operations.open(target.name, tuple(keys)):
            return resource
        async with self._services.locks.hold(target.name, keys, target.policy.deadline):
            await self._recovery.settle_doubt(target, resource.type, keys)
        own = (Key("id", resource.id),)
        return (await self._services.resources.find(target.name, resource.type, own))[0]

    async def _matching(self, target: Target, kind: ResourceType, filter: Filter, question: Question) -> Page:
        matches = predicate(filter)
        names = equals(filter)
        if "id" in names:
            return _window([await self._by_id(target, kind, names["id"], matches)], question)
        removed = await self._removed(target, kind, names, matches)
        if not removed:
            return await self._asked(target, kind, filter, matches, question)
        # few people have the same key: all of them are read, so that nobody is counted twice
        everybody = replace(question, start=1, count=target.policy.page_size)
        return _with_removed(await self._asked(target, kind, filter, matches, everybody), removed, question)

    async def _asked(
        self, target: Target, kind: ResourceType, filter: Filter, matches: Matches, question: Question
    ) -> Page:
        """Return the page as the target filters it, or as we do where it cannot say what is asked."""
        translated = translate(filter, target.mapping)
        if translated is None:
            return await self._search(target, kind, lambda _, document: matches(document), question)
        holds = predicate(translated)
        try:
            return await self._page(target, kind, translated, lambda entry, _: holds(entry), question)
        except CannotFilter:
            return await self._search(target, kind, lambda entry, _: holds(entry), question)

    async def _by_id(
        self, target: Target, kind: ResourceType, id: str, matches: Matches
    ) -> Attributes | None:
        found = await self._find(target, kind, id)
        return found if found is not None and matches(found) else None

    async def _page(
        self,
        target: Target,
        kind: ResourceType,
        filter: Filter | None,
        is_asked: IsAsked,
        question: Question,
    ) -> Page:
        """Return one page of the target's; raises CannotFilter where it ignores the filter."""
        count = min(question.count, target.policy.page_size)
        page = await target.connector.query(kind, Query(filter, question.start, count))
        if not all(is_asked(entry, {}) for entry in page.entries):
            raise CannotFilter(f"{target.name} ignores filters")
        documents = tuple(document for _, document in await self._shown(target, kind, page.entries))
        if target.policy.protect is None:
            return Page(page.total, documents)
        if question.start == 1 and page.total <= len(page.entries):
            return Page(len(documents), documents)
        return await self._search(target, kind, is_asked, question)  # only so are the numbers right

    async def _search(
        self, target: Target, kind: ResourceType, is_asked: IsAsked, question: Question
    ) -> Page:
        """Evaluate a filter here, over the target's pages: only the wanted window is kept."""
        total, window = 0, []
        async for entry, document in self._everybody(target, kind):
            if is_asked(entry, document):
                total += 1
                if question.start <= total < question.start + question.count:
                    window.append(document)
        return Page(total, tuple(window))

    async def _everybody(
        self, target: Target, kind: ResourceType
    ) -> AsyncIterator[tuple[Attributes, Attributes]]:
        start = 1
        while True:
            page = await target.connector.query(kind, Query(None, start, target.policy.page_size))
            for pair in await self._shown(target, kind, page.entries):
                yield pair
            start += len(page.entries)
            if not page.entries or start > page.total:
                return

    async def _shown(
        self, target: Target, kind: ResourceType, entries: Sequence[Attributes]
    ) -> list[tuple[Attributes, Attributes]]:
        """Return a target's entries and how the provider sees them, protected ones left out."""
        visible = [entry for entry in entries if not is_protected(target, entry)]
        ids = [entry["id"] for entry in visible]
        linked = await self._services.resources.read(target.name, kind, target.name, ids) if ids else {}
        strangers = [entry for entry in visible if entry["id"] not in linked]
        linked = {**linked, **await self._made_again(target, kind, strangers)}
        documents = []
        for entry in visible:
            self._services.sights.note(target.name, kind, entry)
            resource = linked.get(entry["id"])
            document = (
                shown(target, resource, _view(target, resource, entry))
                if resource
                else shown_entry(target, kind, entry)
            )
            documents.append((entry, document))
        return documents

    async def _made_again(
        self, target: Target, kind: ResourceType, strangers: Sequence[Attributes]
    ) -> dict[str, Resource]:
        """Return those we know to whom these entries belong, made anew at the target, by target id."""
        named = {key: entry for entry in strangers for key in keys_of(target.mapping.reverse(entry))}
        known = await self._services.resources.find(target.name, kind, tuple(named)) if named else ()
        owners: dict[str, Resource] = {}
        for resource in known:
            for entry in (named[key] for key in keys_of(resource.original) if key in named):
                if await is_made_again(target, resource, entry):
                    owners[entry["id"]] = resource
        return owners

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
    """Put people whom the target does not show behind those it does, in the same numbering."""
    there = {document["id"] for document in page.entries}
    hidden = [document for document in removed if document["id"] not in there]
    window = _window([*page.entries, *hidden], question)
    return Page(page.total + len(hidden), window.entries)


def _is_anybody(entry: Attributes, document: Attributes) -> bool:
    return True
