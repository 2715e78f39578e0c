"""What is said to a target over HTTP, and what it answers: two values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """One request: method, absolute URL already percent-encoded, and JSON bytes or nothing."""

    method: str
    url: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, whatever its status; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
