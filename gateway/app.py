"""The wiring: settings to application. The only module that knows everybody."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from gateway.admin.acts import Pauses
from gateway.admin.alerts import Alarms, TargetMonitor
from gateway.admin.sick import Illnesses
from gateway.admin.status import JournalState, Status, TargetHealth, target_states
from gateway.admin.watch import Watch
from gateway.audit.event import Event, act_event
from gateway.build import (
    address_of,
    channels_of,
    connected,
    credentials_of,
    end_process,
    now,
    on_port,
    open_journal,
    phone_books_of,
    providers_of,
    services_on,
    signing_of,
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
from gateway.flow.services import Alert, Wakeup, repeat
from gateway.ids import new_id
from gateway.journal.journal import SqliteJournal
from gateway.journal.restored import RestoreCheck
from gateway.log import get_logger
from gateway.metrics import Metrics
from gateway.server.admin import Administration, Runs, administration
from gateway.server.audit import AuditApi, Auditors, AuditReads, GuidePage
from gateway.server.auth import Credentials
from gateway.server.monitoring import Health, MetricsPage
from gateway.server.refusals import Refusals
from gateway.server.request import MAX_GROUP_BODY
from gateway.server.response import ANY_PATH, Boundary, Handler
from gateway.server.runner import Connections, Runner, Site, allow_connections, listening, take_any_port
from gateway.server.scim import Addresses, ScimApi
from gateway.settings import Settings, TargetSettings
from gateway.settings.compiled import subject_of
from gateway.targets.gate import Gate
from gateway.targets.http import open_session
from gateway.targets.registry import Shared, open_connector
from gateway.targets.survey import survey
from gateway.targets.transport import TargetFinding
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

    def page(self) -> MetricsPage:
        """Return what answers at /metrics."""
        journal = self.journal
        return MetricsPage(
            self.metrics, journal.health, journal.writer_stats, journal.counts, self.connections, self.health
        )

    def health(self) -> dict[str, TargetHealth]:
        """Say how each target is."""
        return {name: connector.health() for name, connector in self.connectors.items()}

    async def status(self) -> Status:
        """Say how everything stands; raises `JournalUnavailable` where the journal cannot be read."""
        failure, counts = await self.journal.health(), await self.journal.counts()
        journal = JournalState(failure is None, failure, counts.bytes, counts.seq)
        states = target_states(self.connectors, counts, self.monitor.seen, self.health())
        return Status(True, VERSION, self.since, journal, states)

    async def run(self) -> None:
        """Tell alerts and look after the journal until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.alarms.run())
            tasks.create_task(self.monitor.illnesses.run())
            tasks.create_task(self.pauses.run(self.services.sleep))
            for work in (self.watch.run(), self.watch.walk(), self.watch.watch_journal(self.journal.health)):
                tasks.create_task(work)
            tasks.create_task(self.connections.run(self.services.alarm))


async def open_oversight(
    settings: Settings, services: Services, journal: SqliteJournal, session: aiohttp.ClientSession
) -> Oversight:
    """Make it; raises `JournalUnavailable`."""
    metrics = Metrics(tuple(settings.providers), tuple(settings.targets))
    pauses = Pauses(journal.pauses, services.now, services.new_id)
    await pauses.load()
    services = replace(services, meter=metrics, paused_since=pauses.since)
    alarms = Alarms(services, channels_of(settings.alerts, session), journal.alerts)
    await alarms.load()
    services = replace(services, alarm=alarms)
    server = settings.server
    most, per_client = allow_connections(server.max_connections), server.max_connections_per_client
    connections = Connections(most, per_client, server.trusted_proxies, metrics.cut)
    monitor = TargetMonitor(services, Illnesses(services, journal.counts))
    monitor.remember(alarms.active.values())
    watch = watch_of(settings, services, alarms, journal, metrics)
    own = (services.now(), connections, Refusals(services), watch)
    return Oversight(services, metrics, alarms, pauses, monitor, journal, {}, *own)


DRAIN: Final = 25.0  # seconds that requests under way have to end
SWEEP: Final = 5.0  # seconds between looks at what is not settled
KEEP_ALIVE: Final = 75.0  # seconds that a connection may last between two requests

RESTORED: Final = Alert(
    "journal.restored",
    None,
    "the journal has come less far than when it was last seen: what stood open waits for retry or drop, "
    "creates look their people up first from now on, and `reconcile` shows what the targets have",
)

log = get_logger()


@frozen
class Gateway:
    """The application, open: what `serve` listens with and the tests call."""

    settings: Settings
    application: web.Application
    scim: Handler  # of the application: takes what it would hand to `/scim/…`
    control: web.Application
    services: Services
    recovery: Recovery
    deliveries: Deliveries
    mirroring: Mirroring
    targets: dict[str, Target]
    connectors: dict[str, Gate]
    journal: SqliteJournal
    health: Health
    wakeup: Wakeup  # rung: look at once at what is not settled
    runs: Runs
    oversight: Oversight
    listener: socket.socket | None = None  # where any free port was asked for
    restore_check: RestoreCheck | None = None


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
        oversight = await open_oversight(settings, services, journal, session)
        connectors = oversight.connectors
        for name, target in settings.targets.items():
            around = Shared(session, end_process, oversight.monitor)
            connectors[name] = await open_connector(target.connector, address_of(target), around)
            stack.push_async_callback(connectors[name].close)
        gateway = await _wire(settings, oversight)
        await journal.trail.append([_config_loaded(settings)])
        if is_news:
            await gateway.recovery.bury("the journal was restored: look at the target, then retry or drop")
            await journal.trail.append([_own_event("journal.restored", RESTORED.reason)])
            gateway.services.alarm(RESTORED)
        yield replace(gateway, listener=listener, restore_check=restore_check)


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
        stack.callback(_remove, gateway.settings.journal.socket)
        for opened in (control, runner):  # ended the other way round: what providers wait for comes first
            await opened.setup()
            stack.push_async_callback(opened.cleanup)
        await _listen_for_commands(gateway, control)
        await _listen(gateway, runner)
        keeping = gateway.journal.retention.run(gateway.settings.journal.retention)
        sweeps = [_sweep(gateway, target) for target in gateway.targets.values()]
        mirrors = [
            repeat(
                partial(gateway.mirroring.sweep, target),
                gateway.journal.mirrors.bell(name),
                _pause(target),
                name,
            )
            for name, target in gateway.targets.items()
            if target.follows
        ]
        for work in (*sweeps, *mirrors, _note_progress(gateway), gateway.oversight.run(), keeping):
            stack.callback(asyncio.create_task(work).cancel)
        try:
            yield runner.addresses[0][1]
        finally:
            gateway.health.draining = True


async def try_target(settings: Settings, target: TargetSettings) -> tuple[TargetFinding, ...]:
    """Ask a target a few small things, with its credentials, and change nothing; raises as `connected`."""
    async with connected(settings, target) as connector:
        return (*await connector.check(), *await survey(connector))


async def _wire(settings: Settings, oversight: Oversight) -> Gateway:
    services, journal, metrics = oversight.services, oversight.journal, oversight.metrics
    connectors, targets = oversight.connectors, targets_of(settings, oversight.connectors)
    recovery, credentials = Recovery(services), await _credentials(settings, journal)
    changes, reads, wakeup = Changes(services, recovery), Reads(services, recovery), Wakeup()
    signing = signing_of(settings, credentials, oversight.refusals)
    addresses = Addresses.of(settings.addresses, targets)
    scim = ScimApi(addresses, providers_of(settings), signing, services, changes, reads).handle
    health, boundary = Health({"journal": journal.health}, oversight.health), Boundary(metrics.answered)
    application = web.Application(client_max_size=MAX_GROUP_BODY, middlewares=[boundary.middleware()])
    application.add_routes(_routes(settings, oversight, health, Auditors(signing), scim))
    phone_books_of(settings, targets, signing, services).serve_in(application)
    admin = Administration(
        services=services,
        tokens=journal,
        erasures=journal.retention,
        credentials=credentials,
        providers=frozenset(settings.providers),
        runs=Runs(services, changes, targets, mirroring := Mirroring(services, changes)),
        pauses=oversight.pauses,
        status=oversight.status,
        try_channels=oversight.alarms.test,
        wake=wakeup.wake,
        is_stopping=lambda: health.draining,
    )
    parts = (targets, connectors, journal, health, wakeup, admin.runs, oversight)
    return Gateway(
        settings,
        application,
        partial(boundary.answer, handler=scim, route=ANY_PATH),
        administration(admin),
        services,
        recovery,
        Deliveries(services, changes),
        mirroring,
        *parts,
    )


async def _credentials(settings: Settings, journal: SqliteJournal) -> Credentials:
    open_to = {name: frozenset(provider.targets) for name, provider in settings.providers.items()}
    credentials = Credentials(credentials_of(settings), open_to, journal.tokens.list, now)
    await credentials.refresh()
    return credentials


def _routes(
    settings: Settings, oversight: Oversight, health: Health, auditors: Auditors, scim: Handler
) -> list[web.RouteDef]:
    """Return what is served on the gateway's port; what nothing else takes is SCIM's."""
    journal, public_url = oversight.journal, settings.server.public_url
    subjects = {address: subject_of(settings, address) for address in settings.addresses}
    audit = AuditApi(auditors, AuditReads(oversight.services), journal.trail, public_url, utc)
    return [
        web.get("/healthz", health.live),
        web.get("/readyz", health.ready),
        web.get("/metrics", oversight.page().show),
        web.route("*", "/guide/{target}", GuidePage(subjects, auditors).handle),
        *audit.routes(),
        web.route("*", "/{path:.*}", scim),
    ]


async def _listen(gateway: Gateway, runner: web.AppRunner) -> None:
    server, tls = gateway.settings.server, _tls(gateway.settings)
    if gateway.listener is not None:
        await Site(runner, tls, sock=gateway.listener).start()
        return
    with listening(server.host, server.port):
        await Site(runner, tls, host=server.host, port=server.port).start()


async def _listen_for_commands(gateway: Gateway, runner: web.AppRunner) -> None:
    mask = os.umask(0o177)
    try:
        await web.UnixSite(runner, gateway.settings.journal.socket).start()
    except OSError as error:  # such as a path longer than the system's 107 bytes
        log.warning("control.unavailable", reason=error.strerror or "the path of its socket is too long")
    finally:
        os.umask(mask)


def _remove(path: Path) -> None:
    """Remove a socket, as Python itself does from 3.13 on."""
    with suppress(OSError):  # such as a disk that is read-only by now; the next gateway replaces it
        path.unlink(missing_ok=True)


async def _sweep(gateway: Gateway, target: Target) -> None:
    """Settle what an earlier process left open and what is still pending, while requests are served.

    Each target has its own, so that one that does not answer keeps nobody's leavers waiting but its own.
    """

    async def work() -> None:
        if gateway.services.paused_since(target.name) is None:
            await gateway.recovery.sweep(target)
            await gateway.deliveries.sweep(target)

    await repeat(work, gateway.wakeup, _pause(target), target.name)


def _pause(target: Target) -> float:
    return min(SWEEP, max(target.policy.settle / 2, 0.5))


async def _note_progress(gateway: Gateway) -> None:
    while gateway.restore_check is not None:
        await gateway.restore_check.note()
        await asyncio.sleep(SWEEP)


def _config_loaded(settings: Settings) -> Event:
    presets = {name: str(target.preset) for name, target in settings.targets.items() if target.preset}
    return _own_event("config.loaded", None, config={"digest": settings.digest, "presets": presets})


def _own_event(name: str, reason: str | None, **more: Any) -> Event:
    event = act_event(new_id(), name, reason=reason, **more)
    actor = {"type": "gateway", "name": "serve", "token": None}
    return replace(event, fields={**event.fields, "actor": actor})


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.server.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.server.tls.cert, settings.server.tls.key)
    return context
