"""`explain`: what resources would become on a target, rule by rule, before anything is sent."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from gateway.cli.output import (
    CONFIG,
    Config,
    ExitStatus,
    Format,
    columns,
    read_settings,
    targets_of,
    text,
    write,
)

if TYPE_CHECKING:
    from gateway.mapping.target import TargetMapping
    from gateway.scim.dialects import Dialect
    from gateway.settings import Settings, TargetSettings

Explanation = Mapping[str, Any]

REJECTED: Final = {"accepted": False, "resource": None}
TWICE: Final = "is given twice"
NO_NAME: Final = {"path": "userName", "rule": "require", "reason": "is required"}


class ExplainFormat(StrEnum):
    """How explanations are written."""

    TEXT = "text"
    JSON = "json"


Target = Annotated[str, typer.Argument(metavar="TARGET", help="The name of a target, or of a route.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="JSON, NDJSON or CSV; - is standard input.")]
FormOption = Annotated[
    ExplainFormat | None, typer.Option("--format", help="One resource as text, many as JSON, unless you say.")
]
AsTest = Annotated[bool, typer.Option("--as-test", help="Write a test that expects this, as TOML.")]
Summary = Annotated[bool, typer.Option("--summary", help="Count instead: accepted, rejected, and why.")]


def explain(
    target: Target,
    file: File = "-",
    format: FormOption = None,
    summary: Summary = False,
    as_test: AsTest = False,
    config: Config = CONFIG,
) -> int:
    """Show what a create would send to a target, or to each of a route; nothing is sent."""
    from gateway.cli.resources import read_resources
    from gateway.mapping.rule_test import as_test as rule_test
    from gateway.settings.compiled import mapping_of

    settings = read_settings(config)
    mappings = {name: mapping_of(settings.targets[name]) for name in targets_of(settings, target)}
    read = read_resources(file, lambda where: any(m.knows(where) for m in mappings.values()))
    resources = read if len(mappings) == 1 else list(read)  # every target is asked of all of them
    rejected = 0
    for name, mapping in mappings.items():
        explain_one = explainer(settings, name, mapping)
        if as_test:
            print(*(rule_test(one, explain_one(one)) for one in resources), sep="\n\n")
            continue
        explanations = map(explain_one, resources)
        rejected += (_summarize if summary else _tell)(name, explanations, format)
    return ExitStatus.REFUSED if rejected else ExitStatus.DONE


def explainer(
    settings: "Settings", name: str, mapping: "TargetMapping"
) -> Callable[[Mapping[str, Any]], Explanation]:
    """Return what explains to a target a resource as its provider sends it."""
    target, dialect = settings.targets[name], _dialect(settings, settings.route_of(name) or name)
    return lambda resource: _with_request(target, _explained(name, mapping, dialect.document(resource)))


def _dialect(settings: "Settings", address: str) -> "Dialect":
    """Return how resources that come there are written: as its provider does, if there is only one."""
    from gateway.scim.dialects import DIALECTS

    found = {provider.dialect for provider in settings.providers.values() if address in provider.targets}
    return DIALECTS[found.pop() if len(found) == 1 else "rfc"]


def _explained(target: str, mapping: "TargetMapping", resource: Mapping[str, Any]) -> Explanation:
    """Explain a resource as it would come in; one that would be refused before its rules has no steps."""
    from gateway.errors import InvalidSyntax
    from gateway.mapping.target import explain as explain_document
    from gateway.scim.documents import canonical, take_password

    try:
        document, _ = take_password(canonical(resource, "User"))
    except InvalidSyntax as error:  # with its URN and without it
        name = error.detail.removesuffix(f" {TWICE}")
        return _refused(target, [{"path": name, "rule": "type", "reason": TWICE}])
    if wrong := list(_wrong_types(document)):
        return _refused(target, wrong)
    explanation = explain_document(target, mapping, document)
    problems = explanation["problems"]
    if "userName" in document or any(problem["path"] == "userName" for problem in problems):
        return explanation
    return {**explanation, **REJECTED, "problems": [*problems, NO_NAME]}


def _with_request(target: "TargetSettings", explanation: Explanation) -> Explanation:
    """Add the very request that a create would be, where the configuration makes it up."""
    from gateway.flow.target_port import Refused

    if target.rest is None or explanation["resource"] is None:
        return explanation
    from gateway.targets.rest.requests import creation

    try:
        call, unsent = creation(target.rest.users, target.url, explanation["resource"])
    except Refused as error:
        rule, _, reason = error.reason.partition(": ")
        problem = {"path": reason.partition(" ")[0], "rule": rule, "reason": reason}
        return {**explanation, **REJECTED, "problems": [*explanation["problems"], problem]}
    body = None if call.body is None else orjson.loads(call.body)
    request = {"method": call.method, "url": call.url, "headers": dict(call.headers), "body": body}
    return {**explanation, "dropped": [*explanation["dropped"], *unsent], "request": request}


def _refused(target: str, problems: list[dict[str, str]]) -> Explanation:
    return {"target": target, **REJECTED, "steps": [], "held": [], "dropped": [], "problems": problems}


def _wrong_types(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    from gateway.errors import InvalidValue
    from gateway.scim.documents import check

    for name in document:
        try:
            check(document, "User", (name,))
        except InvalidValue as error:
            yield {"path": name, "rule": "type", "reason": error.detail.removeprefix(f"{name} ")}


def _summarize(target: str, explanations: Iterator[Explanation], format: ExplainFormat | None) -> int:
    """Write the summary and return how many would be rejected."""
    from gateway.mapping.summary import summarize

    found = summarize(target, explanations)
    if format is ExplainFormat.TEXT:
        left_out = f", {found['out_of_scope']} out of scope" if "out_of_scope" in found else ""
        print(f"{target}: {found['accepted']} accepted, {found['rejected']} rejected{left_out}")
        write(found["problems"], Format.TABLE, columns("count", "path", "rule", "reason"))
    else:
        print(_json(found))
    rejected: int = found["rejected"]
    return rejected


def _tell(target: str, explanations: Iterator[Explanation], format: ExplainFormat | None) -> int:
    """Write each explanation and return how many would be rejected."""
    beginning = list(islice(explanations, 2))
    form = format or (ExplainFormat.JSON if len(beginning) > 1 else ExplainFormat.TEXT)
    rejected = 0
    for explanation in chain(beginning, explanations):
        print(_json(explanation) if form is ExplainFormat.JSON else "\n".join(_lines(explanation)))
        rejected += not explanation["accepted"]
    return rejected


def _lines(explanation: Explanation) -> Iterator[str]:
    """Yield an explanation for people."""
    yield f"{explanation['target']}: {'accepted' if explanation['accepted'] else 'rejected'}"
    if explanation.get("in_scope") is False:
        yield text(f"out of scope, so nothing is sent: {explanation['scope']} does not hold")
    for step in explanation["steps"]:
        way = text(f"{step['to']} ← {step['from']}  {step['transform']}")
        yield f"  {way}: {_json(step['before'])} → {_json(step['after'])}"
    for lost in explanation.get("lost", ()):
        yield text(f"not run: {lost['to']}: {lost['reason']} (rule {lost['rule']}{_when(lost)})")
    for name in ("held", "dropped"):
        if explanation[name]:
            yield text(f"{name}: {', '.join(explanation[name])}")
    for problem in explanation["problems"]:
        yield text(f"problem: {problem['path']}: {problem['reason']} (rule {problem['rule']})")
    if explanation["resource"] is not None:
        yield f"sent: {orjson.dumps(explanation['resource'], option=orjson.OPT_INDENT_2).decode()}"
    if (request := explanation.get("request")) is not None:
        yield text(f"request: {request['method']} {request['url']}")
        yield from (text(f"  {name}: {value}") for name, value in request["headers"].items())
        if request["body"] is not None:
            yield orjson.dumps(request["body"], option=orjson.OPT_INDENT_2).decode()


def _when(lost: Mapping[str, Any]) -> str:
    return "" if lost["when"] is None else f", when {lost['when']}"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
