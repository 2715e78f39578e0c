"""`check`: every fault of the configuration, and what the targets say; `test`: the tests of its rules."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import orjson
import typer

from gateway.cli.output import CONFIG, ExitStatus, read_settings, targets_of, text
from gateway.cli.terminal.usage import Config
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.flow.target_port import TargetError
    from gateway.mapping.rule_test import Mismatch, RuleTest
    from gateway.settings import Settings, TargetSettings

Row = Mapping[str, Any]
Tested = tuple[str, "RuleTest", "list[Mismatch]"]  # of a target

SPEECH: Final = {  # connector -> what its targets speak, and what `url` is
    "scim": ("SCIM", "the base address without /Users, and no sign-in page may stand before it"),
    "rest": ("the JSON that its `rest` describes", "the address that the path of each request is added to"),
    "ldap": ("LDAP", "an LDAP server, of version 3 and with paged results"),
    "sql": ("SQL", "a database, and its driver speaks to that kind"),
    "dialpad": ("the JSON of Dialpad's API", "https://dialpad.com or its sandbox, without /api/v2"),
}


class CheckFormat(StrEnum):
    """How targets are told of."""

    TEXT = "text"
    JSON = "json"


Online = Annotated[bool, typer.Option("--online", help="Ask each target as well, with its credentials.")]
Formatting = Annotated[CheckFormat, typer.Option("--format")]


def check(online: Online = False, format: Formatting = CheckFormat.TEXT, config: Config = CONFIG) -> int:
    """Name every fault of the configuration at once; with --online, say what each target can do."""
    try:
        settings = read_settings(config, read_secrets=True)
    except ConfigError as error:
        _warn(error.warnings)
        raise
    _warn(settings.warnings)
    for file in settings.made_tokens:
        print(f"note: {file} is not there yet; `serve` makes it, with a new token", file=sys.stderr)
    journal = _journal(settings) if online and settings.journal.database is not None else None
    if journal is not None and (journal.is_failing or format is CheckFormat.TEXT):
        print(f"journal: {journal.says}", file=sys.stderr if journal.is_failing else sys.stdout)
    rows = []
    for row in _asked(settings) if online else map(_row, settings.targets.values()):
        rows.append(row)
        if format is CheckFormat.TEXT:  # each at once: another may be slow
            print(*_lines(row), sep="\n", flush=True)
    if format is CheckFormat.TEXT:
        for name, book in settings.phonebooks.items():
            address = f"{settings.server.public_url}/phonebook/{name}"
            print(f"phone book {name}: ok ({book.format}, the people of {book.target}, {address})")
    if format is CheckFormat.JSON:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    is_failing = (journal is not None and journal.is_failing) or any(
        row["state"] == "failing" for row in rows
    )
    return ExitStatus.UNREACHABLE if is_failing else ExitStatus.DONE


Tests = Annotated[
    str | None,
    typer.Argument(metavar="TARGET|FILE.toml", help="A target or a route, or a file of tests; else all."),
]
TestFile = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="A file with the tests.")]


def run_tests(
    target: Tests = None,
    file: TestFile = None,
    format: Formatting = CheckFormat.TEXT,
    config: Config = CONFIG,
) -> int:
    """Run the tests of the rules, from the configuration or a file; nothing is sent."""
    settings = read_settings(config)
    if target is not None and target.endswith(".toml"):  # no target has a dot in its name
        file, target = Path(target), None
    tested = list(_tested(settings, target, file))
    failed = sum(bool(found) for _, _, found in tested)
    if format is CheckFormat.JSON:
        rows = [
            {"target": name, "name": one.name, "passed": not found, "differences": list(map(asdict, found))}
            for name, one, found in tested
        ]
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        print(
            *_told(tested),
            f"{len(tested)} {'test' if len(tested) == 1 else 'tests'}, {failed} failed",
            sep="\n",
        )
    return ExitStatus.REFUSED if failed else ExitStatus.DONE


test: Final = run_tests  # as the command is called


def _tested(settings: "Settings", target: str | None, file: Path | None) -> Iterator[Tested]:
    """Yield each test with what is not as it expects."""
    from gateway.cli.resources import explainer
    from gateway.mapping.rule_test import mismatches
    from gateway.settings.compiled import mapping_of
    from gateway.settings.load import load_tests_of

    names = settings.targets if target is None else targets_of(settings, target)
    read = None if file is None else load_tests_of(file, settings.targets)
    for name in names:
        known = settings.targets[name]
        explain_one = explainer(settings, name, mapping_of(known))
        for one in known.tests if read is None else read.get(name, ()):
            yield name, one, list(mismatches(one, explain_one(one.input)))


def _told(tested: Sequence[Tested]) -> Iterator[str]:
    for target, tests in groupby(tested, key=lambda one: one[0]):
        yield target
        for _, one, found in tests:
            yield text(f"  FAIL  {one.name} ({one.path})" if found else f"  ok    {one.name}")
            yield from (text(f"        {mismatch}") for mismatch in found)
    if not tested:
        yield "there are no tests: write [[targets.NAME.tests]], or let `explain --as-test` write one"


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


class Looked(NamedTuple):
    """What came of a look at the journal's database."""

    says: str
    is_failing: bool = False


def _journal(settings: "Settings") -> Looked:
    """Look at the database of the journal as `serve` does when it starts."""
    from gateway.build import look_over
    from gateway.errors import JournalUnavailable

    try:
        return Looked(f"reachable, PostgreSQL {look_over(settings.journal)}")
    except JournalUnavailable as error:
        return Looked(error.detail, is_failing=True)


def _asked(settings: "Settings") -> Iterator[Row]:
    import asyncio

    from gateway.log import set_up_logging

    set_up_logging(sys.stderr, "ERROR")  # what is the matter is said on standard output
    with asyncio.Runner() as runner:
        for target in settings.targets.values():
            yield runner.run(_ask(settings, target))


async def _ask(settings: "Settings", target: "TargetSettings") -> Row:
    from gateway.build import try_target
    from gateway.flow.target_port import TargetError
    from gateway.journal.store import JournalLocked

    try:
        found = await try_target(settings, target)
    except JournalLocked:  # a directory of our own
        return _row(target, "ok", "the running gateway has it open")
    except TargetError as error:
        return _row(target, "failing", *_diagnosis(target, error))
    said = "reachable, credentials accepted" if target.auth else "reachable"
    return _row(target, "ok", said, found=[asdict(finding) for finding in found])


def _row(
    target: "TargetSettings",
    state: str | None = None,  # ok | failing; None: not asked
    says: str = "",
    fix: str = "",
    found: Sequence[Row] = (),
) -> Row:
    about = {"target": target.name, "connector": target.connector, "url": target.url}
    return {**about, "state": state, "says": says, "fix": fix, "found": list(found)}


def _diagnosis(target: "TargetSettings", error: "TargetError") -> tuple[str, str]:
    """Return what is the matter, and what may be done about it."""
    from gateway.flow.target_port import Broken, Denied, Nonsense, Silent, Throttled, Unreachable

    key = f"targets.{target.name}"
    language, meant = SPEECH.get(target.connector, SPEECH["scim"])
    known: dict[type[TargetError], tuple[str, str]] = {
        Denied: (
            f"credentials refused, see {key}.auth",
            "is the secret still valid, and may its owner read people there?",
        ),
        Nonsense: (
            f"answers, but not in {language}, see {key}.url",
            f"{key}.url is {meant}",
        ),
        Silent: (
            "does not answer",
            f"{target.timeout:g} s were waited, see {key}.timeout; does a firewall swallow something?",
        ),
        Unreachable: (
            "cannot be reached",
            f"host and port in {key}.url, its certificate, and what stands between here and there",
        ),
        Throttled: ("has no time now", f"try again later; {key}.rate bounds what it is sent"),
        Broken: ("cannot be used now", "its administrator knows more; nothing is lost meanwhile"),
    }
    what, fix = known.get(type(error), ("cannot be used", f"what it says, and {key}.url"))
    return f"{what}: {error.reason}", fix


def _lines(row: Row) -> Iterator[str]:
    if row["state"] is None:
        yield f"{row['target']}: ok ({row['connector']}, {row['url']})"
        return
    yield f"{row['target']}: {row['says']}"
    for finding in row["found"]:
        yield f"  {finding['about']:<9} {finding['says']}"
        if finding["fix"]:
            yield f"  {'':<9} to fix: {finding['fix']}"
    if row["fix"]:
        yield f"  to fix: {row['fix']}"
