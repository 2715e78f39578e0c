"""A day's work of a journal, whatever keeps it."""

from dataclasses import replace
from itertools import count

from gateway.admin.acts import erase_person
from gateway.admin.status import Pause
from gateway.audit.event import Event, Personal
from gateway.flow.journal_port import (
    Key,
    MemberRow,
    MemberRows,
    OperationState,
    Outcome,
    Settlement,
    State,
    Transition,
)
from gateway.flow.target_port import ResourceType

USER, GROUP = ResourceType.USER, ResourceType.GROUP
FOLLOWERS = {"cx": ("pbx",)}


async def filled(journal, clock, intent, resource, event):
    """Do a day's work: people who come, change and leave, groups, refusals, what waits, an erasure."""
    operations, ids = journal.operations, count(1)

    def told(name, what="user.create", result="applied", status=201, **other):
        target = {"name": "cx", "type": "User", "id": f"id-{name}", "user_name": Personal(name)}
        outcome = {"result": result, "status": status, "reason": other.pop("reason", None)}
        fields = {"event": what, "target": target, "outcome": outcome}
        return event(f"e-{next(ids):03}", **(fields | other))

    for name in ("ann", "bob", "eve", "zoë"):
        person = resource(
            f"id-{name}", name, links={"cx": f"id-{name}", "pbx": f"p-{name}"}, external=f"x-{name}"
        )
        keys = (Key("name", name), Key("id", f"id-{name}"))
        begun = await operations.begin("cx", USER, keys, intent(f"op-{name}", keys=keys))
        await operations.settle(begun.operation, Settlement(Outcome.APPLIED, told(name), person, is_new=True))
        clock.turn(60)
    bob = replace(resource("id-bob", "Robert", links={"cx": "t-9"}), state=State.INACTIVE)
    bob.original["emails"] = [{"value": "Bob@Mail.example"}]
    claimed = await operations.claim(
        intent("op-2", "bob", resource_id="id-bob", removes=True, operation="change")
    )
    await operations.settle(claimed, Settlement(Outcome.APPLIED, told("bob", "user.patch"), bob))
    group = resource("g-1", "all", type=GROUP, links={"cx": "t-g"})
    group.original["displayName"] = "All"
    rows = {
        name: MemberRow({"value": name, "type": "User"}, due=True) for name in ("id-ann", "id-eve", "id-bob")
    }
    entries = {"id-ann": "id-ann", "id-eve": "id-eve", "id-bob": None}
    members = MemberRows("cx", rows, entries=entries)
    await operations.settle(
        None, Settlement(Outcome.APPLIED, told("all", "group.create"), group, members, is_new=True)
    )
    gone = replace(resource("id-eve", "eve", links={"cx": None}), state=State.DELETED)
    await operations.settle(None, Settlement(Outcome.APPLIED, told("eve", "user.delete"), gone))
    for n, standing in enumerate(sorted(set(OperationState) - {OperationState.OPEN})):
        held = await operations.claim(intent(f"op-{standing}", f"k{n}", resource_id=f"id-{n}"))
        await operations.mark(held, Transition(standing, "why", "2026-12"))
        clock.turn(1)
    refusal = told("ann", "user.patch", "rejected", 400, reason="title: is odd")
    await journal.trail.append([refusal, told("liz", result="rejected", status=400, reason="no")])
    await journal.removals.trip("cx", "2026")
    await journal.pauses.note("pbx", Pause("2027", None, "moving"), told("x", "target.paused"))
    await journal.mirrors.mark_all("cx", "pbx", "2026", "c-9")
    (first, *_) = await journal.mirrors.due("cx", "pbx", "2027", 10)
    await journal.mirrors.put_off(first, "2028", "no", refused=True)
    await erase_person(journal.retention, "zoë", "erasure")
    await journal.resources.note_replied("cx", USER, "id-ann")
    journal.trail.later(Event("last", {"event": "gateway.stopped"}))
