"""What auditors may read over HTTP, by a token of their own: `/audit/v1/events` and `/guide/{target}`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

import orjson
from aiohttp import web

from gateway.audit.event import Event
from gateway.audit.fields import CSV_PATHS, render_csv
from gateway.audit.query import AuditQuery, Inquiry, StoredEvent, collect, fields_asked, parse_audit_query
from gateway.errors import (
    Busy,
    Forbidden,
    GatewayError,
    InvalidValue,
    JournalUnavailable,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
)
from gateway.flow.change_event import caller_fields
from gateway.flow.model import Caller, Services
from gateway.guide.data import ProviderKind, Subject
from gateway.log import correlation_id, get_logger
from gateway.server.auth import Authentication, Credential
from gateway.server.refusals import RateLimited
from gateway.values import frozen

NEEDED: Final = (
    "{reason}. Only auditors read this: with `Authorization: Bearer TOKEN`, the token of an "
    "`[auditors.NAME]` in the gateway's configuration"
)


READERS: Final = ("auditor", "operator")  # kinds of credentials


@frozen
class Auditors:
    """Lets auditors and operators in, and nobody else."""

    authentication: Authentication

    async def auditor_of(self, request: web.Request) -> Caller:
        """Return whose token a request shows; raises Unauthorized, and Forbidden for a provider's."""
        credential = None
        try:
            credential = self._signed_in(request)
            if credential.kind not in READERS:
                reason = f"this token of {credential.kind} {credential.name} is no auditor's"
                raise Forbidden(NEEDED.format(reason=reason))
        except GatewayError as error:
            await self.authentication.refusals.remember(
                self.authentication.caller(request, credential), None, error
            )
            raise
        return self.authentication.caller(request, credential)

    def _signed_in(self, request: web.Request) -> Credential:
        try:
            return self.authentication.credential(request)
        except Unauthorized as error:
            raise Unauthorized(NEEDED.format(reason=error.detail)) from error


NAME: Final = "audit.read"  # of its event
PAUSE: Final = 3600.0  # seconds between two events of the same auditor about the same fields

log = get_logger()


class AuditReads:
    """Writes events of readings: of one auditor and one kind of question, one an hour.

    Pages that follow each other are one kind, and so is what a program asks every ten seconds.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limited = RateLimited(services.monotonic, PAUSE)

    async def note(self, caller: Caller, question: AuditQuery) -> None:
        """Append the event of a reading that is not told yet; who reads gets an answer in any case."""
        fields = fields_asked(question)
        repeated = self._limited.admit((caller.provider, fields, question.q is None), caller.provider)
        if repeated is None:
            return
        try:
            await self._services.trail.append([self._event(caller, question, fields, repeated)])
        except JournalUnavailable:
            log.warning("audit.read", auditor=caller.provider, fields=fields)

    def _event(self, caller: Caller, question: AuditQuery, fields: tuple[str, ...], repeated: int) -> Event:
        return Event(
            self._services.new_id(),
            {
                "event": NAME,
                "outcome": {"result": "applied", "status": 200, "reason": None},
                **caller_fields(caller),
                "target": {"name": None, "type": None, "id": None, "user_name": None},
                "read": {"fields": list(fields), "q": question.q is not None},
                **({"repeated": repeated} if repeated else {}),
                "correlation_id": correlation_id.get(),
            },
        )


PATH: Final = "/audit/v1/events"
METHODS: Final = ("GET", "HEAD")
ASKED: Final = ("since", "until", "filter", "q", "sort", "after", "limit")
LIMIT: Final = 100
MOST: Final = 1000


class EventFormat(NamedTuple):
    """One way to write events."""

    media: str
    render: Callable[[Sequence[StoredEvent]], bytes]


FORMS: Final = (  # the first is the default
    EventFormat("application/json", orjson.dumps),
    EventFormat(
        "application/x-ndjson", lambda events: b"".join(orjson.dumps(event) + b"\n" for event in events)
    ),
    EventFormat("text/csv", lambda events: render_csv(events, CSV_PATHS).encode()),
)


class AuditApi:
    """Answers auditors."""

    def __init__(
        self,
        auditors: Auditors,
        audit_reads: AuditReads,
        inquiry: Inquiry,
        now: Callable[[], datetime],
    ) -> None:
        self._auditors = auditors
        self._readings = audit_reads
        self._inquiry = inquiry
        self.public_url = ""  # of the configuration in force
        self._now = now
        self._asking: set[str] = set()  # auditors whose texts are being looked for

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.route("*", PATH, self.events)]

    async def events(self, request: web.Request) -> web.Response:
        """Return a page of events, and where the next one is; raises a GatewayError for what it refuses."""
        auditor = await self._auditors.auditor_of(request)
        if request.method not in METHODS:
            raise MethodNotAllowed(f"{request.method} is not possible on {PATH}", METHODS)
        asked = _asked(request)
        question, limit = parse_audit_query(asked, self._now()), _limit(asked.get("limit"))
        with self._one_text_at_a_time(auditor, question):
            found, has_more = await collect(self._inquiry, question, limit, lambda: _is_gone(request))
        await self._readings.note(auditor, question)
        headers = {"Cache-Control": "no-store"}
        if has_more:
            headers["Link"] = f'<{self._next(question, asked, limit, found[-1]["seq"])}>; rel="next"'
        form = _form(request.headers.getall("Accept", []))
        return web.Response(
            body=form.render(found), content_type=form.media, charset="utf-8", headers=headers
        )

    @contextmanager
    def _one_text_at_a_time(self, auditor: Caller, question: AuditQuery) -> Iterator[None]:
        """Raise Busy for a text, which may be in any event, while the auditor waits for another."""
        if question.q is None:
            yield
            return
        if auditor.provider in self._asking:
            raise Busy("a question of yours for a text is under way: ask one after the other", 1.0, 429)
        self._asking.add(auditor.provider)
        try:
            yield
        finally:
            self._asking.discard(auditor.provider)

    def _next(self, question: AuditQuery, asked: Mapping[str, str], limit: int, after: int) -> str:
        """Return the address of the next page; times that were said as "2h" ago stay where they were."""
        times = {"since": question.since, "until": question.until}
        whole = {**asked, **times, "limit": limit, "after": after}
        query = urlencode({name: value for name, value in whole.items() if value is not None})
        return f"{self.public_url}{PATH}?{query}"


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


def _form(accepted: Sequence[str]) -> EventFormat:
    """Return the first form that is accepted by name, else the default."""
    wanted = [part.partition(";")[0].strip().lower() for line in accepted for part in line.split(",")]
    known: dict[str, EventFormat] = {form.media: form for form in FORMS}
    return next((known[media] for media in wanted if media in known), FORMS[0])


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


READS = ("GET", "HEAD")


@frozen
class GuidePage:
    """Prints what `guide` prints; `?provider=` says for whom, Okta unless it does."""

    subjects: dict[str, Subject]  # of the configuration in force
    auditors: Auditors

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with the page; raises a GatewayError for what it refuses."""
        await self.auditors.auditor_of(request)
        if request.method not in READS:
            raise MethodNotAllowed("a guide can only be read", READS)
        subject = self.subjects.get(request.match_info["target"])
        if subject is None:
            raise NotFound("no target of that name: the page is /guide/{target}")
        from gateway.guide.page import guide  # for the few who read it

        return web.Response(
            text=guide(subject, _kind(request)), content_type="text/markdown", charset="utf-8"
        )


def _kind(request: web.Request) -> ProviderKind:
    try:
        return ProviderKind(request.query.get("provider", ProviderKind.OKTA))
    except ValueError as error:
        raise InvalidValue(f"provider must be one of: {', '.join(ProviderKind)}") from error
