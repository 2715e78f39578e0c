"""What the core needs of a target, the frozen values that cross, and all that can go wrong with one."""

import math
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, Protocol

from gateway.scim.difference import Difference
from gateway.scim.grammar import Filter, Sort
from gateway.values import frozen

Attributes = dict[str, Any]  # a SCIM document or part of one: names are not ours, so a dict


class ResourceType(StrEnum):
    """A SCIM resource type (RFC 7643 section 6)."""

    USER = "User"
    GROUP = "Group"


@frozen
class Query:
    """A question for a page of a target's entries, in the target's own names."""

    filter: Filter | None = None
    start: int = 1  # 1-based (RFC 7644 section 3.4.2.4)
    count: int = 100
    members: bool = False  # groups come with theirs
    sort: Sort | None = None  # only for a connector that says it sorts; None: any stable order
    rest: bool = False  # for who reads everybody: what comes beyond `count` is taken, too


@frozen
class Page:
    """A page of entries and how many there are in all."""

    total: int
    entries: tuple[Attributes, ...]
    counted: bool = True  # False: the target does not say how many, `total` is what is known so far


@frozen
class MemberUpdate:
    """What is done to a group's members, in the target's ids; whoever is not named stays as they are.

    To add one who is there, or to remove one who is not, changes nothing, so it may be sent again.
    """

    add: tuple[Attributes, ...] = ()  # each with `value`
    remove: tuple[str, ...] = ()
    # who is in the group besides, told from what it shows; for a target that takes it only whole
    others: Callable[[Attributes], Awaitable[Sequence[Attributes]]] | None = field(
        default=None, compare=False, repr=False
    )

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


NOBODY: Final = MemberUpdate()


@frozen
class Update:
    """A change of one entry: what it shows now, what it shall be, and the difference between the two."""

    present: Attributes
    wanted: Attributes  # present with the differences laid over it
    differences: tuple[Difference, ...]
    members: MemberUpdate = NOBODY
    held: Attributes = field(default_factory=dict)  # all we know of that it shall have, shown or not


@frozen
class EntitlementSource:
    """Where the values of a type of entitlement are read, again and again: groups, or what else is said."""

    groups: Filter | None = None  # which of the target's groups; None: all of them
    endpoint: str | None = None  # of the target's own, without its slash, instead of groups
    query: str | None = None  # SQL that gives an id, a name and maybe a description, instead of them
    refresh: float = 300.0  # seconds that what was read counts


class Connector(Protocol):
    """Reaches one target. Every method is one attempt and raises only a `TargetError`.

    Entries are dicts in the target's form, `id` always present. An answer without a body is None.
    A group comes without its members unless they are asked for, and is created without any. Its `members` are
    None where the target shows nobody's.
    """

    async def get(self, kind: ResourceType, id: str, *, members: bool = False) -> Attributes | None:
        """Return the entry, or None where the target says in SCIM that there is none."""

    async def query(self, kind: ResourceType, query: Query) -> Page:
        """Return one page in a stable order; raises `CannotFilter` where the filter is beyond the target."""

    async def create(
        self, kind: ResourceType, wanted: Attributes, *, beside: Collection[str] = ()
    ) -> Attributes | None:
        """Create the entry; raises `Conflict` where the target has such a one.

        `beside`: entries, by id, that are known to be others, though they have the same externalId.
        """

    async def change(self, kind: ResourceType, id: str, update: Update) -> Attributes | None:
        """Change the entry; raises `Missing` where there is none."""

    async def delete(self, kind: ResourceType, id: str) -> None:
        """Remove the entry; raises `Missing` where there is none."""


class Urgency(IntEnum):
    """Whose call goes first where not all can go at once."""

    LEAVER = 0
    CHANGE = 1
    READ = 2
    RUN = 3  # over many people, with nobody waiting for each


class Errand(NamedTuple):
    """For what calls are made."""

    latest: float = math.inf  # monotonic seconds: none begins later
    urgency: Callable[[], Urgency] = lambda: Urgency.RUN  # asked where a call has to wait
    ends: float = math.inf  # monotonic seconds: one that is under way then is given up
    owned: float = math.inf  # monotonic seconds: later another gateway may be at it, and nothing is sent


errand: ContextVar[Errand] = ContextVar("errand", default=Errand())  # noqa: B039 - nobody changes one


class Admission:
    """What a target takes now; this one takes all there is.

    Who begins a request of a provider adds it to `requests`, and takes it off at the end. A hundred that wait
    for one resource hold a connection each, though no call of theirs waits for a turn.
    """

    most: float = math.inf  # requests in progress, but for those by which somebody leaves
    requests = 0
    users = 0  # of its connector, who have begun and not ended: it is closed after the last of them
    is_wary = False  # whether `refusal` may have anything to say

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have the connector stay open meanwhile."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    def refusal(self) -> "TargetError | None":
        """Return why no call goes out now; None, too, where the next one is to find out whether it may."""
        return None

    def refuse(self) -> None:
        """Raise why no call goes out now."""

    def may_retry(self, calls: int = 1) -> bool:
        """Take so many calls out of what may be sent again; say whether there were as many left."""
        return True

    async def probe(self, every: float | None = None) -> bool:
        """Find out whether a target that is sick is well again, once it is time; say whether calls go out.

        It is time after the pause, or `every` so many seconds where something waits. Raises nothing.
        """
        return True


class TargetError(Exception):
    """A target did not do as asked. `reason` is the target's own readable text, shortened, never a secret.

    `maybe_applied` says whether the request may have taken effect all the same.
    """

    maybe_applied = False

    def __init__(self, reason: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status  # the HTTP status, where there was one
        self.retry_after = retry_after  # seconds, where the target asked


class Refused(TargetError):
    """4xx because of the data."""


class Conflict(TargetError):
    """409: there is such an entry already."""


class Missing(TargetError):
    """404, said as a SCIM Error."""


class CannotFilter(TargetError):
    """The target cannot evaluate this filter; its pages can still be read."""


class Denied(TargetError):
    """401 or 403: our credentials."""


class Throttled(TargetError):
    """429."""


class Paused(TargetError):
    """An administrator has paused the target, so nothing was sent."""


class Sick(TargetError):
    """The target did not answer several times, or asked to be left alone, so nothing was sent."""


class Crowded(TargetError):
    """Too many calls to the target wait for their turn, so nothing was sent."""


class Late(TargetError):
    """No time was left for another call, so nothing was sent."""


def refuse_disowned(now: float) -> None:
    """Raise Late where another gateway may be at what is to be sent: it waited too long, or was stopped."""
    if now > errand.get().owned:
        raise Late("another gateway may be at it by now")


class Unreachable(TargetError):
    """No connection, so nothing was sent."""


class Silent(TargetError):
    """Timed out or cut off after the request went out."""

    maybe_applied = True


class Broken(TargetError):
    """5xx."""

    maybe_applied = True


class Contradiction(TargetError):
    """What the target's pages show is not what they say, so that nobody knows who is there."""


class Nonsense(TargetError):
    """HTML, a redirect, a 404 that is no SCIM Error, or another answer no SCIM service gives."""

    maybe_applied = True
