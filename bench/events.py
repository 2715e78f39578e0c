"""Rows of an audit trail in the form of schema version 4: one create a row, the chain of hashes whole. Pure.

The form of an event and of its hash is what docs/audit.md describes; it is written here once more so that a
journal can be filled without the gateway.
"""

import hashlib
import hmac
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from bench.people import ENTERPRISE, ROLES, member_id, sent, user_name

RARE: Final = 1000  # one event of so many is another provider's, about another target, and was refused
SALT_BYTES: Final = 16
PLACE: Final = '{"#":"%s"}'  # stands where a personal value was


DIFF: Final = (  # path, rule
    ("userName", None),
    ("externalId", None),
    ("name.givenName", None),
    ("name.familyName", None),
    ("displayName", None),
    ('emails[type eq "work"]', None),
    ('phoneNumbers[type eq "work"]', "config:phoneNumbers.value"),
    ("title", None),
    ("locale", None),
    ("active", None),
    (f"{ENTERPRISE}:department", None),
    (f"{ENTERPRISE}:employeeNumber", None),
    ("licenseType", "config:licenseType"),
    ("officeName", "config:officeName"),
)

EventRow = tuple[Any, ...]
ValueRow = tuple[int, int, bytes, str]


@dataclass(frozen=True, slots=True)
class Trail:
    """Which events are made."""

    target: str
    count: int
    first: datetime
    step: timedelta
    key: bytes  # of the digests by which people are found


def correlation_id(seq: int) -> str:
    """Return the correlation id of an event, which says nothing of its place."""
    return hashlib.md5(b"c%d" % seq, usedforsecurity=False).hexdigest()


def event_id(seq: int) -> str:
    """Return the id of an event."""
    digest = hashlib.md5(b"e%d" % seq, usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"


def stamp(moment: datetime) -> str:
    """Return a time as the trail has it."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


def rows(trail: Trail) -> Iterator[tuple[EventRow, list[ValueRow]]]:
    """Yield each event with its personal values."""
    chance, previous = random.Random(1), b""  # noqa: S311 - nothing here is secret
    for seq in range(1, trail.count + 1):
        values = [dumps(value) for value in personal(seq)]
        salts = [chance.randbytes(SALT_BYTES) for _ in values]
        places = [
            PLACE % hashlib.sha256(salt + value.encode()).hexdigest()
            for salt, value in zip(salts, values, strict=True)
        ]
        columns = columns_of(trail, seq)
        told = {"seq": seq, "entry": member_id(seq), **columns}
        body = BODY % (told | {f"p{n}": place for n, place in enumerate(places)})
        previous = hashlib.sha256(b"\x00" + previous + body.encode()).digest()
        subject = hmac.digest(trail.key, user_name(seq).encode(), "sha256").hex()[:32]
        row = (seq, *columns.values(), subject, body, previous.hex())
        yield row, [(seq, n, salt, v) for n, (salt, v) in enumerate(zip(salts, values, strict=True))]


def columns_of(trail: Trail, seq: int) -> dict[str, str]:
    """Return what the trail is indexed by, in the order of its columns."""
    rare = seq % RARE == 0
    return {
        "id": event_id(seq),
        "published": stamp(trail.first + trail.step * seq),
        "event": "user.create",
        "target": "crm" if rare else trail.target,
        "result": "rejected" if rare else "applied",
        "correlation_id": correlation_id(seq),
        "actor": "entra" if rare else "okta",
    }


def personal(seq: int) -> list[Any]:
    """Return the personal values of an event, in the order in which they stand in its body."""
    one = sent(seq)
    values = [
        *(one[name] for name in ("userName", "externalId")),
        *(one["name"][name] for name in ("givenName", "familyName")),
        one["displayName"],
        *(one[name][0] for name in ("emails", "phoneNumbers")),
        *(one[name] for name in ("title", "locale", "active")),
        *(one[ENTERPRISE][name] for name in ("department", "employeeNumber")),
        *(one[name] for name in ("licenseType", "officeName")),
    ]
    for role in one["roles"]:
        values += [role, role_path(role["value"])]
    return [*values, one["userName"]]


def role_path(role: str) -> str:
    """Return the path of one of several values."""
    return f'roles[value eq "{role}"]'


def dumps(value: Any) -> str:
    """Return the one JSON form of a value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def template() -> str:
    """Return an event's body with a name where each value belongs."""
    added = {"op": "add", "before": None}
    diff = [
        {**added, "path": path, "rule": rule, "after": f"%(p{n})s"} for n, (path, rule) in enumerate(DIFF)
    ]
    for n in range(len(DIFF), len(DIFF) + 2 * len(ROLES), 2):
        diff.append({**added, "path": f"%(p{n + 1})s", "rule": "config:roles", "after": f"%(p{n})s"})
    name = f"%(p{len(DIFF) + 2 * len(ROLES)})s"
    body = dumps(
        {
            "id": "%(id)s",
            "seq": "%(seq)s",
            "published": "%(published)s",
            "event": "%(event)s",
            "outcome": {"result": "%(result)s", "status": 201, "reason": None},
            "actor": {"type": "provider", "name": "%(actor)s", "token": "config:1"},
            "client": {"ip": "127.0.0.1", "user_agent": "Okta SCIM Client 1.0.0"},
            "target": {"name": "%(target)s", "type": "User", "id": "%(entry)s", "user_name": name},
            "diff": diff,
            "held": [],
            "dropped": [],
            "attempts": [{"n": 1, "status": 201, "ms": 1.2}],
            "correlation_id": "%(correlation_id)s",
            "timing": {"total_ms": 9.7},
        }
    )
    return re.sub(r'"%\((seq|p\d+)\)s"', r"%(\1)s", body)  # which are JSON already


BODY: Final = template()
