"""Whether the audit trail is whole: the chain recomputed over every row, in one pass and bounded memory."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from gateway.journal.chain import MARK, Head, columns, digest, digests, hash_of, subject
from gateway.journal.lines import READ_HEAD, read_salt
from gateway.scim.documents import fold

EVENTS: Final = """
    SELECT seq, id, published, event, target, result, correlation_id, actor, subject, CAST(body AS TEXT), hash
    FROM event ORDER BY seq"""
VALUES: Final = (
    "SELECT CAST(seq AS INTEGER), n, CAST(salt AS BLOB), CAST(value AS TEXT) FROM event_value ORDER BY seq, n"
)


class TrailState(StrEnum):
    """What can be said of a trail."""

    WHOLE = "whole"
    GAP = "gap"  # an event in the middle is missing
    CHANGED = "changed"  # an event is not what it was
    TRUNCATED = "truncated"  # the newest events are missing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found first, and at which event; no event where the trail is whole."""

    state: TrailState
    seq: int | None
    reason: str


class Row(NamedTuple):
    """An event as it is stored, with its values (n, salt, JSON)."""

    seq: int
    id: str
    published: str
    indexed: tuple[str | None, ...]
    subject: str | None
    body: str
    hash: str
    values: Sequence[tuple[int, bytes | None, str | None]]


def verify(connection: sqlite3.Connection) -> Verdict:
    """Recompute the chain on one snapshot; `connection` is for this alone."""
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a changed byte may be no UTF-8
    connection.execute("BEGIN")
    try:
        return _walk(connection)
    finally:
        connection.execute("ROLLBACK")


def _walk(connection: sqlite3.Connection) -> Verdict:
    salt = read_salt(connection)
    newest = Head()
    for row in _rows(connection):
        if row.seq != newest.seq + 1:
            return Verdict(TrailState.GAP, newest.seq + 1, f"event {newest.seq + 1} is missing")
        if part := _changed_part(row, newest.hash, salt):
            return Verdict(TrailState.CHANGED, row.seq, f"{part} of event {row.seq} was changed")
        newest = Head(row.seq, row.hash, row.published)
    return _ending(newest, connection.execute(READ_HEAD).fetchone())


def _ending(newest: Head, recorded: tuple[int, str, str] | None) -> Verdict:
    """Compare where the trail ends with where it was last seen to end."""
    if recorded is None:
        return Verdict(TrailState.CHANGED, newest.seq, "the record of the newest event is missing")
    head = Head(*recorded)
    if newest.seq < head.seq:
        return Verdict(
            TrailState.TRUNCATED, newest.seq + 1, f"events {newest.seq + 1} to {head.seq} are missing"
        )
    if newest != head:
        return Verdict(TrailState.CHANGED, newest.seq, "the record of the newest event was changed")
    return Verdict(TrailState.WHOLE, None, f"{head.seq} events, each in its place")


def _changed_part(row: Row, previous: str, salt: bytes) -> str | None:
    """Return what of an event is not what its hash covers; None where all of it is."""
    if hash_of(previous, row.body) != row.hash:
        return "the text or the hash"
    public = _parsed(row.body)
    if [row.seq, row.id, row.published] != [public.get(name) for name in ("seq", "id", "published")]:
        return "the number, id or time"
    if row.indexed != columns(public):
        return "a column"
    expected = digests(row.body)
    if not _are_values_of(row.values, expected):
        return "a personal value"
    name = _name(public, dict(zip(expected, (json for _, _, json in row.values), strict=True)))
    if name is not None and row.subject != subject(salt, fold(name)):
        return "the subject"
    return None


def _name(public: dict[str, Any], values: Mapping[str, str | None]) -> str | None:
    """Return whom the event is about; None where that is nobody, or erased."""
    target = public.get("target")
    name = target.get("user_name") if isinstance(target, dict) else None
    if isinstance(name, dict):
        json = values[name[MARK]]
        name = None if json is None else orjson.loads(json)
    return name if isinstance(name, str) else None


def _parsed(body: str) -> dict[str, Any]:
    try:
        public = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return public if isinstance(public, dict) else {}


def _are_values_of(values: Sequence[tuple[int, bytes | None, str | None]], expected: Sequence[str]) -> bool:
    """Say whether each digest has its row, and each value that is not erased its digest."""
    if [n for n, _, _ in values] != list(range(len(expected))):
        return False
    pairs = zip(values, expected, strict=True)
    return all(json is None or digest(salt or b"", json) == made for (_, salt, json), made in pairs)


def _rows(connection: sqlite3.Connection) -> Iterator[Row]:
    """Walk events and their values side by side."""
    groups = groupby(connection.execute(VALUES), key=itemgetter(0))
    at, values = _next(groups)
    for event in connection.execute(EVENTS):
        while at is not None and at < event[0]:
            at, values = _next(groups)
        own = values if at == event[0] else []
        seq, id, published = event[:3]
        about, body, hash = event[8:]
        yield Row(seq, id, published, event[3:8], about, body, hash, own)


def _next(groups: "groupby[Any, Any]") -> tuple[int | None, list[tuple[int, bytes | None, str | None]]]:
    seq, rows = next(groups, (None, ()))
    return seq, [(n, salt, json) for _, n, salt, json in rows]
