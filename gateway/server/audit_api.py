"""`GET /audit/v1/events`: the audit trail for auditors' programs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

import orjson
from aiohttp import web

from gateway.audit.fields import SHEET, render_sheet
from gateway.audit.query import Event, Inquiry, Question, collect, parse_question
from gateway.errors import InvalidValue, MethodNotAllowed
from gateway.server.auditors import Auditors
from gateway.server.readings import Readings

PATH: Final = "/audit/v1/events"
METHODS: Final = ("GET", "HEAD")
ASKED: Final = ("since", "until", "filter", "q", "sort", "after", "limit")
LIMIT: Final = 100
MOST: Final = 1000


class Form(NamedTuple):
    """One way to write events."""

    media: str
    render: Callable[[Sequence[Event]], bytes]


FORMS: Final = (  # the first is the default
    Form("application/json", orjson.dumps),
    Form("application/x-ndjson", lambda events: b"".join(orjson.dumps(event) + b"\n" for event in events)),
    Form("text/csv", lambda events: render_sheet(events, SHEET).encode()),
)


class AuditApi:
    """Answers auditors."""

    def __init__(
        self,
        auditors: Auditors,
        readings: Readings,
        inquiry: Inquiry,
        public_url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._auditors = auditors
        self._readings = readings
        self._inquiry = inquiry
        self._address = f"{public_url}{PATH}"
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.route("*", PATH, self.events)]

    async def events(self, request: web.Request) -> web.Response:
        """Return a page of events, and where the next one is; raises a GatewayError for what it refuses."""
        auditor = await self._auditors.auditor_of(request)
        if request.method not in METHODS:
            raise MethodNotAllowed(f"{request.method} is not possible on {PATH}", METHODS)
        asked = _asked(request)
        question, limit = parse_question(asked, self._now()), _limit(asked.get("limit"))
        found, has_more = await collect(self._inquiry, question, limit, lambda: _is_gone(request))
        await self._readings.note(auditor, question)
        headers = {"Cache-Control": "no-store"}
        if has_more:
            headers["Link"] = f'<{self._next(question, asked, limit, found[-1]["seq"])}>; rel="next"'
        form = _form(request.headers.getall("Accept", []))
        return web.Response(
            body=form.render(found), content_type=form.media, charset="utf-8", headers=headers
        )

    def _next(self, question: Question, asked: Mapping[str, str], limit: int, after: int) -> str:
        """Return the address of the next page; times that were said as "2h" ago stay where they were."""
        times = {"since": question.since, "until": question.until}
        whole = {**asked, **times, "limit": limit, "after": after}
        query = urlencode({name: value for name, value in whole.items() if value is not None})
        return f"{self._address}?{query}"


def _asked(request: web.Request) -> Mapping[str, str]:
    """Return what the address asks, each name known and said once: else the answer would be to less."""
    for name in request.query:
        if name not in ASKED:
            raise InvalidValue(f"the address asks what is not known; known: {', '.join(ASKED)}")
        if len(request.query.getall(name)) > 1:
            raise InvalidValue(f"{name} is there more than once")
    return dict(request.query.items())


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT
    if not (text.isascii() and text.isdigit() and int(text[:9])):
        raise InvalidValue("limit: must be a number of events, 1 or more")
    return min(int(text[:9]), MOST)


def _form(accepted: Sequence[str]) -> Form:
    """Return the first form that is accepted by name, else the default."""
    wanted = [part.partition(";")[0].strip().lower() for line in accepted for part in line.split(",")]
    known: dict[str, Form] = {form.media: form for form in FORMS}
    return next((known[media] for media in wanted if media in known), FORMS[0])


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
