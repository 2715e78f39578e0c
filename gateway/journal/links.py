"""The rows of one file of the trail, each judged by what its hash covers."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from gateway.flow.erasure import NAME
from gateway.journal.chain import MARK, columns, digest, digests, hash_of, subject
from gateway.scim.documents import fold

EVENTS: Final = """
    SELECT seq, id, published, event, target, result, correlation_id, actor, subject, CAST(body AS TEXT), hash
    FROM event WHERE seq > ? ORDER BY seq"""
VALUES: Final = """
    SELECT CAST(seq AS INTEGER), n, CAST(salt AS BLOB), CAST(value AS TEXT) FROM event_value
    WHERE seq > ? ORDER BY seq, n"""
ALL: Final = -(2**63)  # before any seq


Values = Sequence[tuple[int, bytes | None, str | None]]  # n, salt, JSON


class Row(NamedTuple):
    """An event as it is stored, with its values; nothing but these where it is missing."""

    seq: int
    values: Values
    id: str = ""
    published: str = ""
    indexed: tuple[str | None, ...] = ()
    subject: str | None = None
    body: str | None = None
    hash: str = ""


def rows(connection: sqlite3.Connection, after: int = ALL) -> Iterator[Row]:
    """Walk events and their values side by side, in order of seq."""
    groups = groupby(connection.execute(VALUES, (after,)), key=itemgetter(0))
    at, values = _next(groups)
    for event in connection.execute(EVENTS, (after,)):
        while at is not None and at < event[0]:
            yield Row(at, values)
            at, values = _next(groups)
        own: Values = ()
        if at == event[0]:
            own = values
            at, values = _next(groups)
        seq, id, published = event[:3]
        yield Row(seq, own, id, published, event[3:8], *event[8:])
    while at is not None:
        yield Row(at, values)
        at, values = _next(groups)


def changed_part(row: Row, body: str, previous: str, salt: bytes) -> str | None:
    """Return what of an event is not what its hash covers; None where all of it is."""
    if hash_of(previous, body) != row.hash:
        return "the text or the hash"
    public = _parsed(body)
    if [row.seq, row.id, row.published] != [public.get(name) for name in ("seq", "id", "published")]:
        return "the number, id or time"
    if row.indexed != columns(public):
        return "a column"
    expected = digests(body)
    if not _are_values_of(row.values, expected):
        return "a personal value"
    told = dict(zip(expected, (json for _, _, json in row.values), strict=True))
    return None if row.subject == _subject(public, told, salt) else "the subject"


def is_erased(row: Row) -> bool:
    """Say whether a value of the event was removed."""
    return any(json is None for _, _, json in row.values)


def erased_by(row: Row) -> frozenset[int]:
    """Return the events that lack values from here on, as an erasure that is what it was says."""
    if row.indexed[0] != NAME:
        return frozenset()
    said = orjson.loads(row.body or "").get("erased")
    return frozenset(said["events"]) if isinstance(said, dict) else frozenset()


def _subject(public: Mapping[str, Any], told: Mapping[str, str | None], salt: bytes) -> str | None:
    """Return whom the event is about, as its column has it; None where that is nobody, or erased."""
    if "subject" in public:
        return _text(public["subject"], told)
    target = public.get("target")
    name = _text(target.get("user_name"), told) if isinstance(target, dict) else None
    return None if name is None else subject(salt, fold(name))


def _text(value: Any, told: Mapping[str, str | None]) -> str | None:
    """Return a text of an event, looked up where its digest stands; None where it is erased, or no text."""
    if isinstance(value, dict):
        json = told[value[MARK]]
        value = None if json is None else orjson.loads(json)
    return value if isinstance(value, str) else None


def _parsed(body: str) -> dict[str, Any]:
    try:
        public = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return public if isinstance(public, dict) else {}


def _are_values_of(values: Values, expected: Sequence[str]) -> bool:
    """Say whether each digest has its row, and each value its digest unless it was erased with its salt."""
    if [n for n, _, _ in values] != list(range(len(expected))):
        return False
    pairs = zip(values, expected, strict=True)
    return all(
        salt is None if json is None else salt is not None and digest(salt, json) == made
        for (_, salt, json), made in pairs
    )


def _next(groups: "groupby[Any, Any]") -> tuple[int | None, Values]:
    seq, found = next(groups, (None, ()))
    return seq, [(n, salt, json) for _, n, salt, json in found]
