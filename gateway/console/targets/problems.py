"""Who is refused at a target or loses values there, by rule and reason; whole as CSV."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import web

from gateway.admin.acts import Export, note_export
from gateway.admin.problems import Trouble
from gateway.admin.refusals import Judge, troubles_at
from gateway.audit.fields import render_csv
from gateway.audit.masking import covered_path, masked, masked_answer
from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, path_of
from gateway.console.targets.aside import Aside
from gateway.errors import NotFound
from gateway.journal.reader import reading
from gateway.settings.compiled import lead_of, mapping_of, strict_mapping_of
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

MOST: Final = 500  # problems that a page shows, and kinds that are told apart
MOST_KEPT: Final = 20  # questions whose answer is remembered
PATIENCE: Final = 0.5  # seconds that a page waits for what is counted
GLANCE: Final = 60.0  # seconds for which what was counted will do
PART: Final = 500  # rows of a file that are made at once
ASKED: Final = ("what", "path", "rule", "reason")
COLUMNS: Final = ("target", "what", "state", "userName", "externalId", "path", "rule", "reason")


class TroubleKind(NamedTuple):
    """What problems are counted by."""

    what: str
    path: str | None
    rule: str | None
    reason: str


class TroubleQuestion(NamedTuple):
    """Which problems are asked for; "": whatever it is."""

    target: str
    what: str = ""
    path: str = ""
    rule: str = ""
    reason: str = ""

    def means(self, row: Mapping[str, Any]) -> bool:
        """Say whether a problem is one of these."""
        wanted = zip(ASKED, self[1:], strict=True)
        return all(not value or str(row[name] or "") == value for name, value in wanted)


@frozen
class Counted:
    """All problems of a target: how many of each kind, and the first of those that are asked for."""

    kinds: Mapping[TroubleKind, int]  # the commonest first
    rows: tuple[Mapping[str, Any], ...]
    asked: int  # problems that are asked for
    total: int
    left_out: int  # people who are out of scope

    @property
    def unlisted(self) -> int:
        """How many problems are of further kinds."""
        return self.total - sum(self.kinds.values())


def counted(rows: Iterable[Mapping[str, Any]], left_out: Counter[str], question: TroubleQuestion) -> Counted:
    """Look through all problems of a target; memory is bounded, however many there are."""
    kinds, first, asked, total = Counter[TroubleKind](), list[Mapping[str, Any]](), 0, 0
    for row in rows:
        total += 1
        kind = TroubleKind(row["what"], row["path"], row["rule"], row["reason"])
        if kind in kinds or len(kinds) < MOST:
            kinds[kind] += 1
        if question.means(row):
            asked += 1
            if len(first) < MOST:
                first.append(row)
    return Counted(dict(kinds.most_common()), tuple(first), asked, total, sum(left_out.values()))


def masked_trouble(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without values of people."""
    said = {"target": {"user_name": row["userName"], "external_id": row["externalId"]}, "outcome": row}
    shown = masked_answer(said)
    path = row["path"] and covered_path(row["path"], masked)
    names = {"userName": shown["target"]["user_name"], "externalId": shown["target"]["external_id"]}
    return {**row, **names, "path": path, "reason": shown["outcome"]["reason"]}


class Problems:
    """Looks for them aside, for one question at a time, and shows them."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._aside = Aside[tuple[TroubleQuestion, float, Counted]](desk.admin.services.now)
        self._known: dict[TroubleQuestion, tuple[float, Counted]] = {}

    async def close(self, _: web.Application) -> None:
        """End what is under way."""
        await self._aside.close()

    async def show(self, request: web.Request) -> web.Response:
        """Answer with what was found of what is asked, or how far that is."""
        desk, session = self._desk, request[SESSION]
        may_ask = ("what",) if session.is_masked else ASKED  # else a value could be found out by asking
        asked = {name: request.query.get(name, "") for name in may_ask}
        question = TroubleQuestion(self._target(request), **asked)
        found = await self._look(question)
        await desk.readings.note(desk.access.caller(request, session), AuditQuery())
        rows = [] if found is None else list(found.rows)
        kinds = [] if found is None else [(kind, number) for kind, number in found.kinds.items()]
        if session.is_masked:
            rows = [masked_trouble(row) for row in rows]
            empty = {"userName": None, "externalId": None}
            kinds = [
                (TroubleKind(**{name: row[name] for name in TroubleKind._fields}), number)
                for kind, number in kinds
                for row in (masked_trouble({**kind._asdict(), **empty}),)
            ]
        return desk.pages.answer(
            request,
            "problems",
            target=question.target,
            targets=tuple(desk.settings().targets),
            found=found,
            failure=self._aside.failure,
            seen=self._aside.seen,
            kinds=kinds,
            rows=rows,
            asked=question,
            most=MOST,
            export=path_of("problems", "export", target=question.target),
        )

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Hand out all problems of a target as CSV."""
        desk, target, is_masked = self._desk, self._target(request), request[SESSION].is_masked
        last, _ = await desk.journal.trail.head()
        taken = Export("csv", None, None, f"problems {target}", None, last)
        await note_export(desk.journal.trail, taken, desk.admin.services.new_id())
        parts = self._parts(target, is_masked)
        return await desk.access.hand_out(request, "problems.csv", "text/csv", parts)

    async def _parts(self, target: str, is_masked: bool) -> AsyncGenerator[bytes, None]:
        """Yield the file in parts, all made in one thread, which has the journal open."""
        loop, parts = asyncio.get_running_loop(), self._lines(target, is_masked)
        with ThreadPoolExecutor(1) as thread:
            try:
                while (part := await loop.run_in_executor(thread, next, parts, None)) is not None:
                    yield part
            finally:
                await loop.run_in_executor(thread, parts.close)

    def _lines(self, target: str, is_masked: bool) -> Generator[bytes, None, None]:
        with reading(self._desk.settings().journal) as reader:
            rows = self._rows(reader, target, Counter(), lambda: None)
            shown = map(masked_trouble, rows) if is_masked else rows
            yield render_csv((), COLUMNS).encode()
            while (part := list(islice(shown, PART))) and not self._desk.admin.is_stopping():
                yield render_csv(part, COLUMNS).partition("\r\n")[2].encode()

    async def _look(self, question: TroubleQuestion) -> Counted | None:
        if (known := self._newest(question)) is None:
            self._aside.begin(lambda see: self._counted(question, see))
            await self._aside.wait(PATIENCE)
            known = self._newest(question)
        return known

    def _newest(self, question: TroubleQuestion) -> Counted | None:
        if not self._aside.is_running and self._aside.result is not None:
            latest, ended, found = self._aside.result
            self._known[latest] = ended, found
            if len(self._known) > MOST_KEPT:
                del self._known[next(iter(self._known))]
        ended, known = self._known.get(question, (0.0, None))
        return known if time.monotonic() - ended < GLANCE else None

    def _counted(
        self, question: TroubleQuestion, see: Callable[[], None]
    ) -> tuple[TroubleQuestion, float, Counted]:
        left_out = Counter[str]()
        with reading(self._desk.settings().journal) as reader:
            rows = self._rows(reader, question.target, left_out, see)
            found = counted(rows, left_out, question)
        return question, time.monotonic(), found

    def _rows(
        self, reader: Any, target: str, left_out: Counter[str], see: Callable[[], None]
    ) -> Iterator[Mapping[str, Any]]:
        settings = self._desk.settings()
        own, lead = settings.targets[target], lead_of(settings, target)
        judge = Judge(target, mapping_of(own), strict_mapping_of(own), lead)

        def people() -> Iterator[tuple[Mapping[str, Any], bool]]:
            for person in reader.people(lead or target):
                see()
                yield person

        for trouble in troubles_at(judge, reader, people(), left_out):
            yield row_of(target, trouble)

    def _target(self, request: web.Request) -> str:
        targets = tuple(self._desk.settings().targets)
        target = request.query.get("target") or next(iter(targets), "")
        if target not in targets:
            raise NotFound(self._desk.pages.say(request)("error.no_target"))
        return target


def row_of(target: str, trouble: Trouble) -> dict[str, Any]:
    """Return a problem as `problems` lists it."""
    said = asdict(trouble)
    names = {"userName": said.pop("user_name"), "externalId": said.pop("external_id")}
    return {"target": target, "what": said.pop("fate").value, **names, **said}
