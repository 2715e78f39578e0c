"""What a run over everybody on a target is made of: people side by side, pushes, progress, its own event."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any, Final, TypeVar

from gateway.admin.simulate import push_of
from gateway.audit.event import Event, administrator
from gateway.audit.masking import blotted
from gateway.errors import Busy, GatewayError, JournalUnavailable
from gateway.flow.change_event import outcome_of
from gateway.flow.failures import LONGEST_PAUSE, RETRY_AFTER, Retry
from gateway.flow.journal_port import Outcome, Resource, StaleFence
from gateway.flow.model import Caller, Change, ChangeHandler, Services, Target
from gateway.flow.target_port import Attributes, Crowded, Denied, ResourceType, Sick, TargetError, Throttled
from gateway.scim.members import Edit
from gateway.users import acting, acting_as
from gateway.values import frozen

T = TypeVar("T")
R = TypeVar("R")

SIDE_BY_SIDE: Final = 8  # people at once
PATIENCE: Final = 5  # times that a target may ask to slow down
DOWN: Final = 3  # people in a row whom the target did not take: the others are not tried
PAGE: Final = 100  # originals read at once
EVERY: Final = 1.0  # seconds between two lines of progress
KIND: Final = ResourceType.USER


class Result(StrEnum):
    """How a run ended."""

    OK = "well"  # nothing is left to be done
    DIFFERS = "differs"  # the lines say what
    UNREACHABLE = "unreachable"  # the target, for some or for all


@frozen
class Progress:
    """How far a run has come."""

    people: int
    seconds: float


@frozen
class End:
    """What a run came to."""

    verdict: Result
    people: int
    counts: Mapping[str, int]
    reason: str | None = None


@frozen
class Pushed:
    """What became of one person; `fault` is the target's where it could not be reached."""

    outcome: Outcome
    reason: str | None = None
    fault: TargetError | None = None


Lines = AsyncGenerator[Any, None]  # Progress, rows for people, and at last an End
_NAMES: Final = {Progress: "progress", End: "end"}


def render_line(line: Any) -> dict[str, Any]:
    """Return a line of a run as it goes over the socket: {"row": …}, {"progress": …} or {"end": …}."""
    return {_NAMES.get(type(line), "row"): line if isinstance(line, dict) else asdict(line)}


async def in_turn(runs: Mapping[str, Lines]) -> Lines:
    """Yield the lines of a run of each of these targets, whose rows say which it is, and one end for all."""
    ends = list[End]()
    for target, lines in runs.items():
        async with aclosing(lines):
            async for line in lines:
                if isinstance(line, End):
                    ends.append(line)
                else:
                    yield line if isinstance(line, Progress) else {"target": target, **asdict(line)}
    counts = sum((Counter(end.counts) for end in ends), Counter[str]())
    reasons = [end.reason for end in ends if end.reason]
    verdict = max((end.verdict for end in ends), key=list(Result).index)
    yield End(verdict, sum(end.people for end in ends), dict(counts), "; ".join(reasons) or None)


@dataclass(slots=True)
class Run:
    """The one thing that a run writes while it goes on."""

    services: Services
    name: str
    target: Target
    only: Resource | None = None  # whom alone it is about
    correlation_id: str = ""
    people: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differs: bool = False
    unreachable: str | None = None
    ended: bool = False
    _failed_in_a_row: int = 0
    _is_denied: bool = False
    _started: float = 0.0
    _shown: float = 0.0

    def __post_init__(self) -> None:
        self.correlation_id = self.services.new_id()
        self._started = self._shown = self.services.monotonic()

    @property
    def is_down(self) -> bool:
        """Whether it is of no use to go on."""
        return self._is_denied or self._failed_in_a_row >= DOWN

    def failed(self, error: TargetError, *quotes: Attributes) -> None:
        """Note that the target could not be reached; wrong credentials end the run at once."""
        said = blotted(error.reason, quotes)
        self.unreachable = f"{self.target.name}: {type(error).__name__.lower()}: {said}"
        self._failed_in_a_row += 1
        self._is_denied = self._is_denied or isinstance(error, Denied)

    def pushed(self, pushed: Pushed, original: Attributes) -> Pushed:
        """Note what became of somebody."""
        if pushed.fault is not None:
            self.failed(pushed.fault, original)
        else:
            self._failed_in_a_row = 0
        return pushed

    def progress(self) -> Progress | None:
        """Return how far it has come, once a second at most."""
        now = self.services.monotonic()
        if now - self._shown < EVERY:
            return None
        self._shown = now
        return Progress(self.people, round(now - self._started, 1))

    def end(self) -> End:
        """Return what it came to."""
        self.ended = True
        verdict = Result.DIFFERS if self.differs else Result.OK
        verdict = Result.UNREACHABLE if self.unreachable else verdict
        return End(verdict, self.people, dict(self.counts), self.unreachable)

    async def close(self) -> None:
        """Leave the run's own event, however it ended."""
        reason = self.unreachable or (None if self.ended else "ended early")
        result = Outcome.APPLIED if reason is None else Outcome.FAILED
        fields = {
            "event": self.name,
            "outcome": {"result": result.value, "status": None, "reason": reason},
            "actor": administrator(),
            "client": {"ip": None, "user_agent": None},
            "target": {"name": self.target.name, **_identity(self.only), "user_name": None},
            "people": self.people,
            "counts": dict(self.counts),
            "correlation_id": self.correlation_id,
        }
        await self.services.trail.append([Event(self.services.new_id(), fields)])


def _identity(resource: Resource | None) -> dict[str, str | None]:
    """Return what a run's event says of whom alone it is about."""
    if resource is None:
        return {"type": None, "id": None}
    return {"type": str(resource.type), "id": resource.id}


async def push(
    changes: ChangeHandler,
    run: Run,
    target: Target,
    resource: Resource,
    event: str,
    members: tuple[Edit, ...] | None = None,
) -> Pushed:
    """Send the original once more as a change; what it is now counts, not what `resource` was.

    `members` are the edits of a group's members, of whom nobody else comes or goes.

    The run notes what became of it. A target that asks to slow down is waited for.
    Raises JournalUnavailable.
    """
    caller = Caller(acting.get(), kind=acting_as.get())
    change = push_of(target, resource, caller, run.correlation_id, event, members)
    for _ in range(PATIENCE):
        pushed = await _pushed(changes, change)
        if pushed.fault is None or not _is_waited_for(pushed.fault):
            break
        await run.services.sleep(_asked_pause(pushed.fault))
    return run.pushed(pushed, resource.original)


async def _pushed(changes: ChangeHandler, change: Change) -> Pushed:
    try:
        reply = await changes.handle(change)
    except JournalUnavailable:
        raise
    except GatewayError as error:
        cause = error.__cause__ if isinstance(error, Busy) else None
        fault = cause if isinstance(cause, TargetError) else None
        return Pushed(outcome_of(error, error.status), error.detail, fault)
    except StaleFence:
        return Pushed(Outcome.FAILED, "an administrator dropped the operation")
    return Pushed(reply.outcome)


async def asked(services: Services, target: Target, call: Callable[[], Awaitable[T]]) -> T:
    """Ask a target until it answers; raises the last TargetError where it does not."""
    retry = Retry(target.policy.attempts)
    for attempt in count(1):
        try:
            return await call()
        except TargetError as error:
            if (is_waited_for := _is_waited_for(error)) and attempt < PATIENCE:
                pause: float | None = _asked_pause(error)
            else:
                pause = retry.pause(attempt, error, target.policy.deadline, services.chance())
            if pause is None or not (is_waited_for or target.admission.may_retry()):
                raise
            await services.sleep(pause)
    raise AssertionError("unreachable")


def _is_waited_for(error: TargetError) -> bool:
    """Say whether a failure tells when it is of use to come again: the target, or the gate, has said so."""
    return isinstance(error, (Throttled, Crowded)) or (isinstance(error, Sick) and error.status is not None)


def _asked_pause(error: TargetError) -> float:
    return min(error.retry_after or RETRY_AFTER, LONGEST_PAUSE)


async def everybody(services: Services, target: Target, kind: ResourceType = KIND) -> AsyncIterator[Resource]:
    """Yield everybody whom the journal knows, in order of id, a page in memory at a time."""
    async for page in pages(services, target.name, kind):
        for resource in page:
            yield resource


async def pages(services: Services, base: str, kind: ResourceType) -> AsyncIterator[Sequence[Resource]]:
    """Yield all whom the journal knows of a target, in order of id, a page at a time."""
    after = ""
    while page := await services.resources.page(base, kind, after, PAGE):
        yield page
        after = page[-1].id


async def side_by_side(items: AsyncIterator[T], work: Callable[[T], Awaitable[R]]) -> AsyncGenerator[R, None]:
    """Work on several items at once and yield what comes of them; closed, what is under way ends first."""
    under_way: set[asyncio.Future[R]] = set()
    try:
        while True:
            while len(under_way) < SIDE_BY_SIDE and (item := await anext(items, None)) is not None:
                under_way.add(asyncio.ensure_future(work(item)))
            if not under_way:
                return
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        if under_way:
            await asyncio.wait(under_way)
