"""How the gateway stands: the values that `status` shows, and what alerts were told. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from gateway.admin.replicas import Replica
from gateway.flow.journal_port import OperationState
from gateway.values import frozen


@frozen
class Pause:
    """A target to which nothing is sent; times are RFC 3339, UTC."""

    since: str
    until: str | None = None  # None: until somebody resumes it
    reason: str | None = None  # as whoever paused it said


@frozen
class Counts:
    """What the journal holds, counted; times are RFC 3339, UTC."""

    unsettled: Mapping[tuple[str, str], int] = field(default_factory=dict)  # target, standing -> operations
    braked: Mapping[str, str] = field(default_factory=dict)  # target -> since when
    paused: Mapping[str, Pause] = field(default_factory=dict)  # by target
    seq: int = 0  # of the newest event
    bytes: int = 0


@frozen
class WriterStats:
    """How the journal's writing goes."""

    failure: str | None  # why it cannot be written, None where it can
    waiting: int  # writes in the queue
    batches: int  # transactions since the start
    writes: int  # in these


@frozen
class JournalState:
    """The journal."""

    writable: bool | None  # None: no gateway runs that knows
    reason: str | None  # why it is not
    bytes: int
    seq: int


@frozen
class Seen:
    """How a target was when it was called last; times are RFC 3339, UTC, None where that never was."""

    answered: str | None = None
    failed: str | None = None
    failure: str | None = None  # the kind of the newest failure

    @property
    def state(self) -> str:
        """Say "ok", "failing", or "unknown" where it was never called."""
        if self.answered is None and self.failed is None:
            return "unknown"
        return "failing" if (self.failed or "") > (self.answered or "") else "ok"


class BreakerState(StrEnum):
    """Whether calls go out to a target."""

    CLOSED = "closed"  # all of them
    OPEN = "open"  # none
    HALF_OPEN = "half-open"  # one, which asks whether the target is well again


REFUSALS: Final = ("sick", "throttled", "crowded", "late")  # why a call is not made


@frozen
class TargetHealth:
    """How a target is, and how it is called; times are RFC 3339, UTC, numbers since the start."""

    state: BreakerState
    since: str  # when it fell sick, or was well again, or the gateway began
    until: str | None  # no call goes out before; None: calls go out
    failures: int  # in a row
    refused: Mapping[str, int]  # calls that were not made, by one of REFUSALS
    retries: int  # calls that were sent again
    retries_refused: int  # times that nothing was sent again for want of budget
    under_way: int  # calls
    waiting: int  # calls


@frozen
class TargetState:
    """One target: how it was when it was called last, and what waits for it."""

    name: str
    state: str  # ok | failing | unknown
    answered: str | None
    failed: str | None
    failure: str | None
    breaker: TargetHealth | None  # None: no gateway runs that knows
    paused: str | None  # since when; times are RFC 3339, UTC
    paused_until: str | None  # None: until somebody resumes it
    pause_reason: str | None
    braked: str | None
    open: int  # from here on in the order of `Standing`
    doubt: int
    pending: int
    held: int
    dead: int


@frozen
class ConfigState:
    """The configuration in force."""

    digest: str  # SHA-256 of its file and of its tables' files, in hex
    since: str  # RFC 3339, UTC
    restart: tuple[str, ...] = ()  # keys that the file has otherwise, and that only a start takes


@frozen
class Reloaded:
    """What another configuration has changed; names are those of targets."""

    digest: str
    was: str  # the digest of the one before
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reconnected: tuple[str, ...]  # those whose connector was opened anew
    restart: tuple[str, ...]  # keys that only a start takes
    made_tokens: tuple[str, ...]  # files
    warnings: tuple[str, ...]


@frozen
class Status:
    """All of it."""

    running: bool
    version: str
    since: str | None
    journal: JournalState
    targets: tuple[TargetState, ...]
    config: ConfigState | None = None  # None: no gateway runs that knows
    replicas: tuple[Replica, ...] = ()  # all that share the journal; none where it is one gateway's own


def target_states(
    names: Iterable[str],
    counts: Counts,
    seen: Callable[[str], Seen],
    health: Mapping[str, TargetHealth],
) -> tuple[TargetState, ...]:
    """Return the state of each target."""
    return tuple(_target_state(name, counts, seen(name), health.get(name)) for name in names)


def _target_state(name: str, counts: Counts, seen: Seen, health: TargetHealth | None) -> TargetState:
    pause = counts.paused.get(name)
    since, until, reason = (None,) * 3 if pause is None else (pause.since, pause.until, pause.reason)
    return TargetState(
        name,
        seen.state,
        seen.answered,
        seen.failed,
        seen.failure,
        health,
        since,
        until,
        reason,
        counts.braked.get(name),
        *(counts.unsettled.get((name, standing), 0) for standing in OperationState),
    )


Key = tuple[str, str, str]  # name, target or "", what else it is about or ""


@frozen
class Standing:
    """What administrators were told of, and what is not over; times are RFC 3339, UTC."""

    name: str
    target: str  # "" for none
    about: str
    since: str
    told: str  # the last time
    reason: str

    @property
    def key(self) -> Key:
        """Return what it is told from others by."""
        return self.name, self.target, self.about


@frozen
class Tried:
    """How a channel took a message that is no alert; None: it did."""

    channel: str
    error: str | None
