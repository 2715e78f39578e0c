"""`simulate`: what the configuration as it stands would change of what was sent; nothing is sent."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Final

import orjson
import typer

from gateway.admin.explained import Tally
from gateway.cli.output import (
    CONFIG,
    Column,
    Config,
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
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.admin.simulate import Foreseen
    from gateway.audit.masking import Cover
    from gateway.flow.model import Target
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
        runs = [_simulation(settings, reader, name, progress) for name in names]
        if summary:
            _write_summaries(runs, format)
        else:
            table = TABLE if len(runs) == 1 else (*columns("target"), *TABLE)
            write((row for run in runs for row in run.rows()), format, table, CSV_COLUMNS)
    for run in runs:
        print(run.sentence(), file=sys.stderr)
    return ExitStatus.REFUSED if any(run.counts["refused"] for run in runs) else ExitStatus.DONE


@frozen
class Simulation:
    """A walk over all that the journal knows of a target, a page in memory at a time."""

    target: "Target"
    reader: "Reader"
    has_groups: bool
    cover: "Cover"
    is_shown: bool | None  # how far it is; None: on a terminal
    counts: Counter[str] = field(default_factory=Counter)  # of people, by what would become of them
    others: Counter[str] = field(default_factory=Counter)  # people, groups, and who would leave

    def rows(self) -> Iterator[Row]:
        """Yield a row for each attribute of everybody who would change or be refused."""
        from gateway.admin.simulate import rows_of

        for foreseen in self._all():
            yield from rows_of(self.target, foreseen, self.cover)

    def sentence(self) -> str:
        """Say what it came to."""
        people = f"simulate {self.target.name}: {self.others['people']} people"
        counts = "".join(f", {self.counts[what]} {what.replace('_', ' ')}" for what in self._told())
        groups = (self.others["groups"] and f", groups that come or go: {self.others['groups']}") or ""
        return f"{people}{counts}{groups}; nothing was sent{self._braked()}"

    def _told(self) -> list[str]:
        from gateway.admin.simulate import Effect

        return [effect.value for effect in Effect if self.counts[effect.value]]

    def _braked(self) -> str:
        limit, leaving = self.target.policy.max_removals, self.others["leaving"]
        if limit is None or leaving <= limit[0]:
            return ""
        return f"; {leaving} would leave, and max_removals lets {limit[0]} go: the others would be held"

    def _all(self) -> Iterator["Foreseen"]:
        from gateway.admin.simulate import foresee, is_misplaced
        from gateway.flow.target_port import ResourceType

        people = self.reader.resources(self.target.name, ResourceType.USER)
        for resource, standing in ProgressLine("{} people", self.is_shown).over(people):
            foreseen = foresee(self.target, resource, standing)
            self.others["people"] += 1
            self.others["leaving"] += foreseen.removes
            self.counts[foreseen.effect.value] += 1
            yield foreseen
        if not self.has_groups:
            return
        for resource, standing in self.reader.resources(self.target.name, ResourceType.GROUP):
            if is_misplaced(self.target, resource):
                self.others["groups"] += 1
                yield foresee(self.target, resource, standing)


def _simulation(settings: "Settings", reader: "Reader", name: str, is_shown: bool | None) -> Simulation:
    from gateway.build import planned_target
    from gateway.journal.store import load_key
    from gateway.settings.compiled import cover_of

    has_groups = settings.targets[name].groups is not False
    cover = cover_of(settings, name, load_key)
    return Simulation(planned_target(settings, name), reader, has_groups, cover, is_shown)


def _write_summaries(runs: list[Simulation], format: Format) -> None:
    """Write what each run counts: one table of all, or for a program a line each."""
    counted = [(run, _counted(run)) for run in runs]
    if format in (Format.TABLE, Format.CSV):
        table = SUMMARY if len(runs) == 1 else columns("target") + SUMMARY
        write((row for _, rows in counted for row in rows), format, table, columns("target") + SUMMARY)
        return
    for run, rows in counted:
        people = {"target": run.target.name, "people": run.others["people"], "counts": dict(run.counts)}
        print(orjson.dumps({**people, "changes": rows}).decode())


def _counted(run: Simulation) -> list[Row]:
    tally = Tally("what", "path", "rule", "reason")
    for row in run.rows():
        who = {name: row[name] for name in ("userName", "externalId")}
        tally.add((row["what"], row["path"], row["rule"], row["reason"]), who)
    return [{"target": run.target.name, **row} for row in tally.rows()]
