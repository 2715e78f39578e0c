"""What a SCIM 2.0 service's answers mean: a document, or the error that says what happened. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.errors import InvalidSyntax
from gateway.flow.target_port import (
    Attributes,
    Broken,
    CannotFilter,
    Conflict,
    Denied,
    Missing,
    Nonsense,
    Refused,
    TargetError,
    Throttled,
)
from gateway.scim.jsontext import MAX_NAMES, MAX_VALUES, check_shape, count_values
from gateway.scim.names import CORE_GROUP, ERROR, get
from gateway.targets.scim.abilities import NO_MATCH, TEXT_TOTALS, Abilities, Lack, promises
from gateway.targets.transport import HttpReply, readable, retry_after
from gateway.values import frozen

MAX_DEPTH: Final = 32  # of JSON in JSON
MAX_DIGITS: Final = 12  # of a number in a text
MAX_ANSWER_VALUES: Final = 30 * MAX_VALUES  # in one answer, as in a body with a group
MAX_PERSON_VALUES: Final = 2 * MAX_VALUES  # in an answer with one person, who may have more than we sent

MEANINGS: Final[Mapping[int, type[TargetError]]] = {
    401: Denied,
    403: Denied,
    407: Denied,
    408: Broken,  # the service gave up waiting: nobody's data is at fault
    409: Conflict,
    425: Broken,
    429: Throttled,
}
MEANINGS_BY_CLASS: Final[Mapping[int, type[TargetError]]] = {4: Refused, 5: Broken}  # the rest is no answer
FILTER_STATUS: Final = frozenset({400, 501})  # a filtered read has nothing else to be refused for
FILTER_TYPES: Final = frozenset({"invalidFilter", "tooMany", "sensitive"})  # RFC 7644 section 3.12

_ERROR: Final = ERROR.casefold()


@frozen
class ListAnswer:
    """Entries as one answer lists them; `total` is its totalResults, None where it has none."""

    total: int | None
    entries: tuple[Attributes, ...]
    lacks: tuple[Lack, ...] = ()  # what it shows of the service


def read_entry(reply: HttpReply, now: float, most: int = MAX_ANSWER_VALUES) -> Attributes | None:
    """Return the entry of a 2xx answer, None where it has no body; `now` is in POSIX seconds."""
    document = _read_document(reply, now, most=most)
    if document is None or _is_entry(document):
        return document
    raise Nonsense("the target's answer has no id", reply.status)


def read_changed(reply: HttpReply, id: str, now: float, most: int = MAX_ANSWER_VALUES) -> Attributes | None:
    """Return the entry after a change, None where the answer has no body."""
    document = _read_document(reply, now, Missing, most)
    return None if document is None else _of(document, id, reply.status)


def read_found(reply: HttpReply, id: str, now: float, most: int = MAX_ANSWER_VALUES) -> Attributes | None:
    """Return the entry that was asked for, or None where the target says that there is none."""
    try:
        document = _read_document(reply, now, Missing, most)
    except Missing:
        return None
    if document is None:
        raise Nonsense("the target answered a read without a body", reply.status)
    return _of(document, id, reply.status)


def _of(document: Attributes, id: str, status: int) -> Attributes:
    """Return an answer about one entry, which may leave out the id; raises Nonsense for another's."""
    if str(document.get("id") or id) != id:
        raise Nonsense("the target answered with another entry than the one asked for", status)
    return document | {"id": id}


def read_list(reply: HttpReply, is_filtered: bool, now: float) -> ListAnswer:
    """Return a ListResponse (RFC 7644 section 3.4.2); a filter's 404 in SCIM is an empty one."""
    try:
        document = _read_document(reply, now, Missing if is_filtered else Nonsense)
    except Missing:
        return ListAnswer(0, (), (NO_MATCH,))
    except TargetError as error:
        if is_filtered and _is_about_filter(reply):
            raise CannotFilter(error.reason, reply.status) from error
        raise
    return _listing(document or {}, reply.status)


def read_promises(reply: HttpReply, now: float) -> Abilities:
    """Return what a ServiceProviderConfig promises (RFC 7643 section 5)."""
    return promises(_read_document(reply, now) or {})


def read_group_support(reply: HttpReply, now: float) -> bool:
    """Say whether a list of resource types has groups (RFC 7643 section 6)."""
    types = get(_read_document(reply, now) or {}, "Resources")
    if not isinstance(types, list):
        raise Nonsense("the target's resource types are no list", reply.status)
    named = [get(kind, name) for kind in types if isinstance(kind, dict) for name in ("id", "name", "schema")]
    return "Group" in named or CORE_GROUP in named


def _read_document(
    reply: HttpReply, now: float, absent: type[TargetError] = Nonsense, most: int = MAX_ANSWER_VALUES
) -> Attributes | None:
    """Return the JSON object of a 2xx answer with `most` values at most.

    A 404 in SCIM is `absent`, where an entry was asked for.
    """
    if reply.status // 100 != 2:
        raise _error(reply, now, absent)
    if not reply.body.strip():
        return None
    if len(reply.body) > most and count_values(reply.body) > most:
        raise Nonsense(f"the target's answer has more than {most} values", reply.status)
    document = parse_answer(reply.body)
    if not isinstance(document, dict):
        line = first_line(reply.body, document)
        said = f": {line}" if line else ""
        raise Nonsense(f"the target's answer is not a JSON object{said}", reply.status)
    if _is_scim_error(document):
        raise Nonsense("the target answered success with a SCIM Error", reply.status)
    return document


def _error(reply: HttpReply, now: float, absent: type[TargetError]) -> TargetError:
    document = parse_answer(reply.body)
    meaning = MEANINGS.get(reply.status) or MEANINGS_BY_CLASS.get(reply.status // 100, Nonsense)
    if reply.status == 404:
        meaning = absent if _is_scim_error(document) else Nonsense
    elif meaning is Refused and is_markup(reply.body):
        meaning = Nonsense  # a proxy's page, not the service's word
    return meaning(_reason(reply, document), reply.status, retry_after(reply, now))


def _reason(reply: HttpReply, document: Any) -> str:
    """Return the detail of a SCIM Error, else the first line of whatever was answered."""
    detail = document.get("detail") if isinstance(document, dict) else None
    said = readable(detail) if isinstance(detail, str) else ""
    if not said and not _is_scim_error(document):
        said = first_line(reply.body, document)
    return said or f"the target answered {reply.status} without a reason"


_LOOKED_AT: Final = 4096  # bytes of a body that is no SCIM
_MARKUP: Final = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE)


def first_line(body: bytes, document: Any) -> str:
    """Return the first line with something to read, of a page without its markup."""
    if document is not None:
        return readable(orjson.dumps(document)[:_LOOKED_AT].decode("utf-8", "replace"))
    text = "" if b"\0" in body else body[:_LOOKED_AT].decode("utf-8", "replace")  # UTF-16, or no text at all
    lines = (_MARKUP.sub("\n", text) if is_markup(body) else text).splitlines()
    return next(filter(None, map(readable, lines)), "")


def _is_about_filter(reply: HttpReply) -> bool:
    document = parse_answer(reply.body)
    said = document.get("scimType") if isinstance(document, dict) else None
    return reply.status in FILTER_STATUS or said in FILTER_TYPES


def _is_scim_error(document: Any) -> bool:
    schemas = document.get("schemas") if isinstance(document, dict) else None
    listed = schemas if isinstance(schemas, list) else (schemas,)
    return _ERROR in [urn.casefold() for urn in listed if isinstance(urn, str)]


def is_markup(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _listing(document: Attributes, status: int) -> ListAnswer:
    total, entries = get(document, "totalResults"), get(document, "Resources")
    if total is None and entries is None:
        raise Nonsense("the target's answer is no list", status)
    lacks: tuple[Lack, ...] = ()
    if isinstance(total, str) and total.isascii() and total.isdecimal():
        total, lacks = int(total[:MAX_DIGITS]), (TEXT_TOTALS,)
    if total is not None and (not isinstance(total, int) or isinstance(total, bool) or total < 0):
        raise Nonsense("the target's list has no integer totalResults", status)
    entries = [] if entries is None else entries
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise Nonsense("the target's list has Resources that are no entries", status)
    return ListAnswer(total, tuple(entries), lacks)


def _is_entry(entry: Any) -> bool:
    id = entry.get("id") if isinstance(entry, dict) else None
    return isinstance(id, str) and id != "" and "\0" not in id


def parse_answer(body: bytes) -> Any:
    """Return parsed JSON, or None where it is none, or is too much, too deep or too wide to be handled."""
    if len(body) > MAX_ANSWER_VALUES and count_values(body) > MAX_ANSWER_VALUES:
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # never deeper or wider than this, and hardly ever as much
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH or body.count(b":") > MAX_NAMES:
        try:
            check_shape(document, MAX_DEPTH)
        except InvalidSyntax:
            return None
    return document
