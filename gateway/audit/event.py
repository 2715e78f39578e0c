"""An event of the audit trail, and what those have in common that administrators cause. Pure."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from gateway.scim.difference import Lines
from gateway.users import acting, acting_as
from gateway.values import frozen


@frozen
class Event:
    """One line of the audit trail (docs/audit.md), before it has a seq and a hash.

    `fields` is the event without personal values; a value in it that is personal is given as `Personal`.
    `lines` come first in its `diff`.
    """

    id: str
    fields: Mapping[str, Any]
    lines: Lines = field(default_factory=Lines)


@frozen
class Personal:
    """A value kept apart from the event, erasable; the event holds only its salted digest."""

    value: Any


@frozen
class Remark(Personal):
    """A sentence kept apart as well: a target may have quoted in it what these documents hold."""

    quotes: tuple[Any, ...] = ()


ERASURE: Final = "erase"  # the name of its event


NOTHING: Final[Mapping[str, Any]] = {"name": None, "type": None, "id": None, "user_name": None}


def administrator() -> dict[str, Any]:
    """Return the actor of an event that an administrator, or somebody in the console, is the cause of."""
    return {"type": acting_as.get(), "name": acting.get() or None, "token": None}


def act_event(
    id: str, event: str, *, target: Mapping[str, Any] | None = None, reason: str | None = None, **more: Any
) -> Event:
    """Return the event of something that an administrator has done; `target` is what it was done to."""
    return Event(
        id,
        {
            "event": event,
            "outcome": {"result": "applied", "status": None, "reason": reason},
            "actor": administrator(),
            "client": {"ip": None, "user_agent": None},
            "target": {**NOTHING, **(target or {})},
            **more,
            "correlation_id": None,
        },
    )
