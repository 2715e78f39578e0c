"""What the flow is given besides its ports: metrics, alerts, times, a wake-up event, what was read lately."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from datetime import datetime, timedelta
from itertools import count, groupby, islice
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakValueDictionary

from gateway.flow.journal_port import Operation, Outcome
from gateway.flow.target_port import Attributes, ResourceType
from gateway.log import get_logger
from gateway.values import frozen


class Meter(Protocol):
    """Counts. Every method returns at once and raises nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Count one call to a target: what came of it, and how long it took."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Count what became of a change."""

    def alerted(self, alert: str, target: str) -> None:
        """Count an alert; `target` "" where it is about none."""


class Unmetered:
    """Counts nothing."""

    def called(self, target: str, outcome: str, seconds: float) -> None:
        """Nothing."""

    def changed(self, target: str, outcome: Outcome) -> None:
        """Nothing."""

    def alerted(self, alert: str, target: str) -> None:
        """Nothing."""


ALERTS: Final[Mapping[str, str]] = {  # every alert -> what is the matter, and what to do
    "target.denied": "The target refuses the gateway's credentials: mend the secret of `targets.NAME.auth`, "
    "or `reload` another.",
    "target.sick": "A target fails at every call, so nothing is sent to it but a look now and then; changes "
    "are answered busy, and leavers kept. See to the target and the way to it; `status` shows how it is.",
    "target.well": "A sick target answers again: nothing, what was kept for it is being sent.",
    "removals.held": "More people left at once than `max_removals` allows: look at `operations list`, and "
    "let them go with `operations release` where that is meant.",
    "operation.dead": "A target refused a change for `give_up`, so it is not tried any more: "
    "`operations list` says why; `operations retry` or `operations drop` ends it.",
    "route.refused": "A target of a route refuses what the others took: `operations list` and `problems` say "
    "whose it is and why; it is tried again when they change, at each start, and by `operations retry`.",
    "journal.unwritable": "The journal cannot be written, so no change is taken: make room or mend the disk.",
    "connections.exhausted": "No connection more can be taken: see who holds them, then raise "
    "`server.max_connections` or the limit of open files.",
    "token.expiring": "A provider's token ends soon, and then nothing of it is taken: make the next with "
    "`token new PROVIDER`, type it at the provider, then `token revoke ID` the old one.",
    "token.over": "A token was shown that has expired or was revoked, and refused. Type a live one at its "
    "provider (`token new`); where nobody should have it any more, find out who used it: `audit query`.",
    "auth.failing": "Many requests of one address are refused with 401: a provider has a wrong token, or "
    "somebody guesses. `audit query --filter 'event eq \"auth.refused\"'` has them: mend the token there, or "
    "keep the address out.",
    "changes.refused": "Of the changes for a target more are refused than `alerts.refused_share` lets: "
    "`problems TARGET` says whose data it is and why; mend the data, the rules, or what the target asks for.",
    "trail.broken": "The audit trail is not what was written: keep the file as it is, look what "
    "`audit verify` says, and find out who could write it; a backup has the trail as it was.",
    "disk.low": "The file system of the journal is nearly full, and without room no change is taken: make "
    "room, move `journal.url`, or shorten `journal.retention`.",
    "journal.restored": "The journal is an older one than the gateway had: `reconcile` each target.",
}

log = get_logger()

T = TypeVar("T")

LARGE: Final = 32 * 1024  # bytes of a body from which to work on it would keep other requests waiting
# elements of a list from which the work on a resource does: rules, terms and operations multiply
MANY: Final = 50
TURN: Final = 0.01  # seconds that work of many parts keeps the event loop
CROWD: Final = 1000  # members of a group from which the work on them does
# one after another, as two would keep a third waiting
_LARGE_WORK: Final = ThreadPoolExecutor(1, "large-work")


on_behalf: ContextVar[str] = ContextVar("on_behalf", default="")  # of which provider something is done
# whether somebody still waits for the answer to what is done
is_awaited: ContextVar[Callable[[], bool]] = ContextVar("is_awaited", default=lambda: True)
# kept by those who wait for them
_TURNS: Final[WeakValueDictionary[str, asyncio.Lock]] = WeakValueDictionary()


async def off_loop(work: Callable[..., T], *arguments: Any) -> T:
    """Do pure work in a thread, so that nobody else waits for it; providers take turns at it."""
    async with _TURNS.setdefault(on_behalf.get(), asyncio.Lock()):
        return await asyncio.get_running_loop().run_in_executor(
            _LARGE_WORK, copy_context().run, work, *arguments
        )


async def off_loop_if(large: bool, work: Callable[..., T], *arguments: Any) -> T:
    """Do pure work in a thread where it is large, here where it is not."""
    return await off_loop(work, *arguments) if large else work(*arguments)


class Turns:
    """Lets others have the event loop, between the parts of work that would keep it for long."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since = monotonic()

    async def give(self) -> None:
        """Let others have a turn, where the last was a while ago."""
        if self._monotonic() - self._since > TURN:
            await asyncio.sleep(0)
            self._since = self._monotonic()


def is_large(*documents: Mapping[str, Any] | None) -> bool:
    """Say whether one of the documents, or a part of one, has so many parts that the work on it is large."""
    for document in documents:
        if document:
            if len(document) > MANY:
                return True
            for value in document.values():
                if value.__class__ in _PARTED and len(value) > MANY:
                    return True
    return False


_PARTED: Final = (list, dict)


@frozen
class Alert:
    """Something that only an administrator can mend; `reason` holds no value of a person and no secret."""

    name: str  # one of ALERTS
    target: str | None
    reason: str
    in_trail: bool = True  # an event says it already, or none can
    is_rare: bool = False  # who raises it does so seldom: it is news each time
    is_good: bool = False  # it is over
    about: str = ""  # what it is about beside its target: a token, an address


AGAIN: Final = 900.0  # seconds until the same alert is told once more
Alarm = Callable[[Alert], None]  # returns at once and raises nothing


def log_alert(alert: Alert) -> None:
    """Tell the log, and nobody else."""
    if alert.is_good:
        log.info(alert.name, target=alert.target, reason=alert.reason, resolved=True)
    else:
        log.error(alert.name, target=alert.target, reason=alert.reason)


def plus(time: str, seconds: float) -> str:
    """Return the time so many seconds later."""
    moved = datetime.fromisoformat(time) + timedelta(seconds=seconds)
    return moved.isoformat(timespec="microseconds").replace("+00:00", "Z")


def between(earlier: str, later: str) -> float:
    """Return the seconds from one time to another, negative where they are the other way round."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


class Wakeup:
    """Rung from one event loop, heard on the same."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Return what is set at the next ring: taken before work begins, it tells of a ring meanwhile."""
        return self._next

    def wake(self) -> None:
        """Wake all who wait for the next ring."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()


async def repeat(
    work: Callable[[], Awaitable[bool]], bell: Wakeup, pause: Callable[[], float], target: str
) -> None:
    """Do what a target waits for, whenever the bell is rung and after so many seconds, until it is over."""
    while True:
        rung = bell.next
        try:
            if await work():
                return
        except Exception as error:  # noqa: BLE001 - leavers wait for this loop: nothing may end it
            log.warning("recovery.failed", target=target, error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause()):
                await rung.wait()


SIDE_BY_SIDE: Final = 8  # leavers whom a target is told of at a time


async def in_rounds(
    operations: Iterable[Operation],
    settle: Callable[[Operation], Awaitable[bool]],
    is_over: Callable[[], bool],
) -> bool:
    """Settle operations in turn until it is over; say whether any was answered.

    Hundreds may have left while a target was away: once it answers, some of them are settled side by side.
    What else waits is settled one by one, as it came.
    """
    is_answered = False
    for leaves, some in groupby(operations, key=lambda operation: operation.intent.removes):
        waiting = iter(some)
        while together := list(islice(waiting, SIDE_BY_SIDE if leaves and is_answered else 1)):
            if is_over():
                return is_answered
            answers = map(settle, together)
            is_answered |= await next(answers) if len(together) == 1 else any(await asyncio.gather(*answers))
    return is_answered


MOST_REPLACED: Final = 16  # states of one entry that our own changes have replaced
MOST_ENTRIES: Final = 1_000  # remembered, over all targets: whoever is listed is often changed right after

Place = tuple[str, ResourceType, str]
Tick = tuple[int, float]  # of a logical clock, which orders reads and changes; its time in monotonic seconds
Replaced = tuple[tuple[float, Attributes], ...]  # until when each was there, and what it was
Known = tuple[Tick, Attributes | None, Replaced]


class EntryCache:
    """What is known of each entry and since when; forgets the oldest first.

    An answer counts from when its read was sent: one that was asked for before a change and came after it
    says nothing of what is there now, and where such a change may have been forgotten for want of room,
    neither does any answer that was asked for before it. Nor does one that shows what we have just changed:
    it comes from a replica that lags behind.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._orders = count()
        self._forgotten = -1  # the order up to which changes may have been forgotten
        self._seen: OrderedDict[Place, Known] = OrderedDict()
        self._began = monotonic()
        # by target and group, "" for all of them: when we changed it last, and who left when
        self._changed: dict[str, OrderedDict[str, tuple[float, dict[str, float]]]] = {}

    def tick(self) -> Tick:
        """Return the next tick, for a read that is about to be sent."""
        return next(self._orders), self._monotonic()

    def note(
        self,
        target: str,
        kind: ResourceType,
        entry: Attributes,
        asked: Tick | None = None,
        trust: float = 0.0,
    ) -> Attributes:
        """Remember what a target has shown, to a read sent at `asked` or just now; return what counts.

        That is what it showed after our change, where the read shows what was there before it and we made the
        change less than `trust` seconds ago.
        """
        if kind is ResourceType.GROUP and "members" in entry:  # thousands, perhaps, and a change needs none
            entry = {name: value for name, value in entry.items() if name != "members"}
        place = (target, kind, entry["id"])
        if asked is not None and (known := self._seen.get(place)) is not None and known[2]:
            since = self._monotonic() - trust
            if known[1] is not None and any(at > since and was == entry for at, was in known[2]):
                return known[1]
        self._keep(place, asked or self.tick(), entry)
        return entry

    def forget_all(self, target: str) -> None:
        """Trust nothing about the entries of a target until they are read again: it may be another one."""
        for place in [place for place in self._seen if place[0] == target]:
            self.forget(*place)

    def forget(self, target: str, kind: ResourceType, target_id: str) -> None:
        """Trust nothing about this entry until it is read again, by a read sent from now on."""
        place, tick = (target, kind, target_id), self.tick()
        known = self._seen.get(place)
        replaced = known[2] if known is not None else ()
        if known is not None and known[1] is not None:
            replaced = (*replaced[1 - MOST_REPLACED :], (tick[1], known[1]))
        self._keep(place, tick, None, replaced)

    def recall(self, target: str, kind: ResourceType, target_id: str, trust: float) -> Attributes | None:
        """Return the entry as read less than `trust` seconds ago; 0 recalls nothing."""
        found = self._seen.get((target, kind, target_id))
        if found is None:
            return None
        (_, at), entry, _ = found
        return entry if self._monotonic() - at < trust else None

    def note_members(
        self, target: str, group: str, come: Iterable[str], left: Iterable[str], trust: float
    ) -> None:
        """Remember that we have just changed a group's members, by the target's ids; "": those of all.

        It matters for `trust` seconds: 0 remembers nothing, and leaves what is remembered.
        """
        if not trust:
            return
        now, changed = self._monotonic(), self._changed.setdefault(target, OrderedDict())
        _, before = changed.pop(group, (now, {}))
        gone = {id: at for id, at in before.items() if now - at < trust}
        gone |= dict.fromkeys(left, now)
        for id in come:
            gone.pop(id, None)
        changed[group] = (now, gone)
        while changed and now - next(iter(changed.values()))[0] >= trust:
            changed.popitem(last=False)

    def left_lately(self, target: str, group: str, trust: float) -> tuple[bool, frozenset[str]]:
        """Say whether we changed a group within `trust` seconds, and whom we took out of it, or deleted.

        What another process did just before this one began is not known, so that counts as a change.
        """
        now, changed = self._monotonic(), self._changed.get(target) or OrderedDict()
        at, own = changed.get(group, (self._began, {}))
        _, everywhere = changed.get("", (at, {}))
        gone = frozenset(id for id, at in (*own.items(), *everywhere.items()) if now - at < trust)
        return now - at < trust, gone

    def _keep(
        self, place: Place, tick: Tick, entry: Attributes | None, replaced: Replaced | None = None
    ) -> None:
        seen = self._seen
        known = seen.get(place)
        if tick[0] < self._forgotten or (known is not None and known[0] > tick):
            return
        if replaced is None:
            replaced = known[2] if known is not None else ()
        seen[place] = (tick, entry, replaced)
        if known is not None:
            seen.move_to_end(place)
        elif len(seen) > MOST_ENTRIES:
            _, ((oldest, _), _, _) = seen.popitem(last=False)
            self._forgotten = max(self._forgotten, oldest)


class SharedEntryCache(EntryCache):
    """Recalls nothing: another gateway may have changed any entry meanwhile."""

    def note(
        self,
        target: str,
        kind: ResourceType,
        entry: Attributes,
        asked: Tick | None = None,
        trust: float = 0.0,
    ) -> Attributes:
        """Return what a target has shown, which is what counts."""
        return entry

    def recall(self, target: str, kind: ResourceType, target_id: str, trust: float) -> Attributes | None:
        """Return None: it must be read."""
        return None
