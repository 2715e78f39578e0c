"""What every call to a target passes: circuit breaker, limits, pause, timing and metrics."""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

from gateway.admin.alerts import CallObserver
from gateway.admin.status import BreakerState, TargetHealth
from gateway.audit.chain import stamp
from gateway.flow.failures import is_unavailable
from gateway.flow.target_port import (
    Admission,
    Attributes,
    Broken,
    Crowded,
    Errand,
    Late,
    Page,
    ResourceType,
    Sick,
    Silent,
    TargetError,
    Throttled,
    errand,
    refuse_disowned,
)
from gateway.targets.breaker import LONGEST, Breaker, CallCount, RetryBudget
from gateway.targets.lanes import Lanes
from gateway.targets.transport import OpenTarget, TargetFinding

T = TypeVar("T")
Answer = Coroutine[Any, Any, T]

NOBODY: Final = "scim-gateway-probe"  # an id that no target gives: that it is answered at all is what counts
LEFT_ALONE: Final = "it asked to be left alone"
ASKED: Final[Mapping[type[TargetError], int]] = {Throttled: 429, Sick: 503}  # what it did that with
EARLY: Final = 0.05  # seconds by which a timer may ring before its time


class NoObserver:
    """Observes nothing, and lets every call go out."""

    def admit(self, target: str) -> None:
        """Let every call go out."""

    def called(self, target: str, seconds: float, error: TargetError | None) -> None:
        """Nothing."""

    def opened(self, target: str, reason: str) -> None:
        """Nothing."""

    def closed(self, target: str) -> None:
        """Nothing."""


class Gate(Admission):
    """A connector whose calls are kept within limits, timed and observed; no change passes a pause.

    A target that is sick is not called, but for one probe at a time.
    """

    def __init__(
        self,
        target: OpenTarget,
        name: str,
        observer: CallObserver | None = None,
        lanes: Lanes | None = None,
        clock: Callable[[], float] = time.monotonic,  # seconds
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.target = target
        self._name = name
        self._observer = observer or NoObserver()
        self._lanes = lanes = lanes or Lanes()
        self._clock = clock
        self._counted = CallCount()
        self._budget = RetryBudget(self._counted)
        self._refused: Counter[str] = Counter()
        self._since = _now()
        self._asked: tuple[type[TargetError], float] = (Throttled, 0.0)  # to be left alone until then
        self._has_groups = True  # as it said last
        self._asking = 0  # who wait for it to say so
        self.breaker = Breaker(self._counted, chance)
        self.requests = 0
        self.most = lanes.most + lanes.most_waiting  # so that a change that has begun finds a place to wait
        # no methods: each would be one more call of ours for every call
        self.get: Callable[..., Answer[Attributes | None]] = partial(self._call, False, target.get)
        self.query: Callable[..., Answer[Page]] = partial(self._call, False, target.query)
        self.create: Callable[..., Answer[Attributes | None]] = partial(self._call, True, target.create)
        self.change: Callable[..., Answer[Attributes | None]] = partial(self._call, True, target.change)

    def ask(self, call: Callable[..., Awaitable[T]], *args: Any) -> Answer[T]:
        """Have the connector asked in a way of its own."""
        return self._call(False, call, *args)

    async def delete(self, kind: ResourceType, id: str) -> None:
        await self._call(True, self.target.delete, kind, id)

    async def has_groups(self) -> bool:
        """Say whether the target has groups; one that is sick is not asked, and nobody waits in a crowd."""
        is_well = self.breaker.state is BreakerState.CLOSED and self.refusal() is None
        if is_well and self._asking < self._lanes.most:
            self._asking += 1
            try:
                async with asyncio.timeout(self._left(errand.get())):
                    self._has_groups = await self.target.has_groups()
            except TimeoutError:
                return self._has_groups
            finally:
                self._asking -= 1
        return self._has_groups

    def check(self) -> Answer[tuple[TargetFinding, ...]]:
        return self._call(False, self.target.check)

    def close(self) -> Answer[None]:
        return self.target.close()

    def refusal(self) -> TargetError | None:
        if not self.is_wary:
            return None
        now, (kind, asked) = self._clock(), self._asked
        is_left_alone, is_closed = now < asked - EARLY, self.breaker.state is BreakerState.CLOSED
        if is_closed:
            self.is_wary = is_left_alone
            return kind(LEFT_ALONE, ASKED[kind], asked - now) if is_left_alone else None
        return None if not is_left_alone and self._may_probe(now) else self._sick(now)

    def refuse(self) -> None:
        if (refusal := self.refusal()) is not None:
            self._note(refusal)
            raise refusal

    def may_retry(self, calls: int = 1) -> bool:
        return self.breaker.state is BreakerState.CLOSED and self._budget.take(calls, self._clock())

    async def probe(self, every: float | None = None) -> bool:
        now = self._clock()
        if now >= self._asked[1] - EARLY and self._may_probe(now, every):
            await self._probe()
        return self.refusal() is None

    def health(self) -> TargetHealth:
        """Return how the target is now."""
        refusal, breaker, lanes = self.refusal(), self.breaker, self._lanes
        left = None if refusal is None else refusal.retry_after
        return TargetHealth(
            breaker.state,
            self._since,
            None if left is None else _now(left),
            breaker.failures,
            dict(self._refused),
            self._budget.taken,
            self._budget.refused,
            lanes.under_way,
            lanes.waiting,
        )

    async def _call(self, alters: bool, call: Callable[..., Awaitable[T]], *args: Any, **named: Any) -> T:
        """Make a call, and say how it ended; raises Paused in a pause, Sick, Crowded and Late.

        Where nothing is in its way, none of our own calls is made for that: each would be one for every call.
        """
        if alters:
            self._observer.admit(self._name)
        lanes, counted, now, begun = self._lanes, self._counted, errand.get(), self._clock()
        if self.is_wary or lanes.under_way >= lanes.most or lanes.is_paced or begun > now.latest:
            begun = await self._turn(now)
        else:
            lanes.under_way += 1
        if alters and begun > now.owned:
            lanes.leave()
            refuse_disowned(begun)
        try:
            if now.ends == math.inf:
                answer = await call(*args, **named)
            else:  # it may be several of the connector's, each of which takes its time
                async with asyncio.timeout(now.ends - begun):
                    answer = await call(*args, **named)
        except TargetError as error:
            self._failed(begun, self._clock(), error)
            raise
        except TimeoutError as error:
            silence = Silent("the target did not do it within `deadline`")
            self._failed(begun, self._clock(), silence)
            raise silence from error
        finally:
            lanes.under_way -= 1
            if lanes.waiting:
                lanes.let_in()
        ended = self._clock()
        if ended >= counted.due:
            counted.marks.append((ended, counted.calls, counted.failed))
            counted.due = ended + 1.0
        counted.calls += 1
        self.breaker.failures = 0
        self._observer.called(self._name, ended - begun, None)
        return answer

    async def _turn(self, asked: Errand) -> float:
        """Wait for a turn, and return when it came."""
        try:
            await self._taken(asked)
        except (Crowded, Late, Sick, Throttled) as refused:
            self._note(refused)
            raise
        return self._clock()

    async def _taken(self, asked: Errand) -> None:
        begun = self._clock()
        if begun <= asked.latest and self.refusal() is None and self._may_probe(begun):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._left(asked)):
                    await self._probe()
        if (refusal := self.refusal()) is not None:
            raise refusal
        if (left := asked.latest - self._clock()) < 0:
            raise Late("no time is left for another call")
        await self._lanes.take(asked.urgency(), left)
        if self.breaker.state is not BreakerState.CLOSED:  # since the place was given, a moment ago
            self._lanes.leave()
            raise self._sick(self._clock())

    def _left(self, asked: Errand) -> float | None:
        """Return the seconds until whoever asks waits no longer."""
        return None if asked.ends == math.inf else asked.ends - self._clock()

    def _note(self, refused: TargetError) -> None:
        self._refused[type(refused).__name__.lower()] += 1

    def _failed(self, begun: float, now: float, error: TargetError) -> None:
        """Note how a call failed."""
        counted = self._counted
        if now >= counted.due:
            counted.marks.append((now, counted.calls, counted.failed))
            counted.due = now + 1.0
        counted.calls += 1
        if not is_unavailable(error):
            self.breaker.failures = 0
        elif self.breaker.failed(begun, now):
            self._opened(error)
        self._heed(now, error)
        self._observer.called(self._name, now - begun, error)

    def _opened(self, error: TargetError) -> None:
        self.is_wary, self._since = True, _now()
        self._lanes.refuse(self._why)
        said = f"{type(error).__name__.lower()} {error.status or ''}".strip()
        self._observer.opened(self._name, said)

    def _heed(self, now: float, error: TargetError) -> None:
        """Leave the target alone as long as it asks, within reason."""
        if error.retry_after and isinstance(error, (Broken, Throttled)):
            kind = Throttled if isinstance(error, Throttled) else Sick
            self._asked = (kind, max(self._asked[1], now + min(error.retry_after, LONGEST)))
            self.is_wary = True
            self._lanes.refuse(self._why)

    def _may_probe(self, now: float, every: float | None = None) -> bool:
        return self._lanes.under_way < self._lanes.most and self.breaker.may_probe(now, every)

    async def _probe(self) -> None:
        """Read something small: any answer of the target's own says that it is well."""
        breaker, begun, error = self.breaker, self._clock(), None
        is_well = False
        breaker.begin_probe(begun)
        self._lanes.under_way += 1
        try:
            await self.target.get(ResourceType.USER, NOBODY)
            is_well = True
        except TargetError as failure:
            error, is_well = failure, not is_unavailable(failure)
        finally:
            self._lanes.leave()
            breaker.end_probe(self._clock(), is_well=is_well)
        if error is not None:
            self._heed(self._clock(), error)
        self._observer.called(self._name, self._clock() - begun, error)
        if is_well:
            self._since = _now()
            self._observer.closed(self._name)

    def _why(self) -> TargetError:
        return self.refusal() or self._sick(self._clock())

    def _sick(self, now: float) -> Sick:
        left = max(self.breaker.left(now), self._asked[1] - now)
        return Sick("no call goes out until it answers again; `status` shows since when", None, left)


def _now(seconds: float = 0.0) -> str:
    """Return the time in so many seconds."""
    return stamp(datetime.fromtimestamp(time.time() + seconds, UTC))
