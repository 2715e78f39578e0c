"""The values of entitlements that are read where they are kept: groups, an endpoint, or tables."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from gateway.flow.paging import walk
from gateway.flow.target_port import (
    Attributes,
    EntitlementSource,
    Nonsense,
    Page,
    Query,
    ResourceType,
    TargetError,
)
from gateway.log import get_logger
from gateway.scim.entitlements import LONGEST, Catalogue, Entitlement
from gateway.scim.names import get
from gateway.scim.predicate import predicate
from gateway.targets.gate import Gate
from gateway.targets.scim.connector import ScimConnector

MOST: Final = 10_000  # values of one type
AGAIN: Final = 30.0  # seconds after which what could not be read is tried again

log = get_logger()


class EntitlementReader:
    """Keeps a target's catalogue as its sources have it: each is read when it is due."""

    def __init__(
        self,
        target: str,
        catalogue: Catalogue,
        sources: Mapping[str, EntitlementSource],
        gate: Gate,
        page_size: int,
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._target = target
        self._catalogue = catalogue
        self._sources = sources
        self._gate = gate
        self._page_size = page_size
        self._clock = clock
        self._alone = asyncio.Lock()
        self._due = dict.fromkeys(sources, clock())  # by type: monotonic seconds

    async def renew(self, *, again: bool = False) -> None:
        """Read what is not known yet, with `again` what is due; what cannot be read is told in the log."""
        if self._catalogue.is_known and not again:
            return
        async with self._alone:
            for name, source in self._sources.items():
                if self._due[name] <= self._clock():
                    await self._renew(name, source)

    async def _renew(self, name: str, source: EntitlementSource) -> None:
        try:
            self._catalogue.learn(name, [value async for value in self._read(source)])
            self._due[name] = self._clock() + source.refresh
        except TargetError as error:  # what was known stays
            self._due[name] = self._clock() + AGAIN
            reason = type(error).__name__.lower()
            log.warning("entitlements.unread", target=self._target, type=name, error=reason)

    async def _read(self, source: EntitlementSource) -> AsyncIterator[Entitlement]:
        count, found = 0, self._rows(source.query) if source.query is not None else self._entries(source)
        async for value in found:
            count += 1
            if count > MOST:
                raise Nonsense(f"there are more than {MOST} entitlements of one type")
            yield value

    async def _rows(self, query: str) -> AsyncIterator[Entitlement]:
        from gateway.targets.sql.connector import SqlConnector  # with SQLAlchemy, which not everybody has

        assert isinstance(self._gate.target, SqlConnector)
        for row in await self._gate.ask(self._gate.target.rows, query, MOST + 1):
            id, display, description = [*("" if cell is None else str(cell) for cell in row), "", ""][:3]
            if id:
                yield Entitlement(id, display or id, description[:LONGEST])

    async def _entries(self, source: EntitlementSource) -> AsyncIterator[Entitlement]:
        is_meant = predicate(source.groups, ResourceType.GROUP) if source.groups is not None else None
        async for entries in walk(self._ask(source), self._page_size):
            for entry in entries:
                if is_meant is None or is_meant(entry):
                    yield _entitlement(entry)

    def _ask(self, source: EntitlementSource) -> Callable[[Query], Awaitable[Page]]:
        if source.endpoint is None:
            return partial(self._gate.query, ResourceType.GROUP)
        assert isinstance(self._gate.target, ScimConnector)
        return partial(self._gate.ask, self._gate.target.resources, source.endpoint)


def _entitlement(entry: Attributes) -> Entitlement:
    """Return an entry as a value: its own names for it, or those of the IETF's draft."""
    display = get(entry, "displayName") or get(entry, "display") or entry["id"]
    value, description = get(entry, "value"), get(entry, "description")
    id = value if isinstance(value, str) and value else entry["id"]
    told = description if isinstance(description, str) else ""
    return Entitlement(id, display if isinstance(display, str) else id, told[:LONGEST])
