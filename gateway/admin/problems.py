"""Whose data a target's mapping refuses, or leaves out, and why. Pure."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from gateway.mapping.rules import Problem
from gateway.mapping.target import TargetMapping
from gateway.values import frozen

SAID: Final = re.compile(  # a problem as its text has it; a filter's literal in its path may hold anything
    r'(?P<path>(?:"[^"]*"|[^"])+?): (?P<reason>.+?) \(rule (?P<rule>.+?)\)(?:; |$)', re.DOTALL
)


DONE: Final = frozenset({"applied", "adopted", "replayed", "unchanged", "out_of_scope"})


class Fate(StrEnum):
    """What becomes of somebody with a problem."""

    REFUSED = "refused"  # their changes are not sent
    DROPPED = "dropped"  # they are sent without the value


@frozen
class Trouble:
    """One problem of one person; never the value."""

    fate: Fate
    user_name: str
    external_id: str | None
    path: str | None
    rule: str | None
    reason: str
    state: str | None = None  # active, inactive; None: the journal does not know them


class RefusedChange(NamedTuple):
    """The newest change of somebody, which was refused, with none done since."""

    user_name: str
    external_id: str | None
    state: str | None  # active, inactive; None: the journal does not know them
    reason: str
    since: str  # RFC 3339, UTC


def troubles_of(
    original: Mapping[str, Any], mapping: TargetMapping, strict: TargetMapping, *, active: bool = True
) -> tuple[Trouble, ...]:
    """Return the problems of somebody; of who is inactive, those that they would come back with.

    `strict` is the same mapping, with the rules that drop a value rejecting it: it says why.
    """
    wanted = original if active else {**original, "active": True}
    every = strict.forward(wanted).problems
    if not every:  # then nothing is dropped either
        return ()
    refused = mapping.forward(wanted).problems
    dropped = [problem for problem in every if problem not in refused]
    return (
        *(_trouble(Fate.REFUSED, original, problem, active) for problem in refused),
        *(_trouble(Fate.DROPPED, original, problem, active) for problem in dropped),
    )


def troubles_in(
    user_name: str, reason: str, external_id: str | None = None, state: str | None = None
) -> tuple[Trouble, ...]:
    """Return the problems of somebody whose change was refused, from what the provider was told."""
    return tuple(
        Trouble(
            Fate.REFUSED,
            user_name,
            external_id,
            problem.path or None,
            problem.rule or None,
            problem.reason,
            state,
        )
        for problem in parse_problems(reason)
    )


def dropped_since(events: Sequence[Mapping[str, Any]], path: str) -> str | None:
    """Return since when each change of somebody has left out a value; None where the newest did not.

    `events`: of the person at the target, the oldest first.
    """
    since: str | None = None
    for event in reversed(events):
        if event["outcome"]["result"] in DONE and "dropped" in event:
            if path not in event["dropped"]:
                break
            since = event["published"]
    return since


def refused_since(events: Sequence[Mapping[str, Any]]) -> str | None:
    """Return since when each change of somebody is refused; None where the newest went through."""
    since: str | None = None
    for event in reversed(events):
        if event["outcome"]["result"] in DONE:
            break
        if event["outcome"]["result"] == "rejected":
            since = event["published"]
    return since


def parse_problems(text: str) -> tuple[Problem, ...]:
    """Return the problems that a refusal lists; one without path and rule where it says something else."""
    found = list(SAID.finditer(text))
    if not found or "".join(match[0] for match in found) != text:
        return (Problem("", "", text),)
    return tuple(Problem(match["path"], match["rule"], match["reason"]) for match in found)


def _trouble(fate: Fate, original: Mapping[str, Any], problem: Problem, active: bool) -> Trouble:
    name, external = original.get("userName", ""), original.get("externalId")
    state = "active" if active else "inactive"
    return Trouble(fate, name, external, problem.path, problem.rule, problem.reason, state)
