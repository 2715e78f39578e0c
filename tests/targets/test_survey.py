"""What a look at a target says of it."""

from dataclasses import dataclass, replace

import pytest

from gateway.flow.target_port import CannotFilter, Denied, Page, Query, ResourceType
from gateway.targets.scim.abilities import IGNORED
from gateway.targets.survey import survey
from gateway.targets.transport import TargetFinding
from tests.support.house import FakeTarget

USER = ResourceType.USER
TWO = {name: {"id": name, "userName": name} for name in ("t1", "t2")}


@dataclass
class Odd(FakeTarget):
    """A directory that leaves out what it is asked, or refuses it."""

    refuses: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    has: bool = True

    async def has_groups(self) -> bool:
        return self.has

    async def check(self) -> tuple[TargetFinding, ...]:
        return ()

    async def close(self) -> None:
        self.entries.clear()

    async def query(self, kind: ResourceType, query: Query) -> Page:
        if query.filter is not None and query.filter.attr_path.attr in self.refuses:
            raise CannotFilter("no", 400)
        changed = {name: getattr(Query(), name) for name in self.ignores}
        return await super().query(kind, replace(query, **changed))


async def found(target: Odd) -> dict[str, tuple[str, bool]]:
    """Return what is said of a target, and whether there is something to fix."""
    return {finding.about: (finding.says, bool(finding.fix)) for finding in await survey(target)}


async def test_a_target_that_does_all_it_is_asked_is_said_to():
    assert await found(Odd(dict(TWO))) == {
        "people": ("2 can be read", False),
        "look-ups": ("filters on externalId and userName are answered", False),
        "paging": ("pages come as they are asked for", False),
        "groups": ("are taken", False),
    }


@pytest.mark.parametrize(
    ("target", "about", "says"),
    [
        pytest.param(
            Odd(dict(TWO), refuses=("externalId",)),
            "look-ups",
            "a filter on externalId is refused",
            id="one filter",
        ),
        pytest.param(
            Odd(dict(TWO), ignores=("filter",)),
            "look-ups",
            "a filter on externalId is ignored and one on userName is ignored",
            id="no filter",
        ),
        pytest.param(
            Odd(dict(TWO), ignores=("start",)),
            "paging",
            "the second page does not follow the first",
            id="the first page again",
        ),
        pytest.param(Odd(has=False), "groups", "it has none", id="no groups"),
    ],
)
async def test_what_a_target_cannot_do_is_said_with_what_to_do_about_it(target, about, says):
    assert (await found(target))[about] == (says, True)


async def test_filters_that_are_ignored_are_told_from_those_that_are_refused():
    class Ignoring(Odd):
        async def query(self, kind: ResourceType, query: Query) -> Page:
            if query.filter is not None:
                raise CannotFilter("it ignores the filter", IGNORED)
            return replace(await super().query(kind, query), counted=False)

    told = await found(Ignoring(dict(TWO)))

    assert told["look-ups"] == ("a filter on externalId is ignored and one on userName is ignored", True)
    assert told["people"] == ("2 or more can be read", False)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param(Odd(), "cannot be seen with fewer than two people", id="nobody"),
        pytest.param(
            Odd({**TWO, "t3": {"id": "t3", "userName": "t3"}}, ignores=("count",)),
            "3 came where 2 of 3 were asked for",
            id="everybody at once",
        ),
    ],
)
async def test_paging_that_does_no_harm_is_told_of_and_needs_no_mending(target, says):
    assert (await found(target))["paging"] == (says, False)


async def test_nothing_is_changed_and_nobody_is_named():
    target = Odd(dict(TWO))

    told = repr(await survey(target))

    assert target.writes == []
    assert not any(name in told for name in TWO)


async def test_a_target_that_cannot_be_used_has_nothing_to_say():
    class Closed(Odd):
        async def query(self, kind: ResourceType, query: Query) -> Page:
            raise Denied("no", 401)

    with pytest.raises(Denied):
        await survey(Closed())
