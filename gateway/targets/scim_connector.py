"""Any SCIM 2.0 service as a target: what to say is in scim.py, what came back in replies.py."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from gateway.flow.ports import (
    Attributes,
    Broken,
    Denied,
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
from gateway.targets.http import Carrier
from gateway.targets.scim import Endpoints, patch_operations

PASSING: Final = (Unreachable, Silent, Broken, Throttled, Denied)  # says nothing about what is supported


class ScimConnector:
    """A `Connector` to a SCIM 2.0 service; `patch` None finds out once whether it takes PATCH."""

    def __init__(
        self,
        carrier: Carrier,
        base_url: str,
        patch: bool | None = None,
        now: Callable[[], float] = time.time,  # POSIX seconds
    ) -> None:
        self._carrier = carrier
        self._calls = Endpoints(base_url)
        self._patch = patch
        self._now = now
        self._asking = asyncio.Lock()

    async def get(self, kind: ResourceType, id: str) -> Attributes | None:
        if not id:
            return None
        reply = await self._carrier.carry(self._calls.get(kind, id))
        return replies.read_found(reply, id, self._now())

    async def query(self, kind: ResourceType, query: Query) -> Page:
        reply = await self._carrier.carry(self._calls.query(kind, query))
        return replies.read_page(reply, query.filter is not None, self._now())

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        reply = await self._carrier.carry(self._calls.create(kind, wanted))
        return replies.read_entry(reply, self._now())

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        operations = patch_operations(update.present, update.wanted)
        if operations and await self._takes_patch():
            call = self._calls.patch(kind, id, operations)
        else:
            call = self._calls.replace(kind, id, update.wanted)
        return replies.read_changed(await self._carrier.carry(call), id, self._now())

    async def delete(self, kind: ResourceType, id: str) -> None:
        reply = await self._carrier.carry(self._calls.delete(kind, id))
        replies.read_changed(reply, id, self._now())

    async def check(self) -> None:
        """Read one entry, for the sake of the credentials; raises TargetError."""
        await self.query(ResourceType.USER, Query(count=1))

    async def close(self) -> None:
        """Nothing: the session belongs to the application."""

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
