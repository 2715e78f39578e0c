"""What commands share: rows as table, JSON, NDJSON or CSV, how a command fails, the configuration."""

import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import orjson

from gateway.audit.fields import at, cell
from gateway.cli.terminal import painter_of, width_of
from gateway.cli.terminal.table import Field, Kind, rendered
from gateway.errors import CannotListen, ConfigError, GatewayError, JournalUnavailable
from gateway.users import why
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings import Settings


Row = Mapping[str, Any]


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


def text(value: Any) -> str:
    """Return a value on one line, without what a terminal would obey."""
    if value is None:
        return ""
    plain = value if isinstance(value, str) else orjson.dumps(value).decode()
    return "".join(character if character.isprintable() else "?" for character in plain)


def second(moment: Any) -> str:
    """Return a time without its fractions, nothing for none."""
    return "" if moment is None else f"{text(moment)[:19]}Z"


def shortened(most: int) -> Callable[[Any], str]:
    """Return `text` for at most so many characters."""

    def show(value: Any) -> str:
        line = text(value)
        return line if len(line) <= most else f"{line[: most - 1]}…"

    return show


@frozen
class Column:
    """One column: its title, where its value is in a row, and how a table shows it."""

    title: str
    path: str  # names joined by dots
    show: Callable[[Any], str] = text
    rank: int = 1  # where there is no room the highest goes first, and 0 never

    def value(self, row: Row) -> Any:
        """Return the row's value, or None."""
        return at(row, self.path)

    @property
    def kind(self) -> Kind:
        """What its values are, by its name."""
        name = self.path.rpartition(".")[2]
        return KINDS.get(name) or KINDS.get(name.rpartition("_")[2], Kind.PLAIN)


KINDS: Final[Mapping[str, Kind]] = {  # the last name of a path -> what is there
    **dict.fromkeys(("id", "hash", "prev", "externalId"), Kind.ID),
    **dict.fromkeys(("user_name", "userName"), Kind.NAME),
    **dict.fromkeys(("reason", "failure", "ours", "theirs", "before", "after", "diff"), Kind.PROSE),
    **dict.fromkeys(("state", "standing", "result", "outcome", "finding", "what"), Kind.STATE),
}


def columns(*paths: str) -> tuple[Column, ...]:
    """Return columns that are titled as their paths."""
    return tuple(Column(path, path) for path in paths)


@frozen
class View:
    """What people asked to see of a table."""

    chosen: tuple[str, ...] = ()  # titles or paths of columns; none: those that there is room for
    is_wide: bool = False  # all columns, however long the lines


USUAL: Final = View()
VIEW: Final = ContextVar("view", default=USUAL)  # of the command that runs
NOTHING: Final = "there is nothing to show"


def write(
    rows: Iterable[Row],
    format: Format,
    table: Sequence[Column],
    csv_columns: Sequence[Column] | None = None,
    out: TextIO | None = None,
    empty: str = NOTHING,
) -> None:
    """Write rows, by default to standard output; CSV has the table's columns, or others.

    `empty` is the line that stands for a table without rows. Raises Stop for a column that there is not.
    """
    shown = csv_columns if csv_columns is not None and format is Format.CSV else table
    known = (*table, *(csv_columns or ()))
    chosen = chosen_of(known, format) or shown
    out = sys.stdout if out is None else out
    if format is Format.TABLE:
        _table(rows, chosen, out, empty)
    else:
        WRITERS[format](rows, chosen, out)


def chosen_of(known: Sequence[Column], format: Format) -> tuple[Column, ...]:
    """Return the columns that people asked for, none where they did not; raises Stop for one there is not."""
    view = VIEW.get()
    if view.chosen and format not in (Format.TABLE, Format.CSV):
        raise Stop("--columns: chooses those of a table or of CSV; JSON has all", ExitStatus.WRONG)
    names = {name.casefold(): column for column in reversed(known) for name in (column.path, column.title)}
    for name in view.chosen:
        if name.casefold() not in names:
            shown = tuple(dict.fromkeys(column.title for column in known))
            check_name("column", name, shown, "--columns: ")
    return tuple(names[name.casefold()] for name in view.chosen)


def _table(rows: Iterable[Row], columns: Sequence[Column], out: TextIO, empty: str) -> None:
    found = list(rows)
    if not found:
        print(empty, file=out, end="\n" if empty else "")
        return
    view = VIEW.get()
    fields = [
        Field(column.title, [column.show(column.value(row)) for row in found], column.kind, column.rank)
        for column in columns
    ]
    most = None if view.is_wide else width_of(out)
    for line in rendered(fields, most, painter_of(out), whole=bool(view.chosen)):
        print(line, file=out)


def _json(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    separator = "[\n"
    for row in rows:
        out.write(f"{separator}{orjson.dumps(row).decode()}")
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _ndjson(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    for row in rows:
        out.write(f"{orjson.dumps(row).decode()}\n")


def _csv(rows: Iterable[Row], columns: Sequence[Column], out: TextIO) -> None:
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)  # lines end in CR LF (RFC 4180)
    writer.writerow([column.title for column in columns])
    for row in rows:
        writer.writerow([cell(column.value(row)) for column in columns])


WRITERS: Final[Mapping[Format, Callable[[Iterable[Row], Sequence[Column], TextIO], None]]] = {
    Format.JSON: _json,
    Format.NDJSON: _ndjson,
    Format.CSV: _csv,
}


class ExitStatus(IntEnum):
    """Exit statuses (README.md)."""

    DONE = 0
    REFUSED = 1  # or differs
    WRONG = 2  # usage or configuration
    UNREACHABLE = 3  # a target or the journal


class Stop(Exception):
    """Ends a command; its text is for standard error."""

    def __init__(self, sentence: str, status: ExitStatus) -> None:
        super().__init__(sentence)
        self.status = status


def stop_of(error: Exception) -> Stop | None:
    """Return how a command ends with an error of ours; None for an error that is nobody's answer."""
    if isinstance(error, Stop):
        return error
    if isinstance(error, ConfigError):
        faults = "\n".join(map(str, error.faults))
        return Stop(faults, ExitStatus.WRONG)
    if isinstance(error, PermissionError) and error.filename is not None:
        return Stop(f"{error.filename} cannot be used: {why(error, error.filename)}", ExitStatus.WRONG)
    known = (status for kind, status in _statuses().items() if isinstance(error, kind))
    status = next(known, None)
    return None if status is None else Stop(str(error), status)


def finished(command: Callable[[], int | None], argv: Sequence[str]) -> int:
    """Do what a command line says; what cannot be done is a sentence on standard error and an exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the locale, no name ends a command
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for them in all packages
    try:
        status = command()
    except Exception as error:
        stop = stop_of(error) or _no_text(error, argv)
        if stop is None:
            raise
        print(stop, file=sys.stderr)
        status = stop.status
    return _flushed(int(status or ExitStatus.DONE))


def _no_text(error: Exception, argv: Sequence[str]) -> Stop | None:
    """Return how a command ends that was given bytes where it needs a text, as by a terminal of Latin-1."""
    if not isinstance(error, UnicodeEncodeError) or not any(map(SURROGATE.search, argv)):
        return None
    return Stop(
        "what was typed has bytes that are no text in UTF-8: is the terminal set to it?", ExitStatus.WRONG
    )


SURROGATE: Final = re.compile("[\ud800-\udfff]")  # Python's stand-in for a byte that it could not read


def _flushed(status: int) -> int:
    """Write out what is left; where the reader has gone, as `head` does, 1 as typer and rich have it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.REFUSED
    return status


def _statuses() -> dict[type[Exception], ExitStatus]:
    """Return what each kind of error means here, the special before the general."""
    from gateway.flow.target_port import TargetError
    from gateway.journal.store import JournalLocked

    return {
        JournalUnavailable: ExitStatus.UNREACHABLE,
        JournalLocked: ExitStatus.UNREACHABLE,
        TargetError: ExitStatus.UNREACHABLE,
        CannotListen: ExitStatus.UNREACHABLE,
        GatewayError: ExitStatus.WRONG,
    }


CONFIG: Final = Path("config.toml")


def read_settings(config: Path, *, make_tokens: bool = False, read_secrets: bool = False) -> "Settings":
    """Read the configuration; raises ConfigError.

    Without `read_secrets` no secret has to be there: what only reads or explains needs none.
    """
    from gateway.settings import load_settings
    from gateway.targets.registry import CONNECTORS

    return load_settings(config, CONNECTORS, make_tokens=make_tokens, read_secrets=read_secrets)


def targets_of(settings: "Settings", name: str) -> tuple[str, ...]:
    """Return the targets that a name means, of a route all of its; raises Stop where it means none."""
    if name in settings.routes:
        return settings.routes[name].targets
    check_name(
        "target or route" if settings.routes else "target", name, (*settings.targets, *settings.routes)
    )
    return (name,)


def check_name(what: str, name: str, known: Iterable[str], where: str = "") -> None:
    """Raise Stop with the nearest right name where `name` is not among the known ones."""
    from gateway.settings.faults import hint

    names = tuple(known)
    if name not in names:
        raise Stop(f'{where}there is no {what} "{name}"{hint(name, names)}', ExitStatus.WRONG)
