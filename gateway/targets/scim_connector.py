"""Any SCIM 2.0 service as a target: what to say is in scim.py, what came back in replies.py."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.flow.target_port import (
    Attributes,
    Broken,
    Denied,
    Missing,
    Page,
    Query,
    ResourceType,
    Silent,
    TargetError,
    Throttled,
    Unreachable,
    Update,
)
from gateway.targets import replies
from gateway.targets.call import Carries
from gateway.targets.finding import Finding
from gateway.targets.scim import Endpoints, member_operations, patch_operations, with_members

ASK_AGAIN: Final = 30.0  # seconds until a service that could not say what it has is asked once more
PROMISES: Final = {  # what the service says of PATCH -> what a check says of it
    True: "it promises PATCH",
    False: "it promises no PATCH, so whole entries go as PUT",
    None: "it does not say now whether it takes PATCH",
}
DIFFERS: Final = "`patch` in the configuration says otherwise: leave it out, unless you know better"
PASSING: Final = (Unreachable, Silent, Broken, Throttled, Denied)  # says nothing about what is supported


class ScimConnector:
    """A `Connector` to a SCIM 2.0 service; whether it takes PATCH and has groups is found out where None."""

    def __init__(
        self,
        carrier: Carries,
        base_url: str,
        patch: bool | None = None,
        groups: bool | None = None,
        now: Callable[[], float] = time.time,  # POSIX seconds
    ) -> None:
        self._carrier = carrier
        self._calls = Endpoints(base_url)
        self._patch = patch
        self._groups = groups
        self._now = now
        self._asking = asyncio.Lock()
        self._not_before = 0.0  # POSIX seconds

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        if not id:
            return None
        whole = members or kind is not ResourceType.GROUP
        reply = await self._carrier.carry(self._calls.get(kind, id, members=whole))
        found = replies.read_found(reply, id, self._now())
        return found if whole else _bare(found)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        reply = await self._carrier.carry(self._calls.query(kind, query))
        page = replies.read_page(reply, query.filter is not None, self._now())
        if query.members or kind is not ResourceType.GROUP:
            return page
        return Page(page.total, tuple(_without_members(entry) for entry in page.entries))

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        reply = await self._carrier.carry(self._calls.create(kind, wanted))
        entry = replies.read_entry(reply, self._now())
        return _bare(entry) if kind is ResourceType.GROUP else entry

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        if kind is ResourceType.GROUP:
            return _bare(await self._change_group(id, update))
        operations = patch_operations(update.present, update.wanted)
        if operations and await self._takes_patch():
            call = self._calls.patch(kind, id, operations)
        else:
            call = self._calls.replace(kind, id, update.wanted)
        return replies.read_changed(await self._carrier.carry(call), id, self._now())

    async def delete(self, kind: ResourceType, id: str) -> None:
        reply = await self._carrier.carry(self._calls.delete(kind, id))
        replies.read_changed(reply, id, self._now())

    async def has_groups(self) -> bool:
        """Say whether the service has groups; it is asked once, and believed to have them until it is."""
        async with self._asking:
            if self._groups is None and self._now() >= self._not_before:
                self._groups = await self._ask_for_groups()
                self._not_before = self._now() + ASK_AGAIN
            return self._groups is not False

    async def check(self) -> tuple[Finding, ...]:
        """Read one entry, for the sake of the credentials, and ask about PATCH; raises TargetError."""
        await self.query(ResourceType.USER, Query(count=1))
        promised = await self._ask_for_patch()
        is_told = self._patch is None or promised is None or self._patch is promised
        return (Finding("changes", PROMISES[promised], "" if is_told else DIFFERS),)

    async def close(self) -> None:
        """Nothing: the session belongs to the application."""

    async def _change_group(self, id: str, update: Update) -> Attributes | None:
        """Change a group's attributes and members, in as many calls as that takes; each may be repeated."""
        kind = ResourceType.GROUP
        if not await self._takes_patch():
            present = await self.get(kind, id, members=True)
            if present is None:
                raise Missing("there is no such group", 404)
            members = with_members({"members": present.get("members", [])}, update.members)
            call = self._calls.replace(kind, id, {**update.wanted, **members})
            return replies.read_changed(await self._carrier.carry(call), id, self._now())
        operations = patch_operations(update.present, update.wanted)
        answer = None
        for message in (*([operations] if operations else ()), *member_operations(update.members)):
            reply = await self._carrier.carry(self._calls.patch(kind, id, message))
            answer = replies.read_changed(reply, id, self._now())
        return answer

    async def _ask_for_groups(self) -> bool | None:
        try:
            return replies.read_group_support(await self._carrier.carry(self._calls.types()), self._now())
        except PASSING:
            return None
        except TargetError:
            return await self._try_groups()

    async def _try_groups(self) -> bool | None:
        try:
            await self.query(ResourceType.GROUP, Query(count=1))
        except PASSING:
            return None
        except TargetError:
            return False
        return True

    async def _takes_patch(self) -> bool:
        async with self._asking:
            self._patch = await self._ask_for_patch() if self._patch is None else self._patch
            return bool(self._patch)

    async def _ask_for_patch(self) -> bool | None:
        try:
            reply = await self._carrier.carry(self._calls.config())
            return replies.read_patch_support(reply, self._now())
        except PASSING:
            return None  # PUT this time, and ask again at the next change
        except TargetError:
            return False


def _bare(entry: Attributes | None) -> Attributes | None:
    return None if entry is None else _without_members(entry)


def _without_members(entry: Attributes) -> Attributes:
    return {name: value for name, value in entry.items() if name.casefold() != "members"}
