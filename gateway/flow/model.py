"""What the flow works on: providers, targets, changes, replies. Frozen values."""

import random
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final, Protocol

from gateway.errors import GatewayError
from gateway.flow.journal_port import (
    Key,
    Link,
    Memberships,
    Mirrors,
    Operation,
    Operations,
    Outcome,
    Removals,
    Resource,
    Resources,
    State,
    Trail,
)
from gateway.flow.locks import KeyedLocks
from gateway.flow.members import NOBODYS, Members
from gateway.flow.services import Alarm, EntryCache, Meter, Unmetered, log_alert
from gateway.flow.target_port import (
    Admission,
    Attributes,
    Connector,
    Errand,
    Paused,
    ResourceType,
    Update,
    Urgency,
    errand,
)
from gateway.mapping.program import Mapped
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import Difference
from gateway.scim.documents import fold, identity
from gateway.scim.grammar import Filter, Sort
from gateway.scim.members import Edit
from gateway.scim.names import EMPTY, NAMES
from gateway.values import frozen


@frozen
class Policy:
    """How a target is to be treated (docs/configuration.md); times in seconds."""

    on_deactivate: str = "send"  # send | delete
    on_missing: str = "recreate"  # recreate | error
    adopt_by: tuple[str, ...] = ("externalId", "userName")
    reuse_name: str = "refuse"  # refuse | take
    protect: Callable[[Mapping[str, object]], bool] | None = None
    unique_names: bool = True
    trust: float = 5.0
    deadline: float = 50.0
    settle: float = 10.0
    give_up: float = 86_400.0
    page_size: int = 100
    attempts: int = 3
    max_removals: tuple[int, float] | None = None  # people, within seconds
    timeout: float = 10.0  # of one call
    begins: float = field(init=False)  # seconds within which a request begins its calls, to end by `deadline`

    def __post_init__(self) -> None:
        object.__setattr__(self, "begins", max(self.deadline - self.timeout, self.deadline / 2))

    def visible(self, kind: ResourceType, operation: str) -> float:
        """Return the seconds until a look shows what a doubtful operation did, once it can no longer act.

        A group that is not seen yet would be made twice; of people, few targets take a second of one name.
        """
        return self.trust if kind is ResourceType.GROUP and operation == "create" else 0.0


def reading(policy: Policy, now: float) -> Errand:
    """Return the errand of a read that begins now: it has no more time than whatever it is a part of."""
    whole = errand.get()
    return Errand(min(now + policy.begins, whole.latest), _read, min(now + policy.deadline, whole.ends))


def _read() -> Urgency:
    return Urgency.READ


async def _yes() -> bool:
    return True


class Renewal(Protocol):
    """Has entitlements read where they are kept."""

    async def __call__(self, *, again: bool = False) -> None:
        """Read what is not known yet, with `again` what it is time for; raises nothing."""


@frozen
class Target:
    """A system we provision, with all that is known about it."""

    name: str
    connector: Connector
    mapping: TargetMapping
    policy: Policy = field(default_factory=Policy)
    location: str = ""  # base of meta.location: https://gateway.example.com/scim/phonebook/v2
    busy_status: int | None = None  # None: what the provider understands
    has_groups: Callable[[], Awaitable[bool]] = _yes
    groups: TargetMapping = field(default_factory=lambda: TargetMapping(kind=ResourceType.GROUP))
    sorts: bool = False  # its connector puts entries in the order of a `Query`
    admission: Admission = field(default_factory=Admission)  # what it takes now
    route: str | None = None  # that it is in
    renew: Renewal | None = None  # has its entitlements read that are kept elsewhere
    follows: str | None = None  # the target that answers in its route: what that has, this shall have, too

    def mapping_for(self, kind: ResourceType) -> TargetMapping:
        """Return the mapping of a type of resource; groups are sent as they come."""
        return self.mapping if kind is ResourceType.USER else self.groups


@frozen
class Caller:
    """On whose word a request came: for the audit trail."""

    provider: str
    token: str = ""  # which of its tokens, never the token
    ip: str = ""
    user_agent: str = ""
    busy_status: int = 503
    kind: str = "provider"  # that of a Credential, or administrator | unknown

    @property
    def is_administrator(self) -> bool:
        """Whether it is somebody who works at the gateway: at its machine, or its console."""
        return self.kind in ("administrator", "operator")


@frozen
class Change:
    """One request that may alter a target: a provider's, or an administrator's."""

    # create | replace | patch | delete; push: the known original once more; deliver: members;
    # mirror: what the target has that this one follows
    operation: str
    type: ResourceType
    target: Target
    caller: Caller
    correlation_id: str
    id: str | None = None
    body: Attributes = field(default_factory=dict)  # canonical, without password and members
    password: str | None = field(default=None, repr=False)
    event: str = ""  # its name in the trail where it is not user.replace and the like
    members: tuple[Edit, ...] = ()  # what is asked of a group's members
    if_match: tuple[str, ...] = ()  # the versions it is meant for; none: any
    keys: frozenset[Key] | None = None  # the names that its body says, where they were found on the way
    unique_ids: bool = False  # the provider gives no externalId to two resources

    @property
    def mapping(self) -> TargetMapping:
        target = self.target
        return target.mapping if self.type is ResourceType.USER else target.groups

    @property
    def event_name(self) -> str:
        return self.event or f"{self.type.lower()}.{self.operation}"


@frozen
class ReadQuery:
    """A provider's query for a page; `start` is 1-based."""

    filter: Filter | None = None
    start: int = 1
    count: int = 100
    members: bool = True  # groups are shown with theirs
    sort: Sort | None = None  # heeded where the target sorts


@frozen
class Reply:
    """What the provider gets: a status and a document, None for none."""

    status: int
    document: Attributes | None = None
    outcome: Outcome = Outcome.APPLIED


class ChangeHandler(Protocol):
    """Makes changes."""

    async def handle(self, change: Change) -> Reply:
        """Make the change and return the answer; raises the GatewayError that refuses it."""


@frozen
class Services:
    """What the flow is given: the journal's ports, and the world it may not touch itself."""

    operations: Operations
    resources: Resources
    removals: Removals
    memberships: Memberships
    mirrors: Mirrors
    trail: Trail
    locks: KeyedLocks
    entry_cache: EntryCache
    monotonic: Callable[[], float]  # seconds
    now: Callable[[], str]  # RFC 3339, UTC
    sleep: Callable[[float], Awaitable[None]]
    new_id: Callable[[], str]
    doubts: dict[str, str] = field(default_factory=dict)  # operation -> when it got no clear answer last
    answering: dict[int, Change] = field(default_factory=dict)  # those whose answer is not out yet
    chance: Callable[[], float] = random.random  # from 0 to 1
    looks_first: bool = False  # a restored journal: who is not in it may be on the target all the same
    alarm: Alarm = log_alert
    meter: Meter = field(default_factory=Unmetered)
    paused_since: Callable[[str], str | None] = lambda target: None  # of a target; RFC 3339, UTC

    async def still_ours(self, operation: Operation) -> Operation:
        """Return an operation of which something is to be sent; raises `StaleFence` where it is another's.

        What waits for longer than that is known is not sent.
        """
        if self.monotonic() > operation.until:
            operation = await self.operations.renew(operation)
        errand.set(errand.get()._replace(owned=operation.until))
        return operation

    def refuse_paused(self, target: str) -> None:
        """Raise `Paused` where an administrator has paused the target."""
        if (since := self.paused_since(target)) is not None:
            raise Paused(f"an administrator paused it at {since[:19]}Z")


def keys_of(document: Mapping[str, object], kind: ResourceType = ResourceType.USER) -> frozenset[Key]:
    """Return the names a document is known by, apart from its id."""
    return named_keys(*identity(document, kind))


def named_keys(name: str | None, external_id: str | None, id: str | None = None) -> frozenset[Key]:
    """Return the keys of a folded userName or displayName, an externalId and an id, where there are such."""
    keys = []
    if name:
        keys.append(Key("name", name))
    if external_id:
        keys.append(Key("external", external_id))
    if id is not None:
        keys.append(Key("id", id))
    return frozenset(keys)


def keys_of_change(change: Change) -> frozenset[Key]:
    """Return the names that a request says itself: those of its document, and its id."""
    keys = change.keys
    if keys is None:
        keys = keys_of(change.body, change.type) if change.operation != "patch" else frozenset()
    return keys if change.id is None else keys | {Key("id", change.id)}


def keys_of_resource(resource: Resource) -> frozenset[Key]:
    """Return all names a resource of ours is known by."""
    return named_keys(*identity(resource.original, resource.type), resource.id)


LONGEST_ID: Final = 255  # characters, as providers keep them


def is_usable_id(id: str) -> bool:
    """Say whether an id of a target can be ours: URLs lose dots alone, few keep NUL, and one is a search."""
    return len(id) <= LONGEST_ID and "\0" not in id and id not in {".", "..", ".search"}


def is_same_name(left: object, right: object) -> bool:
    """Compare two userNames as SCIM does: NFC and casefolded; absent ones are not alike."""
    return isinstance(left, str) and isinstance(right, str) and bool(left) and fold(left) == fold(right)


def is_spelled_alike(left: object, right: object) -> bool:
    """Compare two userNames as people may be taken for each other: "straße" is not "strasse"."""
    if not isinstance(left, str) or not isinstance(right, str) or not left:
        return False
    return left == right or _lower(left) == _lower(right)


def _lower(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def may_be_shown_as(sent: object, shown: object) -> bool:
    """Say whether a target may show a userName so, by any folding of its own; a hidden one says nothing."""
    if sent == shown or shown in EMPTY:
        return True
    return isinstance(sent, str) and isinstance(shown, str) and _widely_folded(sent) == _widely_folded(shown)


def _widely_folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


def may_adopt(
    policy: Policy,
    wanted: Mapping[str, object],
    entry: Mapping[str, object],
    kind: ResourceType = ResourceType.USER,
) -> bool:
    """Say whether an entry found on the target may become ours: it must share a key of `adopt_by`.

    A group's displayName is to it what userName is to a person.
    """
    external, theirs = wanted.get("externalId"), entry.get("externalId")
    shared = {
        "externalId": bool(external) and external == theirs,
        # somebody else's externalId on the entry says that it is another person (RFC 7643 section 3.1)
        "userName": is_spelled_alike(wanted.get(NAMES[kind]), entry.get(NAMES[kind]))
        and (not external or not theirs or external == theirs),
    }
    return any(shared[key] for key in policy.adopt_by)


class Send(StrEnum):
    """What goes to the target."""

    NOTHING = "nothing"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@frozen
class Situation:
    """All that is known when a change is decided, read after its keys were taken."""

    resource: Resource | None = None  # the one the change is about
    rivals: tuple[Resource, ...] = ()  # others that hold a key of the wanted state
    present: Attributes | None = None  # the target's entry now
    link: Link | None = None  # the resource's, to its entry on the target
    keys: frozenset[Key] = frozenset()  # all names that the resource is known by
    is_unseen: bool = False  # `present` is what we told the target: a read shows none, and may lag behind


NOTHING_KNOWN: Final = Situation()


@frozen
class Wanted:
    """The state that a change asks for: the document, its target form, and a password where that is sent."""

    document: Attributes
    mapped: Mapped
    is_active: bool = True  # groups always are
    secret: Attributes = field(default_factory=dict, repr=False)
    is_in_scope: bool = True  # False: the target is not to have it, and the form is empty


@frozen
class Plan:
    """What to send, and what will be true when that is done."""

    send: Send
    event: str
    status: int
    outcome: Outcome
    original: Attributes
    state: State
    mapped: Mapped
    differences: tuple[Difference, ...] = ()
    target_id: str | None = None
    update: Update | None = None
    secret: Attributes = field(default_factory=dict, repr=False)
    kind: ResourceType = ResourceType.USER
    members: Members = NOBODYS
    keys: frozenset[Key] = frozenset()  # the names of the original
    is_in_scope: bool = True  # False: what the target has of it is taken away
    refused: GatewayError | None = None  # why no more than the deactivation of a change is in it
