"""That the trail was read over HTTP, told in the trail: by whom, and what about."""

from typing import Final

import structlog

from gateway.audit.event import Event
from gateway.audit.query import Question, fields_asked
from gateway.errors import JournalUnavailable
from gateway.flow.change_event import caller_fields
from gateway.flow.model import Caller, Services
from gateway.log import correlation_id
from gateway.server.seldom import Seldom

NAME: Final = "audit.read"  # of its event
PAUSE: Final = 3600.0  # seconds between two events of the same auditor about the same fields

log = structlog.get_logger()


class Readings:
    """Writes events of readings: of one auditor and one kind of question, one an hour.

    Pages that follow each other are one kind, and so is what a program asks every ten seconds.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seldom = Seldom(services.monotonic, PAUSE)

    async def note(self, caller: Caller, question: Question) -> None:
        """Append the event of a reading that is not told yet; who reads gets an answer in any case."""
        fields = fields_asked(question)
        repeated = self._seldom.untold((caller.provider, fields, question.q is None), caller.provider)
        if repeated is None:
            return
        try:
            await self._services.trail.append([self._event(caller, question, fields, repeated)])
        except JournalUnavailable:
            log.warning("audit.read", auditor=caller.provider, fields=fields)

    def _event(self, caller: Caller, question: Question, fields: tuple[str, ...], repeated: int) -> Event:
        return Event(
            self._services.new_id(),
            {
                "event": NAME,
                "outcome": {"result": "applied", "status": 200, "reason": None},
                **caller_fields(caller),
                "target": {"name": None, "type": None, "id": None, "user_name": None},
                "read": {"fields": list(fields), "q": question.q is not None},
                **({"repeated": repeated} if repeated else {}),
                "correlation_id": correlation_id.get(),
            },
        )
