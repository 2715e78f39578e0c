"""What is not settled, a page at a time, and what would happen if somebody acted."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.admin.operations import RETRIED, masked_waiting
from gateway.audit.chain import stamp
from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, path_of
from gateway.errors import InvalidValue
from gateway.flow.journal_port import OperationState
from gateway.journal.reader import reading
from gateway.journal.waiting import Waiting, WaitingPage
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

PAGE: Final = 50  # rows
UNACKNOWLEDGED: Final = timedelta(hours=24)  # for which a create's answer may be under way
STANDINGS: Final = ("braked", *OperationState, "refused", "unacknowledged")
KEPT: Final = ("delete", "held")  # what or how it stands: who is given up keeps what they have


@frozen
class Choice:
    """An act that may be chosen, and what would happen."""

    act: str
    will: str  # a text of `will`
    path: str


def choices_of(one: Waiting | Mapping[str, Any], back: str) -> tuple[Choice, ...]:
    """Return what may be done about something that waits; an act leads back to `back`."""
    row = one if isinstance(one, Mapping) else asdict(one)
    id, standing, target = row["id"], row["standing"], row["target"]
    if standing == "braked":
        return (Choice("release", "release_braked", path_of("acts", "release", target, next=back)),)
    if id is None or standing in (OperationState.OPEN, "unacknowledged"):
        return ()
    found = []
    if standing in RETRIED or standing == "refused":
        found.append(Choice("retry", f"retry_{standing}", path_of("acts", "retry", id, next=back)))
    if standing == OperationState.HELD and row["whom"]:
        path = path_of("acts", "release", target, only=row["whom"], next=back)
        found.append(Choice("release", "release_held", path))
    return (*found, Choice("drop", f"drop_{fate_of(row)}", path_of("acts", "drop", id, next=back)))


def fate_of(row: Mapping[str, Any]) -> str:
    """Return what giving something up means: leave, come, follow or change."""
    if row["what"] in KEPT or row["standing"] in KEPT:
        return "leave"
    return {"create": "come", "mirror": "follow"}.get(row["what"], "change")


class OperationList:
    """Shows them."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """Answer with a page of what waits, of a target or of all."""
        desk, session = self._desk, request[SESSION]
        asked = {name: request.query.get(name) or None for name in ("target", "standing", "after")}
        if asked["standing"] not in (None, *STANDINGS):
            raise InvalidValue(f"standing: must be one of {', '.join(STANDINGS)}")
        page = await asyncio.to_thread(self._read, asked)
        await desk.readings.note(desk.access.caller(request, session), AuditQuery())
        shown = map(masked_waiting, map(asdict, page.rows)) if session.is_masked else map(asdict, page.rows)
        here = path_of("operations", **asked)
        return desk.pages.answer(
            request,
            "operations",
            rows=[{**row, "choices": choices_of(row, here) if session.may_act else ()} for row in shown],
            asked=asked,
            targets=tuple(desk.settings().targets),
            standings=STANDINGS,
            next=path_of("operations", **asked | {"after": page.after}) if page.after else None,
        )

    def _read(self, asked: Mapping[str, str | None]) -> WaitingPage:
        before = stamp(self._desk.utc() - UNACKNOWLEDGED)
        with reading(self._desk.settings().journal) as reader:
            return reader.waiting_page(asked["target"], asked["standing"], before, asked["after"], PAGE)
