"""What the core needs of the journal, and the frozen values that it keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from math import inf
from typing import Any, NamedTuple, Protocol

from gateway.audit.event import Event
from gateway.flow.target_port import Attributes, ResourceType
from gateway.scim.members import NO_CHANGE, Delta
from gateway.values import frozen


class Outcome(StrEnum):
    """What became of an operation (docs/audit.md)."""

    APPLIED = "applied"  # the target took it
    ADOPTED = "adopted"  # an entry the journal did not know became ours
    REPLAYED = "replayed"  # done before; its answer was given again
    UNCHANGED = "unchanged"  # the target holds it already
    OUT_OF_SCOPE = "out_of_scope"  # remembered, and not sent: the target is not to have it
    REJECTED = "rejected"  # the data or the request cannot be taken
    FAILED = "failed"  # the target or the gateway could not
    PENDING = "pending"  # kept: it may still happen, and is tried again
    DEFERRED = "deferred"  # not kept: it happens if the provider comes again


class State(StrEnum):
    """What a resource is to the provider."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"  # a tombstone: its id is never given again


@frozen
class Link:
    """What ties an original to its entry on a target."""

    target: str
    target_id: str | None  # None: removed there, by deactivation
    sent: Attributes  # our target form
    seen: Attributes | None  # the target's first answer after it


@frozen
class Resource:
    """An original and its links, as the journal keeps them."""

    base: str  # the target or route the provider addressed
    type: ResourceType
    id: str  # ours
    original: Attributes  # as the provider sent it, without id, meta, groups, password
    state: State
    created: str  # RFC 3339, UTC
    modified: str
    replied: bool = False  # an answer that carried the id was delivered
    links: Mapping[str, Link] = field(default_factory=dict)  # by target name


class Key(NamedTuple):
    """One name a resource is known by.

    Kinds: id, name (folded userName), external (externalId), and, to find whom a target does not show, email
    (folded).
    """

    kind: str
    value: str


@frozen
class Intent:
    """What is about to be sent, recorded before it is."""

    op_id: str
    base: str
    target: str
    type: ResourceType
    operation: str  # create | replace | patch | delete
    keys: tuple[Key, ...]
    resource_id: str  # ours
    target_id: str | None
    wanted: Attributes  # the target form; emptied at settle
    original: Attributes  # what the original will be
    state: State
    correlation_id: str
    removes: bool = False  # somebody active becomes inactive or is deleted
    members: Delta = NO_CHANGE  # by our ids

    @property
    def leaves_everywhere(self) -> bool:
        """Whether somebody leaves by it, and not only the scope of one target."""
        return self.removes and self.state is not State.ACTIVE


@frozen
class MemberRow:
    """A member of a group, by our id, as the provider sent it, and whether a target knows."""

    element: Attributes  # with `value`
    delivered: bool = True
    due: bool = False  # not delivered, and could be


@frozen
class MemberRows:
    """What becomes of a group's rows; with `whole`, there are no others afterwards.

    `entries` are the target's ids as they were known when that was sent, None for a member who had none.
    Whoever has another by now is not delivered, and who is deleted by now gets no row.
    """

    target: str
    rows: Mapping[str, MemberRow]
    removed: tuple[str, ...] = ()
    whole: bool = False
    entries: Mapping[str, str | None] = field(default_factory=dict)


class OperationState(StrEnum):
    """How far an unsettled operation has come."""

    OPEN = "open"  # recorded, perhaps sent
    DOUBT = "doubt"  # its result is unknown: time-out, reset, crash
    PENDING = "pending"  # certainly not done; tried again until it is
    HELD = "held"  # not sent: the removal brake holds it until it is released
    DEAD = "dead"  # given up until an administrator says retry or drop


@frozen
class Operation:
    """An intent in the journal, not settled yet."""

    intent: Intent
    fence: int
    standing: OperationState
    attempts: int
    opened: str  # RFC 3339, UTC
    due: str = ""  # not to be tried again on our own before; RFC 3339, UTC
    reason: str | None = None  # why it is not settled, for people
    refused: str = ""  # since when the target refuses it in itself; RFC 3339, UTC
    # monotonic seconds: sent after it only where it is still ours, as `renew` says; who asks has their own
    until: float = field(default=inf, compare=False)


@frozen
class Begun:
    """What stands under the keys of a change; where nothing does, the operation that was recorded for it."""

    operation: Operation | None = None  # None: something stands there, or there was no intent
    resources: tuple[Resource, ...] = ()
    unsettled: tuple[Operation, ...] = ()


@frozen
class Transition:
    """How an operation stands from now on; `attempts` None leaves their number."""

    standing: OperationState
    reason: str | None = None
    due: str = ""
    attempts: int | None = None
    refused: str = ""


@frozen
class Settlement:
    """All that becomes true at once when an operation ends."""

    outcome: Outcome
    event: Event
    resource: Resource | None = None  # to be stored, with its links; None: nothing learnt
    members: MemberRows | None = None
    is_new: bool = False  # the resource gets an id that none may have had before


class Operations(Protocol):
    """Remembers every change before it is sent, and what became of it.

    Raises `JournalUnavailable` where it cannot write: then nothing may be sent.
    """

    async def begin(
        self, base: str, kind: ResourceType, keys: Sequence[Key], intent: Intent | None = None
    ) -> Begun:
        """Return what stands under the keys: resources, and operations that are not settled.

        Where nothing does, the intent, whose keys are among these, is recorded durably at the same time.
        Tombstones are found by id, inactive people by e-mail.
        """

    async def claim(self, intent: Intent) -> Operation:
        """Record the intent durably under all its keys; raises `KeysTaken` while another holds one."""

    async def settle(self, operation: Operation | None, settlement: Settlement) -> None:
        """Close the operation and store resource, links and event in one transaction.

        None: nothing had to be sent, so there was no intent. Raises `StaleFence` where it was taken over,
        `IdTaken` where the id of a new resource was used before or its entry is somebody's, and `Uniqueness`
        where its name is taken: then nothing is stored, and the operation is as it was.
        """

    async def mark(self, operation: Operation, mark: Transition, event: Event | None = None) -> Operation:
        """Record how an operation stands that cannot be settled now; raises `StaleFence`."""

    async def open(self, base: str | None, keys: Sequence[Key]) -> tuple[Operation, ...]:
        """Return the unsettled operations that hold one of the keys; all of the base where keys are empty.

        Without a base, and without keys: all of every base.
        """

    async def take_over(self, operation: Operation) -> Operation:
        """Become the owner of another's unsettled operation, with the next fence."""

    async def renew(self, operation: Operation) -> Operation:
        """Keep an operation as long again; raises `StaleFence` where it was taken over."""


class Removals(Protocol):
    """What the removal brake has to know; it outlives the process."""

    async def count(self, target: str, since: str) -> int:
        """Return how many people were removed since then, those under way included."""

    async def brake(self, target: str) -> tuple[str | None, str | None]:
        """Return since when the brake holds, None where it does not, and when it was last released."""

    async def trip(self, target: str, at: str) -> None:
        """Hold from now on."""

    async def release(self, target: str, at: str) -> None:
        """Hold no longer; what is counted begins anew."""


class Memberships(Protocol):
    """Who is in which group: by our ids, as the provider last said, whether or not a target knows yet."""

    async def rows(self, base: str, group: str, target: str) -> Mapping[str, MemberRow]:
        """Return a group's members by id, in the order they came."""

    async def target_ids(self, base: str, target: str, ids: Sequence[str]) -> Mapping[str, str | None]:
        """Return the entries of our resources on a target: None for one without, nothing for one unknown."""

    async def owners(self, base: str, target: str, target_ids: Sequence[str]) -> Mapping[str, str]:
        """Return our ids by those of a target."""

    async def due(self, base: str, target: str, count: int) -> Mapping[str, tuple[str, ...]]:
        """Return up to `count` members who are not delivered and could be, by group."""


class Resources(Protocol):
    """Originals and links."""

    async def find(self, base: str, type: ResourceType, keys: Sequence[Key]) -> tuple[Resource, ...]:
        """Return the resources known by any of the keys; tombstones by id, inactive people by e-mail only."""

    async def page(
        self, base: str, type: ResourceType, after: str, count: int, *, removed: bool = False
    ) -> tuple[Resource, ...]:
        """Return up to `count` resources in order of id, after the id `after` ("" = from the start).

        `removed`: only inactive ones that have no entry any more.
        """

    async def read(
        self, base: str, type: ResourceType, target: str, target_ids: Sequence[str]
    ) -> Mapping[str, Resource]:
        """Return the resources linked to these entries of a target, by target id."""

    async def note_replied(self, base: str, type: ResourceType, id: str) -> None:
        """Know from now on that an answer with this id was delivered; on disk with a later batch."""


class Trail(Protocol):
    """The audit trail."""

    async def append(self, events: Sequence[Event]) -> None:
        """Add events durably, in order."""

    def later(self, event: Event) -> None:
        """Add an event with what is written next, or at the close; nobody waits for it.

        Raises `JournalUnavailable` while nothing can be written.
        """

    async def page(
        self, before: int | None, count: int, since: str | None, until: str | None
    ) -> tuple[Mapping[str, Any], ...]:
        """Return up to `count` events with seq < `before`, newest first, personal values in place."""

    async def head(self) -> tuple[int, str]:
        """Return the newest seq and hash; (0, "") for an empty trail."""


@frozen
class DueMirror:
    """A resource of which a target that follows another has still to be told: its newest state."""

    n: int  # no other ever has it
    base: str  # the target that is followed
    type: ResourceType
    id: str
    target: str
    version: int  # more where the resource has changed once more
    correlation_id: str  # of its newest change
    attempts: int = 0
    is_refused: bool = False  # in itself, whatever was tried


class Mirrors(Protocol):
    """What targets that follow another have still to be told; written with each change of a resource."""

    async def due(self, base: str, target: str, now: str, count: int) -> tuple[DueMirror, ...]:
        """Return up to `count` of what a target is to be told now, leavers first."""

    async def of(self, base: str, target: str, type: ResourceType, id: str) -> DueMirror | None:
        """Return what a target is still to be told of one resource."""

    async def numbered(self, n: int) -> DueMirror | None:
        """Return one by its number."""

    async def waiting(self, target: str, after: int, count: int) -> tuple[DueMirror, ...]:
        """Return up to `count` of what a target is to be told, due or not, in order of their numbers."""

    async def count(self, base: str, target: str) -> tuple[int, int]:
        """Return of how many resources a target is still to be told, and how many of them it refuses."""

    async def refused(self, base: str, target: str) -> tuple[tuple[str, str | None, str], ...]:
        """Return id, name and reason of everything that a target refuses."""

    async def members(self, due: DueMirror) -> Delta:
        """Return what differs between a group's members here and there: read is what differs, no more."""

    def is_brought(self, due: DueMirror) -> bool:
        """Say whether the target is told at all: one that is in the route no more is not."""

    async def done(self, due: DueMirror) -> bool:
        """Know that a target was told; False where there is news of the resource meanwhile."""

    async def put_off(self, due: DueMirror, until: str, reason: str | None, *, refused: bool = False) -> None:
        """Try it again then, unless there is news of the resource before."""

    async def mark_all(self, base: str, target: str, now: str, cid: str) -> int:
        """Mark everybody whom a target shall have, or has and shall not; return how many these are."""

    async def become(self, base: str, type: ResourceType, old: str, new: str) -> None:
        """Give somebody the id that they have at the target which theirs follows."""


class KeysTaken(Exception):
    """Another operation holds one of the keys."""


class StaleFence(Exception):
    """The operation was taken over; what this owner knows is no longer the truth."""


class IdTaken(Exception):
    """A resource has, or once had, the id that a new one was to get, or has its entry."""
