"""What commands do with the journal while no gateway runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.admin.acts import ErasureDesk, ExportDesk, Pauses, TokenDesk
from gateway.admin.operations import OperationDesk
from gateway.basis import new_id, now, open_journal, services_on
from gateway.settings import Settings


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[TokenDesk]:
    """Open the journal to make or end tokens while no gateway runs; raises as `open_journal` does."""
    journal = await open_journal(settings)
    try:
        yield TokenDesk(journal.tokens, journal.trail, new_id)
    finally:
        await journal.close()


@asynccontextmanager
async def open_export_desk(settings: Settings) -> AsyncIterator[ExportDesk]:
    """Open the journal to note an export while no gateway runs; raises as `open_journal` does."""
    journal = await open_journal(settings)
    try:
        yield ExportDesk(journal.trail, new_id)
    finally:
        await journal.close()


@asynccontextmanager
async def open_operation_desk(settings: Settings) -> AsyncIterator[OperationDesk]:
    """Open the journal to act on operations while no gateway runs; raises as `open_journal` does."""
    journal = await open_journal(settings)
    try:
        yield OperationDesk(services_on(journal), tuple(settings.targets))
    finally:
        await journal.close()


@asynccontextmanager
async def open_erasures(settings: Settings) -> AsyncIterator[ErasureDesk]:
    """Open the journal to erase a person while no gateway runs; raises as `open_journal` does."""
    journal = await open_journal(settings)
    try:
        yield ErasureDesk(journal.keeper, new_id)
    finally:
        await journal.close()


@asynccontextmanager
async def open_pauses(settings: Settings) -> AsyncIterator[Pauses]:
    """Open the journal to pause or resume while no gateway runs; raises as `open_journal` does."""
    journal = await open_journal(settings)
    try:
        pauses = Pauses(journal.pauses, now, new_id)
        await pauses.load()
        yield pauses
    finally:
        await journal.close()
