"""Runs of one person or group that an operator asks for on its page: compared, pushed again, repaired."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import GatewayError
from gateway.flow.journal_port import Resource
from gateway.flow.model import Target
from gateway.log import get_logger

if TYPE_CHECKING:
    from gateway.console.house import Desk
    from gateway.console.session import SignedIn

RUNS: Final = {  # act -> the command that does it, and its option
    "compare": ("reconcile", False),
    "push": ("resync", False),
    "repair": ("reconcile", True),
}
PATIENCE: Final = 10.0  # seconds that the form waits; then the page says how far it is
MOST_KEPT: Final = 100  # runs whose end is remembered
MOST_ROWS: Final = 200  # of one

log = get_logger()


@dataclass(slots=True)
class OneRun:
    """A run, and what has come of it so far."""

    act: str
    target: str
    by: str  # the id of the session
    rows: list[dict[str, Any]] = field(default_factory=list)
    verdict: str | None = None  # None: under way
    reason: str | None = None


class OneRuns:
    """Has them run, and remembers the last ones for those who asked."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._known: dict[str, OneRun] = {}
        self._tasks = set[asyncio.Task[None]]()

    async def begin(self, act: str, target: Target, whom: Resource, session: "SignedIn") -> str:
        """Begin one and wait a while for its end; return what it is known by."""
        name, option = RUNS[act]
        lines = self._desk.admin.runs.told(name, target, whom, option=option)
        run, key = OneRun(act, target.name, session.id), self._desk.admin.services.new_id()
        self._known[key] = run
        if len(self._known) > MOST_KEPT:
            del self._known[next(iter(self._known))]
        log.info("console.acted", act=act)
        task = asyncio.create_task(self._follow(run, lines))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=PATIENCE)
        return key

    def of(self, key: str | None, session: "SignedIn") -> OneRun | None:
        """Return a run that this session has asked for, while it is remembered."""
        run = self._known.get(key or "")
        return run if run is not None and run.by == session.id else None

    async def close(self) -> None:
        """End those that are under way: each after what it is about."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _follow(self, run: OneRun, lines: AsyncIterator[Mapping[str, Any]]) -> None:
        try:
            async for line in lines:
                if (end := line.get("end")) is not None:
                    run.verdict, run.reason = end["verdict"], end["reason"]
                elif "row" in line and len(run.rows) < MOST_ROWS:
                    run.rows.append(line["row"])
        except GatewayError as error:
            run.reason = error.detail
        finally:
            run.verdict = run.verdict or "unreachable"
