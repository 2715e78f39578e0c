"""What goes on by itself for each target in force: what is open is settled, and who follows is told."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextvars import Context
from functools import partial
from typing import Any, Final

from gateway.flow.model import Services, Target
from gateway.flow.services import Wakeup, repeat
from gateway.targets.gate import Gate
from gateway.values import frozen

SWEEP: Final = 5.0  # seconds between looks at what is not settled
UNUSED: Final = 1.0  # seconds between looks at whether a connector is still in use

Work = Callable[[Target], Awaitable[None]]


@frozen
class Rounds:
    """What is done for a target again and again: `settle` for each, `tell` for one that follows another."""

    settle: Work
    tell: Work
    wakeup: Wakeup  # rung: look at once at what is not settled
    bell: Callable[[str], Wakeup]  # of a target that follows: rung when there is something to tell it


class Keeping:
    """Looks after the targets in force, and after those that were, until nothing of theirs is open.

    A round ends with the target that it began with. Each target has its own, so that one that does not answer
    keeps nobody's leavers waiting but its own.
    """

    def __init__(
        self,
        services: Services,
        rounds: Rounds,
        targets: Mapping[str, Target],
        connectors: Mapping[str, Gate],
    ) -> None:
        self._services = services
        self._rounds = rounds
        self._targets = targets
        self._connectors = connectors
        self._loops: dict[tuple[str, Work], asyncio.Task[None]] = {}
        self._leaving: dict[str, Target] = {}
        self._closing: dict[asyncio.Task[None], tuple[Gate, str]] = {}  # with its address
        self._is_on = False

    def begin(self) -> None:
        """Begin with the rounds."""
        self._is_on = True
        self.follow()

    def end(self) -> None:
        """Go on no longer."""
        self._is_on = False
        for loop in self._loops.values():
            loop.cancel()

    def follow(self) -> None:
        """Begin with the rounds of targets that have none yet."""
        for target in self._targets.values() if self._is_on else ():
            if (left := self._leaving.pop(target.name, None)) is not None:  # back before all was settled
                left.admission.users -= 1
            self._begin(target.name, self._rounds.settle, self._rounds.wakeup)
            if target.follows:
                self._begin(target.name, self._rounds.tell, self._rounds.bell(target.name))

    def leave(self, target: Target) -> None:
        """Settle what is open of a target that is no more, and then let it go."""
        target.admission.users += 1
        self._leaving[target.name] = target

    def retire(self, gate: Gate, url: str) -> None:
        """Close a connector that is no more in force, after the last who uses it."""
        self._closing[_apart(self._close_unused(gate))] = gate, url

    def retired(self, url: str) -> Gate | None:
        """Return a connector of this address that is not closed yet; None where there is none."""
        return next((gate for gate, own in self._closing.values() if own == url), None)

    async def close(self) -> None:
        """Close all connectors, those too that somebody would still have used."""
        for task in self._closing:
            task.cancel()
        left = {id(gate.target): gate for gate in (*self._connectors.values(), *self._retired())}
        for gate in left.values():
            await gate.close()

    def _begin(self, name: str, work: Work, bell: Wakeup) -> None:
        running = self._loops.get((name, work))
        if running is None or running.done():
            loop = repeat(partial(self._round, name, work), bell, partial(self._pause, name), name)
            self._loops[name, work] = _apart(loop)

    async def _round(self, name: str, work: Work) -> bool:
        """Do one round; say whether it was the last."""
        target = self._targets.get(name) or self._leaving.get(name)
        if target is None:
            return True
        if self._services.paused_since(name) is None:
            with target.admission.used():
                await work(target)
        return self._leaving.get(name) is target and await self._has_left(target)

    async def _has_left(self, target: Target) -> bool:
        is_open = await self._services.operations.open(target.name, ())
        is_used = target.admission.users > 1  # by others than ourselves
        if is_open or is_used or self._leaving.get(target.name) is not target:
            return False
        del self._leaving[target.name]
        target.admission.users -= 1
        return True

    def _pause(self, name: str) -> float:
        target = self._targets.get(name) or self._leaving.get(name)
        return SWEEP if target is None else min(SWEEP, max(target.policy.settle / 2, 0.5))

    def _retired(self) -> Iterator[Gate]:
        return (gate for gate, _ in self._closing.values())

    async def _close_unused(self, gate: Gate) -> None:
        await self._services.sleep(UNUSED)  # who has it in hand by now begins to use it meanwhile
        while gate.users:
            await self._services.sleep(UNUSED)
        del self._closing[asyncio.current_task()]  # type: ignore[arg-type]
        if all(gate.target is not other.target for other in (*self._connectors.values(), *self._retired())):
            await gate.close()


def one_after_another(*works: Work) -> Work:
    """Return what does all of this for a target."""

    async def do(target: Target) -> None:
        for work in works:
            await work(target)

    return do


async def renewed(target: Target) -> None:
    """Have the entitlements of a target read that are kept elsewhere, where it is time."""
    if target.renew is not None:
        await target.renew(again=True)


def _apart(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Have work done in nobody's name, whoever it is that has the configuration changed."""
    return asyncio.create_task(work, context=Context())
