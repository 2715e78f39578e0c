"""The console's own wiring: one call adds it to what the gateway serves."""

import hashlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import ClientSession, web

from gateway.console.access import Access
from gateway.console.acts import ACTS, Acts
from gateway.console.events import FORMS, Events
from gateway.console.live import Live
from gateway.console.one_run import RUNS
from gateway.console.operations import OperationList
from gateway.console.overview import Overview
from gateway.console.people import PLACES, Dossiers
from gateway.console.playground import Playground
from gateway.console.rendering import PREFIX, Pages, asset
from gateway.console.session import Sessions
from gateway.console.targets.comparison import Comparisons
from gateway.console.targets.guides import Guides
from gateway.console.targets.problems import Problems
from gateway.console.targets.simulation import Simulations
from gateway.console.verify import Verification
from gateway.flow.target_port import ResourceType
from gateway.journal.journal import SqliteJournal
from gateway.journal.store import load_key
from gateway.metrics import Metrics
from gateway.server.audit import AuditReads
from gateway.server.auth import Authentication
from gateway.server.response import Boundary
from gateway.server.runner import Runner, Site, listening, tls_context
from gateway.settings import ConsoleSettings, Settings
from gateway.settings.model import OidcSettings
from gateway.targets.http import HttpTransport, open_session
from gateway.targets.transport import Call, HttpReply
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.server.admin import Administration

KEY: Final = ".console.key"  # what the file of the cookies' key ends in, beside the journal
MOST_BODY: Final = 64 * 1024  # bytes
MOST_ANSWER: Final = 1024 * 1024  # bytes of the OpenID provider


class Overseer(Protocol):
    """Who looks after the gateway."""

    @property
    def journal(self) -> SqliteJournal: ...

    @property
    def metrics(self) -> Metrics: ...


@frozen
class Desk:
    """What the pages work with."""

    settings: Callable[[], Settings]  # in force now
    admin: "Administration"
    journal: SqliteJournal
    metrics: Metrics
    pages: Pages
    access: Access
    readings: AuditReads
    utc: Callable[[], datetime]


def add_to(
    application: web.Application,
    admin: "Administration",
    oversight: Overseer,
    authentication: Authentication,
) -> None:
    """Have an application serve the console, or serve it on a port of its own; the settings have one.

    What they say of the console itself counts from the start on, all else as it is in force.
    """
    console = admin.settings().console
    assert console is not None
    made = _console(console, admin, oversight, authentication)
    if console.listen is None:
        _serve_in(application, made)
        return
    own = web.Application(client_max_size=MOST_BODY, middlewares=[Boundary().middleware()])
    _serve_in(own, made)
    application.cleanup_ctx.append(partial(_listen, own, admin.settings()))


def _serve_in(application: web.Application, console: web.Application) -> None:
    application.router.add_get("/", _lead)
    application.add_subapp(PREFIX, console)


async def _lead(_: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": PREFIX})


async def _listen(own: web.Application, settings: Settings, _: web.Application) -> AsyncIterator[None]:
    assert settings.console is not None
    assert settings.console.listen is not None
    (host, port), tls = settings.console.listen, None
    if settings.server.tls is not None:
        tls = tls_context(settings.server.tls.cert, settings.server.tls.key)
    runner = Runner(own, shutdown_timeout=1.0)
    await runner.setup()
    try:
        with listening(host, port):
            await Site(runner, tls, host=host, port=port).start()
        yield
    finally:
        await runner.cleanup()


def _console(
    console: ConsoleSettings,
    admin: "Administration",
    oversight: Overseer,
    authentication: Authentication,
) -> web.Application:
    path, oidc, url = admin.settings().journal.path, console.oidc, admin.settings().console_url
    key = hashlib.sha256(load_key(path.with_name(f"{path.name}{KEY}"), "console")).digest()
    sessions = Sessions(key, console.idle, console.lifetime, time.time)
    pages, services = Pages(console.language, oidc is not None), admin.services
    roles = {} if oidc is None else oidc.roles
    access = Access(pages, sessions, authentication, services, url, roles)
    journal, metrics = oversight.journal, oversight.metrics
    desk = Desk(
        admin.settings, admin, journal, metrics, pages, access, AuditReads(services), _utc(services.now)
    )
    application = web.Application(middlewares=[access.bounded, access.signed_in])
    pages.set_up(application)
    overview, events, verification, live = Overview(desk), Events(desk), Verification(desk), Live(desk)
    acts = Acts(desk, overview.glances.forget)
    application.add_routes(
        [
            web.get("/static/{name}", asset),
            web.get("/sign-in", access.ask),
            web.post("/sign-in", access.enter),
            web.post("/sign-out", access.leave),
            web.get("", overview.show),
            web.get("/", overview.show),
            web.get("/live", live.stream),
            web.get("/events", events.list),
            web.get(f"/events/export/{{form:{'|'.join(FORMS)}}}", events.export),
            web.get("/events/{id}", events.show),
            web.get("/verify", verification.show),
            web.post("/verify", verification.start),
            web.get(f"/acts/{{act:{'|'.join(ACTS)}}}/{{name}}", acts.ask),
            web.post(f"/acts/{{act:{'|'.join(ACTS)}}}/{{name}}", acts.act),
        ]
    )
    _add_targets(application, desk)
    for kind in (ResourceType.USER, ResourceType.GROUP):
        _add_people(application, Dossiers(desk, kind), PLACES[kind])
    _add_playground(application, Playground(desk))
    if oidc is not None:
        _sign_in_elsewhere(application, access, oidc, url)
    application.on_cleanup.append(partial(_close, overview, verification))
    return application


def _add_playground(application: web.Application, playground: Playground) -> None:
    application.add_routes(
        [web.get("/playground", playground.show), web.post("/playground", playground.attempt)]
    )
    application.on_cleanup.append(playground.close)


def _add_targets(application: web.Application, desk: Desk) -> None:
    problems, guides = Problems(desk), Guides(desk)
    simulations, comparisons = Simulations(desk), Comparisons(desk)
    application.add_routes(
        [
            web.get("/operations", OperationList(desk).show),
            web.get("/problems", problems.show),
            web.get("/problems/export", problems.export),
            web.get("/guide", guides.show),
            web.get("/simulate", simulations.show),
            web.post("/simulate", simulations.start),
            web.post("/simulate/end", simulations.end),
            web.get("/compare", comparisons.show),
            web.post("/compare", comparisons.start),
            web.post("/compare/end", comparisons.end),
        ]
    )
    application.on_cleanup.extend((problems.close, simulations.close, comparisons.close))


def _add_people(application: web.Application, people: Dossiers, place: str) -> None:
    application.add_routes(
        [
            web.get(f"/{place}", people.find),
            web.get(f"/{place}/{{id}}", people.show),
            web.get(f"/{place}/{{id}}/history", people.history),
            web.get(f"/{place}/{{id}}/belongings/{{target}}", people.belongings),
            web.post(f"/{place}/{{id}}/{{act:{'|'.join(RUNS)}}}", people.act),
        ]
    )
    application.on_cleanup.append(people.close)


async def _close(overview: Overview, verification: Verification, _: web.Application) -> None:
    await verification.close()
    await overview.glances.close()


def _sign_in_elsewhere(
    application: web.Application, access: Access, settings: OidcSettings, url: str
) -> None:
    from gateway.console.oidc import OidcSignIn, OpenIdProvider  # for whoever has one

    outbound = _Outbound()
    provider = OpenIdProvider(settings, outbound, time.time, time.monotonic)
    signing = OidcSignIn(access, provider, settings, url)
    application.add_routes([web.get("/oidc", signing.go), web.get("/oidc/back", signing.back)])
    application.on_cleanup.append(outbound.close)


class _Outbound:
    """Reaches the OpenID provider, by a session that is opened with the first call."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def send(self, call: Call) -> HttpReply:
        """Send the call once; raises a TargetError where no whole answer came back."""
        if self._session is None:
            self._session = open_session()
        transport = HttpTransport(self._session, max_bytes=MOST_ANSWER, whom="the OpenID provider")
        return await transport.send(call)

    async def close(self, _: web.Application) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()


def _utc(now: Callable[[], str]) -> Callable[[], datetime]:
    return lambda: datetime.fromisoformat(now())
