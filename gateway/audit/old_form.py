"""Events as older releases made them: each personal value has its digest in the body. Pure."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from gateway.audit.chain import in_order

PLACE: Final = re.compile(r'\{"#":"([0-9a-f]{64})"\}')  # in JSON; within a string its quotes would be escaped


def digest(salt: bytes, json: str) -> str:
    """Return the digest that stands for a personal value."""
    return hashlib.sha256(salt + json.encode()).hexdigest()


def digests(body: str) -> list[str]:
    """Return the digests in an event's body, in the order of its values."""
    return PLACE.findall(body)


def join_old(body: str, values: Sequence[str | None], previous: str, hash: str) -> dict[str, Any]:
    """Return the event for reading: values (JSON texts) back in place, null where they were erased."""
    left = iter(values)
    full: dict[str, Any] = orjson.loads(PLACE.sub(lambda _: next(left, None) or "null", body))
    return in_order(full, previous, hash)
