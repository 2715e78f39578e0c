"""`simulate`: what the configuration as it stands would change of what was sent; nothing is sent."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import orjson
import typer

from gateway.admin.explained import Tally
from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Row,
    columns,
    read_settings,
    shortened,
    targets_of,
    write,
)
from gateway.cli.terminal import ProgressLine
from gateway.cli.terminal.usage import Config
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.simulate import Simulation
    from gateway.journal.reader import Reader
    from gateway.settings import Settings

LONGEST: Final = 60  # characters of a value in a table
TABLE: Final = (
    *columns("what", "state", "userName", "externalId", "path"),
    Column("before", "before", shortened(LONGEST)),
    Column("after", "after", shortened(LONGEST)),
    *columns("rule", "reason"),
)
CSV_COLUMNS: Final = columns("target", "what", "type", "state", "userName", "externalId", "id") + columns(
    "path", "before", "after", "rule", "reason"
)
SUMMARY: Final = columns("count", "what", "path", "rule", "reason", "examples")

Name = Annotated[
    str | None, typer.Argument(metavar="[TARGET]", help="The name of a target, or of a route; default: all.")
]
Shown = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Tell how far it is; default: on a terminal."),
]
Summary = Annotated[bool, typer.Option("--summary", help="Count instead, by what, attribute and reason.")]
Formatting = Annotated[Format, typer.Option("--format")]


def simulate(
    target: Name = None,
    summary: Summary = False,
    progress: Shown = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> int:
    """Show who would change by the configuration as it stands, attribute by attribute; nothing is sent.

    Exit status 1 where somebody would be refused.
    """
    from gateway.journal.reader import reading

    settings = read_settings(config)
    names = tuple(settings.targets) if target is None else targets_of(settings, target)
    with reading(settings.journal) as reader:
        runs = [_walk(settings, reader, name, progress) for name in names]
        if summary:
            _write_summaries(runs, format)
        else:
            table = TABLE if len(runs) == 1 else (*columns("target"), *TABLE)
            write((row for run in runs for row in run.rows()), format, table, CSV_COLUMNS)
    for run in runs:
        print(run.sentence(), file=sys.stderr)
    return ExitStatus.REFUSED if any(run.counts["refused"] for run in runs) else ExitStatus.DONE


@frozen
class Walk:
    """A simulation of a target, and who tells how far it is."""

    simulation: "Simulation"
    reader: "Reader"
    is_shown: bool | None  # how far it is; None: on a terminal

    @property
    def name(self) -> str:
        """Of the target."""
        return self.simulation.target.name

    @property
    def counts(self) -> Counter[str]:
        """Of people, by what would become of them."""
        return self.simulation.counts

    def rows(self) -> Iterator[Row]:
        """Yield a row for each attribute of everybody who would change or be refused."""
        from gateway.flow.target_port import ResourceType

        people = self.reader.resources(self.name, ResourceType.USER)
        groups = self.reader.resources(self.name, ResourceType.GROUP)
        return self.simulation.rows(ProgressLine("{} people", self.is_shown).over(people), groups)

    def sentence(self) -> str:
        """Say what it came to."""
        others = self.simulation.others
        people = f"simulate {self.name}: {others['people']} people"
        counts = "".join(f", {self.counts[what]} {what.replace('_', ' ')}" for what in self._told())
        groups = (others["groups"] and f", groups that come or go: {others['groups']}") or ""
        return f"{people}{counts}{groups}; nothing was sent{self._braked()}"

    def _told(self) -> list[str]:
        from gateway.admin.simulate import Effect

        return [effect.value for effect in Effect if self.counts[effect.value]]

    def _braked(self) -> str:
        if (held := self.simulation.held()) is None:
            return ""
        leaving, limit = held
        return f"; {leaving} would leave, and max_removals lets {limit} go: the others would be held"


def _walk(settings: "Settings", reader: "Reader", name: str, is_shown: bool | None) -> Walk:
    from gateway.admin.simulate import Simulation
    from gateway.build import planned_target
    from gateway.journal.store import load_key
    from gateway.settings.compiled import cover_of

    has_groups = settings.targets[name].groups is not False
    cover = cover_of(settings, name, load_key)
    return Walk(Simulation(planned_target(settings, name), has_groups, cover), reader, is_shown)


def _write_summaries(runs: list[Walk], format: Format) -> None:
    """Write what each run counts: one table of all, or for a program a line each."""
    counted = [(run, _counted(run)) for run in runs]
    if format in (Format.TABLE, Format.CSV):
        table = SUMMARY if len(runs) == 1 else columns("target") + SUMMARY
        write((row for _, rows in counted for row in rows), format, table, columns("target") + SUMMARY)
        return
    for run, rows in counted:
        people = {"target": run.name, "people": run.simulation.others["people"], "counts": dict(run.counts)}
        print(orjson.dumps({**people, "changes": rows}).decode())


def _counted(run: Walk) -> list[Row]:
    tally = Tally("what", "path", "rule", "reason")
    for row in run.rows():
        who = {name: row[name] for name in ("userName", "externalId")}
        tally.add((row["what"], row["path"], row["rule"], row["reason"]), who)
    return [{"target": run.name, **row} for row in tally.rows()]
