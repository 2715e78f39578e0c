"""`audit export` and `audit erase`: parts of the trail written to a file, a person's values removed."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated, Final, Literal, TextIO, cast

import typer

from gateway.cli.client import GatewayRequest, via_gateway_or_locally
from gateway.cli.output import CONFIG, ExitStatus, Format, Stop, read_settings, write
from gateway.cli.terminal.usage import Config
from gateway.cli.trail import CSV_COLUMNS, TABLE, Event, Filter, Since, Text, Until, parse_asked, period

if TYPE_CHECKING:
    from gateway.admin.acts import Export
    from gateway.audit.query import AuditQuery
    from gateway.journal.reader import Reader
    from gateway.settings import Settings
from typing import TYPE_CHECKING

from gateway.cli.client import LONG_PATIENCE, Answer
from gateway.users import why

if TYPE_CHECKING:
    from gateway.admin.acts import Erased
    from gateway.settings import Settings


EVERY: Final = 1.0  # seconds between two lines of progress

Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Where to; default, and -: standard output.")
]
Formatting = Annotated[Literal["ndjson", "csv"], typer.Option("--format")]
Month = Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="All of a month, in UTC.")]
Quarter = Annotated[str | None, typer.Option("--quarter", metavar="YYYYQN", help="All of a quarter, in UTC.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")]


def export(  # noqa: PLR0913, PLR0917 - one parameter for each option
    since: Since = None,
    until: Until = None,
    month: Month = None,
    quarter: Quarter = None,
    filter: Filter = None,
    q: Text = None,
    format: Formatting = "ndjson",
    output: Output = None,
    force: Force = False,
    config: Config = CONFIG,
) -> None:
    """Write events to a file, the oldest first, as they are now."""
    from gateway.admin.acts import Export
    from gateway.journal.reader import reading

    settings = read_settings(config)
    if sum(given is not None for given in (month, quarter, since or until)) > 1:
        raise Stop("--month, --quarter, and --since with --until: say one of them", ExitStatus.WRONG)
    since, until = period(month, quarter) or (since, until)
    question = parse_asked(since=since, until=until, filter=filter, q=q, sort="asc")
    with reading(settings.journal) as reader, _opened(output, force) as out:
        last = reader.newest()
        _note(settings, Export(format, question.since, question.until, filter, q, last))
        found = _Counted(reader, question, last)
        write(found, Format(format), TABLE, CSV_COLUMNS, out)
    print(f"{found.count} events, of those up to seq {last}", file=sys.stderr)


class _Counted:
    """The events up to the one that was the newest; progress goes to a terminal as they pass."""

    def __init__(self, reader: "Reader", question: "AuditQuery", last: int) -> None:
        self._reader = reader
        self._question = question
        self._last = last
        self._shown = time.monotonic()
        self.count = 0

    def __iter__(self) -> Iterator[Event]:
        for event in self._reader.answers(self._question, self._see):
            if event["seq"] > self._last:
                break
            self.count += 1
            yield event

    def _see(self, seq: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown >= EVERY:
            self._shown = now
            print(f"{self.count} events, at seq {seq} of {self._last}", file=sys.stderr, end="\r", flush=True)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _opened(output: Path | None, force: bool) -> Iterator[TextIO]:
    """Yield where to write; a file is there under its name only once it is whole, for its owner alone."""
    if output in (None, Path("-")):
        yield sys.stdout
        return
    if os.path.exists(output) and not os.path.isfile(output):  # a device or a pipe would be replaced
        raise Stop(f"--output: {output} cannot be written: it is not a file", ExitStatus.WRONG)
    if os.path.exists(output) and not force:
        raise Stop(f"--output: {output} is there already; --force replaces it", ExitStatus.WRONG)
    place = Path(os.path.realpath(output))  # where a link leads to is replaced, not the link
    try:
        file = NamedTemporaryFile(  # noqa: SIM115 - closed below, and renamed
            "w", dir=place.parent, prefix=f".{place.name}.", encoding="utf-8", newline="", delete=False
        )
    except OSError as error:
        raise Stop(f"--output: {output} cannot be written: {why(error, output)}", ExitStatus.WRONG) from error
    try:
        with file:
            yield cast(TextIO, file)  # the wrapper has all that a text file has
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, place)
        with _folder(place.parent) as folder:
            os.fsync(folder)  # so that a power cut leaves the new name, too
    except OSError as error:
        raise Stop(f"--output: {output} cannot be written: {why(error, output)}", ExitStatus.WRONG) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(file.name)


def _note(settings: "Settings", export: "Export") -> None:
    """Leave the event before anything leaves the gateway: in the running one, or here where none runs."""
    request = GatewayRequest("POST", "/exports", asdict(export))
    via_gateway_or_locally(settings, request, lambda _: None, lambda: _note_locally(settings, export))


async def _note_locally(settings: "Settings", export: "Export") -> None:
    from gateway.admin.acts import note_export
    from gateway.build import open_journal
    from gateway.ids import new_id

    async with open_journal(settings) as journal:
        await note_export(journal.trail, export, new_id())


Name = Annotated[str, typer.Argument(metavar="NAME", help="The person's userName.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def erase(name: Name, yes: Yes = False, config: Config = CONFIG) -> int:
    """Remove a person's values for good; that something was done to them stays, and the chain whole.

    Exit status 1 where nothing was found, or something had to stay.
    """
    settings = read_settings(config)
    if not yes and not _agreed(name):
        raise Stop("nothing was removed", ExitStatus.REFUSED)
    erased = _erased(settings, name)
    if not erased.is_anything and not erased.kept:
        raise Stop("nobody of this name is known, or nothing is left of them", ExitStatus.REFUSED)
    return _report(erased)


def _agreed(name: str) -> bool:
    print(f"All values of {name} leave the audit trail and its archives, for good. Go on? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _report(erased: "Erased") -> int:
    archived = f", {erased.archived} of them in archives" if erased.archived else ""
    print(f"removed: the values of {len(erased.events)} events{archived}")
    for target in erased.originals:
        print(f"removed: the original on {target}")
    for kept in erased.kept:
        print(f"kept: the original on {kept.target}, as {kept.reason}; erase again when that is over")
    if not erased.is_done:
        print("not done: freed parts of the files may still show them; the gateway tries again within a day")
    return ExitStatus.DONE if erased.is_done and not erased.kept else ExitStatus.REFUSED


def _erased(settings: "Settings", name: str) -> "Erased":
    """Have the running gateway do it, or do it here where none runs."""
    path = settings.journal.path
    if settings.journal.database is None and not path.exists():
        raise Stop(f"there is no journal {path} yet: `serve` makes it", ExitStatus.UNREACHABLE)
    request = GatewayRequest("POST", "/erasures", {"name": name}, timeout=LONG_PATIENCE)
    return via_gateway_or_locally(settings, request, _read, lambda: _locally(settings, name))


def _read(answer: Answer) -> "Erased":
    from gateway.admin.acts import Erased, Kept

    said = dict(answer.document)
    return Erased(**said | {"kept": tuple(Kept(**kept) for kept in said["kept"])})


async def _locally(settings: "Settings", name: str) -> "Erased":
    from gateway.admin.acts import erase_person
    from gateway.build import open_journal
    from gateway.ids import new_id

    async with open_journal(settings) as journal:
        return await erase_person(journal.retention, name, new_id())
