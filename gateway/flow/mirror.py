"""A route's further targets, brought to what its first one has: each in its own time, by its own rules.

With every change of a resource a mark is written for each of them, in the same transaction: of a resource its
newest state is brought, whatever has happened in between. What cannot be done keeps its mark.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Final

from gateway.errors import Busy, GatewayError, JournalUnavailable, NotFound
from gateway.flow.failures import back_off, is_of_the_target, try_again_in
from gateway.flow.journal_port import (
    DueMirror,
    Key,
    Mirrors,
    Operation,
    OperationState,
    Resource,
    State,
)
from gateway.flow.model import Caller, Change, ChangeHandler, Services, Target, keys_of, keys_of_resource
from gateway.flow.services import Alert, plus
from gateway.flow.target_port import Attributes, ResourceType, TargetError
from gateway.log import correlation_id, get_logger
from gateway.scim.members import Added, Delta, Edit, Removed
from gateway.scim.names import NAMES
from gateway.values import frozen

AT_ONCE: Final = 8  # resources that a target is told of side by side
REFUSED_AGAIN: Final = 3600.0  # seconds until what is refused is tried once more, though nothing has changed
SOON: Final = 1.0  # seconds
LEAVING: Final = (OperationState.DOUBT, OperationState.PENDING)

log = get_logger()


class _Blocked(Exception):
    """Another resource has the name, and is to get another one itself."""

    def __init__(self, rival: DueMirror) -> None:
        super().__init__()
        self.rival = rival


class _Unwell(Exception):
    """The target cannot take anything now."""


@frozen
class _Wanted:
    """What a target is to hold of a resource; None: nothing that it does not hold already."""

    original: Attributes
    state: State


class Mirroring:
    """Tells the further targets of routes what they have still to be told."""

    def __init__(self, services: Services, changes: ChangeHandler) -> None:
        self._services = services
        self._changes = changes
        self._mirrors: Mirrors = services.mirrors
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failures: dict[str, tuple[int, float]] = {}  # by target: how many, and until when

    async def sweep(self, target: Target, *, is_asked: bool = False) -> None:
        """Tell a target all that is due, some at a time, until nothing is or it cannot take any more.

        `is_asked`: somebody wants it now, so it is not left in peace after what was in vain.
        """
        async with self._turns[target.name]:
            if is_asked:
                self._failures.pop(target.name, None)
            while due := await self._due(target):
                people = [one for one in due if one.type is not ResourceType.GROUP]
                try:  # a group has who is there by then
                    for some in (people, [one for one in due if one not in people]):
                        await self._tell(target, some)
                except _Unwell:
                    return
                self._failures.pop(target.name, None)

    async def _due(self, target: Target) -> Sequence[DueMirror]:
        """Return what to tell next: one thing alone where the last was in vain, nothing for a while after."""
        failed, not_before = self._failures.get(target.name, (0, 0.0))
        services, lead = self._services, target.follows
        is_resting = services.monotonic() < not_before
        if lead is None or is_resting or services.paused_since(target.name) is not None:
            return ()
        due = await self._mirrors.due(lead, target.name, services.now(), 1 if failed else AT_ONCE)
        return due if due and await target.admission.probe(target.policy.settle) else ()

    async def _tell(self, target: Target, due: Sequence[DueMirror]) -> None:
        """Tell of these side by side, then of those, one by one, whose names others have; raises _Unwell."""
        tasks = [asyncio.ensure_future(self._told(target, one)) for one in due]
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:  # those of a gateway that ends; what they have begun is settled by the next
                task.cancel()
        errors = [error for task in tasks if (error := task.exception()) is not None]
        for error in errors:
            raise error
        blocked = [one for task in tasks if (one := task.result()) is not None]
        for one in sorted(blocked, key=lambda one: one.n):
            await self._with_room(target, one)

    async def _with_room(self, target: Target, one: DueMirror) -> None:
        """Tell of a resource whose name another has: that one goes first, or lends it where it cannot."""
        try:
            await self._brought(target, one)
        except _Blocked as blocked:
            rival = blocked.rival
            try:
                await self._brought(target, rival)
            except _Blocked:
                await self._attempted(target, rival, self._parked(target, rival))
            await self._told(target, one, is_last=True)

    async def _told(self, target: Target, one: DueMirror, *, is_last: bool = False) -> DueMirror | None:
        """Tell of one resource; return it where another has its name. Raises _Unwell."""
        try:
            await self._brought(target, one)
        except _Blocked:
            if not is_last:
                return one
            await self._put_off(one, SOON, "another has the name still, and is told first")
        return None

    async def _brought(self, target: Target, one: DueMirror) -> None:
        """Bring the target to the newest state of a resource; raises _Blocked and _Unwell."""
        if await self._attempted(target, one, self._change(target, one)):
            await self._mirrors.done(one)

    async def _attempted(self, target: Target, one: DueMirror, work: Awaitable[None]) -> bool:
        """Say whether a change was made; what was not is put off. Raises _Blocked and _Unwell."""
        token = correlation_id.set(one.correlation_id)
        try:
            await work
        except (_Blocked, JournalUnavailable):
            raise
        except TargetError as fault:  # before it came to a change
            await self._postpone(target, one, type(fault).__name__, fault)
        except Busy as busy:
            cause = busy.__cause__
            await self._postpone(target, one, busy.detail, cause if isinstance(cause, TargetError) else None)
        except GatewayError as error:
            await self._refused(target, one, error)
        except Exception as error:  # noqa: BLE001 - what one of them does must not stop the others
            log.warning("mirror.failed", target=target.name, error=type(error).__name__)
            await self._put_off(one, back_off(one.attempts + 1), type(error).__name__)
        else:
            return True
        finally:
            correlation_id.reset(token)
        return False

    async def _postpone(self, target: Target, one: DueMirror, reason: str, fault: TargetError | None) -> None:
        """Try it again later; raises _Unwell where any other would meet the same."""
        pause = try_again_in(one.attempts + 1, fault, target.policy.settle)
        await self._put_off(one, pause, reason)
        if fault is not None and is_of_the_target(fault):
            failed = self._failures.get(target.name, (0, 0.0))[0] + 1
            rest = try_again_in(failed, fault, target.policy.settle)
            self._failures[target.name] = (failed, self._services.monotonic() + rest)
            raise _Unwell

    async def _refused(self, target: Target, one: DueMirror, error: GatewayError) -> None:
        await self._put_off(one, REFUSED_AGAIN, error.detail, refused=True)
        what = f"what the route {target.route} brings is refused: `operations list` says whose and why"
        self._services.alarm(Alert("route.refused", target.name, what))

    async def _put_off(self, one: DueMirror, pause: float, reason: str, *, refused: bool = False) -> None:
        until = plus(self._services.now(), pause)
        await self._mirrors.put_off(one, until, reason, refused=refused)

    async def _change(self, target: Target, one: DueMirror) -> None:
        """Make the change that brings the target to the newest state; raises what it raises, and _Blocked."""
        if one.type is ResourceType.GROUP and not await target.has_groups():
            return
        wanted = await self._wanted(one)
        if wanted is None:
            return
        known = await self._known(target, one, wanted)
        if known is not None and known.state is State.DELETED:
            return
        if wanted.state is not State.ACTIVE and known is None and not await self._is_in_doubt(target, one):
            return  # nobody to remove
        caller = Caller(target.route or "", kind="gateway")
        event, original = f"{one.type.lower()}.mirror", wanted.original
        change = Change("mirror", one.type, target, caller, one.correlation_id, one.id, original, event=event)
        if wanted.state is State.DELETED:
            await self._gone(replace(change, operation="delete", body={}))
            return
        if one.type is ResourceType.GROUP:
            await self._refuse_while_somebody_leaves(target)
            change = replace(change, members=_edits(await self._mirrors.members(one)))
        await self._changes.handle(change)

    async def _refuse_while_somebody_leaves(self, target: Target) -> None:
        """Raise Busy while it is not known whether somebody is still there: a group might get them back."""
        for operation in await self._services.operations.open(target.name, ()):
            is_new = operation.standing is OperationState.OPEN or (
                operation.standing is OperationState.DOUBT and operation.attempts == 1
            )
            if operation.intent.removes and is_new:
                raise Busy("it is not known yet whether somebody has left", SOON)

    async def _gone(self, change: Change) -> None:
        try:
            await self._changes.handle(change)
        except NotFound:
            return  # which is what was wanted

    async def _wanted(self, one: DueMirror) -> _Wanted | None:
        """Return the newest state of a resource; None where it was never settled."""
        services, own = self._services, (Key("id", one.id),)
        resource = next(iter(await services.resources.find(one.base, one.type, own)), None)
        if resource is None:
            return None
        leaving = [o for o in await services.operations.open(one.base, own) if _is_of(o, one)]
        if not leaving or resource.state is State.DELETED:
            return _Wanted(resource.original, resource.state)
        # their own target cannot be told now; a deletion may be dropped still, so it is none here yet
        return _Wanted({**leaving[-1].intent.original, "active": False}, State.INACTIVE)

    async def _known(self, target: Target, one: DueMirror, wanted: _Wanted) -> Resource | None:
        """Return the resource as it is known at the target that follows; raises _Blocked."""
        keys = {Key("id", one.id), *keys_of(wanted.original, one.type)}
        found = await self._services.resources.find(target.name, one.type, tuple(keys))
        known = next((resource for resource in found if resource.id == one.id), None)
        if known is None and (former := _former(target, found, keys)) is not None:
            return await self._renamed(target, former, one)
        if wanted.state is State.DELETED:
            return known
        for rival in found:
            if rival is not known and any(key.kind == "name" for key in keys & keys_of_resource(rival)):
                due = await self._mirrors.of(one.base, target.name, one.type, rival.id)
                if due is not None and not due.is_refused:
                    raise _Blocked(due)
        return known

    async def _renamed(self, target: Target, former: Resource, one: DueMirror) -> Resource:
        """Give somebody whom the target had before it followed the id that they have now; raises Busy."""
        services, keys = self._services, keys_of_resource(former)
        async with services.locks.hold(target.name, keys, target.policy.deadline):
            if await services.operations.open(target.name, tuple(keys)):
                raise Busy("an earlier change of this resource is not settled yet", SOON)
            await self._mirrors.become(target.name, one.type, former.id, one.id)
        return replace(former, id=one.id)

    async def _is_in_doubt(self, target: Target, one: DueMirror) -> bool:
        return bool(await self._services.operations.open(target.name, (Key("id", one.id),)))

    async def _parked(self, target: Target, one: DueMirror) -> None:
        """Give a resource a name that nobody has, as another is to have its own."""
        found = await self._services.resources.find(target.name, one.type, (Key("id", one.id),))
        for known in found:
            name = NAMES[one.type]
            lent = f"{self._services.new_id()}-{known.original.get(name, '')}"
            caller = Caller(target.route or "", kind="gateway")
            original, event = {**known.original, name: lent}, f"{one.type.lower()}.mirror"
            cid = one.correlation_id
            change = Change("mirror", one.type, target, caller, cid, one.id, original, event=event)
            await self._changes.handle(change)


def _is_of(operation: Operation, one: DueMirror) -> bool:
    """Say whether by an operation somebody leaves everywhere, not only the scope of their own target."""
    intent = operation.intent
    is_own = (intent.type, intent.resource_id) == (one.type, one.id)
    return is_own and intent.leaves_everywhere and operation.standing in LEAVING


def _former(target: Target, found: Sequence[Resource], keys: set[Key]) -> Resource | None:
    """Return who had these names when the target did not follow another yet."""
    before = [own for own in found if own.id.startswith(f"/{target.name}/")]
    shared = {own.id: {key.kind for key in keys & keys_of_resource(own)} for own in before}
    same = [own for own in before if not _is_other(own, keys, shared[own.id])]
    return min(same, key=lambda own: (-len(shared[own.id]), "external" not in shared[own.id]), default=None)


def _is_other(own: Resource, keys: set[Key], shared: set[str]) -> bool:
    """Say whether somebody of one name has another externalId."""
    has_own = bool(own.original.get("externalId")) and any(key.kind == "external" for key in keys)
    return "external" not in shared and has_own


def _edits(members: Delta) -> tuple[Edit, ...]:
    edits: tuple[Edit, ...] = (Added(members.add),) if members.add else ()
    return (*edits, Removed(members.remove)) if members.remove else edits
