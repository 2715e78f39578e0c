"""What a change comes to, decided on what the journal and the target say, and its intent. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.errors import InvalidValue, NotFound, Uniqueness
from gateway.flow.journal_port import Intent, Key, Outcome, Resource, State
from gateway.flow.model import (
    Change,
    Plan,
    Send,
    Situation,
    Wanted,
    is_same_name,
    is_spelled_alike,
    keys_of,
    may_adopt,
)
from gateway.flow.resource import (
    as_on_target,
    beside_rules,
    form_on_target,
    is_still_active,
    update_of,
    view_of,
    with_kept,
)
from gateway.flow.target_port import Attributes, ResourceType, Update
from gateway.mapping.program import Mapped
from gateway.mapping.specs import Unusable
from gateway.scim.difference import Difference, compare, overlay
from gateway.scim.documents import is_active, replacement, take_password, without_read_only
from gateway.scim.names import NAMES, get
from gateway.scim.patch import apply_patch


def decide(change: Change, situation: Situation) -> Plan:
    """Return the plan of a change; raises the GatewayError that refuses it."""
    return _DECISIONS[change.operation](change, situation)


def plan_new(change: Change) -> Plan:
    """Return the plan of a create of somebody whom nobody knows; raises InvalidValue."""
    return _made(change, _wanted(change, _created(change), change.password))


def _created(change: Change) -> Attributes:
    document = without_read_only(change.body)
    if change.type is ResourceType.USER:
        document.setdefault("active", True)
    return document


def _create(change: Change, situation: Situation) -> Plan:
    document = _created(change)
    wanted, resource = _wanted(change, document, change.password), situation.resource
    _refuse_rivals(change, situation, document)
    if resource is None:
        if situation.present is not None:
            return _adoption(change, situation, wanted)
        return _made(change, wanted)
    event = _known_person(change, situation, resource, document)
    outcome = Outcome.APPLIED if resource.replied else Outcome.REPLAYED
    plan = _update(change, situation, wanted)
    return replace(plan, event=event, outcome=outcome if plan.outcome is Outcome.UNCHANGED else plan.outcome)


def _known_person(change: Change, situation: Situation, resource: Resource, wanted: Attributes) -> str:
    """Say how a create for somebody the journal knows goes on; raises Uniqueness where it may not."""
    form_on_target, asked = resource.original.get("externalId"), wanted.get("externalId")
    if form_on_target and asked and form_on_target != asked:
        if resource.state is State.ACTIVE or change.target.policy.reuse_name != "take":
            raise Uniqueness(f"{NAMES[change.type]} belongs to somebody with another externalId")
        return "user.rebound"
    name = NAMES[change.type]
    before, after = resource.original.get(name), wanted.get(name)
    renamed = not is_same_name(before, after)
    if not renamed and not is_spelled_alike(before, after) and not (asked and asked == form_on_target):
        raise Uniqueness(f"{name} is spelled like somebody else's, but for letters such as ß")
    there = situation.present is not None and not situation.is_unseen
    there = there or change.mapping.leaves_out(resource.original)  # as it should be
    if resource.state is State.ACTIVE and resource.replied and there and not renamed:
        raise Uniqueness("this resource exists already: it was created before, and the answer was delivered")
    return f"{change.type.lower()}.create"


def _replace(change: Change, situation: Situation) -> Plan:
    document = replacement(_view_or_404(change, situation), change.body)
    return _changed(change, situation, _wanted(change, document, change.password))


def _patch(change: Change, situation: Situation) -> Plan:
    view = _view_or_404(change, situation)
    patched = apply_patch(view, change.body, change.type, change.mapping.urns)
    if "active" in view and "active" not in patched:  # nobody comes or goes by accident
        raise InvalidValue("active cannot be removed: set it to true or false")
    if change.mapping.singles:  # what stood beside a value is shown, so it may have become the same
        patched = {name: _each_once(value) for name, value in patched.items()}
    return _changed(change, situation, _wanted(change, *take_password(patched)))


def _each_once(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return list({repr(element): element for element in value}.values())


def _changed(change: Change, situation: Situation, wanted: Wanted) -> Plan:
    try:
        _refuse_rivals(change, situation, wanted.document)
    except Uniqueness as taken:
        own = situation.resource
        if wanted.is_active or own is None or own.state is not State.ACTIVE:
            raise
        return replace(deactivation(change, situation), refused=taken)
    if situation.resource is None:
        return _adoption(change, situation, wanted)
    return _update(change, situation, wanted)


def _push(change: Change, situation: Situation) -> Plan:
    """Make the target hold the original that we know, as the rules are now."""
    if situation.resource is None:
        raise NotFound(f"nobody is known by this id on {change.target.name}")
    return _update(change, situation, _wanted(change, situation.resource.original, None))


def _mirror(change: Change, situation: Situation) -> Plan:
    """Bring a target that follows another to the original that this has: what came before does not matter."""
    wanted = _wanted(change, without_read_only(change.body), None)
    if situation.resource is not None or situation.present is not None:
        return _changed(change, situation, wanted)
    _refuse_rivals(change, situation, wanted.document)
    return _plan(change, Send.CREATE if wanted.is_active and wanted.is_in_scope else Send.NOTHING, wanted)


def _deliver(change: Change, situation: Situation) -> Plan:
    """Leave all as it is but the members who are due: `Membership.planned` adds them."""
    resource = situation.resource
    if resource is None or situation.present is None or change.mapping.leaves_out(resource.original):
        raise NotFound(f"{change.target.name} has no such group any more")
    wanted = _wanted(change, resource.original, None)
    return _plan(change, Send.NOTHING, wanted, situation.present["id"])


def _delete(change: Change, situation: Situation) -> Plan:
    view = _view_or_404(change, situation)
    target_id = (situation.present or {}).get("id")  # it may have been made anew, or be protected by now
    send = Send.DELETE if target_id else Send.NOTHING
    is_in_scope = bool(target_id) or not change.mapping.leaves_out(view)
    gone = compare(change.mapping.forward(view).form, {}) if is_in_scope else ()
    nothing = Wanted(view, Mapped({}), is_active(view), is_in_scope=is_in_scope)
    plan = _plan(change, send, nothing, target_id, gone)
    outcome = Outcome.APPLIED if plan.outcome is Outcome.UNCHANGED else plan.outcome
    return replace(plan, status=204, outcome=outcome, state=State.DELETED)


def _update(change: Change, situation: Situation, wanted: Wanted) -> Plan:
    """Bring a resource to the wanted state."""
    policy, present, mapping = change.target.policy, situation.present, change.mapping
    if present is None:
        return _without_entry(change, situation, wanted)
    before = _form_on_target(change, situation, present)
    if not wanted.is_in_scope:
        return _left_out(change, situation, wanted, before)
    if not wanted.is_active and policy.on_deactivate == "delete":
        return _plan(change, Send.DELETE, wanted, present["id"], compare(before, {}))
    if wanted.mapped.kept:
        wanted = replace(wanted, mapped=with_kept(before, wanted.mapped))
    form, gone = wanted.mapped.form, tuple[Difference, ...]()
    if mapping.singles:
        documents = (_said(change, situation), wanted.document)
        before, gone = beside_rules(mapping, present, documents, (before, form))
    differences = (*compare(before, form), *gone)
    if not differences and not wanted.secret:
        if not situation.is_unseen:
            return _plan(change, Send.NOTHING, wanted, present["id"])
        name = NAMES[change.type]  # said again, so that the target answers whether there is such an entry
        differences = (Difference((name,), before.get(name), form.get(name)),)
    update = update_of(mapping, present, differences, form, wanted.secret)
    return _plan(change, Send.CHANGE, wanted, present["id"], differences, update)


def _left_out(change: Change, situation: Situation, wanted: Wanted, before: Attributes) -> Plan:
    """Take from the target who is out of its scope: as who is deactivated leaves it, and no more is sent."""
    mapping, present = change.mapping, situation.present or {}
    if change.type is ResourceType.GROUP or change.target.policy.on_deactivate == "delete":
        return _plan(change, Send.DELETE, wanted, present["id"], compare(before, {}))
    view = view_of(mapping, situation)
    active, inactive = (mapping.forward({**view, "active": value}).form for value in (True, False))
    form = overlay(before, compare(active, inactive))
    wanted, differences = replace(wanted, mapped=Mapped(form)), compare(before, form)
    if not differences:
        return _plan(change, Send.NOTHING, wanted, present["id"])
    update = update_of(mapping, present, differences, form, {})
    return _plan(change, Send.CHANGE, wanted, present["id"], differences, update)


def _said(change: Change, situation: Situation) -> Attributes | None:
    """Return the document of which the wanted one leaves out what is to go; None: it is all that may stay.

    Who sends a resource whole may not know what else the target shows; who removes a part of it does.
    """
    if change.event == "repair":
        return None
    if change.operation == "patch" and _takes_away(change.body):
        return view_of(change.mapping, situation)
    return situation.resource.original if situation.resource else {}


def _takes_away(message: dict[str, Any]) -> bool:
    operations = get(message, "Operations")
    removes = (get(one, "op") for one in operations if isinstance(one, dict)) if operations else ()
    return any(isinstance(op, str) and op.casefold() == "remove" for op in removes)


def deactivates(plan: Plan) -> bool:
    """Say whether a plan changes somebody into one who is inactive."""
    is_person = plan.kind is ResourceType.USER
    return is_person and plan.send is Send.CHANGE and plan.state is State.INACTIVE


def deactivation(change: Change, situation: Situation) -> Plan:
    """Return the plan that deactivates somebody, and leaves all else as the target has it."""
    view = view_of(change.mapping, situation)
    return _update(change, situation, _wanted(change, {**view, "active": False}, None))


def _form_on_target(change: Change, situation: Situation, present: Attributes) -> Attributes:
    """Return what the target holds, in the form it is sent."""
    mapping, resource, link = change.mapping, situation.resource, situation.link
    if resource is None or link is None:
        return mapping.forward(mapping.reverse(present)).form
    return form_on_target(mapping, resource, link, present)


def _without_entry(change: Change, situation: Situation, wanted: Wanted) -> Plan:
    """The target has no entry of somebody we know: make it, unless nobody needs one."""
    if not wanted.is_active or not wanted.is_in_scope:
        return _plan(change, Send.NOTHING, wanted)
    link = situation.link
    vanished = link is not None and link.target_id is not None and change.operation != "create"
    if vanished and change.target.policy.on_missing == "error":
        raise NotFound(f"{change.target.name} has no such entry any more")
    return _made(change, wanted)


def _made(change: Change, wanted: Wanted) -> Plan:
    """Make an entry, unless it is for somebody whom the target shall not have."""
    is_removed = not wanted.is_active and change.target.policy.on_deactivate == "delete"
    is_none = is_removed or not wanted.is_in_scope
    return _plan(change, Send.NOTHING if is_none else Send.CREATE, wanted)


def _adoption(change: Change, situation: Situation, wanted: Wanted) -> Plan:
    """The first change to an entry that the journal does not know."""
    if wanted.is_active and not wanted.is_in_scope:  # somebody who was never ours there
        return _plan(change, Send.NOTHING, wanted)
    entry = change.mapping.reverse(situation.present or {})
    is_linked = change.type is ResourceType.GROUP and change.id is not None and not change.target.follows
    if not is_linked and not may_adopt(change.target.policy, wanted.document, entry, change.type):
        raise Uniqueness(f"{change.target.name} holds an entry of that name which may not be adopted")
    return replace(_update(change, situation, wanted), outcome=Outcome.ADOPTED)


def _view_or_404(change: Change, situation: Situation) -> Attributes:
    if situation.resource is None and situation.present is None:
        raise NotFound(f"{change.target.name} has no {change.type.lower()} with this id")
    return view_of(change.mapping, situation)


def _wanted(change: Change, document: Attributes, password: str | None) -> Wanted:
    """Return the wanted state in the target's form; raises InvalidValue that names every problem."""
    active = change.type is not ResourceType.USER or is_active(document)
    name = NAMES[change.type]
    if active and not document.get(name):  # a leaver leaves, whatever the target has lost of them
        raise InvalidValue(f"{name} is required")
    mapping = change.mapping
    if mapping.scope is not None and not mapping.scope.holds(document):
        return Wanted(document, Mapped({}), active, is_in_scope=False)
    mapped = mapping.forward(document)
    if mapped.problems:
        raise InvalidValue("; ".join(str(problem) for problem in mapped.problems))
    protect = change.target.policy.protect
    if protect is not None and is_active(document) and protect(mapped.form):
        raise InvalidValue(f"targets.{change.target.name}.protect keeps such an entry from providers")
    try:
        return Wanted(document, mapped, active, mapping.secret(password, document))
    except Unusable as unusable:
        if not active:
            return Wanted(document, mapped, active)
        raise InvalidValue(f"password: {unusable}") from unusable


def _refuse_rivals(change: Change, situation: Situation, wanted: Attributes) -> None:
    """Raise Uniqueness where another resource has a name that is wanted anew; one that was given up is free.

    An externalId may be given twice (RFC 7643 section 3.1), unless the provider's are unique.
    """
    asked = keys_of(wanted, change.type) - situation.keys
    if not change.unique_ids:
        asked = frozenset(key for key in asked if key.kind == "name")
    for rival in situation.rivals:
        shared = asked & keys_of(rival.original, rival.type)
        if shared:
            taken = any(key.kind == "name" for key in shared)
            raise Uniqueness(f"{NAMES[rival.type] if taken else 'externalId'} belongs to another resource")


def _plan(
    change: Change,
    send: Send,
    wanted: Wanted,
    target_id: str | None = None,
    differences: tuple[Difference, ...] = (),
    update: Update | None = None,
) -> Plan:
    original = change.mapping.remembered(wanted.document)
    outcome = Outcome.UNCHANGED if send is Send.NOTHING else Outcome.APPLIED
    if wanted.is_active and not wanted.is_in_scope:
        outcome = Outcome.OUT_OF_SCOPE
    return Plan(
        send,
        change.event_name,
        201 if change.operation == "create" else 200,
        outcome,
        original,
        State.ACTIVE if wanted.is_active else State.INACTIVE,
        wanted.mapped,
        differences,
        target_id,
        update,
        wanted.secret,
        change.type,
        keys=_names(change, original),
        is_in_scope=wanted.is_in_scope,
    )


def _names(change: Change, original: Attributes) -> frozenset[Key]:
    """Return the names of what is wanted: those that the request says, where it says both."""
    said = change.keys
    return said if said is not None and len(said) == 2 else keys_of(original, change.type)


_DECISIONS: Final[Mapping[str, Callable[[Change, Situation], Plan]]] = {
    "create": _create,
    "replace": _replace,
    "patch": _patch,
    "delete": _delete,
    "push": _push,
    "mirror": _mirror,
    "deliver": _deliver,
}


def intent_of(change: Change, situation: Situation, plan: Plan, op_id: str) -> Intent:
    """Return what is recorded before the target is asked."""
    resource, keys = situation.resource, plan.keys | situation.keys
    if resource is not None:  # an externalId that it has already holds up nobody who has it, too
        keys -= {key for key in situation.keys if key.kind == "external"}
    elif change.id:
        keys |= {Key("id", change.id)}
    return Intent(
        op_id=op_id,
        base=change.target.name,
        target=change.target.name,
        type=change.type,
        operation=str(plan.send),
        keys=tuple(sorted(keys)),
        resource_id=resource.id if resource else (change.id or ""),
        target_id=plan.target_id,
        wanted=plan.mapped.form,
        original=plan.original,
        state=plan.state,
        correlation_id=change.correlation_id,
        removes=_removes(change, situation, plan),
        members=plan.members.delta,
    )


def is_no_news(change: Change, situation: Situation, plan: Plan) -> bool:
    """Say whether a push found all as the journal has it, so that there is nothing to remember."""
    if plan.members.delta or change.operation not in ("push", "deliver"):
        return False
    return situation.link is not None and situation.link.target_id == plan.target_id


def _removes(change: Change, situation: Situation, plan: Plan) -> bool:
    """Say whether somebody active becomes inactive, is deleted or leaves the scope; groups never count."""
    leaves = plan.state is not State.ACTIVE or (not plan.is_in_scope and plan.send is not Send.NOTHING)
    if change.type is not ResourceType.USER or not leaves or plan.send is Send.CREATE:
        return False
    mapping, resource, present = change.mapping, situation.resource, situation.present
    if resource is not None and mapping.scope is not None:
        resource = as_on_target(mapping, resource)
    if resource is None or resource.state is State.ACTIVE:
        return True
    return present is not None and is_still_active(mapping, resource, situation.link, present)
