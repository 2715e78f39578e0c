"""Ten targets of one gateway, four of them ill in a way of their own: the other six notice nothing."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.support.sick import Ward, ward

pytestmark = pytest.mark.long

ILL: Final = ("hangs", "refuses", "trickles", "cuts")
TARGETS: Final = (*ILL, *(f"well-{n}" for n in range(1, 7)))
SETTLE: Final = 2.0  # seconds
SLACK: Final = 5.0  # seconds that a busy machine may take besides
STAFF: Final = 8  # of each target who stay: so many requests are made at a time
LEAVERS: Final = 3  # of each target
REQUESTS: Final = 48  # for each target
CALLS: Final = 4  # under way to one target
CROWD: Final = 200
TABLE: Final = """
[targets.{name}]
connector = "scim"
url = "http://127.0.0.1:{port}"
timeout = "1s"
settle = "2s"
deadline = "6s"
concurrency = {calls}
max_removals = false
patch = false
"""
FLAT: Final = 16  # MiB, and file descriptors
UNSETTLED: Final = "scim_gateway_operations{"


@dataclass(frozen=True)
class Usage:
    """What the gateway holds of its machine."""

    files: int
    memory: float  # MiB

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Return that of a process."""
        proc = Path("/proc") / str(pid)
        lines = (proc / "status").read_text().splitlines()
        pages = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        return cls(len(list((proc / "fd").iterdir())), pages / 1024)


@dataclass
class Scene:
    """The gateway, its ten targets, and a provider of many hands."""

    gateway: Any
    ward: Ward
    session: aiohttp.ClientSession
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def port(self, target: str) -> int:
        return self.ward.ports[TARGETS.index(target)]

    async def ask(
        self, target: str, method: str, path: str, body: Any, **more: str
    ) -> tuple[int, Any, str | None]:
        url = f"http://127.0.0.1:{self.gateway.port}/scim/{target}/v2{path}"
        headers = {"Authorization": f"Bearer {self.gateway.token}"} | more
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Retry-After")

    async def hired(self, target: str, count: int) -> list[tuple[str, int]]:
        """Create some people; return their ids and numbers."""
        people = []
        for number in itertools.islice(self.numbers, count):
            status, body, _ = await self.ask(target, "POST", "/Users", person(number))
            assert status == 201, body
            people.append((body["id"], number))
        return people

    async def pushed(self, target: str, people: list[tuple[str, int]]) -> Counter[int]:
        """Change everybody again and again, all of them at a time, and hire some; return the statuses."""
        statuses, turns = Counter[int](), iter(range(REQUESTS))

        async def work(id: str, number: int) -> None:
            for turn in turns:
                if turn % 4:
                    asked = ("PUT", f"/Users/{id}", person(number, title=f"Title {turn}"))
                else:
                    asked = ("POST", "/Users", person(next(self.numbers)))
                status, body, again = await self.ask(target, *asked)
                assert status < 300 or (status == 429 and int(again or "0") >= 1), body
                statuses[status] += 1

        async with asyncio.TaskGroup() as group:
            for one in people:
                group.create_task(work(*one))
        return statuses

    async def left(self, target: str, people: list[tuple[str, int]]) -> list[int]:
        """Deactivate people; return the statuses."""
        asked = (self.ask(target, "PUT", f"/Users/{id}", person(n, active=False)) for id, n in people)
        return [(await one)[0] for one in asked]

    def breakers(self) -> dict[str, str]:
        """Return how each target is, as an administrator sees it."""
        done = self.gateway.command("status", "--format", "json")
        return {told["name"]: told["breaker"]["state"] for told in json.loads(done.stdout)["targets"]}

    def told(self, event: str) -> set[str]:
        """Return the targets that the trail has such an event of."""
        filter = f'event eq "{event}"'
        done = self.gateway.command("audit", "query", "--format", "ndjson", "--filter", filter)
        return {json.loads(line)["target"]["name"] for line in done.stdout.splitlines()}

    async def unsettled(self) -> int:
        """Return how many operations are open, of all targets."""
        async with self.session.get(f"http://127.0.0.1:{self.gateway.port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(UNSETTLED)))

    async def is_active(self, target: str, id: str) -> bool:
        """Ask the target itself."""
        async with self.session.get(f"http://127.0.0.1:{self.port(target)}/Users/{id}") as answer:
            return bool((await answer.json(content_type=None))["active"])

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[list[Usage]]:
        """Look every now and then at what the gateway holds."""
        seen = [Usage.of(self.gateway.process.pid)]

        async def look() -> None:
            while True:
                await asyncio.sleep(0.05)
                seen.append(Usage.of(self.gateway.process.pid))

        looking = asyncio.create_task(look())
        try:
            yield seen
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


def person(number: int, **more: Any) -> dict[str, Any]:
    names = {"userName": f"u{number}@example.com", "externalId": str(number), "active": True}
    return names | {"title": f"T{number}"} | more


@pytest.fixture
async def scene(start: Any) -> AsyncIterator[Scene]:
    with ward(len(TARGETS)) as targets:
        tables = (
            TABLE.format(name=name, port=port, calls=CALLS)
            for name, port in zip(TARGETS, targets.ports, strict=True)
        )
        gateway = start("".join(tables))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Scene(gateway, targets, session)


async def test_four_sick_targets_cost_the_others_nothing_and_get_what_is_due_when_they_are_well(
    scene: Scene,
) -> None:
    staff = {target: await scene.hired(target, STAFF) for target in TARGETS}
    leavers = {target: await scene.hired(target, LEAVERS) for target in ILL}

    async def pushed() -> dict[str, Counter[int]]:
        statuses = await asyncio.gather(*(scene.pushed(target, staff[target]) for target in TARGETS))
        return dict(zip(TARGETS, statuses, strict=True))

    async with scene.watched() as before:
        assert {status for told in (await pushed()).values() for status in told} == {200, 201}
    scene.ward.ail({scene.port(target): target for target in ILL})
    asked = scene.ward.asked()
    async with scene.watched() as meanwhile:
        answered = await pushed()
        left = [await scene.left(target, leavers[target]) for target in ILL]

    assert {target for target, state in scene.breakers().items() if state == "open"} <= set(ILL)
    for target in TARGETS[len(ILL) :]:
        assert set(answered[target]) == {200, 201}, target
    assert left == [[429] * LEAVERS] * len(ILL)
    came, got = REQUESTS + LEAVERS, scene.ward.asked()
    for target in ILL:
        assert got[scene.port(target)] - asked[scene.port(target)] <= 1.2 * came, target
    assert max(one.files for one in meanwhile) <= max(one.files for one in before) + FLAT
    assert max(one.memory for one in meanwhile) <= max(one.memory for one in before) + FLAT

    scene.ward.ail({scene.port(target): "well" for target in ILL})
    since = time.monotonic()
    while await scene.unsettled():
        assert time.monotonic() - since < 2 * SETTLE + SLACK, (
            scene.gateway.config.parent / "log"
        ).read_text()
        await asyncio.sleep(0.1)
    stay = [await scene.is_active(target, id) for target in ILL for id, _ in leavers[target]]
    assert not any(stay)
    assert set(scene.breakers().values()) == {"closed"}
    for event in ("target.sick", "target.well"):
        assert scene.told(event) == set(ILL)


async def test_a_crowd_at_a_target_that_hangs_is_sent_away_and_nothing_of_it_is_held(scene: Scene) -> None:
    await scene.hired("well-1", 1)
    before, asked = Usage.of(scene.gateway.process.pid), scene.ward.asked()
    scene.ward.ail({scene.port("hangs"): "hangs"})

    crowd = asyncio.gather(
        *(
            scene.ask("hangs", "POST", "/Users", person(n), Connection="close")
            for n in range(1000, 1000 + CROWD)
        )
    )
    await scene.hired("well-1", 5)
    answers = await crowd

    assert {status for status, *_ in answers} == {429}
    assert min(int(again or "0") for *_, again in answers) >= 1
    calls = scene.ward.asked()[scene.port("hangs")] - asked[scene.port("hangs")]
    assert calls <= 3 * CALLS  # four fail at once, then it takes one more
    assert Usage.of(scene.gateway.process.pid).files <= before.files + FLAT
