"""`problems`: whose data a target refuses now, and why."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import (
    CONFIG,
    Config,
    ExitStatus,
    Format,
    Row,
    columns,
    read_settings,
    targets_of,
    write,
)
from gateway.cli.terminal import ProgressLine, is_apart

if TYPE_CHECKING:
    from gateway.admin.problems import Trouble
    from gateway.flow.journal_port import Resource
    from gateway.journal.reader import Reader
    from gateway.settings import Settings, TargetSettings

COLUMNS: Final = columns("what", "state", "userName", "externalId", "path", "rule", "reason")

Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
Person = Annotated[
    str | None,
    typer.Option("--person", metavar="NAME|ID", help="Only who has this userName, externalId or id."),
]
Formatting = Annotated[Format, typer.Option("--format")]


def problems(
    target: Target,
    person: Person = None,
    format: Formatting = Format.TABLE,
    config: Config = CONFIG,
) -> int:
    """List whose data is refused now, and which values are left out, and why; 1 where there are any.

    Who is inactive is listed with what they would come back with.
    """
    from gateway.journal.reader import reading

    settings = read_settings(config)
    names, left_out = targets_of(settings, target), Counter[str]()
    shown = COLUMNS if target in settings.targets else (*columns("target"), *COLUMNS)
    with reading(settings.journal.path) as reader:
        looked_at = ProgressLine("{} people", is_apart(format is not Format.TABLE))
        rows = (
            {"target": name, **_row(trouble)} if target in settings.routes else _row(trouble)
            for name in names
            for trouble in _troubles(reader, settings, name, left_out, person, looked_at)
        )
        first = list(islice(rows, 1))
        write(chain(first, rows), format, shown, empty=f"nobody's data is refused by {target}")
    for name, number in left_out.items():
        print(f"{name}: {number} out of scope, of whom nothing is sent", file=sys.stderr)
    return ExitStatus.REFUSED if first else ExitStatus.DONE


def _troubles(
    reader: "Reader",
    settings: "Settings",
    name: str,
    left_out: Counter[str],
    person: str | None,
    looked_at: ProgressLine,
) -> Iterator["Trouble"]:
    """Yield the problems of the people in the journal, and of those whose newest change was refused.

    Who is out of scope has none, and is counted by target. Who comes to a target that follows another is
    known there, and may never have come here.
    """
    from gateway.admin.problems import troubles_in, troubles_of
    from gateway.scim.documents import fold
    from gateway.settings.compiled import mapping_of

    target = settings.targets[name]
    lead = next((first for first, behind in settings.followers.items() if name in behind), None)
    mapping, strict = mapping_of(target), mapping_of(_strict(target))
    told = set[tuple[str, str | None]]()
    known = None if person is None else reader.find_person(lead or name, person)
    whose = known.original.get("userName") if known else person
    for original, active in _people(reader, lead or name, known, person, looked_at):
        if mapping.leaves_out(original):
            left_out[name] += 1
            continue
        for trouble in troubles_of(original, mapping, strict, active=active):
            told.add((trouble.user_name, trouble.path))
            yield trouble
    for one in reader.refused(name, whose) if lead is None else reader.refused_there(name):
        if lead is not None and not (whose is None or fold(one.user_name) == fold(whose)):
            continue
        for trouble in troubles_in(one.user_name, one.reason, one.external_id, one.state):
            if lead is None or (trouble.user_name, trouble.path) not in told:
                yield trouble


def _people(
    reader: "Reader", base: str, known: "Resource | None", person: str | None, looked_at: ProgressLine
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield originals, and whether they are active: of everybody, or of whom is asked for."""
    if person is None:
        yield from looked_at.over(reader.people(base))
    elif known is not None:
        yield known.original, known.state == "active"


def _strict(target: "TargetSettings") -> "TargetSettings":
    """Return the target with every rule that drops a value rejecting it, which says why."""
    from gateway.mapping.rules import OnInvalid

    rules = (
        replace(rule, on_invalid=OnInvalid.REJECT) if rule.on_invalid is OnInvalid.DROP else rule
        for rule in target.rules
    )
    return replace(target, rules=tuple(rules))


def _row(trouble: "Trouble") -> Row:
    return {
        "what": trouble.fate.value,
        "state": trouble.state,
        "userName": trouble.user_name,
        "externalId": trouble.external_id,
        "path": trouble.path,
        "rule": trouble.rule,
        "reason": trouble.reason,
    }
