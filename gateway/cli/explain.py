"""`explain`: what resources would become on a target, rule by rule, before anything is sent."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.cli.output import (
    CONFIG,
    Column,
    ExitStatus,
    Format,
    Stop,
    columns,
    read_settings,
    targets_of,
    text,
    write,
)
from gateway.cli.terminal.usage import Config

if TYPE_CHECKING:
    from gateway.admin.explained import Explanation
    from gateway.cli.sheets import FoundResource


class ExplainFormat(StrEnum):
    """How explanations are written."""

    TEXT = "text"
    JSON = "json"


Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON, NDJSON, a ListResponse or CSV; - is standard input.")
]
Person = Annotated[
    str | None,
    typer.Option("--person", metavar="NAME|ID", help="Somebody of the journal, and what the target has."),
]
Columns = Annotated[
    Path | None,
    typer.Option("--columns", metavar="MAP.CSV", help="Which heading of a sheet is which attribute."),
]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", metavar="C", help="Of a sheet: a character, or tab."),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="Such as windows-1252; else found out.")
]
Values = Annotated[bool, typer.Option("--show-values", help="Show values beside problems, and in examples.")]
FormOption = Annotated[
    ExplainFormat | None, typer.Option("--format", help="One resource as text, many as JSON, unless you say.")
]
AsTest = Annotated[bool, typer.Option("--as-test", help="Write a test that expects this, as TOML.")]
Summary = Annotated[bool, typer.Option("--summary", help="Count instead: accepted, rejected, and why.")]


def explain(  # noqa: PLR0913, PLR0917 - one parameter for each option
    target: Target,
    file: File = "-",
    person: Person = None,
    columns: Columns = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    show_values: Values = False,
    format: FormOption = None,
    summary: Summary = False,
    as_test: AsTest = False,
    config: Config = CONFIG,
) -> int:
    """Show what a create would send to a target, or to each of a route; nothing is sent.

    --person: what somebody of the journal is, who is known there, and what the target shows of them now.
    """
    from gateway.cli.resources import explainer, read_resources, sheet_of
    from gateway.mapping.rule_test import as_test as rule_test
    from gateway.settings.compiled import mapping_of

    settings = read_settings(config)
    names = targets_of(settings, target)
    if person is not None and (file != "-" or summary or as_test):
        raise Stop("--person: goes with no file, and is neither summed up nor a test", ExitStatus.WRONG)
    if person is not None:
        from gateway.cli.problems import read_person

        return _tell_person(read_person(config, names, person, values=show_values), format)
    mappings = {name: mapping_of(settings.targets[name]) for name in names}
    explainers = [explainer(settings, *named, show_values) for named in mappings.items()]
    sheet = sheet_of(lambda where: any(m.knows(where) for m in mappings.values()), columns, delimiter)
    ignored = Counter[str]()
    found = _noted(read_resources(file, sheet, encoding), ignored)
    pairs = ((one, explain_one(one.document)) for one in found for explain_one in explainers)
    if as_test:
        print(*(rule_test(one.document, explanation) for one, explanation in pairs), sep="\n\n")
        return ExitStatus.DONE
    explanations = (_of_whom(one, explanation) for one, explanation in pairs)
    rejected = _summarize(names, explanations, format) if summary else _tell(explanations, len(names), format)
    _tell_ignored(ignored)
    return ExitStatus.REFUSED if rejected else ExitStatus.DONE


def _tell_person(people: Iterable["Explanation"], format: ExplainFormat | None) -> int:
    """Write what somebody is at each target; return the exit status."""
    status = ExitStatus.DONE
    for one in people:
        print(_json(one) if format is ExplainFormat.JSON else "\n".join(_person_lines(one)))
        if one["problems"] or not one["accepted"]:
            status = ExitStatus.REFUSED
        elif one["unasked"] and status is ExitStatus.DONE:
            status = ExitStatus.UNREACHABLE
    return status


def _person_lines(person: "Explanation") -> Iterator[str]:
    """Yield what is told of somebody, for people."""
    head, who, *others = _lines({**person, "resource": None})
    yield head
    state = person["state"] or "the journal does not know them"
    standing = f", not settled: {person['standing']}" if person["standing"] else ""
    changed = f", changed {person['modified'][:19]}Z" if person["modified"] else ""
    yield f"{who}, {state}{changed}{standing}"
    yield from others
    now = f"the target shows now (asked {person['asked']})"
    for title, name in (("original", "original"), ("would be sent", "resource"), ("was sent", "sent")):
        if person[name] is not None:
            yield f"{title}: {_indented(person[name])}"
    if person["unasked"]:
        yield text(f"{now}: it could not be asked: {person['unasked']}")
    elif person["asked"]:
        yield f"{now}: {_indented(person['shows'])}"
    else:
        yield "the target has no entry of theirs"


def _noted(found: Iterator["FoundResource"], ignored: Counter[str]) -> Iterator["FoundResource"]:
    """Yield resources, and count what no attribute is for."""
    for one in found:
        ignored.update(one.ignored)
        yield one


def _tell_ignored(ignored: Counter[str]) -> None:
    from gateway.cli.sheets import note_on

    for title, count in ignored.items():
        values = f"{count:,} value{'s' if count > 1 else ''}"
        print(text(f"ignored, {values}: {note_on(title)}; --columns says what is what"), file=sys.stderr)


def _of_whom(one: "FoundResource", explanation: "Explanation") -> "Explanation":
    """Return an explanation with who it is about, and what of them no attribute is for."""
    from gateway.scim.names import get

    who = {name: get(one.document, name) for name in ("userName", "externalId")}
    ignored = {"ignored": list(one.ignored)} if one.ignored else {}
    return {"target": explanation["target"], "row": one.row, **who, **explanation, **ignored}


def _summarize(
    names: tuple[str, ...], explanations: Iterator["Explanation"], format: ExplainFormat | None
) -> int:
    """Write a summary of each target and return how many would be rejected."""
    from gateway.admin.explained import ExplanationSummary

    summaries = {name: ExplanationSummary(name) for name in names}
    for explanation in explanations:
        summaries[explanation["target"]].add(explanation)
    for summary in summaries.values():
        found = summary.told()
        if _is_for_people(format):
            left_out = f", {found['out_of_scope']} out of scope" if "out_of_scope" in found else ""
            print(f"{summary.target}: {found['accepted']} accepted, {found['rejected']} rejected{left_out}")
            rows = [{"what": "refused", **problem} for problem in found["problems"]]
            write([*rows, *found["unsent"]], Format.TABLE, SUMMARY)
        else:
            print(_json(found))
    return sum(summary.rejected for summary in summaries.values())


def _is_for_people(format: ExplainFormat | None) -> bool:
    return format is ExplainFormat.TEXT or (format is None and sys.stdout.isatty())


def _tell(explanations: Iterator["Explanation"], targets: int, format: ExplainFormat | None) -> int:
    """Write each explanation and return how many would be rejected; `targets`: how many each resource has."""
    beginning = list(islice(explanations, targets + 1))
    form = format or (ExplainFormat.JSON if len(beginning) > targets else ExplainFormat.TEXT)
    rejected = 0
    for explanation in chain(beginning, explanations):
        print(_json(explanation) if form is ExplainFormat.JSON else "\n".join(_lines(explanation)))
        rejected += not explanation["accepted"]
    return rejected


def _examples(value: Any) -> str:
    """Return examples of whom a reason is about, on one line."""
    return text("; ".join(_whose(example) for example in value))


def _whose(about: Mapping[str, Any]) -> str:
    """Return who an explanation or an example is about, with the value where it is told."""
    row = [f"row {about['row']}"] if "row" in about else []
    names = [str(about[name]) for name in ("userName", "externalId") if about.get(name)]
    value = [_json(about["value"])] if "value" in about else []
    return " ".join((*row, *names, *value))


SUMMARY: Final = (
    *columns("count", "what", "path", "rule", "reason"),
    Column("examples", "examples", _examples),
)


def _lines(explanation: "Explanation") -> Iterator[str]:
    """Yield an explanation for people."""
    yield f"{explanation['target']}: {'accepted' if explanation['accepted'] else 'rejected'}"
    yield text(_whose(explanation))
    if explanation.get("in_scope") is False:
        yield text(f"out of scope, so nothing is sent: {explanation['scope']} does not hold")
    for step in explanation["steps"]:
        way = text(f"{step['to']} ← {step['from']}  {step['transform']}")
        yield f"  {way}: {_json(step['before'])} → {_json(step['after'])}"
    for lost in explanation.get("lost", ()):
        yield text(f"not run: {lost['to']}: {lost['reason']} (rule {lost['rule']}{_when(lost)})")
    yield from map(text, _left_out(explanation))
    for problem in explanation["problems"]:
        yield text(f"problem: {_why(problem)}")
    if explanation["resource"] is not None:
        yield f"sent: {_indented(explanation['resource'])}"
    if (request := explanation.get("request")) is not None:
        yield text(f"request: {request['method']} {request['url']}")
        yield from (text(f"  {name}: {value}") for name, value in request["headers"].items())
        if request["body"] is not None:
            yield _indented(request["body"])
    for statement in explanation.get("statements", ()):
        yield text(f"statement: {statement['sql']}")
        yield from (text(f"  :{name} = {_json(value)}") for name, value in statement["parameters"].items())


def _left_out(explanation: "Explanation") -> Iterator[str]:
    """Yield what of a resource is not sent, and why where a rule says so."""
    for name in ("held", "dropped"):
        if explanation[name]:
            yield f"{name}: {', '.join(explanation[name])}"
    for part in explanation["unsent"]:
        if part["rule"] is not None or "value" in part:
            yield f"{part['what']}: {_why(part)}"
    if "ignored" in explanation:
        yield f"ignored: {', '.join(explanation['ignored'])}"


def _when(lost: Mapping[str, Any]) -> str:
    return "" if lost["when"] is None else f", when {lost['when']}"


def _why(part: Mapping[str, Any]) -> str:
    """Return a problem, or why something is not sent, with the value where that is asked."""
    rule = "" if part["rule"] is None else f" (rule {part['rule']})"
    since = f", since {part['since'][:19]}Z" if part.get("since") else ""
    value = f": {_json(part['value'])}" if "value" in part else ""
    return f"{part['path']}: {part['reason']}{rule}{since}{value}"


def _json(value: Any) -> str:
    """Return a value as JSON on one line."""
    return orjson.dumps(value).decode()


def _indented(value: Any) -> str:
    """Return a value as JSON that people read."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
