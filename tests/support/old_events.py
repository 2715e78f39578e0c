"""Events as releases before schema 5 wrote them: their values in rows of their own, a digest for each."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest

from gateway.audit.chain import Head, canonical, columns, hash_of, next_published
from gateway.audit.event import Event, Personal
from gateway.audit.masking import masked_event
from gateway.audit.old_form import digest
from gateway.journal.events import Appender, read_head, target_name

OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
ADD_VALUE = "INSERT INTO event_value VALUES (?, ?, ?, ?)"
ADD_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"


def seal_as_before(
    event: Event, head: Head, now: datetime, random: Callable[[int], bytes]
) -> tuple[Head, str, list[tuple[bytes, str]]]:
    """Return the place of an event, its body, and its personal values with their salts."""
    values: list[tuple[bytes, str]] = []

    def apart(value: Any) -> dict[str, str]:
        assert isinstance(value, Personal)
        values.append((random(16), canonical(value.value)))
        return {"#": digest(*values[-1])}

    published = next_published(head.published, now)
    public = {**event.fields, "id": event.id, "seq": head.seq + 1, "published": published}
    body = orjson.dumps(public, default=apart, option=OPTIONS).decode()
    return Head(head.seq + 1, hash_of(head.hash, body), published), body, values


def drafted_as_before(appender: Appender, event: Event) -> Any:
    """Return an event, masked as its target has it, and the digest of whom it is about."""
    about = appender._subject(event)
    masking = appender.maskings.get(target_name(event.fields))
    return (event if masking is None else masked_event(event, masking, about)), about


def add_as_before(
    appender: Appender, connection: sqlite3.Connection, events: Sequence[tuple[Event, str | None]]
) -> None:
    """Write rows as they were before."""
    for event, about in events:
        before = appender._head or read_head(connection)
        head, body, values = seal_as_before(event, before, appender.clock(), appender._random)
        appender._head = head
        row = (head.seq, event.id, head.published, *columns(event.fields), about, body, head.hash)
        connection.execute(ADD_EVENT, row)
        connection.executemany(ADD_VALUE, [(head.seq, n, *value) for n, value in enumerate(values)])


def write_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every trail written as releases before did."""
    monkeypatch.setattr(Appender, "drafted", drafted_as_before)
    monkeypatch.setattr(Appender, "add", add_as_before)
