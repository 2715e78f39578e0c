"""What a change comes to, decided on what the journal and the target say. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gateway.errors import InvalidValue, NotFound, Uniqueness
from gateway.flow.held import held, with_kept
from gateway.flow.journal_port import Key, Link, Outcome, Resource, State
from gateway.flow.members import NOBODYS, Members
from gateway.flow.model import Change, Policy, is_same_name, keys_of
from gateway.flow.target_port import Attributes, ResourceType, Update
from gateway.mapping.target import Mapped, TargetMapping
from gateway.mapping.values import Unusable
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import is_active, replacement, take_password, without_read_only
from gateway.scim.names import NAMES
from gateway.scim.patch import apply_patch


class Send(StrEnum):
    """What goes to the target."""

    NOTHING = "nothing"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known when a change is decided, read after its keys were taken."""

    resource: Resource | None = None  # the one the change is about
    rivals: tuple[Resource, ...] = ()  # others that hold a key of the wanted state
    present: Attributes | None = None  # the target's entry now

    def link(self, target: str) -> Link | None:
        return self.resource.links.get(target) if self.resource else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The state that a change asks for: the document, its target form, and a password where that is sent."""

    document: Attributes
    mapped: Mapped
    is_active: bool = True  # groups always are
    secret: Attributes = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
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

    @property
    def keys(self) -> frozenset[Key]:
        return keys_of(self.original, self.kind)


def decide(change: Change, situation: Situation) -> Plan:
    """Return the plan of a change; raises the GatewayError that refuses it."""
    return _DECISIONS[change.operation](change, situation)


def view_of(mapping: TargetMapping, situation: Situation, target: str) -> Attributes:
    """Return the document that GET would return now, without id and meta (DESIGN section 6)."""
    resource, present = situation.resource, situation.present
    if resource is None:
        return mapping.reverse(present or {})
    link = resource.links.get(target)
    if present is None or link is None or link.seen is None:
        return dict(resource.original)
    return mapping.view(resource.original, link.seen, present)


def without_password(entry: Attributes) -> Attributes:
    """Return a target's entry without a password that it echoes."""
    return take_password(entry)[0] if "password" in entry else entry


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
        # somebody else's externalId on the entry says that it is another person (DESIGN section 7)
        "userName": is_same_name(wanted.get(NAMES[kind]), entry.get(NAMES[kind]))
        and (not external or not theirs or external == theirs),
    }
    return any(shared[key] for key in policy.adopt_by)


def _create(change: Change, situation: Situation) -> Plan:
    document = without_read_only(change.body)
    if change.type is ResourceType.USER:
        document["active"] = change.body.get("active", True)
    wanted = _wanted(change, document, change.password)
    resource = situation.resource
    _refuse_rivals(change, situation, document)
    if resource is None:
        if situation.present is not None:
            return _adoption(change, situation, wanted, 201)
        return _made(change, wanted, 201)
    event = _known_person(change, situation, resource, document)
    outcome = Outcome.APPLIED if resource.replied else Outcome.REPLAYED
    plan = _update(change, situation, wanted, 201)
    return replace(plan, event=event, outcome=outcome if plan.outcome is Outcome.UNCHANGED else plan.outcome)


def _known_person(change: Change, situation: Situation, resource: Resource, wanted: Attributes) -> str:
    """Say how a create for somebody the journal knows goes on; raises Uniqueness where it may not."""
    held, asked = resource.original.get("externalId"), wanted.get("externalId")
    if held and asked and held != asked:
        if resource.state is State.ACTIVE or change.target.policy.reuse_name != "take":
            raise Uniqueness(f"{NAMES[change.type]} belongs to somebody with another externalId")
        return "user.rebound"
    name = NAMES[change.type]
    renamed = not is_same_name(resource.original.get(name), wanted.get(name))
    there = situation.present is not None
    if resource.state is State.ACTIVE and resource.replied and there and not renamed:
        raise Uniqueness("this resource exists already: it was created before, and the answer was delivered")
    return f"{change.type.lower()}.create"


def _replace(change: Change, situation: Situation) -> Plan:
    document = replacement(_view_or_404(change, situation), change.body)
    return _changed(change, situation, _wanted(change, document, change.password))


def _patch(change: Change, situation: Situation) -> Plan:
    view = _view_or_404(change, situation)
    patched = apply_patch(view, change.body, change.type)
    if "active" in view and "active" not in patched:  # nobody comes or goes by accident
        raise InvalidValue("active cannot be removed: set it to true or false")
    return _changed(change, situation, _wanted(change, *take_password(patched)))


def _changed(change: Change, situation: Situation, wanted: Wanted) -> Plan:
    _refuse_rivals(change, situation, wanted.document)
    if situation.resource is None:
        return _adoption(change, situation, wanted, 200)
    return _update(change, situation, wanted, 200)


def _push(change: Change, situation: Situation) -> Plan:
    """Make the target hold the original that we know, as the rules are now."""
    if situation.resource is None:
        raise NotFound(f"nobody is known by this id on {change.target.name}")
    return _update(change, situation, _wanted(change, situation.resource.original, None), 200)


def _deliver(change: Change, situation: Situation) -> Plan:
    """Leave all as it is but the members who are due: `Membership.planned` adds them."""
    if situation.resource is None or situation.present is None:
        raise NotFound(f"{change.target.name} has no such group any more")
    wanted = _wanted(change, situation.resource.original, None)
    return _unchanged(change, wanted, 200, situation.present["id"])


def _delete(change: Change, situation: Situation) -> Plan:
    view = _view_or_404(change, situation)
    target_id = (situation.present or {}).get("id")  # it may have been made anew, or be protected by now
    send = Send.DELETE if target_id else Send.NOTHING
    gone = compare(change.mapping.forward(view).form, {})
    wanted = Wanted(view, Mapped({}))
    plan = _plan(change, send, wanted, 204, differences=gone, target_id=target_id)
    return replace(plan, state=State.DELETED)


def _update(change: Change, situation: Situation, wanted: Wanted, status: int) -> Plan:
    """Bring a resource to the wanted state."""
    policy, present = change.target.policy, situation.present
    if present is None:
        return _without_entry(change, situation, wanted, status)
    before = _held(change, situation, present)
    if not wanted.is_active and policy.on_deactivate == "delete":
        gone = compare(before, {})
        return _plan(change, Send.DELETE, wanted, status, differences=gone, target_id=present["id"])
    wanted = replace(wanted, mapped=with_kept(before, wanted.mapped))
    differences = compare(before, wanted.mapped.form)
    if not differences and not wanted.secret:
        return _unchanged(change, wanted, status, present["id"])
    return _plan(
        change,
        Send.CHANGE,
        wanted,
        status,
        differences=differences,
        target_id=present["id"],
        update=update_of(present, differences, wanted.mapped.form, wanted.secret),
    )


def _held(change: Change, situation: Situation, present: Attributes) -> Attributes:
    """Return what the target holds, in the form it is sent."""
    mapping, resource, link = change.mapping, situation.resource, situation.link(change.target.name)
    if resource is None or link is None:
        return mapping.forward(mapping.reverse(present)).form
    return held(mapping, resource, link, present)


def update_of(
    present: Attributes, differences: tuple[Difference, ...], form: Attributes, secret: Attributes
) -> Update:
    """Return the update that lays the differences over what the target shows now."""
    laid = {**without_password(overlay(present, differences)), **secret}
    shown = present.get("schemas")
    known = [urn for urn in shown if isinstance(urn, str)] if isinstance(shown, list) else []
    laid["schemas"] = list(dict.fromkeys((*known, *form["schemas"])))
    return Update(present, laid, differences)


def _without_entry(change: Change, situation: Situation, wanted: Wanted, status: int) -> Plan:
    """The target has no entry of somebody we know: make it, unless nobody needs one."""
    if not wanted.is_active:
        return _unchanged(change, wanted, status, None)
    link = situation.link(change.target.name)
    vanished = link is not None and link.target_id is not None and change.operation != "create"
    if vanished and change.target.policy.on_missing == "error":
        raise NotFound(f"{change.target.name} has no such entry any more")
    return _made(change, wanted, status)


def _made(change: Change, wanted: Wanted, status: int) -> Plan:
    """Make an entry, unless it is for somebody whom the target shall not have."""
    if not wanted.is_active and change.target.policy.on_deactivate == "delete":
        return _unchanged(change, wanted, status, None)
    differences = compare({}, wanted.mapped.form)
    return _plan(change, Send.CREATE, wanted, status, differences=differences)


def _unchanged(change: Change, wanted: Wanted, status: int, target_id: str | None) -> Plan:
    plan = _plan(change, Send.NOTHING, wanted, status, target_id=target_id)
    return replace(plan, outcome=Outcome.UNCHANGED)


def _adoption(change: Change, situation: Situation, wanted: Wanted, status: int) -> Plan:
    """The first change to an entry that the journal does not know."""
    entry = change.mapping.reverse(situation.present or {})
    is_linked = change.type is ResourceType.GROUP and change.id is not None  # by hand, from a list of ours
    if not is_linked and not may_adopt(change.target.policy, wanted.document, entry, change.type):
        raise Uniqueness(f"{change.target.name} holds an entry of that name which may not be adopted")
    return replace(_update(change, situation, wanted, status), outcome=Outcome.ADOPTED)


def _view_or_404(change: Change, situation: Situation) -> Attributes:
    if situation.resource is None and situation.present is None:
        raise NotFound(f"{change.target.name} has no {change.type.lower()} with this id")
    return view_of(change.mapping, situation, change.target.name)


def _wanted(change: Change, document: Attributes, password: str | None) -> Wanted:
    """Return the wanted state in the target's form; raises InvalidValue that names every problem."""
    active = change.type is not ResourceType.USER or is_active(document)
    if active and not document.get(
        NAMES[change.type]
    ):  # a leaver leaves, whatever the target has lost of them
        raise InvalidValue(f"{NAMES[change.type]} is required")
    mapped = change.mapping.forward(document)
    if mapped.problems:
        raise InvalidValue("; ".join(str(problem) for problem in mapped.problems))
    protect = change.target.policy.protect
    if protect is not None and is_active(document) and protect(mapped.form):
        raise InvalidValue(f"targets.{change.target.name}.protect keeps such an entry from providers")
    try:
        return Wanted(document, mapped, active, change.mapping.secret(password))
    except Unusable as unusable:
        raise InvalidValue(f"password: {unusable}") from unusable


def _refuse_rivals(change: Change, situation: Situation, wanted: Attributes) -> None:
    """Raise Uniqueness where another resource has a name that is wanted; one that was given up is free."""
    names = keys_of(wanted, change.type)
    for rival in situation.rivals:
        shared = names & keys_of(rival.original, rival.type)
        if shared:
            taken = any(key.kind == "name" for key in shared)
            raise Uniqueness(f"{NAMES[rival.type] if taken else 'externalId'} belongs to another resource")


def _plan(
    change: Change,
    send: Send,
    wanted: Wanted,
    status: int,
    *,
    differences: tuple[Difference, ...] = (),
    target_id: str | None = None,
    update: Update | None = None,
) -> Plan:
    return Plan(
        send,
        change.event_name,
        status,
        Outcome.APPLIED,
        change.mapping.remembered(wanted.document),
        State.ACTIVE if wanted.is_active else State.INACTIVE,
        wanted.mapped,
        differences,
        target_id,
        update,
        wanted.secret,
        change.type,
    )


_DECISIONS: Final[Mapping[str, Callable[[Change, Situation], Plan]]] = {
    "create": _create,
    "replace": _replace,
    "patch": _patch,
    "delete": _delete,
    "push": _push,
    "deliver": _deliver,
}
