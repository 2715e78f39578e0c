"""Any SCIM 2.0 service as a target: what to say is in requests.py, what came back in answers.py."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from gateway.flow.services import off_loop
from gateway.flow.target_port import (
    Attributes,
    CannotFilter,
    Contradiction,
    Missing,
    Page,
    Query,
    Refused,
    ResourceType,
    TargetError,
    Update,
)
from gateway.scim.difference import Difference, overlay
from gateway.scim.grammar import Filter
from gateway.scim.predicate import predicate
from gateway.targets.scim import answers
from gateway.targets.scim.abilities import (
    HIDES,
    IGNORED,
    IGNORES_FILTERS,
    NO_PATCH,
    REFUSES_FILTERS,
    Abilities,
    Patch,
)
from gateway.targets.scim.discovered import NOT_OFFERED, PASSING, Discovered
from gateway.targets.scim.paging import Lists
from gateway.targets.scim.requests import Endpoints, patch_messages, with_members, with_unshown
from gateway.targets.transport import HttpReply, TargetFinding, Transport

T = TypeVar("T")

ANYTHING: Final = Abilities()
LARGE_ANSWER: Final = 256 * 1024  # bytes from which to read one would keep other requests waiting
MOST: Final = {  # values in an answer with one entry
    ResourceType.USER: answers.MAX_PERSON_VALUES,
    ResourceType.GROUP: answers.MAX_ANSWER_VALUES,
}


class ScimConnector:
    """A `Connector` to a SCIM 2.0 service; what it cannot do is found out where `told` does not say it."""

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        told: Abilities = ANYTHING,
        name: str = "",  # of the target
        now: Callable[[], float] = time.time,  # POSIX seconds
    ) -> None:
        self._transport = transport
        self._calls = Endpoints(base_url)
        self._told = told
        self._now = now
        self._known = Discovered(name, told, self._ask_for_promises, self._ask_for_groups, now)
        self._taken: set[Patch] = set()  # the ways in which it has taken a change
        self._others: dict[str, Lists] = {}  # by the endpoint
        self._lists = {
            kind: Lists(partial(self._list, kind), self._known.note, told.totals) for kind in ResourceType
        }

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if not id:
            return None
        whole = members or kind is not ResourceType.GROUP
        reply = await self._transport.send(self._calls.get(kind, id, members=whole))
        found = await _read(reply, answers.read_found, id, self._now(), MOST[kind])
        if kind is ResourceType.USER or found is None:
            return found
        return self._with_members(found, "read") if members else _without_members(found)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if query.filter is not None and not await self._known.filters():
            raise CannotFilter("the target has no filters")
        page = await self._lists[kind].page(query)
        if kind is ResourceType.USER:
            return page
        if not query.members:
            return replace(page, entries=tuple(map(_without_members, page.entries)))
        return replace(page, entries=tuple(self._with_members(entry, "list") for entry in page.entries))

    async def resources(self, endpoint: str, query: Query) -> Page:
        """Return one page of what an endpoint of the service's own lists."""
        if endpoint not in self._others:
            self._others[endpoint] = Lists(
                partial(self._listed, endpoint), self._known.note, self._told.totals
            )
        return await self._others[endpoint].page(query)

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        reply = await self._transport.send(self._calls.create(kind, wanted))
        entry = await _read(reply, answers.read_entry, self._now(), MOST[kind])
        return _bare(entry) if kind is ResourceType.GROUP else entry

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        patch, update = await self._known.patch(), self._whole(update)
        if update.members.add:
            self._known.told_members(id)
        try:
            shown = await self._changed(kind, id, update, patch)
            self._taken.add(patch)
        except TargetError as error:
            if error.status not in NOT_OFFERED and not await self._lacks_route(kind, id, patch, error):
                raise
            if not self._known.refuted(patch):
                raise _unserved(patch, error) from error
            shown = await self._changed(kind, id, update, await self._known.patch())
        return _bare(shown) if kind is ResourceType.GROUP else shown

    async def delete(self, kind: ResourceType, id: str) -> None:
        reply = await self._transport.send(self._calls.delete(kind, id))
        answers.read_changed(reply, id, self._now())

    async def has_groups(self) -> bool:
        """Say whether the service has groups; it is asked once, and believed to have them until it is."""
        return await self._known.has_groups()

    async def check(self) -> tuple[TargetFinding, ...]:
        """Read a little, for the sake of the credentials, and ask what it promises; raises TargetError."""
        page = await self.query(ResourceType.USER, Query(count=1))
        if page.total > 1 or not page.counted:
            await self.query(ResourceType.USER, Query(count=2))
            await self.query(ResourceType.USER, Query(start=2, count=1))
        return self._known.findings(await self._known.promised())

    async def close(self) -> None:
        """Nothing: the session belongs to the application."""

    async def _lacks_route(self, kind: ResourceType, id: str, way: Patch, error: TargetError) -> bool:
        """Say whether a 404 is of the way of changing: the entry is there; raises Missing where it is not."""
        if error.status != 404 or way is Patch.NONE or way in self._taken:
            return False
        if await self.get(kind, id) is None:
            raise Missing("there is no such entry", 404) from error
        return True

    def _with_members(self, entry: Attributes, way: str) -> Attributes:
        """Return a group with its members as a list, or None where they are not shown in this `way`."""
        shown = _with_list(entry)
        if not self._known.shows_members(entry["id"], way, is_somebody_shown=bool(shown.get("members"))):
            return {**shown, "members": None}
        return shown

    async def _list(self, kind: ResourceType, query: Query) -> answers.ListAnswer:
        """Return one answer as it came; raises CannotFilter where the filter is refused or ignored."""
        reply = await self._transport.send(self._calls.query(kind, query))
        try:
            found = await _read(reply, answers.read_list, query.filter is not None, self._now())
        except CannotFilter:
            self._known.note(REFUSES_FILTERS)
            raise
        if query.filter is not None and not await _read(reply, _are_all, query.filter, kind, found.entries):
            self._known.note(IGNORES_FILTERS)
            raise CannotFilter("the target ignores the filter", IGNORED)
        for lack in found.lacks:
            self._known.note(lack)
        return found

    async def _listed(self, endpoint: str, query: Query) -> answers.ListAnswer:
        reply = await self._transport.send(self._calls.listed(endpoint, query))
        return await _read(reply, answers.read_list, False, self._now())

    async def _changed(self, kind: ResourceType, id: str, update: Update, patch: Patch) -> Attributes | None:
        """Change an entry in as many calls as that takes; each may be repeated."""
        if patch is Patch.NONE:
            return await self._replaced(kind, id, update)
        messages = patch_messages(update, single=patch is Patch.SINGLE)
        if kind is ResourceType.USER and not messages:
            return await self._replaced(kind, id, update)
        answer = None
        for operations in messages:
            reply = await self._transport.send(self._calls.patch(kind, id, operations))
            answer = await _read(reply, answers.read_changed, id, self._now(), MOST[kind])
        return answer

    async def _replaced(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        wanted = update.wanted
        if kind is ResourceType.GROUP:
            present, ask = await self.get(kind, id, members=True), update.members.others
            if present is None and ask is None:
                raise Missing("there is no such group", 404)
            # a read may lag behind its creation; where it is gone, the PUT is answered so
            present = present or {"id": id, "members": None}
            others = present.get("members") or [] if ask is None else await ask(present)
            wanted = {**wanted, **with_members({"members": others}, update.members)}
        reply = await self._transport.send(self._calls.replace(kind, id, wanted))
        return await _read(reply, answers.read_changed, id, self._now(), MOST[kind])

    def _whole(self, update: Update) -> Update:
        """Return an update that says what is held and not shown, too, as it is and as it shall be."""
        wanted = with_unshown(update.wanted, update.present, update.held)
        if wanted == update.wanted:
            return update
        self._known.note(HIDES)
        undone = [Difference(one.steps, one.after, one.before) for one in update.differences]
        present = with_unshown(update.present, update.present, overlay(update.held, undone))
        return replace(update, present=present, wanted=wanted)

    async def _ask_for_promises(self) -> Abilities:
        return answers.read_promises(await self._transport.send(self._calls.config()), self._now())

    async def _ask_for_groups(self) -> bool:
        try:
            return answers.read_group_support(await self._transport.send(self._calls.types()), self._now())
        except PASSING:
            raise
        except TargetError:
            return await self._try_groups()

    async def _try_groups(self) -> bool:
        try:
            await self._list(ResourceType.GROUP, Query(count=1))
        except PASSING:
            raise
        except TargetError:
            return False
        return True


def _unserved(way: Patch, error: TargetError) -> TargetError:
    """Return the error of a service that does not take a change in the way that it is said to."""
    if way is Patch.NONE:
        return error
    says = f"it answers PATCH with {error.status}: with {NO_PATCH.key} it gets PUT"
    return (Contradiction if error.status == 404 else Refused)(says, error.status)


async def _read(reply: HttpReply, read: Callable[..., T], *arguments: Any) -> T:
    """Read an answer, or what it holds; a large one in a thread."""
    parts = (reply, *arguments)
    return await off_loop(read, *parts) if len(reply.body) > LARGE_ANSWER else read(*parts)


def _are_all(reply: HttpReply, filter: Filter, kind: ResourceType, entries: Iterable[Attributes]) -> bool:
    """Say whether all entries of an answer match a filter."""
    return all(map(predicate(filter, kind), entries))


def _bare(entry: Attributes | None) -> Attributes | None:
    return None if entry is None else _without_members(entry)


def _with_list(entry: Attributes) -> Attributes:
    """Return a group with its members as a list, where a target writes null, one object or bare ids."""
    if "members" not in entry:
        return entry
    said = entry["members"]
    named = [{"value": item} if isinstance(item, str) else item for item in _listed(said)]
    return {**entry, "members": [element for element in named if isinstance(element, dict)]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _without_members(entry: Attributes) -> Attributes:
    return {name: value for name, value in entry.items() if name.casefold() != "members"}
