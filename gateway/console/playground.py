"""Rules as somebody tries them: what a person would become by them, and many; nothing is sent or written."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.admin.explained import explained
from gateway.admin.person import SIDES
from gateway.admin.simulate import Uncalled, foresee, rows_of
from gateway.audit.masking import Cover, nothing_covered
from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, UNSEEN
from gateway.console.trial import Counting, Trial
from gateway.errors import Forbidden, GatewayError, InvalidSyntax, NotFound
from gateway.flow.journal_port import Resource
from gateway.flow.model import Target
from gateway.journal.reader import reading
from gateway.journal.store import load_key
from gateway.mapping.target import explain
from gateway.scim.difference import compare
from gateway.scim.jsontext import parse_json
from gateway.settings.compiled import cover_of, dialect_of, mapping_of
from gateway.settings.draft import LONGEST, Note, Tryout, read_draft, written_mapping
from gateway.settings.model import Settings, TargetSettings
from gateway.targets.rest.explanation import with_request
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.console.house import Desk

FIELDS: Final = ("target", "person", "pasted", "toml", "do")
MOST_PASTED: Final = 16 * 1024  # characters of a person
AROUND: Final = 1  # lines that are shown before and after one with a fault


@frozen
class Asked:
    """What somebody tries."""

    target: str
    person: str  # of the journal: userName, externalId or id
    pasted: str  # a person as JSON, instead
    toml: str


@frozen
class Somebody:
    """Who is looked at."""

    document: Mapping[str, Any]
    resource: Resource | None = None  # None: nobody of the journal
    standing: str | None = None


@frozen
class Foretold:
    """What came of it."""

    draft: Tryout
    trial: Trial | None = None  # None: there are faults
    now: Mapping[str, Any] | None = None  # explanations: by the rules in force, and by those that are tried
    then: Mapping[str, Any] | None = None
    differences: Sequence[
        Mapping[str, Any]
    ] = ()  # between what the target would get by the one and by the other
    effect: str | None = None  # of a push
    rows: Sequence[Mapping[str, Any]] = ()
    refusal: str | None = None  # why nobody is looked at


class Playground:
    """Shows it."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._turn = asyncio.Lock()  # one trial at a time: each may take all of a processor
        self.counting = Counting(desk.settings, desk.admin.services.now)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the mapping of a target as it is in force, and what it makes of somebody."""
        self._refuse_masked(request)
        targets = tuple(self._desk.settings().targets)
        if not targets:
            return self._desk.pages.answer(request, "playground", targets=(), asked=None)
        given = {name: request.query.get(name, "").strip() for name in FIELDS}
        target = given["target"] or targets[0]
        self._refuse_unknown(request, target)
        toml = await asyncio.to_thread(written_mapping, self._desk.settings(), target)
        return await self._answer(request, Asked(target, given["person"], "", _spelled(toml, _in_toml)))

    async def attempt(self, request: web.Request) -> web.Response:
        """Answer with what a mapping sent here would make of somebody; count, where that is asked."""
        self._refuse_masked(request)
        fields = await self._desk.access.form(request)
        given = {name: fields.get(name, "") for name in FIELDS}
        self._refuse_unknown(request, given["target"])
        pasted = _spelled(given["pasted"].strip(), _in_json)
        toml = _spelled(given["toml"], _in_toml)
        asked = Asked(given["target"], given["person"].strip(), pasted, toml)
        return await self._answer(request, asked, counts=given["do"] == "count")

    async def close(self, _: web.Application) -> None:
        """End the count that is under way."""
        await self.counting.close()

    async def _answer(self, request: web.Request, asked: Asked, *, counts: bool = False) -> web.Response:
        desk, settings, key = self._desk, self._desk.settings(), _key(self._desk.settings(), asked)
        may_pick = _may_pick(request, settings, asked.target)
        if asked.person and not asked.pasted:
            caller = desk.access.caller(request, request[SESSION])
            await desk.readings.note(caller, AuditQuery(name=asked.person))
        async with self._turn:
            outcome = await asyncio.to_thread(self._outcome, settings, asked, may_pick)
        if counts and may_pick and outcome.trial is not None:
            self.counting.begin(key, outcome.trial)
        count = self.counting.latest
        return desk.pages.answer(
            request,
            "playground",
            targets=tuple(settings.targets),
            asked=asked,
            longest=LONGEST,
            may_pick=may_pick,
            outcome=outcome,
            listing=_listing(asked.toml, outcome.draft.faults),
            count=count if count is not None and count.key == key else None,
            is_busy=count is not None and count.is_running,
        )

    def _outcome(self, settings: Settings, asked: Asked, may_pick: bool) -> Foretold:
        """Try it; everything of it is work for a thread."""
        draft = read_draft(settings, asked.target, asked.toml)
        if draft.target is None:
            return Foretold(draft)
        trial = self._trial(settings, draft)
        try:
            person = self._person(settings, asked, trial, may_pick)
        except GatewayError as error:
            return Foretold(draft, trial, refusal=error.detail)
        if person is None:
            return Foretold(draft, trial)
        if person.resource is None:
            trial = replace(trial, cover=nothing_covered)
        by = ((settings.targets[asked.target], trial.now), (trial.tried, trial.then))
        now, then = (_explained(*one, trial.cover, person) for one in by)
        effect, rows = None, list[Mapping[str, Any]]()
        if person.resource is not None:
            foreseen = foresee(trial.then, person.resource, person.standing)
            effect, rows = foreseen.effect.value, list(rows_of(trial.then, foreseen, trial.cover))
        return Foretold(draft, trial, now, then, _differences(now, then), effect, rows)

    def _trial(self, settings: Settings, draft: Tryout) -> Trial:
        assert draft.target is not None
        name = draft.target.name
        now = replace(self._desk.admin.runs.targets[name], connector=Uncalled())
        beside = settings.routes[now.route].targets if now.route is not None else ()
        others = [settings.targets[other] for other in beside if other != name]
        then = replace(now, mapping=mapping_of(draft.target, others))
        return Trial(now, then, draft.target, cover_of(settings, name, load_key))

    def _person(self, settings: Settings, asked: Asked, trial: Trial, may_pick: bool) -> Somebody | None:
        """Return who is looked at, None where nobody is named; raises the GatewayError of who cannot be."""
        if asked.pasted:
            if len(asked.pasted) > MOST_PASTED:
                raise InvalidSyntax(f"the person is longer than {MOST_PASTED} characters")
            document = parse_json(asked.pasted.encode(errors="replace"), refuse_duplicates=True)
            return Somebody(dialect_of(settings, asked.target).document(document))
        if not asked.person:
            return None
        if not may_pick:
            raise Forbidden("values of this target's people are covered: paste a person made up")
        with reading(settings.journal) as reader:
            bases = (asked.target, trial.now.follows)
            found = next(
                (one for base in bases if base and (one := reader.find_person(base, asked.person))), None
            )
            if found is None:
                raise NotFound("the journal knows nobody of this userName, externalId or id there")
            return Somebody(found.original, found, reader.standing(asked.target, found.id))

    def _refuse_masked(self, request: web.Request) -> None:
        # a rule may ask for a value letter by letter, and its answer is what became of it
        if request[SESSION].is_masked:
            raise Forbidden(self._desk.pages.say(request)("error.masked_playground"))

    def _refuse_unknown(self, request: web.Request, target: str) -> None:
        if target not in self._desk.settings().targets:
            raise NotFound(self._desk.pages.say(request)("error.no_target"))


def _explained(said: TargetSettings, target: Target, cover: Cover, person: Somebody) -> dict[str, Any]:
    """Return what a person becomes, with values covered; `said` is what the target is made of."""
    explain_one = explained if person.resource is None else explain  # what is known came in once
    told = dict(with_request(explain_one(target.name, target.mapping, person.document), said.rest, said.url))
    if cover is nothing_covered:
        return told
    told.pop("request", None)  # an address may have values in it
    steps = [step | {side: cover(step[side], False) for side in SIDES} for step in told["steps"]]
    return {**told, "resource": cover(told["resource"], False), "steps": steps}


def _differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what differs between the forms of two explanations, of which values are covered."""
    return [
        {"path": one.path, "before": one.before, "after": one.after}
        for one in compare(now["resource"] or {}, then["resource"] or {})
    ]


def _spelled(text: str, spell: Callable[[str], str]) -> str:
    """Return a text that a page can show and take back: what would not be seen, as its escape."""
    return UNSEEN.sub(lambda found: spell(found[0]), text.replace("\r\n", "\n"))


def _in_toml(sign: str) -> str:
    return f"\\U{ord(sign):08X}"


def _in_json(sign: str) -> str:
    return json.dumps(sign)[1:-1]


def _may_pick(request: web.Request, settings: Settings, target: str) -> bool:
    """Say whether people of the journal may be tried: where the trail covers values, by operators only."""
    return request[SESSION].may_act or settings.targets[target].audit == "full"


def _key(settings: Settings, asked: Asked) -> str:
    """Return what a count of these rules is known by."""
    said = "\0".join((settings.digest, asked.target, asked.toml))
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()


def _listing(toml: str, faults: Sequence[Note]) -> list[tuple[int, str, list[Note]]]:
    """Return the lines with faults and those beside them, each with its number and what is wrong in it."""
    lines = toml.split("\n")
    numbers = {
        number
        for fault in faults
        if fault.line is not None
        for number in range(fault.line - AROUND, fault.line + AROUND + 1)
        if 1 <= number <= len(lines)
    }
    return [
        (number, lines[number - 1], [fault for fault in faults if fault.line == number])
        for number in sorted(numbers)
    ]
