"""Tries out what every connector promises, by reading alone: what can a target do?"""

from collections.abc import Sequence
from typing import Final

from gateway.flow.target_port import CannotFilter, Page, Query, ResourceType
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison
from gateway.targets.scim.abilities import IGNORED
from gateway.targets.transport import OpenTarget, TargetFinding

USER: Final = ResourceType.USER
KEYS: Final = ("externalId", "userName")  # what people are looked up by before a create that is in doubt
STRANGER: Final = "nobody-has-this-name.scim-gateway-check"
SLOW: Final = "it works, but each look-up reads every page: ask its vendor for filters on userName"


async def survey(target: OpenTarget) -> tuple[TargetFinding, ...]:
    """Read a little, and return what was seen; raises `TargetError` where the target cannot be used."""
    page = await target.query(USER, Query(count=2))
    return (
        TargetFinding("people", f"{page.total}{'' if page.counted else ' or more'} can be read"),
        _look_ups([await _answers(target, key) for key in KEYS]),
        await _paging(target, page),
        await _groups(target),
    )


async def _answers(target: OpenTarget, key: str) -> str:
    """Return what becomes of `key eq "…"` for somebody who is not there."""
    question = Comparison(AttrPath(key), CompareOperator.eq, STRANGER)
    try:
        page = await target.query(USER, Query(question, count=2))
    except CannotFilter as error:
        return "is ignored" if error.status == IGNORED else "is refused"
    return "is ignored" if page.entries else ""


def _look_ups(wrong: Sequence[str]) -> TargetFinding:
    failed = [f"{key} {what}" for key, what in zip(KEYS, wrong, strict=True) if what]
    if failed:
        return TargetFinding("look-ups", f"a filter on {' and one on '.join(failed)}", SLOW)
    return TargetFinding("look-ups", f"filters on {' and '.join(KEYS)} are answered")


async def _paging(target: OpenTarget, first: Page) -> TargetFinding:
    if first.total < 2:
        return TargetFinding("paging", "cannot be seen with fewer than two people")
    if len(first.entries) != 2:
        return TargetFinding("paging", f"{len(first.entries)} came where 2 of {first.total} were asked for")
    second = await target.query(USER, Query(start=2, count=1))
    if [entry["id"] for entry in second.entries] == [first.entries[1]["id"]]:
        return TargetFinding("paging", "pages come as they are asked for")
    fix = "lists and `reconcile` would miss people: ask its vendor for startIndex and count"
    return TargetFinding("paging", "the second page does not follow the first", fix)


async def _groups(target: OpenTarget) -> TargetFinding:
    if await target.has_groups():
        return TargetFinding("groups", "are taken")
    return TargetFinding("groups", "it has none", "leave Push Groups off at the provider")
