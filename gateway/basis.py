"""What everything stands on: the journal, the services that the flow is given, the clock and chance."""

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import NoReturn
from uuid import uuid4

import structlog

from gateway.flow.entry_cache import Sights
from gateway.flow.locks import KeyedLocks
from gateway.flow.model import Services
from gateway.journal.journal import SqliteJournal
from gateway.journal.store import load_key
from gateway.parts import veils_of
from gateway.settings import Settings

log = structlog.get_logger()


async def open_journal(settings: Settings) -> SqliteJournal:
    """Open the journal; raises `JournalLocked` where another process has it, `JournalUnavailable`."""
    path, durability = settings.journal.path, settings.journal.durability
    veils = veils_of(settings, lambda: load_key(settings.journal.key_file))
    return await SqliteJournal.open(path, durability, utc, end_process, owner=new_id(), veils=veils)


def services_on(journal: SqliteJournal) -> Services:
    """Return what the flow is given."""
    return Services(
        operations=journal.operations,
        resources=journal.resources,
        removals=journal.removals,
        memberships=journal.memberships,
        trail=journal.trail,
        locks=KeyedLocks(),
        sights=Sights(time.monotonic),
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
    return utc().isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_id() -> str:
    """Return a name that nothing else has."""
    return str(uuid4())
