"""From what the configuration says to the objects that work; the journal, the clock and chance."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Final, NoReturn

from gateway.admin.alerts import Alarms, Messenger
from gateway.admin.replicas import Replica
from gateway.admin.status import BreakerState, TargetHealth
from gateway.admin.watch import Sources, Watch
from gateway.audit.chain import stamp
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Policy, Renewal, Services, Target
from gateway.flow.services import EntryCache, SharedEntryCache
from gateway.flow.target_port import Connector
from gateway.ids import new_id
from gateway.journal.journal import SqliteJournal
from gateway.journal.store import JournalLock, answered, load_key
from gateway.journal.verify import TrailCheck
from gateway.log import get_logger
from gateway.metrics import Metrics
from gateway.scim.dialects import DIALECTS
from gateway.scim.predicate import predicate
from gateway.server.auth import Credential, Provider
from gateway.settings import AlertSettings, JournalSettings, Settings, TargetSettings
from gateway.settings.compiled import address_of, groups_mapping_of, mapping_of, maskings_of
from gateway.targets.gate import Gate
from gateway.targets.http import open_session
from gateway.targets.registry import CONNECTORS, Shared, open_connector
from gateway.targets.transport import TargetFinding
from gateway.version import VERSION

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from gateway.server.editions import Book

BUSY_STATUS: Final = {"okta": 429}  # dialect -> status; Okta reschedules only what it is told with 429


def target_of(settings: Settings, name: str, connector: Gate) -> Target:
    """Return a target as the flow knows it, with the others of its route."""
    kind = CONNECTORS[settings.targets[name].connector]
    target = _target(settings, name, connector)
    return replace(
        target,
        has_groups=connector.has_groups,
        sorts=kind.sorts,
        admission=connector,
        renew=_renewal(settings.targets[name], target, connector),
    )


def _renewal(settings: TargetSettings, target: Target, gate: Gate) -> Renewal | None:
    """Return what reads the entitlements that are kept elsewhere."""
    sources = {one.type.name: one.source for one in settings.entitlements if one.source is not None}
    if not sources or (catalogue := target.mapping.entitlements) is None:
        return None
    from gateway.targets.entitlements import EntitlementReader

    return EntitlementReader(target.name, catalogue, sources, gate, target.policy.page_size).renew


def planned_target(settings: Settings, name: str) -> Target:
    """Return a target as plans are made for it, which nobody can call."""
    from gateway.admin.simulate import Uncalled

    return _target(settings, name, Uncalled())


def _target(settings: Settings, name: str, connector: Connector) -> Target:
    target, route = settings.targets[name], settings.route_of(name)
    beside = () if route is None else settings.routes[route].targets
    others = [settings.targets[other] for other in beside if other != name]
    leads = next((first for first, behind in settings.followers.items() if name in behind), None)
    return Target(
        name,
        connector,
        mapping_of(target, others),
        policy_of(target),
        f"{settings.server.public_url}/scim/{route or name}/v2",
        target.busy_status,
        groups=groups_mapping_of(target),
        route=route,
        follows=leads,
    )


def policy_of(settings: TargetSettings) -> Policy:
    """Return how a target is to be treated."""
    return Policy(
        on_deactivate=settings.on_deactivate,
        on_missing=settings.on_missing,
        adopt_by=settings.adopt_by,
        reuse_name=settings.reuse_name,
        protect=predicate(settings.protect) if settings.protect is not None else None,
        unique_names=settings.unique_names,
        trust=settings.trust,
        timeout=settings.timeout,
        deadline=settings.deadline,
        settle=settings.settle,
        give_up=settings.give_up,
        page_size=settings.page_size or 100,
        max_removals=settings.max_removals,
    )


def targets_of(settings: Settings, connectors: Mapping[str, Gate]) -> dict[str, Target]:
    """Return all targets, each with the connector of its name."""
    return {name: target_of(settings, name, connectors[name]) for name in settings.targets}


def providers_of(settings: Settings) -> dict[str, Provider]:
    """Return the providers as the server knows them."""
    return {
        name: Provider(name, DIALECTS[provider.dialect], BUSY_STATUS.get(provider.dialect, 503))
        for name, provider in settings.providers.items()
    }


def credentials_of(settings: Settings) -> tuple[Credential, ...]:
    """Return what providers, auditors, operators and phones must show."""
    providers = (
        Credential("provider", name, f"config:{n + 1}", digest, frozenset(provider.targets))
        for name, provider in settings.providers.items()
        for n, digest in enumerate(provider.digests)
    )
    auditors = (
        Credential(auditor.role, name, f"config:{n + 1}", digest)
        for name, auditor in settings.auditors.items()
        for n, digest in enumerate(auditor.digests)
    )
    operators = (
        Credential("operator", name, f"config:{n + 1}", digest)
        for name, operator in settings.operators.items()
        for n, digest in enumerate(operator.digests)
    )
    phones = (
        Credential("phonebook", name, f"config:{n + 1}", digest)
        for name, book in settings.phonebooks.items()
        for n, digest in enumerate(book.digests)
    )
    return (*providers, *auditors, *operators, *phones)


def phone_books_of(settings: Settings, targets: Mapping[str, Target]) -> list["Book"]:
    """Return the phone books, each of the people of its target."""
    if not settings.phonebooks:
        return []
    from gateway.phonebook.formats import FORMATS
    from gateway.phonebook.people import collation, line_of
    from gateway.server.editions import Book

    return [
        Book(
            book.name,
            targets[book.target],
            FORMATS[book.format],
            line_of(book.title),
            collation(book.locale),
            book.sort,
            book.trust,
        )
        for book in settings.phonebooks.values()
    ]


def channels_of(settings: AlertSettings, session: "ClientSession") -> dict[str, Messenger]:
    """Return where alerts go besides the log, by name."""
    found: dict[str, Messenger] = {}
    if settings.webhook is not None:
        from gateway.targets.http import Webhook

        found["webhook"] = Webhook(session, settings.webhook.reveal(), settings.format)
    if settings.mail is not None:
        from gateway.targets.mail import Mail

        found["mail"] = Mail(settings.mail)
    return found


def watch_of(services: Services, alarms: Alarms, journal: SqliteJournal, metrics: Metrics) -> Watch:
    """Return what looks by itself at what nothing else tells."""
    sources = Sources(
        journal.counts,
        journal.tokens,
        metrics.changes,
        TrailCheck(journal.database),
        journal.retention.path,
    )
    return Watch(services, alarms, sources)


log = get_logger()


class Chance:
    """Random bytes of the system, fetched many at a time.

    To fetch some lets go of the interpreter's lock, for which the event loop then waits beside the journal's
    thread: once for a hundred events, and not for each.
    """

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._fetched = BytesIO()

    def __call__(self, size: int) -> bytes:
        """Return so many bytes that nobody else gets, on any thread."""
        made = self._fetched.read(size)
        if len(made) < size:  # what is left is given up
            fetched = BytesIO(self._source(FETCHED + size))
            made = fetched.read(size)
            self._fetched = fetched
        return made


FETCHED: Final = 32 * 1024  # bytes


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[SqliteJournal]:
    """Have the journal open; raises `JournalLocked` where another process has it, `JournalUnavailable`."""
    path, durability, database = settings.journal.path, settings.journal.durability, settings.journal.database
    maskings, owner = maskings_of(settings, lambda: load_key(settings.journal.key_file)), new_id()
    opened = SqliteJournal.open
    if database is not None:
        from gateway.journal.postgresql.journal import PostgresJournal

        await asyncio.to_thread(look_over, settings.journal)
        path.parent.mkdir(parents=True, exist_ok=True)  # for what stands beside this gateway
        opened = partial(PostgresJournal.reach, database.reveal())
    own = (path, durability, utc, end_process, owner)
    journal = await opened(*own, random=Chance(), maskings=maskings, followers=settings.followers)
    try:
        yield journal
    finally:
        await journal.close()


def look_over(journal: JournalSettings) -> str:
    """Return the version of the journal's database; raises `JournalUnavailable` where it will not do."""
    from gateway.journal.postgresql.fitness import examine

    with answered():
        return examine(journal.database.reveal() if journal.database else "", utc)


def present_on(journal: JournalSettings) -> tuple[Replica, ...]:
    """Return the gateways that work on a journal now; raises `JournalUnavailable`."""
    if journal.database is None:
        return ()
    from gateway.journal.postgresql.replicas import present

    with answered():
        return present(journal.database.reveal())


def replica_of(
    since: str, health: Callable[[], Mapping[str, TargetHealth]], settings: Callable[[], Settings]
) -> Replica:
    """Say how this gateway is, to others that share its journal."""
    now = settings()
    states = {name: one.state for name, one in health().items()}
    sick = {name: str(state) for name, state in states.items() if state is not BreakerState.CLOSED}
    return Replica(f"{socket.gethostname()}:{now.server.port}", since, VERSION, now.digest, sick)


@asynccontextmanager
async def connected(settings: Settings, target: TargetSettings) -> AsyncIterator[Gate]:
    """Have a target open without a gateway; raises `TargetError`.

    Raises `JournalLocked` where the target is a file, and the running gateway has it open.
    """
    async with AsyncExitStack() as stack:
        if CONNECTORS[target.connector].owns_file:
            with answered():
                stack.callback(JournalLock(settings.journal.path, makes=False).release)
        session = await stack.enter_async_context(open_session())
        connector = await open_connector(target.connector, address_of(target), Shared(session, end_process))
        stack.push_async_callback(connector.close)
        yield connector


def services_on(journal: SqliteJournal) -> Services:
    """Return what the flow is given."""
    return Services(
        operations=journal.operations,
        resources=journal.resources,
        removals=journal.removals,
        memberships=journal.memberships,
        trail=journal.trail,
        mirrors=journal.mirrors,
        locks=KeyedLocks(),
        entry_cache=(SharedEntryCache if journal.lock is None else EntryCache)(time.monotonic),
        monotonic=time.monotonic,
        now=now,
        sleep=asyncio.sleep,
        new_id=new_id,
    )


def end_process(reason: str) -> NoReturn:
    """End at once: after a failed fsync nothing that this process believes about its files is certain."""
    try:
        log.critical("process.ended", reason=reason)
    finally:
        os._exit(3)


def utc() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def now() -> str:
    """Return the time as RFC 3339, in UTC."""
    return stamp(datetime.now(UTC))


async def try_target(settings: Settings, target: TargetSettings) -> tuple[TargetFinding, ...]:
    """Ask a target a few small things, with its credentials, and change nothing; raises as `connected`."""
    from gateway.targets.survey import survey

    async with connected(settings, target) as connector:
        return (*await connector.check(), *await survey(connector))
