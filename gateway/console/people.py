"""Somebody, or a group: found by what is known of them, what each target has of them, and their history."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from gateway.audit.masking import masked_answer
from gateway.audit.query import AuditQuery, StoredEvent, named
from gateway.console.dossier import (
    Dossier,
    Extent,
    cover_for,
    covered_finding,
    look_there,
    named_in,
    page_of,
    read_dossier,
    storable,
)
from gateway.console.matching import Match, match_of
from gateway.console.one_run import OneRun, OneRuns
from gateway.console.rendering import SESSION, path_of
from gateway.errors import InvalidValue, NotFound
from gateway.flow.journal_port import Key, Resource
from gateway.flow.target_port import ResourceType
from gateway.journal.lookup import FoundResources, looking
from gateway.scim.documents import fold
from gateway.scim.names import NAMES

if TYPE_CHECKING:
    from gateway.console.house import Desk

PAGE: Final = 50  # people, members, events
NEWEST: Final = 15  # events on the page of somebody
FIRST: Final = 20  # members, or groups, there
PATIENCE: Final = 0.7  # seconds that a page may be looked for; then it shows what was found, and goes on
PLACES: Final = {ResourceType.USER: "people", ResourceType.GROUP: "groups"}
OTHER: Final = {ResourceType.USER: ResourceType.GROUP, ResourceType.GROUP: ResourceType.USER}


class Dossiers:
    """Shows people, or groups."""

    def __init__(self, desk: "Desk", kind: ResourceType) -> None:
        self._desk = desk
        self._kind = kind
        self._place = PLACES[kind]
        self.runs = OneRuns(desk)

    async def find(self, request: web.Request) -> web.Response:
        """Answer with who is found; the only one found has the page to themselves."""
        desk, is_masked = self._desk, request[SESSION].is_masked
        asked, after = _said(request, "q"), _number(request.query.get("after"))
        found, match = FoundResources((), None), match_of(asked, whole=is_masked)
        if asked:
            await self._note(request, AuditQuery(filter=named("target.user_name", "")))
        if asked and not after:
            known = await asyncio.to_thread(self._named, asked)
            if known is not None and len(where := self._addresses(known, asked)) == 1:
                return _to(where[0])
            found = FoundResources(tuple(known or ()), None)
        if not asked and self._kind is ResourceType.GROUP and not is_masked:
            match = _anything
        if match is not None and not found.resources:
            found = await asyncio.to_thread(self._search, match, after)
            if asked and not after and found.after is None and len(_people(found.resources)) == 1:
                return _to(path_of(self._place, found.resources[0].id))
        return desk.pages.answer(
            request,
            "people",
            place=self._place,
            asked=asked,
            rows=[self._row(one, is_masked) for one in _people(found.resources)],
            is_searched=bool(asked or match),
            next=None if found.after is None else path_of(self._place, q=asked, after=found.after),
            share=found.share,
            only_whole=bool(asked) and match is None,
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answer with what is known of somebody, and what each target shows of them now."""
        desk, session = self._desk, request[SESSION]
        dossier = await self._dossier(request, Extent(events=NEWEST + 1, belonging=FIRST, sides=True))
        admin, settings = desk.admin, desk.settings()
        shown = await asyncio.gather(*(look_there(admin, side) for side in dossier.sides))
        await self._note(request, AuditQuery(filter=named("target.id", "")))
        covers = [
            cover_for(settings, side.target.name, is_masked=session.is_masked) for side in dossier.sides
        ]
        sides = [
            page_of(admin, side, now, cover)
            for side, now, cover in zip(dossier.sides, shown, covers, strict=True)
        ]
        run = self.runs.of(request.query.get("run"), session)
        return desk.pages.answer(
            request,
            "person",
            place=self._place,
            **self._head(request, dossier),
            sides=sides,
            events=self._events(request, dossier.events[:NEWEST]),
            has_more=len(dossier.events) > NEWEST,
            belonging={
                target: self._belonging(page, target, session.is_masked)
                for target, page in dossier.belonging.items()
            },
            counted=dossier.counted,
            run=run,
            run_key=request.query.get("run"),
            run_rows=[] if run is None else self._run_rows(run),
        )

    async def history(self, request: web.Request) -> web.Response:
        """Answer with a page of the whole history, across renames and targets."""
        after = _number(request.query.get("after")) or None
        dossier = await self._dossier(request, Extent(events=PAGE + 1, after=after))
        await self._note(request, AuditQuery(filter=named("target.id", "")))
        events = dossier.events[:PAGE]
        head = self._head(request, dossier)
        more = {"after": events[-1]["seq"]} if len(dossier.events) > PAGE else None
        return self._desk.pages.answer(
            request,
            "history",
            place=self._place,
            **head,
            events=self._events(request, events),
            next=None if more is None else path_of(self._place, head["id"], "history", **more),
            is_later=bool(request.query.get("after")),
        )

    async def belongings(self, request: web.Request) -> web.Response:
        """Answer with a page of the members of a group at a target, or of the groups of somebody."""
        target, after = request.match_info["target"], request.query.get("after", "")
        dossier = await self._dossier(request, Extent(belonging=PAGE, behind=storable(after), target=target))
        page = dossier.belonging.get(target)
        if page is None:
            raise NotFound(self._desk.pages.say(request)("error.no_page"))
        head = self._head(request, dossier)
        own = path_of(self._place, head["id"], "belongings", target)
        return self._desk.pages.answer(
            request,
            "belongings",
            place=self._place,
            **head,
            target=target,
            page=self._belonging(page, target, request[SESSION].is_masked),
            next=None
            if page.after is None
            else path_of(self._place, head["id"], "belongings", target, after=page.after),
            first=own if after else None,
            counted=dossier.counted,
        )

    async def act(self, request: web.Request) -> web.Response:
        """Compare, push again or repair one, and lead back to the page."""
        self._desk.access.refuse_readers(request)
        act, id, admin = request.match_info["act"], storable(request.match_info["id"]), self._desk.admin
        target = admin.runs.targets.get((await self._desk.access.form(request)).get("target", ""))
        base = "" if target is None else target.name
        known = await admin.services.resources.find(base, self._kind, (Key("id", id),))
        if target is None or not known:
            raise NotFound(self._desk.pages.say(request)("error.nothing_to_do"))
        key = await self.runs.begin(act, target, known[0], request[SESSION])
        return _to(f"{path_of(self._place, id, run=key)}#run")

    async def close(self, _: Any = None) -> None:
        """End what is under way."""
        await self.runs.close()

    async def _dossier(self, request: web.Request, part: Extent) -> Dossier:
        """Return what the address names; raises NotFound where nobody knows it."""
        text, settings = storable(request.match_info["id"]), self._desk.settings()
        targets = dict(self._desk.admin.runs.targets)

        def read() -> Dossier:
            with looking(settings.journal) as lookup:
                return read_dossier(lookup, targets, self._kind, text, part)

        found = await asyncio.to_thread(read)
        if not (found.known or found.events or found.sides):
            raise NotFound(self._desk.pages.say(request)(f"error.no_{self._place}"))
        return found

    def _named(self, text: str) -> Sequence[Resource] | None:
        """Return who has or had a name or id; empty where only the trail knows it, None for nobody."""
        settings = self._desk.settings()
        with looking(settings.journal) as lookup:
            for kind in (self._kind, OTHER[self._kind]):
                if found := named_in(lookup, tuple(settings.targets), kind, text):
                    return found
            about = lookup.timeline((fold(text),), frozenset(), None, 1)
            return () if any(event["target"].get("type") == self._kind for event in about) else None

    def _addresses(self, known: Sequence[Resource], text: str) -> list[str]:
        """Return the pages of those who were found, or of the name that only the trail knows."""
        return [path_of(PLACES[one.type], one.id) for one in _people(known)] or [path_of(self._place, text)]

    def _search(self, match: Match, after: int) -> FoundResources:
        begun, settings = time.monotonic(), self._desk.settings()
        bases = tuple(settings.targets)
        with looking(settings.journal) as lookup:
            return lookup.search(
                bases, self._kind, match, after, PAGE, lambda: time.monotonic() - begun > PATIENCE
            )

    def _head(self, request: web.Request, dossier: Dossier) -> dict[str, Any]:
        """Return what the head of a page says of whom it is about."""
        is_masked, first = request[SESSION].is_masked, next(iter(dossier.known), None)
        text = storable(request.match_info["id"])
        base = first.base if first else next((side.target.name for side in dossier.sides), "")
        cover = cover_for(self._desk.settings(), base, is_masked=is_masked)
        name = first.original.get(NAMES[self._kind]) if first else text
        return {
            "id": first.id if first else text,
            "name": cover(name or "", False),
            "shown_as": cover(_display(first), False) if first else None,
            "names": [cover(one, False) for one in dossier.names if one != fold(str(name))],
            "places": [{"target": one.base, "id": one.id, "state": one.state.value} for one in dossier.known],
        }

    def _row(self, resource: Resource, is_masked: bool) -> dict[str, Any]:
        cover = cover_for(self._desk.settings(), resource.base, is_masked=is_masked)
        return {
            "where": path_of(PLACES[resource.type], resource.id),
            "name": cover(resource.original.get(NAMES[resource.type]) or resource.id, False),
            "shown_as": cover(_display(resource), False),
            "target": resource.base,
            "state": resource.state.value,
            "kind": PLACES[resource.type],
        }

    def _belonging(self, page: Any, target: str, is_masked: bool) -> dict[str, Any]:
        cover = cover_for(self._desk.settings(), target, is_masked=is_masked)
        rows = [
            {
                "where": None if one.type is None else path_of(PLACES[ResourceType(one.type)], one.id),
                "name": cover(one.name or one.id, False),
                "state": one.state,
                "is_delivered": one.is_delivered,
            }
            for one in page.rows
        ]
        return {"rows": rows, "has_more": page.after is not None}

    def _run_rows(self, run: OneRun) -> list[dict[str, Any]]:
        cover = cover_for(self._desk.settings(), run.target, is_masked=False)
        return [covered_finding(row, (), cover) for row in run.rows]

    def _events(self, request: web.Request, events: Iterable[StoredEvent]) -> list[StoredEvent]:
        return [masked_answer(event) if request[SESSION].is_masked else event for event in events]

    async def _note(self, request: web.Request, question: AuditQuery) -> None:
        await self._desk.readings.note(self._desk.access.caller(request, request[SESSION]), question)


def _people(found: Iterable[Resource]) -> list[Resource]:
    """Return each once, whom several targets know by the same id, name or externalId."""
    told, known = list[Resource](), set[tuple[str, Any]]()
    for one in found:
        name, external = one.original.get(NAMES[one.type]), one.original.get("externalId")
        keys = {("id", one.id), ("name", name and fold(str(name))), ("external", external)}
        keys = {(kind, key) for kind, key in keys if key}
        told += [] if keys & known else [one]
        known |= keys
    return told


def _display(resource: Resource) -> str | None:
    """Return what somebody is called by people."""
    name, shown = resource.original.get("name"), resource.original.get("displayName")
    if isinstance(shown, str) and resource.type is ResourceType.USER:
        return shown
    if not isinstance(name, dict):
        return None
    parts = (name.get("givenName"), name.get("familyName"))
    return name.get("formatted") or " ".join(part for part in parts if isinstance(part, str)) or None


def _anything(_: str) -> bool:
    return True


def _said(request: web.Request, name: str) -> str:
    return storable(request.query.get(name, "").strip())[:200]


def _number(text: str | None) -> int:
    """Return the row or event that a page goes on behind; 0 where it is the first. Raises InvalidValue."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise InvalidValue("after: must be a number, as the link to the next page has it")
    return int(text)


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
