"""What is known of one person at a target: by the journal, by the rules, and by the target itself, now."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.admin.problems import RefusedChange, dropped_since, refused_since, troubles_in
from gateway.audit.masking import Cover
from gateway.audit.query import StoredEvent, named
from gateway.flow.failures import answer_to_read
from gateway.flow.journal_port import Key, Resource
from gateway.flow.model import Services, Target, reading
from gateway.flow.resource import without_password
from gateway.flow.target_port import Attributes, ResourceType, TargetError, errand
from gateway.mapping.target import TargetMapping, explain
from gateway.scim.documents import fold
from gateway.scim.grammar import Filter

PARTS: Final = ("unsent", "problems")  # of an explanation, each with a path
SIDES: Final = ("before", "after")
FORMS: Final = ("original", "resource", "sent", "shows")

Told = Mapping[str, Any]  # an explanation, and what the journal knows beside it

UNKNOWN: Final[Told] = {  # of whom only the trail knows that they were refused
    "accepted": False,
    "resource": None,
    "steps": [],
    "held": [],
    "dropped": [],
    "unsent": [],
    "problems": [],
}


class PersonRecords(Protocol):
    """What the journal says of people."""

    def find_person(self, base: str, name: str) -> Resource | None:
        """Return whom a userName, an externalId or an id of ours means; None where that is nobody."""

    def refused(self, target: str, name: str | None = None) -> Iterator[RefusedChange]:
        """Yield everybody whose newest change was refused, with none done since; `name`: only theirs."""

    def refused_there(self, target: str) -> Iterator[RefusedChange]:
        """Yield everybody whom a target refuses that follows another."""

    def history(self, name: str, only: Filter | None = None) -> Sequence[StoredEvent]:
        """Return events about whoever has or had a name, the oldest first."""

    def standing(self, target: str, id: str) -> str | None:
        """Return how an operation on somebody stands that is not settled."""


def person_of(
    book: PersonRecords, name: str, mapping: TargetMapping, person: str, follows: str | None
) -> dict[str, Any] | None:
    """Return what the journal and the rules say of somebody at a target; None where neither knows them.

    `follows`: the target that this one follows. Values are whole. `target_id` is None where the target has no
    entry of theirs.
    """
    own = book.find_person(name, person)
    known = own or (book.find_person(follows, person) if follows else None)
    user_name = known.original.get("userName", person) if known else person
    refused = list(refused_at(book, name, user_name, follows=follows is not None))
    if known is None and not refused:
        return None
    user_name = user_name if known else refused[0].user_name
    events = book.history(user_name, named("target.name", name))
    since = refused_since(events) or next((one.since for one in refused), None)
    document = known.original if known else {}
    explanation = explain(name, mapping, document) if known else UNKNOWN
    told = [trouble for one in refused for trouble in troubles_in(one.user_name, one.reason)]
    problems = [{"path": one.path, "rule": one.rule, "reason": one.reason, "since": since} for one in told]
    here = {(one["path"], one["rule"]) for one in problems}
    more = (one for one in explanation["problems"] if (one["path"], one["rule"]) not in here)
    link = own.links.get(name) if own else None
    external_id = document.get("externalId") if known else next((one.external_id for one in refused), None)
    return {
        **explanation,
        "target": name,
        "userName": user_name,
        "externalId": external_id,
        "id": own.id if own else None,
        "state": known.state.value if known else None,
        "standing": book.standing(name, own.id) if own else None,
        "unsent": [{**one, "since": dropped_since(events, one["path"])} for one in explanation["unsent"]],
        "problems": [*problems, *({**one, "since": None} for one in more)],
        "original": document or None,
        "modified": known.modified if known else None,
        "sent": link.sent if link else None,
        "target_id": link.target_id if link else None,
    }


def refused_at(
    book: PersonRecords, name: str, whose: str | None, *, follows: bool
) -> Iterator[RefusedChange]:
    """Yield whose newest change a target refuses, or that of one person; `follows`: it follows another."""
    if not follows:
        yield from book.refused(name, whose)
        return
    for one in book.refused_there(name):
        if whose is None or fold(one.user_name) == fold(whose):
            yield one


async def shown_now(services: Services, target: Target, kind: ResourceType, id: str) -> Attributes | None:
    """Return what a target shows now of a resource of ours, without its members; None where it has none.

    Raises a GatewayError where it cannot be asked.
    """
    token = errand.set(reading(target.policy, services.monotonic()))
    known: Sequence[Resource] = ()
    try:
        known = await services.resources.find(target.name, kind, (Key("id", id),))
        links = [one.links[target.name] for one in known if target.name in one.links]
        ids = [link.target_id for link in links if link.target_id is not None]
        with target.admission.used():
            entry = await target.connector.get(kind, ids[0]) if ids else None
    except TargetError as error:
        raise answer_to_read(target.name, error, [one.original for one in known]) from error
    finally:
        errand.reset(token)
    return entry and without_password(entry)


def covered_person(person: Told, cover: Cover) -> Told:
    """Return what is told of somebody with values covered."""
    values = {name: cover(person[name], False) for name in FORMS}
    steps = [step | {side: cover(step[side], False) for side in SIDES} for step in person["steps"]]
    parts = {name: [_covered_part(one, cover) for one in person[name]] for name in PARTS}
    return {**person, **values, **parts, "steps": steps}


def _covered_part(part: Mapping[str, Any], cover: Cover) -> Mapping[str, Any]:
    return {**part, "value": cover(part["value"], False)} if "value" in part else part
