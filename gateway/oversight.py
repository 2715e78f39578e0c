"""The wiring of what looks after a running gateway: metrics, alerts, pauses, status."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import aiohttp

from gateway.admin.acts import Pauses
from gateway.admin.alerts import Alarms, Watcher
from gateway.admin.status import JournalState, Status, target_states
from gateway.flow.model import Services
from gateway.flow.services import Alert
from gateway.journal.journal import SqliteJournal
from gateway.metrics import Metrics
from gateway.server.admin import StandingControl
from gateway.server.monitoring import MetricsPage
from gateway.settings import Settings
from gateway.targets.webhook import Webhook
from gateway.version import VERSION

LOOK: Final = 5.0  # seconds between looks at the journal


@dataclass(frozen=True, slots=True)
class Oversight:
    """Who looks after the gateway; `services` are the flow's, with all of them at work in it."""

    services: Services
    metrics: Metrics
    alarms: Alarms
    pauses: Pauses
    watcher: Watcher
    journal: SqliteJournal
    targets: tuple[str, ...]
    since: str  # RFC 3339, UTC

    def page(self) -> MetricsPage:
        """Return what answers at /metrics."""
        journal = self.journal
        return MetricsPage(self.metrics, journal.health, journal.pulse, journal.census)

    def control(self, wake: Callable[[], None]) -> StandingControl:
        """Return what answers `status`, `pause` and `resume`; `wake` has what is due looked at now."""
        return StandingControl(self.status, self.pauses, self.targets, wake)

    async def status(self) -> Status:
        """Say how everything stands; raises `JournalUnavailable` where the journal cannot be read."""
        failure, census = await self.journal.health(), await self.journal.census()
        journal = JournalState(failure is None, failure, census.bytes, census.seq)
        states = target_states(self.targets, census, self.watcher.seen)
        return Status(True, VERSION, self.since, journal, states)

    async def run(self) -> None:
        """Tell alerts and look after the journal until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.alarms.run())
            tasks.create_task(watch_journal(self.journal.health, self.services))


async def open_oversight(
    settings: Settings, services: Services, journal: SqliteJournal, session: aiohttp.ClientSession
) -> Oversight:
    """Make it; raises `JournalUnavailable`."""
    metrics = Metrics(tuple(settings.providers), tuple(settings.targets))
    url = settings.alerts.webhook
    webhook = None if url is None else Webhook(session, url.reveal())
    pauses = Pauses(journal.pauses, services.now, services.new_id)
    await pauses.load()
    services = replace(services, meter=metrics, paused_since=pauses.since)
    alarms = Alarms(services, webhook)
    services = replace(services, alarm=alarms)
    targets, now = tuple(settings.targets), services.now()
    return Oversight(services, metrics, alarms, pauses, Watcher(services), journal, targets, now)


async def watch_journal(health: Callable[[], Awaitable[str | None]], services: Services) -> None:
    """Raise the alarm while the journal cannot be written; a look tries it again."""
    while True:
        if (reason := await health()) is not None:
            services.alarm(Alert("journal.unwritable", None, reason))
        await services.sleep(LOOK)
