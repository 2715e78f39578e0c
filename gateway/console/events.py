"""The trail in pages: what is asked by a form, one event with all that it says, and what is taken away."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from gateway.admin.acts import Export, note_export
from gateway.audit.fields import CSV_PATHS, render_csv
from gateway.audit.masking import masked_answer
from gateway.audit.query import (
    AuditQuery,
    StoredEvent,
    either,
    fields_asked,
    find_page,
    named,
    parse_audit_query,
)
from gateway.console.rendering import SESSION, path_of
from gateway.errors import Forbidden, InvalidFilter, InvalidValue, NotFound
from gateway.flow.journal_port import Outcome
from gateway.journal.reader import reading

if TYPE_CHECKING:
    from gateway.console.house import Desk

PAGE: Final = 50  # events
PATIENCE: Final = 0.7  # seconds that a page may be looked for; then it shows what was found, and goes on
FIELDS: Final = (  # of the form, as they stand in the address
    "since",
    "until",
    "target",
    "provider",
    "event",
    "outcome",
    "status",
    "person",
    "id",
    "correlation",
    "method",
    "duration",
    "q",
    "filter",
)
METHODS: Final[Mapping[str, str]] = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}
DURATIONS: Final = ("200", "500", "1000", "3000")  # milliseconds
KINDS: Final = ("user", "group")
NAMES: Final = (  # that are offered; any may be asked for
    *(f"{kind}.{operation}" for kind in KINDS for operation in (*METHODS.values(), "mirror")),
    "auth.refused",
    "request.refused",
    "operation.retried",
    "operation.dropped",
    "operation.released",
    "removals.released",
    "target.paused",
    "target.resumed",
    "target.sick",
    "target.well",
    "token.issued",
    "token.revoked",
    "config.loaded",
    "audit.read",
    "console.signed_in",
    "console.signed_out",
    "export",
    "erase",
)
IMPERSONAL: Final = frozenset(  # what may be asked about by who sees values masked
    {
        "id",
        "seq",
        "published",
        "event",
        "outcome.result",
        "outcome.status",
        "actor.type",
        "actor.name",
        "actor.token",
        "client.ip",
        "target.name",
        "target.type",
        "target.id",
        "correlation_id",
        "timing.total_ms",
        "level",
        "repeated",
    }
)
FORMS: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


def _is(field: str, value: str) -> str:
    return f"{field} eq {orjson.dumps(value).decode()}"


def _any(*terms: str) -> str:
    return f"({' or '.join(terms)})"


def filter_of(asked: Mapping[str, str]) -> str | None:
    """Return the filter that the fields of the form mean together; raises InvalidValue."""
    terms = [
        _is(field, asked[name])
        for name, field in (
            ("target", "target.name"),
            ("event", "event"),
            ("outcome", "outcome.result"),
            ("correlation", "correlation_id"),
        )
        if asked.get(name)
    ]
    if provider := asked.get("provider"):
        terms += [_is("actor.name", provider), _is("actor.type", "provider")]
    if status := asked.get("status"):
        if not (status.isascii() and status.isdigit() and len(status) == 3):
            raise InvalidValue("status: must be an HTTP status, such as 404")
        terms.append(f"outcome.status eq {status}")
    if id := asked.get("id"):
        terms.append(_any(_is("id", id), _is("target.id", id)))
    if method := asked.get("method"):
        if method not in METHODS:
            raise InvalidValue(f"method: must be one of {', '.join(METHODS)}")
        terms.append(_any(*(_is("event", f"{kind}.{METHODS[method]}") for kind in KINDS)))
    if duration := asked.get("duration"):
        if not (duration.isascii() and duration.isdigit() and len(duration) < 10):
            raise InvalidValue("duration: must be a number of milliseconds")
        terms.append(f"timing.total_ms ge {duration}")
    if own := asked.get("filter", "").strip():
        terms.append(f"({own})" if terms else own)
    return " and ".join(terms) or None


class Events:
    """Shows events, and hands them out."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page of what the address asks for; what it cannot ask is said above the form."""
        desk, asked = self._desk, _asked(request)
        error, question, found = None, None, None
        try:
            question = self._question(request, asked)
        except (InvalidFilter, InvalidValue, Forbidden) as refusal:
            error = refusal.detail
        if question is not None:
            begun = time.monotonic()
            found = await find_page(
                desk.journal.trail, question, PAGE, lambda: time.monotonic() - begun > PATIENCE
            )
            await self._note(request, question)
        head, _ = await desk.journal.trail.head()
        return desk.pages.answer(
            request,
            "events",
            200 if error is None else 400,
            asked=asked,
            error=error,
            found=found,
            events=[] if found is None else [self._covered(request, event) for event in found.events],
            filter=None if error else filter_of(asked),
            head=head,
            next=None
            if found is None or found.after is None
            else path_of("events", **asked, after=found.after),
            newest=path_of("events", **asked) if request.query.get("after") else None,
            exports={form: path_of("events", "export", form, **asked) for form in FORMS},
            targets=tuple(desk.settings().targets),
            providers=tuple(desk.settings().providers),
            names=NAMES,
            outcomes=tuple(Outcome),
            methods=tuple(METHODS),
            durations=DURATIONS,
        )

    async def show(self, request: web.Request) -> web.Response:
        """Answer with one event: by its id or its number; the id of a request leads to all of its events."""
        desk, id = self._desk, request.match_info["id"]
        about = either(named("id", id), named("correlation_id", id))
        question = AuditQuery(filter=about, newest_first=False)
        if id.isascii() and id.isdigit() and len(id) < 18:
            question = parse_audit_query({"filter": f"seq eq {id}"}, desk.utc())
        found = await find_page(desk.journal.trail, question, 2, lambda: False)
        if not found.events:
            raise NotFound(desk.pages.say(request)("error.no_event"))
        if len(found.events) > 1:
            return web.Response(status=303, headers={"Location": path_of("events", correlation=id)})
        await self._note(request, question)
        event = self._covered(request, found.events[0])
        head, _ = await desk.journal.trail.head()
        changed = await asyncio.to_thread(self._changed, event["seq"])
        return desk.pages.answer(
            request,
            "event",
            event=event,
            head=head,
            changed=changed,
            rules=_by_rule(event.get("diff") or ()),
            attempts=_timeline(event.get("attempts") or ()),
            method={name: method for method, name in METHODS.items()}.get(
                str(event.get("event")).rpartition(".")[2]
            ),
            rest=_rest(event),
        )

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Hand out all that the address asks for, the oldest first, up to what is the newest now."""
        desk, form, asked = self._desk, request.match_info["form"], _asked(request)
        question = replace(self._question(request, asked), newest_first=False, after=None)
        last, _ = await desk.journal.trail.head()
        text = filter_of(asked)
        if person := asked.get("person"):
            text = " and ".join(filter(None, (text, _is("target.user_name", person))))
        taken = Export(form, question.since, question.until, text, question.q, last)
        await note_export(desk.journal.trail, taken, desk.admin.services.new_id())
        parts = self._parts(request, question, form, last)
        return await desk.access.hand_out(request, f"events.{form}", FORMS[form], parts)

    async def _parts(
        self, request: web.Request, question: AuditQuery, form: str, last: int
    ) -> AsyncGenerator[bytes, None]:
        is_first, is_over = True, False
        while not is_over and not self._desk.admin.is_stopping():
            part = await self._desk.journal.trail.find(question)
            found = [self._covered(request, event) for event in part.events if event["seq"] <= last]
            if form == "ndjson":
                yield b"".join(orjson.dumps(event) + b"\n" for event in found)
            else:
                lines = render_csv(found, CSV_PATHS)
                yield (lines if is_first else lines.partition("\r\n")[2]).encode()
            is_first, is_over = False, part.is_over or part.seen >= last
            question = question.behind(part.seen)

    def _question(self, request: web.Request, asked: Mapping[str, str]) -> AuditQuery:
        """Return what is asked; raises InvalidValue, InvalidFilter, and Forbidden for who may not ask it."""
        given = {name: asked.get(name) or None for name in ("since", "until", "q")}
        after = request.query.get("after") or None
        question = parse_audit_query({**given, "filter": filter_of(asked), "after": after}, self._desk.utc())
        if request[SESSION].is_masked and (question.q or not IMPERSONAL.issuperset(fields_asked(question))):
            raise Forbidden(self._desk.pages.say(request)("error.masked_question"))
        return replace(question, name=asked.get("person") or None)

    def _covered(self, request: web.Request, event: StoredEvent) -> StoredEvent:
        return masked_answer(event) if request[SESSION].is_masked else event

    async def _note(self, request: web.Request, question: AuditQuery) -> None:
        caller = self._desk.access.caller(request, request[SESSION])
        await self._desk.readings.note(caller, question)

    def _changed(self, seq: int) -> str | None:
        with reading(self._desk.settings().journal) as reader:
            return reader.changed_part(seq)


def _asked(request: web.Request) -> dict[str, str]:
    return {name: text for name in FIELDS if (text := request.query.get(name, "").strip())}


def _by_rule(diff: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, list[Mapping[str, Any]]]]:
    """Return the lines of a difference by the rule that made them, in their order."""
    found: dict[str | None, list[Mapping[str, Any]]] = {}
    for line in diff:
        found.setdefault(line.get("rule"), []).append(line)
    return [*found.items()]


def _timeline(attempts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each attempt with where it stands on a line of 100: one after another, by how long each took."""
    total = sum(attempt.get("ms") or 0 for attempt in attempts) or 1
    found, x = [], 0.0
    for attempt in attempts:
        width = max((attempt.get("ms") or 0) / total * 100, 0.5)
        found.append({**attempt, "x": round(min(x, 99.5), 2), "width": round(width, 2)})
        x += width
    return found


SHOWN: Final = frozenset(  # the fields that have a place of their own on the page
    {
        "id",
        "seq",
        "published",
        "event",
        "outcome",
        "actor",
        "client",
        "target",
        "diff",
        "held",
        "dropped",
        "attempts",
        "timing",
        "correlation_id",
        "prev",
        "hash",
        "level",
    }
)


def _rest(event: StoredEvent) -> dict[str, Any]:
    """Return what else an event says."""
    return {name: value for name, value in event.items() if name not in SHOWN and value not in (None, [], {})}
