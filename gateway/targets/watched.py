"""A connector under watch: every call is timed and told of, and no change passes a pause."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.flow.target_port import Attributes, Page, Query, ResourceType, TargetError, Update
from gateway.flow.watch import Watch
from gateway.targets.address import OpenTarget
from gateway.targets.finding import Finding


class Watched:
    """A connector whose calls somebody hears of."""

    def __init__(
        self,
        target: OpenTarget,
        name: str,
        watch: Watch,
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
        self._target = target
        self._name = name
        self._watch = watch
        self._clock = clock

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        with self._told():
            return await self._target.get(kind, id, members=members)

    async def query(self, kind: ResourceType, query: Query) -> Page:
        with self._told():
            return await self._target.query(kind, query)

    async def create(self, kind: ResourceType, wanted: Attributes) -> Attributes | None:
        self._watch.admit(self._name)
        with self._told():
            return await self._target.create(kind, wanted)

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        self._watch.admit(self._name)
        with self._told():
            return await self._target.change(kind, id, update)

    async def delete(self, kind: ResourceType, id: str) -> None:
        self._watch.admit(self._name)
        with self._told():
            await self._target.delete(kind, id)

    async def has_groups(self) -> bool:
        return await self._target.has_groups()

    async def check(self) -> tuple[Finding, ...]:
        with self._told():
            return await self._target.check()

    async def close(self) -> None:
        await self._target.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        begun = self._clock()
        try:
            yield
        except TargetError as error:
            self._watch.called(self._name, self._clock() - begun, error)
            raise
        self._watch.called(self._name, self._clock() - begun, None)
