"""`problems`: whose data a target refuses now, and why."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.output import (
    CONFIG,
    ExitStatus,
    Format,
    Row,
    Stop,
    columns,
    read_settings,
    stop_of,
    targets_of,
    write,
)
from gateway.cli.terminal import ProgressLine, is_apart
from gateway.cli.terminal.usage import Config

if TYPE_CHECKING:
    from gateway.admin.problems import Trouble
    from gateway.flow.journal_port import Resource
    from gateway.flow.target_port import Attributes
    from gateway.journal.reader import Reader
    from gateway.settings import Settings

NOT_KNOWN: Final = 'neither the journal nor the trail knows "{}" there'
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
    with reading(settings.journal) as reader:
        looked_at = ProgressLine("{} people", is_apart(format is not Format.TABLE))
        rows = (
            {"target": name, **_row(trouble)} if target in settings.routes else _row(trouble)
            for name in names
            for trouble in _troubles(reader, settings, name, left_out, person, looked_at)
        )
        first = list(islice(rows, 1))
        if person is not None and not first:
            _check_known(reader, settings, names, person)
        whose = "nobody's data is" if person is None else f'nothing of "{person}" is'
        write(chain(first, rows), format, shown, empty=f"{whose} refused by {target}")
    for name, number in left_out.items():
        print(f"{name}: {number} out of scope, of whom nothing is sent", file=sys.stderr)
    return ExitStatus.REFUSED if first else ExitStatus.DONE


def _check_known(reader: "Reader", settings: "Settings", names: tuple[str, ...], person: str) -> None:
    """Raise Stop where nobody of that name is known at a target, or at the one that it follows."""
    from gateway.settings.compiled import lead_of

    if all(reader.find_person(lead_of(settings, name) or name, person) is None for name in names):
        raise Stop(NOT_KNOWN.format(person), ExitStatus.REFUSED)


def _troubles(
    reader: "Reader",
    settings: "Settings",
    name: str,
    left_out: Counter[str],
    person: str | None,
    looked_at: ProgressLine,
) -> Iterator["Trouble"]:
    """Return the problems of the people in the journal, and of those whose newest change was refused."""
    from gateway.admin.refusals import Judge, troubles_at
    from gateway.settings.compiled import lead_of, mapping_of, strict_mapping_of

    target, lead = settings.targets[name], lead_of(settings, name)
    judge = Judge(name, mapping_of(target), strict_mapping_of(target), lead)
    known = None if person is None else reader.find_person(lead or name, person)
    whose = known.original.get("userName") if known else person
    people = _people(reader, lead or name, known, person, looked_at)
    return troubles_at(judge, reader, people, left_out, whose)


def _people(
    reader: "Reader", base: str, known: "Resource | None", person: str | None, looked_at: ProgressLine
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield originals, and whether they are active: of everybody, or of whom is asked for."""
    if person is None:
        yield from looked_at.over(reader.people(base))
    elif known is not None:
        yield known.original, known.state == "active"


def read_person(
    config: Path, names: tuple[str, ...], person: str, *, values: bool
) -> list[Mapping[str, Any]]:
    """Return what somebody of the journal is at each target, as it may be told; raises Stop for nobody.

    `values`: with those that are left out.
    """
    from gateway.admin.explained import with_values
    from gateway.admin.person import PARTS, covered_person, person_of
    from gateway.journal.reader import reading
    from gateway.journal.store import load_key
    from gateway.settings.compiled import cover_of, lead_of, mapping_of

    settings, told = read_settings(config), []
    with reading(settings.journal) as reader:
        asked = (
            person_of(reader, name, mapping_of(settings.targets[name]), person, lead_of(settings, name))
            for name in names
        )
        found = [one for one in asked if one is not None]
    if not found:
        raise Stop(NOT_KNOWN.format(person), ExitStatus.REFUSED)
    for one in found:
        original = one["original"] or {}
        parts = {name: list(with_values(one[name], original)) for name in PARTS if values}
        whole = {**one, **_seen_now(config, settings, one), **parts}
        told.append(covered_person(whole, cover_of(settings, one["target"], load_key)))
    return told


def _seen_now(config: Path, settings: "Settings", person: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the target shows of somebody now, who was asked for it, and why that could not be."""
    import asyncio

    from gateway.audit.masking import blotted
    from gateway.cli.client import NoGateway, alone, ask
    from gateway.flow.resource import without_password
    from gateway.log import set_up_logging

    set_up_logging(sys.stderr, "ERROR")
    name, id, target_id = person["target"], person["id"], person["target_id"]
    if target_id is None:
        return {"shows": None, "asked": None, "unasked": None}
    asked, socket = "the running gateway", settings.journal.socket
    try:
        answer = ask(socket, "POST", f"/targets/{name}/entry", {"id": id})
        entry, unasked = answer.document.get("entry"), None if answer.is_ok else answer.detail
    except NoGateway as absent:
        asked = "the target itself, as no gateway runs"
        try:
            with alone(socket, absent):
                whole = read_settings(config, read_secrets=True)
                entry, unasked = asyncio.run(_read(whole, name, target_id)), None
        except Exception as error:
            if (stop := stop_of(error)) is None:
                raise
            entry, unasked = None, str(stop)
    except Stop as stop:
        entry, unasked = None, str(stop)
    unasked = unasked and blotted(unasked, (person["original"],))
    return {"shows": entry and without_password(entry), "asked": asked, "unasked": unasked}


async def _read(settings: "Settings", name: str, target_id: str) -> "Attributes | None":
    """Ask a target for an entry without a gateway."""
    from gateway.build import connected
    from gateway.flow.target_port import ResourceType

    async with connected(settings, settings.targets[name]) as connector:
        return await connector.get(ResourceType.USER, target_id)


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
