"""A whole target compared with the originals, or brought back to them, as `reconcile` does; for operators."""

from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import web

from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, path_of
from gateway.console.targets.aside import Aside
from gateway.errors import GatewayError, NotFound
from gateway.log import get_logger
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

MOST: Final = 200  # rows that a page shows

log = get_logger()


class ComparisonKind(NamedTuple):
    """What findings are counted by."""

    finding: str
    outcome: str | None  # of the repair


@frozen
class Compared:
    """What came of a comparison, as far as it went."""

    target: str
    is_repair: bool
    kinds: Mapping[ComparisonKind, int]
    rows: tuple[Mapping[str, Any], ...]  # the first
    total: int  # rows
    people: int | None  # None: it did not come to its end
    verdict: str | None
    reason: str | None


class Comparisons:
    """Has one run, aside, and shows it."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._aside = Aside[Compared](desk.admin.services.now)
        self._asked = "", False  # the target, and whether it is repaired

    async def close(self, _: web.Application) -> None:
        """End what is under way, after the people it is about."""
        await self._aside.close()

    async def show(self, request: web.Request) -> web.Response:
        """Answer with how far it has come, and what came of the last one."""
        self._desk.access.refuse_readers(request)
        desk, (target, is_repair) = self._desk, self._asked
        await desk.readings.note(desk.access.caller(request, request[SESSION]), AuditQuery())
        return desk.pages.answer(
            request,
            "compare",
            targets=tuple(desk.admin.runs.targets),
            aside=self._aside,
            target=target,
            is_repair=is_repair,
            latest=self._aside.result,
            most=MOST,
        )

    async def start(self, request: web.Request) -> web.Response:
        """Begin one of the target that the form names, where none is under way."""
        self._desk.access.refuse_readers(request)
        fields = await self._desk.access.form(request)
        target, is_repair = fields.get("target", ""), fields.get("repair") == "yes"
        if target not in self._desk.admin.runs.targets:
            raise NotFound(self._desk.pages.say(request)("error.no_target"))
        if self._aside.begin_here(lambda: self._compare(target, is_repair)):
            self._asked = target, is_repair
            log.info("console.acted", act="repair" if is_repair else "compare", target=target)
        return web.Response(status=303, headers={"Location": path_of("compare")})

    async def end(self, request: web.Request) -> web.Response:
        """End the one that is under way."""
        self._desk.access.refuse_readers(request)
        self._aside.end()
        return web.Response(status=303, headers={"Location": path_of("compare")})

    async def _compare(self, target: str, is_repair: bool) -> Compared:
        runs, aside = self._desk.admin.runs, self._aside
        kinds, rows, end = Counter[ComparisonKind](), list[Mapping[str, Any]](), dict[str, Any]()
        try:
            async with aclosing(runs.told("reconcile", runs.targets[target], option=is_repair)) as lines:
                async for line in lines:
                    if (row := line.get("row")) is not None:
                        kinds[ComparisonKind(row["finding"], row["outcome"])] += 1
                        rows += [row] if len(rows) < MOST else []
                    end = line.get("end", end)
                    if not end:
                        aside.tell(line["progress"]["people"] if "progress" in line else aside.seen)
        except GatewayError as error:  # what was found and repaired until then is shown
            end = {"reason": error.detail}
        told = (end.get(name) for name in ("people", "verdict", "reason"))
        return Compared(target, is_repair, dict(kinds.most_common()), tuple(rows), sum(kinds.values()), *told)
