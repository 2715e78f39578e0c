"""What a resource would become on a target, told rule by rule: a dry run of a create. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from gateway.mapping.rules import TransformStep
from gateway.mapping.target import TargetMapping


def explain(target: str, mapping: TargetMapping, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation in the form of `explain --format json`."""
    steps: list[TransformStep] = []
    mapped = mapping.forward({"active": True, **resource}, steps)
    accepted = not mapped.problems
    return {
        "target": target,
        "accepted": accepted,
        "resource": mapped.form if accepted else None,
        "steps": [
            {
                "to": step.to,
                "from": step.source,
                "transform": step.transform,
                "before": step.before,
                "after": step.after,
            }
            for step in steps
        ],
        "held": list(mapped.held),
        "dropped": list(mapped.dropped),
        "problems": [asdict(problem) for problem in mapped.problems],
    }


def summarize(target: str, explanations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many would be accepted, and each problem once with how often it occurs."""
    accepted = rejected = 0
    counts: Counter[tuple[str, str, str]] = Counter()
    for explanation in explanations:
        accepted += explanation["accepted"]
        rejected += not explanation["accepted"]
        counts.update(
            (problem["path"], problem["rule"], problem["reason"]) for problem in explanation["problems"]
        )
    problems = [
        {"path": path, "rule": rule, "reason": reason, "count": count}
        for (path, rule, reason), count in counts.most_common()
    ]
    return {"target": target, "accepted": accepted, "rejected": rejected, "problems": problems}
