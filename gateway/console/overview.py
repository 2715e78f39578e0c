"""The first page: each target, what became of everything lately, what needs somebody now, what is new."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.admin.operations import masked_waiting
from gateway.audit.chain import stamp
from gateway.audit.masking import masked_answer
from gateway.audit.query import AuditQuery, find_page
from gateway.console.rendering import SESSION, ago
from gateway.errors import JournalUnavailable
from gateway.flow.journal_port import Outcome
from gateway.flow.target_port import ResourceType
from gateway.journal.reader import reading
from gateway.journal.waiting import Waiting
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.acts import Token
    from gateway.console.house import Desk

NEWEST: Final = 15  # events
MOST: Final = 50  # of one kind that needs somebody
SOON: Final = timedelta(days=14)  # before a token ends
GLANCE: Final = 30.0  # seconds after which what was read of the journal is read again
OLD: Final = 300.0  # seconds after which it will not do until then
PATIENCE: Final = 0.5  # seconds that a page waits for it; else it says so
SPANS: Final = {  # name -> the length of a bar, and how many
    "day": (timedelta(hours=1), 24),
    "week": (timedelta(days=1), 7),
}
GROUPS: Final[Mapping[str, tuple[Outcome, ...]]] = {  # layer of a bar, from below -> what it counts
    "done": (Outcome.APPLIED, Outcome.ADOPTED),
    "nothing": (Outcome.UNCHANGED, Outcome.REPLAYED, Outcome.OUT_OF_SCOPE),
    "waits": (Outcome.PENDING, Outcome.DEFERRED),
    "refused": (Outcome.REJECTED,),
    "failed": (Outcome.FAILED,),
}
HEIGHT: Final = 120.0  # of a chart, in its own units
WIDTH: Final = 22.0  # of a bar with its gap
GAP: Final = 4.0


@frozen
class Glance:
    """What was read of the journal, a moment ago."""

    population: Mapping[tuple[str, str], int]
    needing: Sequence[Waiting]
    tokens: Sequence["Token"]
    refused: Mapping[str, int]  # target -> people, counted up to MOST


class Glances:
    """Reads what takes long aside, once in a while, however many look."""

    def __init__(
        self, path: Path, targets: Callable[[], Sequence[str]], monotonic: Callable[[], float]
    ) -> None:
        self._path = path
        self._targets = targets
        self._monotonic = monotonic
        self._latest: tuple[float, Glance] | None = None
        self._making: asyncio.Task[None] | None = None

    async def look(self) -> Glance | None:
        """Return the newest, None where it takes longer than somebody waits.

        Nobody waits for another while the last is not old: how long it takes grows with the journal.
        """
        age = math.inf if self._latest is None else self._monotonic() - self._latest[0]
        if age >= GLANCE and self._making is None:
            self._making = asyncio.create_task(self._make())
        if age >= OLD and self._making is not None:
            await asyncio.wait([self._making], timeout=PATIENCE)
        return None if self._latest is None else self._latest[1]

    def forget(self) -> None:
        """Read anew with the next look: somebody has changed something."""
        self._latest = None

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._making is not None:
            await asyncio.wait([self._making])

    async def _make(self) -> None:
        begun = self._monotonic()
        try:
            self._latest = begun, await asyncio.to_thread(self._read)
        except JournalUnavailable:
            self._latest = None
        finally:
            self._making = None

    def _read(self) -> Glance:
        with reading(self._path) as reader:
            refused = {
                target: sum(1 for _ in islice(reader.refused(target), MOST)) for target in self._targets()
            }
            return Glance(reader.population(), reader.needing(MOST), reader.tokens(), refused)


@frozen
class Layer:
    """A part of a bar."""

    name: str  # one of GROUPS
    count: int
    y: float
    height: float


@frozen
class Bar:
    """What became of everything in one hour or day."""

    since: str
    x: float
    layers: tuple[Layer, ...]
    total: int


def bars(counted: Sequence[tuple[str, Mapping[str, int]]]) -> tuple[Bar, ...]:
    """Return a bar for each span of time, the highest as high as the chart."""
    rows = [
        (since, {name: sum(counts.get(one, 0) for one in group) for name, group in GROUPS.items()})
        for since, counts in counted
    ]
    most = max((sum(row.values()) for _, row in rows), default=0) or 1
    found = []
    for place, (since, row) in enumerate(rows):
        layers, y = [], HEIGHT
        for name, count in row.items():
            height = round(count / most * HEIGHT, 2)
            y -= height
            layers.append(Layer(name, count, round(y, 2), height))
        found.append(Bar(since, place * WIDTH, tuple(layers), sum(row.values())))
    return tuple(found)


class Tallies:
    """Counts outcomes by hour and day; what is over is counted once."""

    def __init__(self, count: Callable[[str, str], Awaitable[Mapping[str, int]]]) -> None:
        self._count = count
        self._over: dict[tuple[str, str], Mapping[str, int]] = {}

    async def bars(self, span: str, now: datetime) -> tuple[Bar, ...]:
        """Return the bars of a day or a week, the newest last; it is not over yet."""
        length, number = SPANS[span]
        midnight = now.replace(minute=0, second=0, microsecond=0)
        if length >= timedelta(days=1):
            midnight = midnight.replace(hour=0)
        counted = []
        for back in range(number - 1, -1, -1):
            since = midnight - length * back
            counted.append((stamp(since), await self._counted(stamp(since), stamp(since + length), back > 0)))
        self._forget(stamp(now - timedelta(days=9)))
        return bars(counted)

    async def _counted(self, since: str, until: str, is_over: bool) -> Mapping[str, int]:
        if (known := self._over.get((since, until))) is not None:
            return known
        found = await self._count(since, until)
        if is_over:
            self._over[since, until] = found
        return found

    def _forget(self, before: str) -> None:
        self._over = {span: counts for span, counts in self._over.items() if span[1] > before}


class Overview:
    """Shows it."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        path = desk.settings().journal.path
        self.glances = Glances(path, lambda: tuple(desk.settings().targets), time.monotonic)
        self._tallies = Tallies(desk.journal.trail.outcomes)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page."""
        desk, now = self._desk, self._desk.utc()
        question = AuditQuery()
        status, glance, found = await asyncio.gather(
            desk.admin.status(),
            self.glances.look(),
            find_page(desk.journal.trail, question, NEWEST, lambda: False),
        )
        spans = {span: await self._tallies.bars(span, now) for span in SPANS}
        await desk.readings.note(desk.access.caller(request, request[SESSION]), question)
        is_masked = request[SESSION].is_masked
        return desk.pages.answer(
            request,
            "overview",
            status=status,
            cards=[self._card(target, glance) for target in status.targets],
            glance=glance,
            needing=[] if glance is None else self._needing(glance, is_masked),
            ending=[] if glance is None else self._ending(glance, now),
            spans=spans,
            groups=tuple(GROUPS),
            events=[masked_answer(event) if is_masked else event for event in found.events],
        )

    def _card(self, target: Any, glance: Glance | None) -> dict[str, Any]:
        timings = self._desk.metrics.timings(target.name)
        lead = next((one for one, own in self._desk.settings().followers.items() if target.name in own), None)
        base = lead or target.name
        counted = {} if glance is None else glance.population
        return {
            "is": target,
            "p50": None if timings is None else timings.quantile(0.5),
            "p99": None if timings is None else timings.quantile(0.99),
            "is_called": timings is not None,
            "people": None if glance is None else counted.get((base, ResourceType.USER), 0),
            "groups": None if glance is None else counted.get((base, ResourceType.GROUP), 0),
            "refused": None if glance is None else glance.refused.get(target.name, 0),
        }

    def _needing(self, glance: Glance, is_masked: bool) -> list[dict[str, Any]]:
        shown = [
            {
                name: getattr(one, name)
                for name in ("id", "target", "what", "whom", "standing", "opened", "reason")
            }
            for one in glance.needing
        ]
        if is_masked:
            shown = [masked_waiting(one) for one in shown]
        return shown

    def _ending(self, glance: Glance, now: datetime) -> list["Token"]:
        """Return the tokens that end soon, the next one first."""
        live = [token for token in glance.tokens if token.is_active(stamp(now)) and token.expires]
        soon = [token for token in live if -(ago(token.expires, now) or 0.0) < SOON.total_seconds()]
        return sorted(soon, key=lambda token: token.expires or "")
