"""What resources would become on a target, explained one by one, and counted by reason with examples."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.errors import InvalidPath, InvalidSyntax, InvalidValue
from gateway.mapping.target import TargetMapping
from gateway.mapping.target import explain as explain_document
from gateway.scim.documents import canonical, check, take_password
from gateway.scim.paths import place, select

Explanation = Mapping[str, Any]

REJECTED: Final = {"accepted": False, "resource": None}
TWICE: Final = "is given twice"
NO_NAME: Final = {"path": "userName", "rule": "require", "reason": "is required"}

EXAMPLES: Final = 3  # of each reason
MOST: Final = 1_000  # reasons that are told apart: a file may name any path
OTHERS: Final = "others, of which there are too many to tell apart"
PART: Final = ("what", "path", "rule", "reason")
WHO: Final = ("row", "userName", "externalId")


def explained(
    target: str, mapping: TargetMapping, resource: Mapping[str, Any], *, show_values: bool = False
) -> Explanation:
    """Explain a resource as it would come in; one that would be refused before its rules has no steps."""
    explanation = _judged(target, mapping, resource)
    if not show_values:
        return explanation
    shown = {name: list(with_values(explanation[name], resource)) for name in ("unsent", "problems")}
    return {**explanation, **shown}


def _judged(target: str, mapping: TargetMapping, resource: Mapping[str, Any]) -> Explanation:
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


def _refused(target: str, problems: list[dict[str, str]]) -> Explanation:
    return {
        "target": target,
        **REJECTED,
        "steps": [],
        "held": [],
        "dropped": [],
        "unsent": [],
        "problems": problems,
    }


def _wrong_types(document: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name in document:
        try:
            check(document, "User", (name,))
        except InvalidValue as error:
            yield {"path": name, "rule": "type", "reason": error.detail.removeprefix(f"{name} ")}


class Tally:
    """Counts by a key, and keeps the first examples of each, in bounded memory."""

    def __init__(self, *names: str) -> None:
        """`names`: of the parts of the keys."""
        self._names = names
        self._counts: Counter[tuple[Any, ...]] = Counter()
        self._examples: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}

    def add(self, key: tuple[Any, ...], example: Mapping[str, Any]) -> None:
        """Count one."""
        if key not in self._counts and len(self._counts) >= MOST:
            key = (*(None for _ in key[1:]), OTHERS)
        self._counts[key] += 1
        examples = self._examples.setdefault(key, [])
        if len(examples) < EXAMPLES and example not in examples:
            examples.append(example)

    def rows(self) -> list[dict[str, Any]]:
        """Return what was counted, the most frequent first."""
        return [
            {
                **dict(zip(self._names, key, strict=True)),
                "count": count,
                "examples": list(self._examples[key]),
            }
            for key, count in self._counts.most_common()
        ]


def with_values(parts: Iterable[Mapping[str, Any]], document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield problems, or what is not sent, each with the value that a document has there."""
    for part in parts:
        yield {**part, "value": _value(document, part["path"])}


def _value(document: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path; None where that is nothing, or the path names several places.

    No password is told.
    """
    if "password" in path.casefold():
        return None
    try:
        found = [value for _, value in select(document, place(path))]
    except InvalidPath:
        return None
    return found[0] if len(found) == 1 else found or None


class ExplanationSummary:
    """How many would be accepted, and each reason once with how often it occurs and examples."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.accepted = self.rejected = 0
        self._sides: Counter[bool] = Counter()  # of the scope, where there is one
        self._problems = Tally("path", "rule", "reason")
        self._unsent = Tally(*PART)
        self._ignored: Counter[str] = Counter()

    def add(self, explanation: Mapping[str, Any]) -> None:
        """Count one explanation."""
        self.accepted += explanation["accepted"]
        self.rejected += not explanation["accepted"]
        self._sides.update([explanation["in_scope"]] if "in_scope" in explanation else [])
        self._ignored.update(explanation.get("ignored", ()))
        who = {name: explanation[name] for name in WHO if name in explanation}
        for problem in explanation["problems"]:
            key = (problem["path"], problem["rule"], problem["reason"])
            self._problems.add(key, _example(who, problem))
        for part in explanation.get("unsent", ()):
            self._unsent.add(tuple(part[name] for name in PART), _example(who, part))

    def told(self) -> dict[str, Any]:
        """Return it in the form of `explain --summary`."""
        return {
            "target": self.target,
            "accepted": self.accepted,
            "rejected": self.rejected,
            **({"out_of_scope": self._sides[False]} if self._sides else {}),
            "problems": self._problems.rows(),
            "unsent": self._unsent.rows(),
            **({"ignored": dict(self._ignored)} if self._ignored else {}),
        }


def summarize(target: str, explanations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary of explanations."""
    summary = ExplanationSummary(target)
    for explanation in explanations:
        summary.add(explanation)
    return summary.told()


def _example(who: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    return {**who, **({"value": part["value"]} if "value" in part else {})}
