"""The way of a read: translate, ask the target (always), show what the provider knows."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from gateway.errors import NotFound
from gateway.flow.failures import answer_to_read, crowded
from gateway.flow.find import is_made_again, is_protected, load_entry, load_unknown_entry
from gateway.flow.groups import GroupMembers
from gateway.flow.journal_port import Key, OperationState, Resource, State
from gateway.flow.members import without_members
from gateway.flow.model import ReadQuery, Services, Target, keys_of, keys_of_resource, reading
from gateway.flow.paging import (
    KEYS,
    IsAsked,
    Order,
    in_order,
    is_about_members,
    is_shown_active,
    is_sorted_here,
    is_wanted,
    literals,
    refuse_unknown,
    walk,
    window,
    with_hidden,
    without,
    without_namesakes,
)
from gateway.flow.recovery import Recovery
from gateway.flow.resource import (
    Members,
    document_of,
    forgets,
    is_absent_rightly,
    is_left_out,
    seems_left_out,
    shown,
)
from gateway.flow.services import CROWD, Tick, Turns, is_large, off_loop
from gateway.flow.target_port import (
    Attributes,
    CannotFilter,
    Page,
    Query,
    ResourceType,
    TargetError,
    errand,
)
from gateway.mapping.filters import asks_for_inactive, equals, translate
from gateway.scim.filters import boolean_literals, for_type
from gateway.scim.grammar import CompareOperator, Comparison, Filter, leaves
from gateway.scim.names import resource as schema_of
from gateway.scim.paths import compiled
from gateway.scim.predicate import predicate

Matches = Callable[[Mapping[str, Any]], bool]
REMOVED: Final = 100  # people without an entry, read at once


class Reads:
    """Answers every request that alters nothing."""

    def __init__(self, services: Services, recovery: Recovery) -> None:
        self._services = services
        self._recovery = recovery
        self._membership = GroupMembers(services)

    async def get(self, target: Target, kind: ResourceType, id: str, *, members: bool = True) -> Attributes:
        """Return one resource; raises NotFound, and the GatewayError for a target that cannot be read."""
        admission = target.admission
        if admission.requests >= admission.most:
            raise crowded(target.name, target.policy.timeout)
        admission.requests += 1
        token = errand.set(reading(target.policy, self._services.monotonic()))
        try:
            is_served = kind is not ResourceType.GROUP or await target.has_groups()
            found = await self._find(target, kind, id, members=members) if is_served else None
        except TargetError as error:
            raise answer_to_read(target.name, error) from error
        finally:
            errand.reset(token)
            admission.requests -= 1
        if found is None:
            raise NotFound(f"{target.name} has no {kind.value.lower()} with this id")
        return found

    async def query(self, target: Target, kind: ResourceType, question: ReadQuery) -> Page:
        """Return one page of what matches; raises the GatewayError for a target that cannot be read."""
        admission = target.admission
        if admission.requests >= admission.most:
            raise crowded(target.name, target.policy.timeout)
        admission.requests += 1
        token = errand.set(reading(target.policy, self._services.monotonic()))
        try:
            if kind is ResourceType.GROUP and not await target.has_groups():
                return Page(0, ())
            refuse_unknown(target, (kind,), question.filter)
            question = question if target.sorts else replace(question, sort=None)
            page = await self._matching(target, kind, question.filter, question)
        except TargetError as error:
            raise answer_to_read(target.name, error, literals(question.filter)) from error
        finally:
            errand.reset(token)
            admission.requests -= 1
        if kind is ResourceType.USER or question.members:
            return page
        return Page(page.total, tuple(without_members(document) for document in page.entries))

    async def _find(
        self, target: Target, kind: ResourceType, id: str, *, members: bool = True
    ) -> Attributes | None:
        known = await self._services.resources.find(target.name, kind, (Key("id", id),))
        resource = known[0] if known else None
        has_scope = (target.mapping if kind is ResourceType.USER else target.groups).scope is not None
        if resource is None:
            entry = await load_unknown_entry(self._services, target, kind, id, trust=0)
        elif resource.state is State.DELETED:
            return None
        elif has_scope and is_left_out(target, resource):
            return await self._without_entry(target, resource, members=members)
        else:
            entry = await load_entry(self._services, target, resource, trust=0)
        if entry is None:
            return None if resource is None else await self._without_entry(target, resource, members=members)
        if has_scope and resource is not None and seems_left_out(target, resource, entry):
            resource = await self._settled(target, resource, (OperationState.OPEN, OperationState.DOUBT))
            if is_left_out(target, resource):
                return await self._without_entry(target, resource, members=members)
        if kind is ResourceType.GROUP and members:  # read once more, with them
            entry = (await target.connector.get(kind, entry["id"], members=True) or {}) | entry
        return await self._shown_one(target, kind, resource, entry, members)

    async def _without_entry(self, target: Target, resource: Resource, *, members: bool) -> Attributes | None:
        """Return somebody who has no entry, where that is as it should be."""
        if not is_absent_rightly(target, resource):
            resource = await self._settled(target, resource)
        if not is_absent_rightly(target, resource):
            return None
        is_told = members and resource.type is ResourceType.GROUP
        named = await self._membership.shown(target, resource, None) if is_told else None
        return shown(target, resource, resource.original, named)

    async def _shown_one(
        self, target: Target, kind: ResourceType, resource: Resource | None, entry: Attributes, members: bool
    ) -> Attributes:
        """Return an entry as the provider sees it; a group with the members it came with, if asked for."""
        named: Members = None
        if kind is ResourceType.GROUP:
            named = await self._membership.shown(target, resource, entry) if members else None
            entry = without_members(entry)
        parts, is_odd = (target, kind, resource, entry, named), len(named or ()) > CROWD or is_large(entry)
        return await off_loop(document_of, *parts) if is_odd else document_of(*parts)

    async def _settled(
        self, target: Target, resource: Resource, of: Collection[OperationState] = tuple(OperationState)
    ) -> Resource:
        """Return what is known once it is clear whether we removed the entry ourselves."""
        keys = keys_of_resource(resource)
        if not await self._services.operations.open(target.name, tuple(keys)):
            return resource
        patience = errand.get().latest - self._services.monotonic()
        async with self._services.locks.hold(target.name, keys, patience):
            unsettled = await self._services.operations.open(target.name, tuple(keys))
            of_type = [o for o in unsettled if o.intent.type is resource.type and o.standing in of]
            await self._recovery.settle_doubt(target, of_type)
        own = (Key("id", resource.id),)
        return (await self._services.resources.find(target.name, resource.type, own))[0]

    async def _matching(
        self, target: Target, kind: ResourceType, filter: Filter | None, question: ReadQuery
    ) -> Page:
        if filter is None:
            if is_sorted_here(target, kind, question.sort):
                return await self._search(target, kind, _is_anybody, question)
            return await self._page(target, kind, None, _is_anybody, question)
        matches = predicate(filter, kind)
        names = equals(filter)
        if "id" in names:
            own = await self._by_id(target, kind, names["id"], matches)
            return Page(len(own), window(own, question.start, question.count))
        unfound = await self._unfound(target, kind, names)
        if not unfound and kind is ResourceType.USER and asks_for_inactive(filter):
            return await self._inactive(target, filter, matches, question)
        if not unfound:
            page = await self._asked(target, kind, filter, matches, question)
            return await without_namesakes(self._services, target, kind, names, page)
        # few people have the same key: all of them are read, so that nobody is counted twice
        everybody = replace(question, start=1, count=target.policy.page_size)
        page = await self._asked(target, kind, filter, matches, everybody)
        page = without(page, [r.id for r in unfound if is_left_out(target, r)])
        there = {document["id"] for document in page.entries}
        known = [await self._known(target, r, question) for r in unfound if r.id not in there]
        hidden = [document for document in known if document is not None and matches(document)]
        page = with_hidden(await without_namesakes(self._services, target, kind, names, page), hidden)
        ordered = in_order(page.entries, question.sort, kind)
        return Page(page.total, window(ordered, question.start, question.count))

    async def _inactive(self, target: Target, filter: Filter, matches: Matches, question: ReadQuery) -> Page:
        """Return a page of inactive people: first who has no entry any more, then whom the target shows."""
        kind, first = ResourceType.USER, question.start
        total, found, after = 0, list[Attributes](), ""
        while some := await self._services.resources.page(target.name, kind, after, REMOVED, removed=True):
            for document in (shown(target, resource, resource.original) for resource in some):
                if matches(document):
                    total += 1
                    if first <= total < first + question.count:
                        found.append(document)
            after = some[-1].id
        rest = replace(question, start=max(1, first - total), count=question.count - len(found))
        page = await self._asked(target, kind, filter, matches, rest)
        return replace(page, total=total + page.total, entries=(*found, *page.entries))

    async def _asked(
        self, target: Target, kind: ResourceType, filter: Filter, matches: Matches, question: ReadQuery
    ) -> Page:
        """Return the page as the target filters it, or as we do where it cannot say what is asked."""
        here = is_about_members(filter) or is_sorted_here(target, kind, question.sort)
        here = here or is_shown_active(target, kind, filter)
        here = here or await self._is_forgotten(target, kind, filter)
        translated = None if here else translate(filter, target.mapping_for(kind))
        if translated is None:
            question = replace(question, members=True)
            return await self._search(target, kind, lambda _, document: matches(document), question)
        translated = boolean_literals(translated, schema_of(kind))
        holds = predicate(translated, kind)
        try:
            return await self._page(target, kind, translated, lambda entry, _: holds(entry), question)
        except CannotFilter:
            return await self._search(target, kind, lambda entry, _: holds(entry), question)

    async def _by_id(self, target: Target, kind: ResourceType, id: str, matches: Matches) -> list[Attributes]:
        found = await self._find(target, kind, id)
        return [found] if found is not None and matches(found) else []

    async def _page(
        self,
        target: Target,
        kind: ResourceType,
        filter: Filter | None,
        is_asked: IsAsked,
        question: ReadQuery,
    ) -> Page:
        """Return one page of the target's; raises CannotFilter where it ignores the filter."""
        count = min(question.count, target.policy.page_size)
        asked = self._services.entry_cache.tick()
        query = Query(filter, question.start, count, question.members, question.sort)
        page = await target.connector.query(kind, query)
        turns = Turns(self._services.monotonic)
        for entry in page.entries:
            if not await is_wanted(is_asked, entry, {}):
                raise CannotFilter(f"{target.name} ignores filters")
            await turns.give()
        if not page.counted:
            return await self._search(target, kind, is_asked, question)
        pairs = await self._shown(target, kind, page.entries, question.members, asked)
        documents = tuple(document for _, document in pairs)
        if target.policy.protect is None:
            return Page(page.total, documents)
        if question.start == 1 and page.total <= len(page.entries):
            return Page(len(documents), documents)
        return await self._search(target, kind, is_asked, question)  # only so are the numbers right

    async def _search(
        self, target: Target, kind: ResourceType, is_asked: IsAsked, question: ReadQuery
    ) -> Page:
        """Evaluate a filter here, over the target's pages: only the wanted window is kept."""
        if question.sort is not None:
            return await self._sorted(target, kind, is_asked, question, Order(question.sort, kind))
        total, found, turns = 0, [], Turns(self._services.monotonic)
        async for entry, document in self._everybody(target, kind, question):
            await turns.give()
            if await is_wanted(is_asked, entry, document):
                total += 1
                if question.start <= total < question.start + question.count:
                    found.append(document)
        return Page(total, tuple(found))

    async def _sorted(
        self, target: Target, kind: ResourceType, is_asked: IsAsked, question: ReadQuery, order: Order
    ) -> Page:
        """Search in an order that only we know, and read once more what the page shows."""
        turns = Turns(self._services.monotonic)
        async for entry, document in self._everybody(target, kind, question):
            await turns.give()
            if await is_wanted(is_asked, entry, document):
                order.add(document)
        ids = order.ids()
        wanted = window(ids, question.start, question.count)
        found = [await self._find(target, kind, id, members=question.members) for id in wanted]
        return Page(len(ids), tuple(document for document in found if document is not None))

    async def _everybody(
        self, target: Target, kind: ResourceType, question: ReadQuery
    ) -> AsyncIterator[tuple[Attributes, Attributes]]:
        members, asked = question.members, self._services.entry_cache.tick()
        ask = partial(target.connector.query, kind)
        async for entries in walk(ask, target.policy.page_size, members=members):
            for pair in await self._shown(target, kind, entries, members, asked):
                yield pair
            asked = self._services.entry_cache.tick()

    async def _shown(
        self, target: Target, kind: ResourceType, entries: Sequence[Attributes], members: bool, asked: Tick
    ) -> list[tuple[Attributes, Attributes]]:
        """Return a target's entries and how the provider sees them, protected ones left out."""
        visible = [entry for entry in entries if not is_protected(target, entry)]
        ids = [entry["id"] for entry in visible]
        linked = await self._services.resources.read(target.name, kind, target.name, ids) if ids else {}
        unknown = [entry for entry in visible if entry["id"] not in linked]
        linked = {**linked, **await self._made_again(target, kind, unknown)}
        documents, turns = [], Turns(self._services.monotonic)
        for entry in visible:
            await turns.give()
            now = self._services.entry_cache.note(target.name, kind, entry, asked, target.policy.trust)
            now = entry | now if kind is ResourceType.GROUP else now  # with its members
            document = await self._shown_one(target, kind, linked.get(entry["id"]), now, members)
            documents.append((entry, document))
        return documents

    async def _made_again(
        self, target: Target, kind: ResourceType, unknown: Sequence[Attributes]
    ) -> dict[str, Resource]:
        """Return those we know to whom these entries belong, made anew at the target, by target id."""
        reverse = target.mapping_for(kind).reverse
        named = {key: entry for entry in unknown for key in keys_of(reverse(entry), kind)}
        known = await self._services.resources.find(target.name, kind, tuple(named)) if named else ()
        pairs = [(key, who) for who in known for key in keys_of(who.original, kind) if key in named]
        owners: dict[str, Resource] = {}
        # names, which are unique, have the last word
        for key, who in sorted(pairs, key=lambda pair: pair[0].kind):
            if await is_made_again(self._services, target, who, named[key]):
                owners[named[key]["id"]] = who
        return owners

    async def _unfound(self, target: Target, kind: ResourceType, names: Mapping[str, str]) -> list[Resource]:
        """Return who has these names and is not found by them there: removed, or with a lost externalId."""
        kinds = [(KEYS[kind][name], value) for name, value in names.items() if name in KEYS[kind]]
        keys = [Key(which, form(value)) for (which, form), value in kinds]
        found = await self._services.resources.find(target.name, kind, keys) if keys else ()
        is_external = "externalid" in names
        return [r for r in found if is_absent_rightly(target, r) or (is_external and forgets(target, r))]

    async def _known(self, target: Target, resource: Resource, question: ReadQuery) -> Attributes | None:
        """Return somebody whom the target does not find by their names, as they are shown."""
        if forgets(target, resource):
            return await self._find(target, resource.type, resource.id, members=question.members)
        return await self._without_entry(target, resource, members=question.members)

    async def _is_forgotten(self, target: Target, kind: ResourceType, filter: Filter) -> bool:
        """Say whether the target does not keep an externalId that a filter asks for.

        Those that every match must have are looked up; of what is more than a comparison nobody knows.
        """
        asked = [leaf for leaf in leaves(filter) if leaf.attr_path.attr.casefold() == "externalid"]
        if not asked or "externalid" in equals(filter):
            return False
        literals = [leaf.value for leaf in asked if isinstance(leaf, Comparison) and leaf.op in _SAME]
        keys = [Key("external", literal) for literal in literals if isinstance(literal, str)]
        if len(keys) < len(asked):
            return True
        found = await self._services.resources.find(target.name, kind, keys)
        return any(forgets(target, resource) for resource in found)


_SAME: Final = frozenset({CompareOperator.eq, CompareOperator.ne})


def _is_anybody(entry: Attributes, document: Attributes) -> bool:
    return True


async def query_all(reads: Reads, target: Target, question: ReadQuery) -> Page:
    """Return a page of what matches, people before groups; raises as `Reads.query` does."""
    refuse_unknown(target, tuple(ResourceType), question.filter)
    total, found = 0, list[Attributes]()
    for kind in ResourceType:
        start, count = max(1, question.start - total), question.count - len(found)
        page = await _of_type(reads, target, kind, replace(question, start=start, count=count))
        total += page.total
        found.extend(page.entries)
    return Page(total, tuple(found))


async def _of_type(reads: Reads, target: Target, kind: ResourceType, question: ReadQuery) -> Page:
    if question.filter is None:
        return await reads.query(target, kind, question)
    mapping = target.mapping_for(kind)
    left = for_type(question.filter, kind, lambda path: mapping.knows(compiled(path)))
    if left is False:
        return Page(0, ())
    return await reads.query(target, kind, replace(question, filter=None if left is True else left))
