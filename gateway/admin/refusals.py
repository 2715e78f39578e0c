"""Whose data a target refuses now, or gets less of: of everybody whom the journal knows, or of one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.admin.person import PersonRecords, refused_at
from gateway.admin.problems import Trouble, troubles_in, troubles_of
from gateway.mapping.target import TargetMapping
from gateway.values import frozen


@frozen
class Judge:
    """What a target's rules say of people; `strict`: the same, those that drop a value rejecting it."""

    target: str
    mapping: TargetMapping
    strict: TargetMapping
    follows: str | None  # the target that this one follows


def troubles_at(
    judge: Judge,
    book: PersonRecords,
    people: Iterable[tuple[Mapping[str, Any], bool]],
    left_out: Counter[str],
    whose: str | None = None,
) -> Iterator[Trouble]:
    """Yield the problems of people, and of those whose newest change was refused, or that of `whose` alone.

    `people`: originals, and whether they are active. Who is out of scope has no problem, and is counted by
    target. Who comes to a target that follows another is known there, and may never have come here.
    """
    told = set[tuple[str, str | None]]()
    for original, active in people:
        if judge.mapping.leaves_out(original):
            left_out[judge.target] += 1
            continue
        for trouble in troubles_of(original, judge.mapping, judge.strict, active=active):
            told.add((trouble.user_name, trouble.path))
            yield trouble
    for one in refused_at(book, judge.target, whose, follows=judge.follows is not None):
        for trouble in troubles_in(one.user_name, one.reason, one.external_id, one.state):
            if judge.follows is None or (trouble.user_name, trouble.path) not in told:
                yield trouble
