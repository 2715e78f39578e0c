"""Members of groups, between our ids and the target's; who could not be delivered is sent later."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any, Final

from gateway.errors import Busy, GatewayError
from gateway.flow.failures import try_again_in
from gateway.flow.find import load_unknown_entry
from gateway.flow.journal_port import MemberRow, Outcome, Resource, State
from gateway.flow.members import (
    NOBODYS,
    KnownMembers,
    Members,
    by_our_id,
    by_target_id,
    members_for,
    present_members,
    shown_members,
)
from gateway.flow.model import Caller, Change, ChangeHandler, Plan, Send, Services, Situation, Target
from gateway.flow.services import CROWD, off_loop_if
from gateway.flow.target_port import Attributes, MemberUpdate, ResourceType, TargetError, Update
from gateway.log import correlation_id, get_logger
from gateway.scim.members import (
    Added,
    Delta,
    Edit,
    Elements,
    Removed,
    RemovedWhere,
    delta_of,
    edited,
    needs_present,
)

MOST_ASKED: Final = 50  # members that a target is asked about, one by one, in one change; the others are due
LONGEST_PASS: Final = 5.0  # seconds of one look
AT_ONCE: Final = 1000  # members in one look for those who are due
CALLER: Final = Caller("members", kind="gateway")

log = get_logger()


class GroupMembers:
    """Turns what is asked of a group's members into what is sent."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def planned(self, change: Change, situation: Situation, plan: Plan) -> Plan:
        """Return the plan with its part about members; raises `TargetError`."""
        if change.type is not ResourceType.GROUP or plan.state is State.DELETED:
            return plan
        if not plan.is_in_scope:
            return replace(plan, members=await self._remembered(change, situation))
        members = await self._members(change, situation, plan)
        plan = replace(plan, members=members)
        if plan.send is Send.CREATE or not members.delta:
            return plan
        if plan.send is Send.NOTHING and not members.update:
            return replace(plan, outcome=_done(plan)) if members.absent else plan
        present = situation.present or {}
        held = situation.link.sent if situation.link else {}
        update = plan.update or Update(present, present, (), held=held)
        return replace(
            plan,
            send=Send.CHANGE,
            outcome=_done(plan),
            target_id=present["id"],
            update=replace(update, members=members.update),
        )

    async def shown(
        self, target: Target, resource: Resource | None, entry: Attributes | None
    ) -> list[Attributes]:
        """Return the members that a provider is shown; `entry` has the target's, None: there is no entry."""
        if entry is None:
            return list(_elements(await self._rows(target, _id_of(resource))).values())
        present = await self._present(target, resource.id if resource else None, entry)
        rows, there = present.rows, present.there
        return await off_loop_if(_is_crowd(rows, there), shown_members, rows, there)

    async def again(self, target: Target, delta: Delta) -> Members:
        """Return what sends a change of members once more: it may have been done, or in part."""
        return await self._sent(target, delta, delta.add, delta.remove)

    async def send(self, target: Target, group: str | None, id: str, update: Update) -> Attributes | None:
        """Change a group's entry, `group` by our id: one attempt, raises `TargetError`."""

        async def others(entry: Attributes) -> list[Attributes]:
            return await self._others(target, group, entry)

        whole = replace(update, members=replace(update.members, others=others))
        try:
            answer = await target.connector.change(ResourceType.GROUP, id, whole)
        except TargetError as error:
            if error.maybe_applied:
                self._note(target, id, update.members)
            raise
        self._note(target, id, update.members)
        return answer

    def _note(self, target: Target, id: str, members: MemberUpdate) -> None:
        come = [element["value"] for element in members.add]
        self._services.entry_cache.note_members(target.name, id, come, members.remove, target.policy.trust)

    async def sifted(self, target: Target, group: str | None, id: str, members: Members) -> Members:
        """Return as much of a refused change as the target needs and can take; raises `TargetError`."""
        entry = await target.connector.get(ResourceType.GROUP, id, members=True) or {"id": id}
        shown, there = by_target_id(entry), await self._others(target, group, entry)
        known = {element["value"] for element in there}
        ours = {id: member for member, id in members.targets.items()}
        missing = [element["value"] for element in members.update.add if element["value"] not in shown]
        taken = {id for id in missing[:MOST_ASKED] if await _is_there(target, id)}
        gone = {ours[id] for id in missing[:MOST_ASKED] if id not in taken}
        return replace(
            members,
            update=MemberUpdate(
                tuple(element for element in members.update.add if element["value"] in taken),
                tuple(id for id in members.update.remove if id in known),
            ),
            absent=members.absent | gone,
            unasked=members.unasked | {ours[id] for id in missing[MOST_ASKED:]},
        )

    async def _members(self, change: Change, situation: Situation, plan: Plan) -> Members:
        target, edits = change.target, change.members
        if plan.send is Send.CREATE:
            rows = await self._rows(target, _id_of(situation.resource))
            result = await off_loop_if(_is_crowd(rows, *edits), _edited_rows, rows, edits)
            return await self._sent(target, Delta(result, (), whole=bool(rows or result)), result, ())
        if change.operation == "deliver":
            rows = await self._rows(target, _id_of(situation.resource))
            due = {member: row.element for member, row in rows.items() if row.due}
            sent = await self._sent(target, Delta(due), due, ())
            asked = {member: element for member, element in due.items() if member not in sent.unasked}
            return replace(sent, delta=Delta(asked), unasked=frozenset()) if asked else NOBODYS
        if change.operation == "push" or needs_present(edits):
            return await self._whole(change, situation, plan)
        delta = await off_loop_if(_is_crowd(*edits), delta_of, edits)
        return await self._sent(target, delta, delta.add, delta.remove) if delta else NOBODYS

    async def _remembered(self, change: Change, situation: Situation) -> Members:
        """Return who is in a group that the target is not to have: all whom the provider names."""
        rows, edits = await self._rows(change.target, _id_of(situation.resource)), change.members
        result = await off_loop_if(_is_crowd(rows, *edits), _edited_rows, rows, edits)
        if result == _elements(rows):
            return NOBODYS
        return Members(Delta(result, (), whole=True), absent=frozenset(result))

    async def _whole(self, change: Change, situation: Situation, plan: Plan) -> Members:
        """Compare all the members there are with all there shall be.

        Who shall be there and is not shown is sent, who was told and shall not be there is removed: where it
        was so already, nothing changes.
        """
        target, id = change.target, (situation.present or {})["id"]
        entry = await target.connector.get(ResourceType.GROUP, id, members=True) or {"id": id}
        present = await self._present(target, _id_of(situation.resource), entry)
        rows, edits = present.rows, None if change.operation == "push" else change.members
        is_crowd = _is_crowd(rows, present.there, *change.members)
        result, add, remove = await off_loop_if(is_crowd, _compared, present, edits)
        if not add and not remove and set(rows) == set(result) and all(r.delivered for r in rows.values()):
            return NOBODYS
        return await self._sent(target, Delta(result, remove, whole=True), add, remove)

    async def _sent(self, target: Target, delta: Delta, add: Elements, remove: Sequence[str]) -> Members:
        named = [*add, *remove]
        found = dict(await self._services.memberships.target_ids(target.name, target.name, named))
        unknown = [member for member in add if member not in found]
        if (
            target.follows is not None
        ):  # the ids are of the target that it follows: who is unknown has yet to come
            found |= dict.fromkeys((*unknown, *(member for member in remove if member not in found)))
            unknown = []
        for member in unknown[:MOST_ASKED]:
            entry = await load_unknown_entry(
                self._services, target, ResourceType.USER, member, target.policy.trust
            )
            found[member] = member if entry is not None else None
        known = {m: m for m in remove if m not in found} | found
        return await off_loop_if(_is_crowd(add, remove), members_for, delta, add, remove, known)

    async def _present(self, target: Target, group: str | None, entry: Attributes) -> KnownMembers:
        """Return who is in a group, `group` by our id, whose entry the target shows so."""
        recent, left = self._services.entry_cache.left_lately(target.name, entry["id"], target.policy.trust)
        ids = list(await off_loop_if(_is_crowd(entry.get("members")), by_target_id, entry))
        owners = await self._services.memberships.owners(target.name, target.name, ids)
        rows = await self._rows(target, group)
        return await off_loop_if(_is_crowd(ids, rows), _present, entry, owners, rows, recent, left)

    async def _others(self, target: Target, group: str | None, entry: Attributes) -> list[Attributes]:
        """Return who is in a group, as the target spells them."""
        present = await self._present(target, group, entry)
        by_id = await off_loop_if(_is_crowd(entry.get("members")), by_target_id, entry)
        shown = [element for id, element in by_id.items() if id not in present.left]
        told = [member for member in present.there if member not in present.shown]
        ids = await self._services.memberships.target_ids(target.name, target.name, told)
        unseen = ((present.there[member], ids.get(member, member)) for member in told)
        return [*shown, *({**element, "value": id} for element, id in unseen if id is not None)]

    async def _rows(self, target: Target, group: str | None) -> Mapping[str, MemberRow]:
        if group is None:
            return {}
        return await self._services.memberships.rows(target.name, group, target.name)


def _id_of(resource: Resource | None) -> str | None:
    return None if resource is None else resource.id


def _elements(rows: Mapping[str, MemberRow]) -> dict[str, Attributes]:
    return {member: row.element for member, row in rows.items()}


def _edited_rows(rows: Mapping[str, MemberRow], edits: Sequence[Edit]) -> dict[str, Attributes]:
    return edited(_elements(rows), edits)


def _present(
    entry: Attributes,
    owners: Mapping[str, str],
    rows: Mapping[str, MemberRow],
    recent: bool,
    left: frozenset[str],
) -> KnownMembers:
    gone = {owners.get(id, id) for id in left}
    shown = {m: element for m, element in by_our_id(entry, owners).items() if m not in gone}
    is_shown = entry.get("members", ()) is not None
    there = present_members(rows, shown if is_shown else None, recent=recent)
    return KnownMembers(rows, shown, there, left)


def _compared(
    present: KnownMembers, edits: Sequence[Edit] | None
) -> tuple[dict[str, Attributes], dict[str, Attributes], tuple[str, ...]]:
    """Return who shall be a member, who of them is not shown, and who is one and shall not be.

    None as edits: all are to be members whom the rows say.
    """
    rows, there = present.rows, present.there
    result = _elements(rows)
    if edits is not None:
        result = edited({element["value"]: element for element in shown_members(rows, there)}, edits)
    add = {member: element for member, element in result.items() if member not in present.shown}
    perhaps = dict.fromkeys((*there, *(member for member, row in rows.items() if row.due)))
    return result, add, tuple(member for member in perhaps if member not in result)


def _is_crowd(*parts: Any) -> bool:
    """Say whether members and edits are so many in all that the work on them is large."""
    return sum(map(_size, parts)) > CROWD


def _size(part: Any) -> int:
    match part:
        case Added(elements):
            return len(elements)
        case Removed(values):
            return len(values)
        case RemovedWhere():
            return CROWD + 1  # each asks all
        case _:
            return len(part) if isinstance(part, Sized) else 1


async def _is_there(target: Target, id: str) -> bool:
    for kind in (ResourceType.USER, ResourceType.GROUP):
        if await target.connector.get(kind, id) is not None:
            return True
    return False


def _done(plan: Plan) -> Outcome:
    return Outcome.APPLIED if plan.outcome is Outcome.UNCHANGED else plan.outcome


class Deliveries:
    """Looks for members who are due, and sends them; a target that cannot take them now is left in peace."""

    def __init__(self, services: Services, changes: ChangeHandler) -> None:
        self._services = services
        self._changes = changes
        self._refused: dict[tuple[str, str], tuple[str, ...]] = {}  # by target and group: not tried again
        self._failures: dict[str, tuple[int, float]] = {}  # by target: how many, and until when

    async def sweep(self, target: Target) -> None:
        """Send what is due to one target, some at a time, until nobody is or leavers wait for their turn."""
        failed, not_before = self._failures.get(target.name, (0, 0.0))
        began = self._services.monotonic()
        if began < not_before:
            return
        before = None  # whoever is due still when a round has told nobody is not asked for again at once
        while (due := await self._due(target)) and due != before:
            if not await target.admission.probe(target.policy.settle):
                return
            for group, members in due.items():
                try:
                    await self._deliver(target, group)
                except Busy as busy:
                    fault = busy.__cause__ if isinstance(busy.__cause__, TargetError) else None
                    pause = try_again_in(failed + 1, fault, target.policy.settle)
                    self._failures[target.name] = (failed + 1, self._services.monotonic() + pause)
                    return
                except GatewayError as error:
                    log.warning("members.not_delivered", target=target.name, reason=type(error).__name__)
                    self._refused[target.name, group] = members
                if self._services.monotonic() - began >= LONGEST_PASS:
                    return
            before = due
        self._failures.pop(target.name, None)

    async def _due(self, target: Target) -> dict[str, tuple[str, ...]]:
        """Return who is due, by group, but for those whom it was of no use to send."""
        due = await self._services.memberships.due(target.name, target.name, AT_ONCE)
        return {
            group: members
            for group, members in due.items()
            if self._refused.get((target.name, group)) != members
        }

    async def _deliver(self, target: Target, group: str) -> None:
        cid = self._services.new_id()
        token = correlation_id.set(cid)
        try:
            await self._changes.handle(
                Change("deliver", ResourceType.GROUP, target, CALLER, cid, group, event="group.deliver")
            )
        finally:
            correlation_id.reset(token)
