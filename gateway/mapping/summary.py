"""What many resources come to on a target, counted by reason, with examples. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.errors import InvalidPath
from gateway.scim.paths import place, select

EXAMPLES: Final = 3  # of each reason
MOST: Final = 1_000  # reasons that are told apart: a file may name any path
OTHERS: Final = "others, of which there are too many to tell apart"
WHO: Final = ("row", "userName", "externalId")


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
    """Return what stands at a path; None where that is nothing, or the path names several places."""
    try:
        found = [value for _, value in select(document, place(path))]
    except InvalidPath:
        return None
    return found[0] if len(found) == 1 else found or None


def summarize(target: str, explanations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many would be accepted, and each reason once with how often it occurs and examples."""
    accepted = rejected = 0
    sides: Counter[bool] = Counter()  # of the scope, where there is one
    problems, unsent = Tally("path", "rule", "reason"), Tally("what", "path", "rule", "reason")
    ignored: Counter[str] = Counter()
    for explanation in explanations:
        accepted += explanation["accepted"]
        rejected += not explanation["accepted"]
        sides.update([explanation["in_scope"]] if "in_scope" in explanation else [])
        ignored.update(explanation.get("ignored", ()))
        who = {name: explanation[name] for name in WHO if name in explanation}
        for problem in explanation["problems"]:
            problems.add((problem["path"], problem["rule"], problem["reason"]), _example(who, problem))
        for part in explanation.get("unsent", ()):
            unsent.add((part["what"], part["path"], part["rule"], part["reason"]), _example(who, part))
    return {
        "target": target,
        "accepted": accepted,
        "rejected": rejected,
        **({"out_of_scope": sides[False]} if sides else {}),
        "problems": problems.rows(),
        "unsent": unsent.rows(),
        **({"ignored": dict(ignored)} if ignored else {}),
    }


def _example(who: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    return {**who, **({"value": part["value"]} if "value" in part else {})}
