"""What is asked of the gateway and of the bare pass-through alike: a row for each case."""

import itertools
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from bench.people import Document, dumps, group, member_id, patch, person, user_name

Request = tuple[str, str, bytes]  # method, path below the base, body
Ask = Callable[
    [Request], Awaitable[bytes]
]  # sends it and returns the body of the answer; raises where it failed
SMALL: Final = 50  # members
LARGE: Final = 50_000
SPARE: Final = 10_000  # people in no group yet
PEOPLE: Final = LARGE + SPARE
GROWTH: Final = 25  # members that a small group gains at most
APART: Final = 64  # small groups at least: no two connections change one at the same time


@dataclass
class Script:
    """What one connection does: by itself nothing before what is measured."""

    numbers: Iterator[int]  # people who are not there yet
    shared: dict[str, Any]  # by all connections

    async def prepare(self, ask: Ask) -> None:
        """Do once what is not measured; one connection after the other."""

    async def ready(self, ask: Ask, count: int) -> None:
        """Do what is not measured before `count` requests."""

    def next(self) -> Request:
        """Return the next request that is measured."""
        raise NotImplementedError


class Create(Script):
    """A new person each time."""

    def next(self) -> Request:
        return "POST", "/Users", dumps(person(next(self.numbers)))


class OnePerson(Script):
    """Whatever is done with one person."""

    number = 0
    id = ""

    async def prepare(self, ask: Ask) -> None:
        self.number = next(self.numbers)
        made = json.loads(await ask(("POST", "/Users", dumps(person(self.number)))))
        self.id = made["id"]
        self.titles = (f"Agent {turn}" for turn in itertools.count(1))

    def put(self, title: str) -> Request:
        return "PUT", f"/Users/{self.id}", dumps(person(self.number, title))


class Put(OnePerson):
    """The person with a new title each time."""

    def next(self) -> Request:
        return self.put(next(self.titles))


class Same(OnePerson):
    """The person as they are."""

    def next(self) -> Request:
        return self.put("Agent")


class Patch(OnePerson):
    """A new title each time, and nothing else."""

    def next(self) -> Request:
        body = patch({"op": "replace", "path": "title", "value": next(self.titles)})
        return "PATCH", f"/Users/{self.id}", dumps(body)


class Get(OnePerson):
    """The person by id."""

    def next(self) -> Request:
        return "GET", f"/Users/{self.id}", b""


class Filter(OnePerson):
    """The person by name."""

    def next(self) -> Request:
        asked = quote(f'userName eq "{user_name(self.number)}"')
        return "GET", f"/Users?filter={asked}", b""


def join(id: str, number: int) -> Request:
    """Return what adds one person to a group."""
    body: Document = patch({"op": "add", "path": "members", "value": [{"value": member_id(number)}]})
    return "PATCH", f"/Groups/{id}", dumps(body)


class JoinSmall(Script):
    """One more member of a group of 50: of one group after the other, so that none grows much."""

    async def ready(self, ask: Ask, count: int) -> None:
        left = self.shared.setdefault("left", [])
        if len(left) < count:
            wanted = max(-(-count // GROWTH), APART)
            groups = [await make_group(ask, next(self.numbers), SMALL) for _ in range(wanted)]
            left += [(id, SMALL + n) for n in range(-(-count // wanted)) for id in groups]

    def next(self) -> Request:
        return join(*self.shared["left"].pop())


class JoinLarge(Script):
    """One more member of one group of 50,000, which all connections add to."""

    async def prepare(self, ask: Ask) -> None:
        if not self.shared:
            self.shared["group"] = await make_group(ask, next(self.numbers), LARGE)
            self.shared["outside"] = iter(range(LARGE, LARGE + SPARE))

    def next(self) -> Request:
        return join(self.shared["group"], next(self.shared["outside"]))


async def make_group(ask: Ask, number: int, members: int) -> str:
    """Make a group of the first people of a filled journal and return its id."""
    body = group(f"Group {number}", map(member_id, range(members)))
    made: dict[str, str] = json.loads(await ask(("POST", "/Groups?excludedAttributes=members", dumps(body))))
    return made["id"]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request."""

    title: str
    script: type[Script]
    variant: str = ""  # of the target, as `world` has them
    most: int = 5_000  # requests in a round


CASES: Final[Mapping[str, Case]] = {
    "create": Case("create", Create),
    "put": Case("changed PUT", Put),
    "put-fresh": Case("changed PUT, `trust = 0`", Put, "fresh"),
    "same": Case("unchanged PUT", Same),
    "patch": Case("PATCH of the title", Patch),
    "get": Case("GET by id", Get),
    "filter": Case('filter `userName eq "…"`', Filter),
    "join-50": Case("a member added to a group of 50", JoinSmall, "groups", 1_200),
    "join-50000": Case("a member added to a group of 50,000", JoinLarge, "groups", 1_200),
}
QUICK_CASES: Final = ("create", "put", "same", "get")
