"""The configuration on disk against what was sent: who would change by it; nothing is sent."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import web

from gateway.admin.simulate import Simulation
from gateway.audit.masking import covered, covered_path, masked, masked_answer
from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, path_of
from gateway.console.targets.aside import Aside
from gateway.errors import ConfigError, Fault, NotFound
from gateway.flow.target_port import ResourceType
from gateway.journal.reader import reading
from gateway.journal.store import load_key
from gateway.settings import Settings, load_settings
from gateway.settings.compiled import cover_of
from gateway.targets.registry import CONNECTORS
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

MOST: Final = 200  # rows that a page shows
KINDS: Final = 200  # kinds of changes that are told apart


class ChangeKind(NamedTuple):
    """What rows are counted by."""

    what: str
    path: str | None
    rule: str | None
    reason: str | None


@frozen
class Simulated:
    """What came of a simulation; with faults of the file, nothing else."""

    target: str
    faults: tuple[Fault, ...] = ()
    people: int = 0
    groups: int = 0
    counts: Mapping[str, int] | None = None  # of people, by what would become of them
    held: tuple[int, int] | None = None  # who would leave, and how many of them the brake lets go
    kinds: Mapping[ChangeKind, int] | None = None  # of rows
    rows: tuple[Mapping[str, Any], ...] = ()  # the first
    total: int = 0  # rows


class Simulations:
    """Has one run, aside, and shows it."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._aside = Aside[Simulated](desk.admin.services.now)
        self._target = ""

    async def close(self, _: web.Application) -> None:
        """End what is under way."""
        await self._aside.close()

    async def show(self, request: web.Request) -> web.Response:
        """Answer with how far it has come, and what came of the last one."""
        desk, session, latest = self._desk, request[SESSION], self._aside.result
        rows = () if latest is None else latest.rows
        kinds = list(((latest and latest.kinds) or {}).items())
        if session.is_masked:
            rows = tuple(masked_row(row) for row in rows)
            kinds = [
                (kind._replace(path=kind.path and covered_path(kind.path, masked)), n) for kind, n in kinds
            ]
            kinds = [(kind._replace(reason=_masked_reason(kind.reason)), n) for kind, n in kinds]
        await desk.readings.note(desk.access.caller(request, session), AuditQuery())
        return desk.pages.answer(
            request,
            "simulate",
            targets=tuple(desk.settings().targets),
            aside=self._aside,
            target=self._target,
            latest=latest,
            rows=rows,
            kinds=kinds,
            most=MOST,
        )

    async def start(self, request: web.Request) -> web.Response:
        """Begin one of the target that the form names, where none is under way."""
        fields = await self._desk.access.form(request)
        target = fields.get("target", "")
        if target not in self._desk.settings().targets:
            raise NotFound(self._desk.pages.say(request)("error.no_target"))
        if self._aside.begin(lambda see: self._simulate(target, see)):
            self._target = target
        return web.Response(status=303, headers={"Location": path_of("simulate")})

    async def end(self, request: web.Request) -> web.Response:
        """End the one that is under way."""
        self._aside.end()
        return web.Response(status=303, headers={"Location": path_of("simulate")})

    def _simulate(self, target: str, see: Callable[[], None]) -> Simulated:
        source = self._desk.settings().source
        assert source is not None
        try:
            settings = load_settings(source.path, CONNECTORS, read_secrets=False)
        except ConfigError as error:
            return Simulated(target, error.faults)
        if target not in settings.targets:
            return Simulated(target, (Fault(f"targets.{target}", "is not in the file any more"),))
        return self._against(settings, target, see)

    def _against(self, settings: Settings, target: str, see: Callable[[], None]) -> Simulated:
        simulation = Simulation(
            self._desk.admin.plan(settings, target),
            settings.targets[target].groups is not False,
            cover_of(settings, target, load_key),
        )

        def seen(resources: Iterable[Any]) -> Iterator[Any]:
            for resource in resources:
                see()
                yield resource

        kinds, rows, total = Counter[ChangeKind](), list[Mapping[str, Any]](), 0
        with reading(self._desk.settings().journal) as reader:
            people, groups = (
                reader.resources(target, kind) for kind in (ResourceType.USER, ResourceType.GROUP)
            )
            for row in simulation.rows(seen(people), seen(groups)):
                total += 1
                kind = ChangeKind(row["what"], row["path"], row["rule"], row["reason"])
                if kind in kinds or len(kinds) < KINDS:
                    kinds[kind] += 1
                if len(rows) < MOST:
                    rows.append(row)
        others, counts = simulation.others, dict(simulation.counts)
        told = dict(kinds.most_common())
        return Simulated(
            target,
            (),
            others["people"],
            others["groups"],
            counts,
            simulation.held(),
            told,
            tuple(rows),
            total,
        )


def masked_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without values of people."""
    names = {name: covered(row[name], masked) for name in ("userName", "externalId", "before", "after")}
    path = row["path"] and covered_path(row["path"], masked)
    return {**row, **names, "path": path, "reason": _masked_reason(row["reason"])}


def _masked_reason(reason: str | None) -> str | None:
    shown: str | None = masked_answer({"outcome": {"reason": reason}})["outcome"]["reason"]
    return shown
