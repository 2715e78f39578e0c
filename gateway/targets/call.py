"""What is said to a target over HTTP, and what it answers: two values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

SCIM_JSON: Final = "application/scim+json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request: method, absolute URL already percent-encoded, and a body or nothing."""

    method: str
    url: str
    body: bytes | None = None
    accepts: str = SCIM_JSON
    sends: str = SCIM_JSON  # the media type of the body


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, whatever its status; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Carries(Protocol):
    """Reaches one target over HTTP."""

    async def carry(self, call: Call) -> Reply:
        """Send the call and return its answer; raises a TargetError where no whole one came back."""
