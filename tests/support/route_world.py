"""The world with a route: a second target follows the first, and either fails; the process dies anywhere."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from gateway.errors import JournalUnavailable
from gateway.flow.mirror import Mirroring
from gateway.flow.model import Policy, Reply, Target
from gateway.flow.services import Alert
from gateway.flow.target_port import Attributes
from gateway.mapping.target import TargetMapping
from tests.support.group_world import ROUNDS, GroupProcess, GroupTarget, GroupWorld
from tests.support.world import FAULTS, SETTLE, Crash

SECOND = "second "  # before the points of the second target


class Second:
    """What the second target holds; all else is of the world around it."""

    def __init__(self, world: GroupWorld) -> None:
        self._world = world
        self.entries: dict[str, Attributes] = {}
        self.groups: dict[str, Attributes] = {}

    def fails(self, kind: str) -> str | None:
        return self._world.fails(SECOND + kind)

    def shown(self) -> dict[str, Attributes]:
        return self.groups

    def leave(self, id: str) -> None:
        GroupWorld.leave(self, id)  # type: ignore[arg-type]

    def changes(self) -> None:
        """Nothing is shown late here."""

    @property
    def unclaimed_writes(self) -> int:
        return self._world.unclaimed_writes

    @unclaimed_writes.setter
    def unclaimed_writes(self, count: int) -> None:
        self._world.unclaimed_writes = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


class WorldMirrors:
    """Marks, which may not be writable, or be the last thing that is written."""

    def __init__(self, world: GroupWorld, inner: Any) -> None:
        self._world = world
        self._inner = inner

    async def done(self, due: Any) -> bool:
        return bool(await self._written(lambda: self._inner.done(due)))

    async def put_off(self, *about: Any, **how: Any) -> None:
        await self._written(lambda: self._inner.put_off(*about, **how))

    async def become(self, *about: Any) -> None:
        await self._written(lambda: self._inner.become(*about))

    async def _written(self, write: Callable[[], Awaitable[Any]]) -> Any:
        fault = self._world.fails(f"{SECOND}settle")
        if fault == "unwritable":
            raise JournalUnavailable("the disk is full", 5.0)
        if fault == "crash before":
            raise Crash
        done = await write()
        if fault == "crash after":
            raise Crash
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class RouteProcess(GroupProcess):
    """The gateway with a route of two targets; `prompt`: the second is told at once, else in the end."""

    followers: ClassVar[Mapping[str, Sequence[str]]] = {"phonebook": ("dialpad",)}

    def __init__(
        self,
        world: GroupWorld,
        mapping: TargetMapping,
        second: TargetMapping | None = None,
        *,
        prompt: bool = True,
        **policy: Any,
    ) -> None:
        self.second, self.prompt = Second(world), prompt
        self.alerts: list[Alert] = []
        self.follower = Target(
            "dialpad",
            GroupTarget(self.second),  # type: ignore[arg-type]
            second or mapping,
            Policy(**{"settle": SETTLE, **policy}),
            "http://gw/v2",
            route="everyone",
            follows="phonebook",
        )
        super().__init__(world, mapping, **policy)
        self.target = replace(self.target, route="everyone")

    def _start(self) -> None:
        super()._start()
        mirrors: Any = WorldMirrors(self.world, self.services.mirrors)  # type: ignore[arg-type]
        services = replace(self.services, mirrors=mirrors, alarm=self.alerts.append)
        self.mirroring = Mirroring(services, self._changes)

    def targets(self) -> Sequence[Target]:
        return (self.target, self.follower)

    async def change(self, operation: str, body: Attributes, id: str | None) -> Reply:
        return await self._followed(super().change(operation, body, id))

    async def group(self, operation: str, body: Attributes, id: str | None) -> Reply:
        return await self._followed(super().group(operation, body, id))

    async def _followed(self, work: Awaitable[Reply]) -> Reply:
        try:
            return await work
        finally:
            if self.prompt:
                await self._survived(lambda: self.mirroring.sweep(self.follower))

    async def settle(self) -> None:
        """Do all that the gateway does on its own, until a few minutes have passed."""
        for _ in range(ROUNDS):
            await self.world.sleep(60)
            for target in self.targets():
                await self._survived(lambda target=target: self.recovery.sweep(target))
                await self._survived(lambda target=target: self.mirroring.sweep(target))
                await self._survived(lambda target=target: self.deliveries.sweep(target))

    async def _survived(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Do what a loop of the gateway does."""
        try:
            await work()
        except Crash:
            await self._restart()
        except JournalUnavailable:
            return

    async def untold(self) -> int:
        """Return of how many resources the second is still to be told."""
        count, _ = await self.services.mirrors.count("phonebook", "dialpad")
        return count


def faults_at(point: str) -> Sequence[str]:
    """Return what can fail at a point: of the first target, what another model holds is left out."""
    return FAULTS[point.removeprefix(SECOND)] if point.startswith(SECOND) else BEFORE[point]


BEFORE: Final[Mapping[str, Sequence[str]]] = {
    "read": (),
    "write": ("answer lost", "crash after"),
    "claim": ("crash after",),
    "settle": ("crash before", "crash after"),
    "reply": ("reply lost",),
}
