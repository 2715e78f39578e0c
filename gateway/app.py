"""The wiring: settings to application. The only module that knows everybody."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from gateway.admin.acts import Pauses
from gateway.admin.alerts import Alarms, TargetMonitor
from gateway.admin.replicas import Meeting
from gateway.admin.sick import Illnesses
from gateway.admin.status import ConfigState, JournalState, Status, TargetHealth, target_states
from gateway.admin.watch import Limits, Watch
from gateway.build import (
    channels_of,
    credentials_of,
    end_process,
    now,
    open_journal,
    phone_books_of,
    planned_target,
    providers_of,
    replica_of,
    services_on,
    targets_of,
    utc,
    watch_of,
)
from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from gateway.flow.mirror import Mirroring
from gateway.flow.model import Services, Target
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.services import Wakeup
from gateway.journal.journal import SqliteJournal
from gateway.journal.restored import RESTORED_ALERT, RestoreCheck
from gateway.keeping import SWEEP, Keeping, Rounds, one_after_another, renewed
from gateway.log import get_logger
from gateway.metrics import Metrics
from gateway.reload import InForce, Reloading, loaded_event, own_event
from gateway.server.admin import Administration, Runs, administration
from gateway.server.audit import AuditApi, Auditors, AuditReads, GuidePage
from gateway.server.auth import Authentication, Credentials
from gateway.server.control import listen_for_commands, remove_socket
from gateway.server.monitoring import Health, MetricsPage
from gateway.server.phonebook import PhoneBooks
from gateway.server.refusals import Refusals
from gateway.server.request import MAX_GROUP_BODY
from gateway.server.response import ANY_PATH, Boundary, Handler
from gateway.server.runner import (
    Connections,
    Runner,
    Site,
    allow_connections,
    listening,
    take_any_port,
)
from gateway.server.scim import Addresses, ScimApi
from gateway.settings import Settings
from gateway.settings.compiled import address_of, on_port, subject_of
from gateway.targets.gate import Gate
from gateway.targets.http import open_session
from gateway.targets.registry import Shared, open_connector
from gateway.values import frozen
from gateway.version import VERSION


@frozen
class Oversight:
    """Who looks after the gateway; `services` are the flow's, with all of them at work in it."""

    services: Services
    metrics: Metrics
    alarms: Alarms
    pauses: Pauses
    monitor: TargetMonitor
    journal: SqliteJournal
    connectors: dict[str, Gate]  # filled as they are opened
    since: str  # RFC 3339, UTC
    connections: Connections
    refusals: Refusals
    watch: Watch
    session: aiohttp.ClientSession
    meeting: Meeting
    restored: RestoreCheck

    def page(self) -> MetricsPage:
        """Return what answers at /metrics."""
        journal = self.journal
        return MetricsPage(
            self.metrics, journal.health, journal.writer_stats, journal.counts, self.connections, self.health
        )

    def health(self) -> dict[str, TargetHealth]:
        """Say how each target is."""
        return {name: connector.health() for name, connector in self.connectors.items()}

    async def status(self, config: ConfigState) -> Status:
        """Say how everything stands; raises `JournalUnavailable` where the journal cannot be read."""
        failure, counts = await self.journal.health(), await self.journal.counts()
        journal = JournalState(failure is None, failure, counts.bytes, counts.seq)
        states = target_states(self.connectors, counts, self.monitor.seen, self.health())
        return Status(True, VERSION, self.since, journal, states, config, self.meeting.present)

    def take(self, settings: Settings) -> None:
        """Follow a configuration from now on."""
        self.metrics.know(tuple(settings.providers), tuple(settings.targets))
        alerts, server = settings.alerts, settings.server
        self.alarms.channels = channels_of(alerts, self.session)
        self.watch.limits = Limits(alerts.token_expiry, alerts.refused_share)
        self.watch.providers = settings.providers.keys()
        most = allow_connections(server.max_connections)
        self.connections.bound(most, server.max_connections_per_client, server.trusted_proxies)

    async def run(self) -> None:
        """Tell alerts and look after the journal until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.alarms.run())
            tasks.create_task(self.monitor.illnesses.run())
            tasks.create_task(self.pauses.run(self.services.sleep))
            for work in (self.watch.run(), self.watch.walk(), self.watch.watch_journal(self.journal.health)):
                tasks.create_task(work)
            tasks.create_task(self.connections.run(self.services.alarm))
            tasks.create_task(self.meeting.run(self.services.sleep))
            tasks.create_task(self.restored.run(self.services.sleep, SWEEP))


async def open_oversight(
    services: Services, journal: SqliteJournal, session: aiohttp.ClientSession, restored: RestoreCheck
) -> Oversight:
    """Make it, until it takes a configuration; raises `JournalUnavailable`."""
    metrics = Metrics()
    pauses = Pauses(journal.pauses, services.now, services.new_id)
    await pauses.load()
    services = replace(services, meter=metrics, paused_since=pauses.since)
    alarms = Alarms(services, {}, journal.alerts)
    await alarms.load()
    services = replace(services, alarm=alarms)
    connections = Connections(metrics.cut)
    monitor = TargetMonitor(services, Illnesses(services, journal.counts))
    monitor.remember(alarms.active.values())
    watch = watch_of(services, alarms, journal, metrics)
    own = (services.now(), connections, Refusals(services), watch, session)
    more = (Meeting(journal.replicas), restored)
    return Oversight(services, metrics, alarms, pauses, monitor, journal, {}, *own, *more)


DRAIN: Final = 25.0  # seconds that requests under way have to end
KEEP_ALIVE: Final = 75.0  # seconds that a connection may last between two requests

log = get_logger()


@frozen
class Gateway:
    """The application, open: what `serve` listens with and the tests call."""

    application: web.Application
    scim: Handler  # of the application: takes what it would hand to `/scim/…`
    control: web.Application
    services: Services
    recovery: Recovery
    targets: dict[str, Target]  # of the configuration in force, as all that follows
    connectors: dict[str, Gate]
    reloading: Reloading
    keeping: Keeping
    journal: SqliteJournal
    health: Health
    wakeup: Wakeup  # rung: look at once at what is not settled
    runs: Runs
    oversight: Oversight
    listener: socket.socket | None = None  # where any free port was asked for

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self.reloading.settings


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open journal and targets, and wire the application; close everything at the end.

    Raises `JournalLocked` where another gateway has the journal, `JournalUnavailable`, `TargetError`, and
    `CannotListen` where no port is free.
    """
    async with AsyncExitStack() as stack:
        listener = None
        if settings.server.port == 0:
            listener = stack.enter_context(await take_any_port(settings.server.host))
            settings = on_port(settings, listener.getsockname()[1])
        journal = await stack.enter_async_context(open_journal(settings))
        restore_check = RestoreCheck.beside(settings.journal.path, journal.database)
        restored, is_news = await restore_check.check(now())
        stack.push_async_callback(restore_check.note)
        services = replace(services_on(journal), looks_first=restored is not None)
        session = await stack.enter_async_context(open_session())
        oversight = await open_oversight(services, journal, session, restore_check)
        connectors, shared = oversight.connectors, Shared(session, end_process, oversight.monitor)
        async with AsyncExitStack() as opened:
            for name, target in settings.targets.items():
                connectors[name] = await open_connector(target.connector, address_of(target), shared)
                opened.push_async_callback(connectors[name].close)
            gateway = await _wire(settings, oversight, shared, listener)
            opened.pop_all()
        stack.push_async_callback(gateway.keeping.close)
        await journal.trail.append([loaded_event(settings)])
        if is_news:
            await gateway.recovery.bury("the journal was restored: look at the target, then retry or drop")
            await journal.trail.append([own_event("journal.restored", RESTORED_ALERT.reason)])
            gateway.services.alarm(RESTORED_ALERT)
        yield replace(gateway, listener=listener)


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[int]:
    """Listen, and yield the port; at the end drain what is under way. Raises `CannotListen`, `OSError`."""
    runner = Runner(
        gateway.application,
        gateway.scim,
        gateway.oversight.connections,
        keepalive_timeout=KEEP_ALIVE,
        shutdown_timeout=DRAIN // 2,  # aiohttp waits twice: for what is under way, and for what it then ends
        handler_cancellation=False,  # a provider that hangs up does not stop a change half-way
    )
    control = Runner(gateway.control, shutdown_timeout=1.0)  # a run goes on another time
    async with AsyncExitStack() as stack:
        stack.callback(remove_socket, gateway.settings.journal.socket)
        for opened in (control, runner):  # ended the other way round: what providers wait for comes first
            await opened.setup()
            stack.push_async_callback(opened.cleanup)
        await listen_for_commands(gateway.settings.journal.socket, control)
        await _listen(gateway, runner)
        keeping = gateway.journal.retention.run(lambda: gateway.settings.journal.retention)
        stack.callback(gateway.keeping.end)
        gateway.keeping.begin()
        for work in (gateway.oversight.run(), keeping, gateway.reloading.watch()):
            stack.callback(asyncio.create_task(work).cancel)
        try:
            yield runner.addresses[0][1]
        finally:
            gateway.health.draining = True


@frozen
class Front:
    """What faces the outside, which has its names, tokens and addresses from the configuration in force."""

    scim: ScimApi
    signing: Authentication
    credentials: Credentials
    guides: GuidePage
    audit: AuditApi
    books: PhoneBooks

    def take(self, settings: Settings, targets: Mapping[str, Target]) -> None:
        """Follow a configuration from now on: who is asked for something has found its target already."""
        public_url = settings.server.public_url
        self.scim.serve(Addresses.of(settings.addresses, targets), providers_of(settings))
        self.signing.proxies = settings.server.trusted_proxies
        opens = {name: frozenset(provider.targets) for name, provider in settings.providers.items()}
        self.credentials.configure(credentials_of(settings), opens)
        self.guides.subjects.clear()
        self.guides.subjects.update((name, subject_of(settings, name)) for name in settings.addresses)
        self.audit.public_url = public_url
        self.books.stock(phone_books_of(settings, targets), public_url)


async def _wire(
    settings: Settings, oversight: Oversight, shared: Shared, listener: socket.socket | None
) -> Gateway:
    services, journal = oversight.services, oversight.journal
    recovery, wakeup = Recovery(services), Wakeup()
    changes = Changes(services, recovery)
    mirroring, deliveries = Mirroring(services, changes), Deliveries(services, changes)
    front = await _front(oversight, changes, Reads(services, recovery), settings.journal.path.parent)
    settle = one_after_another(recovery.sweep, deliveries.sweep, renewed)
    rounds = Rounds(settle, mirroring.sweep, wakeup, journal.mirrors.bell)
    in_force = _in_force(settings, oversight, front, rounds, shared)
    reloading = Reloading(settings, in_force, any_port=listener is not None)
    listens = front.credentials.refresh, oversight.pauses.load, oversight.alarms.follow
    own = partial(replica_of, oversight.since, oversight.health, lambda: reloading.settings)
    oversight.meeting.introduce(own, *listens)
    health = Health({"journal": journal.health}, oversight.health)
    boundary = Boundary(oversight.metrics.answered)
    runs = Runs(services, changes, in_force.targets, mirroring)
    admin = _administration(oversight, front, runs, reloading, wakeup, health)
    return Gateway(
        _application(boundary, oversight, health, front, admin),
        partial(boundary.answer, handler=front.scim.handle, route=ANY_PATH),
        administration(admin),
        services,
        recovery,
        in_force.targets,
        in_force.connectors,
        reloading,
        in_force.keeping,
        journal,
        health,
        wakeup,
        runs,
        oversight,
    )


def _in_force(
    settings: Settings, oversight: Oversight, front: Front, rounds: Rounds, shared: Shared
) -> InForce:
    services, journal, connectors = oversight.services, oversight.journal, oversight.connectors
    targets = targets_of(settings, connectors)

    def take(now: Settings, targets: Mapping[str, Target]) -> None:
        front.take(now, targets)
        oversight.take(now)

    take(settings, targets)
    keeping, doubt = Keeping(services, rounds, targets, connectors), oversight.monitor.illnesses.doubt
    return InForce(targets, connectors, targets_of, take, doubt, keeping, services, journal, shared)


def _administration(
    oversight: Oversight, front: Front, runs: Runs, reloading: Reloading, wakeup: Wakeup, health: Health
) -> Administration:
    return Administration(
        services=oversight.services,
        tokens=oversight.journal,
        erasures=oversight.journal.retention,
        credentials=front.credentials,
        runs=runs,
        pauses=oversight.pauses,
        status=lambda: oversight.status(reloading.state()),
        try_channels=oversight.alarms.test,
        settings=lambda: reloading.settings,
        config=reloading.state,
        reload=reloading.reload,
        plan=planned_target,
        wake=wakeup.wake,
        is_stopping=lambda: health.draining,
    )


async def _front(oversight: Oversight, changes: Changes, reads: Reads, folder: Path) -> Front:
    services, journal = oversight.services, oversight.journal
    credentials = Credentials(journal.tokens.list, now)
    await credentials.refresh()
    signing = Authentication(credentials.current, oversight.refusals, over=credentials.over)
    auditors = Auditors(signing)
    return Front(
        ScimApi(signing, services, changes, reads),
        signing,
        credentials,
        GuidePage({}, auditors),
        AuditApi(auditors, AuditReads(services), journal.trail, utc),
        PhoneBooks(signing, services, folder),
    )


def _application(
    boundary: Boundary, oversight: Oversight, health: Health, front: Front, admin: Administration
) -> web.Application:
    """Return what is served on the gateway's port; what nothing else takes is SCIM's."""
    application = web.Application(client_max_size=MAX_GROUP_BODY, middlewares=[boundary.middleware()])
    if admin.settings().console is not None:  # its packages are not everybody's
        from gateway.console.house import add_to

        add_to(application, admin, oversight, front.signing)
    front.books.serve_in(application)
    application.add_routes(
        [
            web.get("/healthz", health.live),
            web.get("/readyz", health.ready),
            web.get("/metrics", oversight.page().show),
            web.route("*", "/guide/{target}", front.guides.handle),
            *front.audit.routes(),
            web.route("*", "/{path:.*}", front.scim.handle),
        ]
    )
    return application


async def _listen(gateway: Gateway, runner: web.AppRunner) -> None:
    server, tls = gateway.settings.server, gateway.reloading.open_tls()
    if gateway.listener is not None:
        await Site(runner, tls, sock=gateway.listener).start()
        return
    with listening(server.host, server.port):
        await Site(runner, tls, host=server.host, port=server.port).start()
