"""What the answers of Dialpad's API mean: what was asked for, or the error that says what happened. Pure."""

from typing import Any, Final

from gateway.flow.target_port import Missing, Nonsense, Refused, TargetError
from gateway.scim.jsontext import count_values
from gateway.targets.dialpad.users import User, id_of, is_gone
from gateway.targets.scim.answers import (
    MAX_ANSWER_VALUES,
    MAX_PERSON_VALUES,
    MEANINGS,
    MEANINGS_BY_CLASS,
    first_line,
    is_markup,
    parse_answer,
)
from gateway.targets.transport import HttpReply, readable, retry_after
from gateway.values import frozen

COLLECTION: Final = frozenset({"items", "cursor"})  # an empty list may come without `items`
FAULTS: Final = ("error", "errors")  # in what says 200
MOST_ITEMS: Final = 1000  # of a page, which has 100 as a rule: each is a piece of work


@frozen
class CursorPage:
    """One page of a list, and the cursor of the next, "" where it is the last."""

    items: tuple[User, ...]
    cursor: str = ""


def read_created(reply: HttpReply, now: float) -> User:
    """Return whom a create made; `now` is in POSIX seconds."""
    return _user(_object(reply, now, most=MAX_PERSON_VALUES), reply.status)


def read_changed(reply: HttpReply, id: str, now: float) -> User:
    """Return somebody after a change; raises Missing where there is nobody, or was and is deleted."""
    user = _of(_object(reply, now, Missing, MAX_PERSON_VALUES), id, reply.status)
    if is_gone(user):
        raise Missing("the person is deleted", reply.status)
    return user


def read_deleted(reply: HttpReply, id: str, now: float) -> None:
    """Take the answer to a delete, which shows whom it was about; raises Missing where there is nobody."""
    if not is_gone(_of(_object(reply, now, Missing), id, reply.status)):
        raise Nonsense("the target answered a delete with somebody who is not deleted", reply.status)


def read_found(reply: HttpReply, id: str, now: float) -> User | None:
    """Return who was asked for, None where there is nobody, or was and is deleted."""
    try:
        return read_changed(reply, id, now)
    except Missing:
        return None


def read_collection(reply: HttpReply, now: float) -> CursorPage:
    """Return one page of people or offices."""
    document = _object(reply, now)
    items, cursor = document.get("items"), document.get("cursor")
    if items is None and not document.keys() <= COLLECTION:
        raise Nonsense("the target's answer is no list", reply.status)
    items = [] if items is None else items
    if isinstance(items, list) and len(items) > MOST_ITEMS:
        raise Nonsense(f"a page of the target's list has more than {MOST_ITEMS} items", reply.status)
    if not isinstance(items, list) or not all(isinstance(i, dict) and id_of(i.get("id")) for i in items):
        raise Nonsense("the target's list has items without an id", reply.status)
    if cursor is not None and not isinstance(cursor, str):
        raise Nonsense("the target's list has a cursor that is no text", reply.status)
    return CursorPage(tuple(items), cursor or "")


def read_seats(reply: HttpReply, line: str, now: float) -> int | None:
    """Return how many licences of a kind are left, None where the answer does not say."""
    value = _object(reply, now).get(line)
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 12 else None


def _of(user: User, id: str, status: int) -> User:
    if id_of(_user(user, status)["id"]) != id:
        raise Nonsense("the target answered with somebody else than the one asked for", status)
    return user


def _user(document: User, status: int) -> User:
    if id_of(document.get("id")) is None:
        raise Nonsense("the target's answer has no id", status)
    return document


def _object(
    reply: HttpReply, now: float, absent: type[TargetError] = Nonsense, most: int = MAX_ANSWER_VALUES
) -> dict[str, Any]:
    """Return the JSON object of a 2xx answer with `most` values at most.

    A 404 in JSON is `absent`, where somebody was asked for.
    """
    if len(reply.body) > most and count_values(reply.body) > most:
        raise Nonsense(f"the target's answer has more than {most} values", reply.status)
    document = parse_answer(reply.body)
    if reply.status // 100 != 2:
        raise _error(reply, document, now, absent)
    if not isinstance(document, dict):
        line = first_line(reply.body, document)
        raise Nonsense(f"the target's answer is not a JSON object{f': {line}' if line else ''}", reply.status)
    if any(document.get(name) for name in FAULTS):
        raise Nonsense(f"the target answered success with an error: {_said(reply, document)}", reply.status)
    return document


def _error(reply: HttpReply, document: Any, now: float, absent: type[TargetError]) -> TargetError:
    meaning = MEANINGS.get(reply.status) or MEANINGS_BY_CLASS.get(reply.status // 100, Nonsense)
    if reply.status == 404:
        meaning = absent if isinstance(document, dict) else Nonsense
    elif meaning is Refused and is_markup(reply.body):
        meaning = Nonsense  # a proxy's page, not Dialpad's word
    reason = _said(reply, document) or f"the target answered {reply.status} without a reason"
    return meaning(reason, reply.status, retry_after(reply, now))


def _said(reply: HttpReply, document: Any) -> str:
    """Return what an answer says: how Dialpad words an error is not published, so all of it, shortened."""
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return readable(message) if isinstance(message, str) else first_line(reply.body, document)
