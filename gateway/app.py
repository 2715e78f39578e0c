"""The wiring: settings to application. The only module that knows everybody."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn
from uuid import uuid4

import structlog
from aiohttp import web

from gateway.flow.change import Changes
from gateway.flow.desk import OperationDesk
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Services, Target
from gateway.flow.ports import Event
from gateway.flow.read import Reads
from gateway.flow.recovery import Recovery
from gateway.flow.runs import Runs
from gateway.flow.sight import Sights
from gateway.flow.tokens import TokenDesk
from gateway.journal.lock import JournalLock
from gateway.journal.sqlite import SqliteJournal
from gateway.journal.store import answered
from gateway.parts import address_of, credentials_of, providers_of, target_of
from gateway.server.auth import Credentials
from gateway.server.boundary import boundary
from gateway.server.control import Control
from gateway.server.health import Health
from gateway.server.inbound import MAX_BODY
from gateway.server.long_control import LongControl
from gateway.server.runner import Runner
from gateway.server.scim_api import ScimApi
from gateway.settings import Settings, TargetSettings
from gateway.targets.http import open_session
from gateway.targets.registry import (
    CONNECTORS,
    OpenTarget,
    Surroundings,
    open_connector,
)

DRAIN: Final = 25.0  # seconds that requests under way have to end
SWEEP: Final = 5.0  # seconds between looks at what is not settled
KEEP_ALIVE: Final = 75.0  # seconds an idle connection, or one that dribbles its header, may last

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, open: what `serve` listens with and the tests call."""

    settings: Settings
    application: web.Application
    control: web.Application
    services: Services
    recovery: Recovery
    targets: dict[str, Target]
    connectors: dict[str, OpenTarget]
    journal: SqliteJournal
    health: Health
    due: asyncio.Event  # set: look at once at what is not settled
    runs: Runs


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open journal and targets, and wire the application; close everything at the end.

    Raises `JournalLocked` where another gateway has the journal, `JournalUnavailable`, and `TargetError`.
    """
    async with AsyncExitStack() as stack:
        journal = await _open_journal(settings)
        stack.push_async_callback(journal.close)
        session = await stack.enter_async_context(open_session())
        connectors: dict[str, OpenTarget] = {}
        for name, target in settings.targets.items():
            around = Surroundings(session, _end_process)
            connectors[name] = await open_connector(target.connector, address_of(target), around)
            stack.push_async_callback(connectors[name].close)
        gateway = await _wire(settings, journal, connectors)
        await journal.trail.append([_config_loaded(settings)])
        yield gateway


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[int]:
    """Listen, and yield the port; at the end drain what is under way."""
    server = gateway.settings.server
    runner = Runner(
        gateway.application,
        keepalive_timeout=KEEP_ALIVE,
        shutdown_timeout=DRAIN,
        handler_cancellation=False,  # a provider that hangs up does not stop a change half-way
    )
    control = Runner(gateway.control)
    async with AsyncExitStack() as stack:
        for opened in (runner, control):
            await opened.setup()
            stack.push_async_callback(opened.cleanup)
        await _listen_for_commands(gateway, control)
        site = web.TCPSite(runner, server.host, server.port, ssl_context=_tls(gateway.settings))
        await site.start()
        recovery = asyncio.create_task(_sweep(gateway))
        stack.callback(recovery.cancel)
        try:
            yield runner.addresses[0][1]
        finally:
            gateway.health.draining = True


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[TokenDesk]:
    """Open the journal to make or end tokens while no gateway runs; raises as `open_gateway` does."""
    journal = await _open_journal(settings)
    try:
        yield TokenDesk(journal.tokens, journal.trail, _new_id)
    finally:
        await journal.close()


@asynccontextmanager
async def open_operation_desk(settings: Settings) -> AsyncIterator[OperationDesk]:
    """Open the journal to act on operations while no gateway runs; raises as `open_gateway` does."""
    journal = await _open_journal(settings)
    try:
        yield OperationDesk(_services(journal), tuple(settings.targets))
    finally:
        await journal.close()


async def try_target(settings: Settings, target: TargetSettings) -> None:
    """Ask a target for something small, with its credentials; raises `TargetError`.

    Raises `JournalLocked` where the target is a file, and the running gateway has it open.
    """
    async with AsyncExitStack() as stack:
        if "sqlite" in CONNECTORS[target.connector].needs_url_scheme:
            with answered():
                stack.callback(JournalLock(settings.journal.path).release)
        session = await stack.enter_async_context(open_session())
        around = Surroundings(session, _end_process)
        connector = await open_connector(target.connector, address_of(target), around)
        stack.push_async_callback(connector.close)
        await connector.check()


def _services(journal: SqliteJournal) -> Services:
    return Services(
        operations=journal.operations,
        resources=journal.resources,
        removals=journal.removals,
        trail=journal.trail,
        locks=KeyedLocks(),
        sights=Sights(time.monotonic),
        monotonic=time.monotonic,
        now=_now,
        sleep=asyncio.sleep,
        new_id=_new_id,
    )


async def _wire(settings: Settings, journal: SqliteJournal, connectors: dict[str, OpenTarget]) -> Gateway:
    services = _services(journal)
    targets = {
        name: target_of(target, settings.server.public_url, connectors[name])
        for name, target in settings.targets.items()
    }
    recovery = Recovery(services)
    open_to = {name: frozenset(provider.targets) for name, provider in settings.providers.items()}
    credentials = Credentials(credentials_of(settings), open_to, journal.tokens.active, _now)
    await credentials.refresh()
    providers = providers_of(settings)
    changes = Changes(services, recovery)
    api = ScimApi(
        targets,
        providers,
        credentials.current,
        services,
        changes,
        Reads(services, recovery),
        settings.server.trusted_proxies,
    )
    health = Health({"journal": journal.health})
    application = web.Application(client_max_size=MAX_BODY, middlewares=[boundary])
    application.add_routes(
        [
            web.get("/healthz", health.live),
            web.get("/readyz", health.ready),
            web.route("*", "/{path:.*}", api.handle),
        ]
    )
    due = asyncio.Event()
    tokens = TokenDesk(journal.tokens, journal.trail, _new_id)
    operations = OperationDesk(services, tuple(targets))
    control = Control(tokens, credentials, frozenset(providers), operations, due.set).application()
    runs = Runs(services, changes, targets)
    control.add_routes(LongControl(runs, lambda: health.draining).routes())
    return Gateway(
        settings, application, control, services, recovery, targets, connectors, journal, health, due, runs
    )


async def _open_journal(settings: Settings) -> SqliteJournal:
    return await SqliteJournal.open(
        settings.journal.path, settings.journal.durability, _utc, _end_process, owner=_new_id()
    )


async def _listen_for_commands(gateway: Gateway, runner: web.AppRunner) -> None:
    path = f"{gateway.settings.journal.path}.sock"
    mask = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    except OSError as error:  # such as a path longer than the system's 107 bytes
        log.warning("control.unavailable", reason=error.strerror or "the path of its socket is too long")
    finally:
        os.umask(mask)


async def _sweep(gateway: Gateway) -> None:
    """Settle what an earlier process left open and what is still pending, while requests are served."""
    while True:
        gateway.due.clear()
        for target in gateway.targets.values():
            try:
                await gateway.recovery.sweep(target)
            except Exception as error:  # noqa: BLE001 - leavers wait for this loop: nothing may end it
                log.warning("recovery.failed", target=target.name, error=type(error).__name__)
        with suppress(TimeoutError):
            async with asyncio.timeout(SWEEP):
                await gateway.due.wait()


def _config_loaded(settings: Settings) -> Event:
    presets = {name: str(target.preset) for name, target in settings.targets.items() if target.preset}
    return Event(
        _new_id(),
        {
            "event": "config.loaded",
            "outcome": {"result": "applied", "status": None, "reason": None},
            "actor": {"type": "gateway", "name": "serve", "token": None},
            "client": {"ip": None, "user_agent": None},
            "target": {"name": None, "type": None, "id": None, "user_name": None},
            "config": {"digest": settings.digest, "presets": presets},
            "correlation_id": None,
        },
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.server.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.server.tls.cert, settings.server.tls.key)
    return context


def _end_process(reason: str) -> NoReturn:
    """End at once: after a failed fsync nothing that this process believes about its files is certain."""
    log.critical("process.ended", reason=reason)
    os._exit(3)


def _utc() -> datetime:
    return datetime.now(UTC)


def _now() -> str:
    return _utc().isoformat(timespec="microseconds").replace("+00:00", "Z")


def _new_id() -> str:
    return str(uuid4())
