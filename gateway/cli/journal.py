"""`journal`: the journal as a whole: brought to another place, and its old months to files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli.output import CONFIG, ExitStatus, Stop, read_settings
from gateway.cli.terminal import ProgressLine
from gateway.cli.terminal.usage import Config

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.settings.model import JournalSettings

journal = typer.Typer(help="The journal as a whole.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(metavar="FROM", help="A journal, as `journal.url` names it.")]
Destination = Annotated[str, typer.Argument(metavar="TO", help="An empty place for it, named alike.")]


@journal.command()
def copy(source: Source, destination: Destination, config: Config = CONFIG) -> None:
    """Copy a journal from a file to a database, or back; again, where that was interrupted.

    The trail is verified there. A database's password is the configuration's where that names it, else as
    PGPASSWORD or ~/.pgpass has it.
    """
    from gateway.journal.copied import CopyRefused
    from gateway.journal.copy import copy as bring
    from gateway.journal.copy import destination_of, source_of

    own = read_settings(config).journal
    places = [
        _place(url, what, config.absolute().parent, own)
        for url, what in ((source, "FROM"), (destination, "TO"))
    ]
    if places[0].place == places[1].place:
        raise Stop("FROM and TO are the same journal", ExitStatus.WRONG)
    brought, verified = ProgressLine("{} rows are there"), ProgressLine("verified up to event {}")
    try:
        with source_of(places[0]) as one, destination_of(places[1]) as other:
            newest = bring(one, other, brought.see, verified.see)
    except CopyRefused as error:
        raise Stop(str(error), ExitStatus.REFUSED) from error
    finally:
        brought.clear()
        verified.clear()
    print(f"copied: {newest} events, each in its place; set journal.url, and start the gateway on it")


@journal.command()
def archive(config: Config = CONFIG) -> None:
    """Move months that ended longer ago than `journal.retention` to files beside this gateway.

    From a file they leave by themselves. From a database they leave for the machine that runs this, which is
    to be always the same: there `audit verify` finds the whole trail, and people are erased.
    """
    import asyncio

    moved = asyncio.run(_archived(read_settings(config)))
    for month in moved:
        print(f"moved: {month}")
    if not moved:
        print("no month is old enough")


async def _archived(settings: "Settings") -> tuple[str, ...]:
    from gateway.build import open_journal
    from gateway.journal.archive import ArchiveFlawed

    async with open_journal(settings) as opened:
        try:
            return await opened.retention.by_hand().retire(settings.journal.retention)
        except ArchiveFlawed as error:
            raise Stop(f"nothing left the journal: {error}", ExitStatus.REFUSED) from error


def _place(url: str, what: str, base: Path, own: "JournalSettings") -> "JournalSettings":
    """Return the place that a url names; of the configuration's own database with its password."""
    from gateway.errors import ConfigError
    from gateway.settings.faults import Faults
    from gateway.settings.journal import load_journal
    from gateway.settings.secrets import Secrets

    faults = Faults()
    found = load_journal({"url": url}, base, faults, Secrets(base, faults, make_tokens=False, read=True))
    try:
        faults.raise_all()
    except ConfigError as error:
        raise Stop(f"{what}: {error.faults[0].reason}", ExitStatus.WRONG) from error
    is_own = own.database is not None and _shown(own.database.reveal()) == _shown(url)
    return own if is_own else found


def _shown(url: str) -> str:
    """Return a url without its password."""
    parts = urlsplit(url)
    user, _, places = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}@{places}").geturl()
