"""What administrators do to the gateway: each act leaves its event, in the name of who acts."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.flow.journal_port import Event
from gateway.users import acting

NOTHING: Final[Mapping[str, Any]] = {"name": None, "type": None, "id": None, "user_name": None}


def administrator() -> dict[str, Any]:
    """Return the actor of an event that an administrator is the cause of."""
    return {"type": "administrator", "name": acting.get() or None, "token": None}


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
