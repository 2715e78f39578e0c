"""`problems`: whose data a target refuses now, and why."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli.output import (
    CONFIG,
    Config,
    ExitStatus,
    Format,
    Row,
    check_name,
    columns,
    read_settings,
    write,
)

if TYPE_CHECKING:
    from gateway.admin.problems import Trouble
    from gateway.journal.reader import Reader
    from gateway.settings import TargetSettings

COLUMNS: Final = columns("what", "userName", "externalId", "path", "rule", "reason")

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name.")]
Formatting = Annotated[Format, typer.Option("--format")]


def problems(target: Target, format: Formatting = Format.TABLE, config: Config = CONFIG) -> int:
    """List whose data is refused now, and which values are left out, and why; 1 where there are any."""
    from gateway.journal.reader import reading

    settings = read_settings(config)
    check_name("target", target, settings.targets)
    left_out = Counter[str]()
    with reading(settings.journal.path) as reader:
        rows = map(_row, _troubles(reader, settings.targets[target], left_out))
        first = list(islice(rows, 1))
        write(chain(first, rows), format, COLUMNS)
    for name, number in left_out.items():
        print(f"{name}: {number} out of scope, of whom nothing is sent", file=sys.stderr)
    return ExitStatus.REFUSED if first else ExitStatus.DONE


def _troubles(reader: "Reader", target: "TargetSettings", left_out: Counter[str]) -> Iterator["Trouble"]:
    """Yield the problems of the people in the journal, and of those whose newest change was refused.

    Who is out of scope has none, and is counted by target.
    """
    from gateway.admin.problems import troubles_in, troubles_of
    from gateway.settings.compiled import mapping_of

    mapping, strict = mapping_of(target), mapping_of(_strict(target))
    for original in reader.active_people(target.name):
        if mapping.leaves_out(original):
            left_out[target.name] += 1
            continue
        yield from troubles_of(original, mapping, strict)
    for name, reason in reader.refused(target.name):
        yield from troubles_in(name, reason)


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
        "userName": trouble.user_name,
        "externalId": trouble.external_id,
        "path": trouble.path,
        "rule": trouble.rule,
        "reason": trouble.reason,
    }
