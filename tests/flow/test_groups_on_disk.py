"""Groups on real files: what one member costs among thousands, and that many changes at once lose nobody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from gateway.flow.journal_port import Key, MemberRow, MemberRows
from gateway.flow.target_port import MemberUpdate, Update
from gateway.journal.journal import SqliteJournal
from gateway.journal.members import keep_members
from gateway.sqlite import Database
from gateway.sqlite_file import load_migrations
from gateway.targets.embedded.connector import EmbeddedConnector
from tests.support.house import GROUP, USER, House, make_house, utc

FEW, MANY = 50, 50_000
SCHEMA = load_migrations(resources.files("gateway.targets.embedded"))


@dataclass
class Disk:
    """A house whose journal and target are files, and the steps that SQLite takes on both."""

    house: House
    databases: tuple[Database, Database]  # the journal's, the target's
    steps: int = 0

    async def watch(self) -> None:
        """Count from now on."""

        def step() -> int:
            self.steps += 1
            return 0

        for database in self.databases:
            await database.read(lambda connection: connection.set_progress_handler(step, 1))
            await database.write(lambda connection: connection.set_progress_handler(step, 1))

    async def person(self, name: str) -> str:
        made: str = (await self.house.send("create", {"userName": name})).document["id"]
        return made

    async def group(self, name: str, size: int = 0) -> str:
        """Return the id of a group with so many members, as both files would have them."""
        house = self.house
        id: str = (await house.group("create", {"displayName": name})).document["id"]
        elements = tuple({"value": f"{name}-{n}"} for n in range(size))
        entry = await house.target.connector.get(GROUP, id)
        await house.target.connector.change(GROUP, id, Update(entry, entry, (), MemberUpdate(elements)))
        (known,) = await house.services.resources.find("phonebook", GROUP, (Key("id", id),))
        rows = MemberRows("phonebook", {element["value"]: MemberRow(element) for element in elements})
        await self.databases[0].write(keep_members(known, rows))
        return id

    async def cost(self, operation: str, body: Any, id: str) -> int:
        """Return the steps that a change takes."""
        before = self.steps
        await (self.house.send if operation == "replace" else self.house.group)(operation, body, id)
        return self.steps - before


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    house = make_house()
    clock = lambda: utc(house.clock[0])  # noqa: E731
    journal = await SqliteJournal.open(tmp_path / "gateway.db", "normal", clock, pytest.fail, owner="test")
    directory = await Database.open(tmp_path / "directory.db", "normal", pytest.fail, SCHEMA)
    ports = ("operations", "resources", "removals", "memberships", "trail")
    services = replace(house.services, **{name: getattr(journal, name) for name in ports})
    target = replace(house.target, connector=EmbeddedConnector(directory))
    yield Disk(replace(house, services=services, target=target), (journal.database, directory))
    await directory.close()
    await journal.close()


def add(id: str) -> Any:
    return {"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]}


def remove(id: str) -> Any:
    return {"Operations": [{"op": "remove", "path": f'members[value eq "{id}"]'}]}


async def test_a_member_costs_the_same_in_a_group_of_fifty_thousand(disk: Disk) -> None:
    ann = await disk.person("ann")
    few, many = await disk.group("few", FEW), await disk.group("many", MANY)
    await disk.watch()

    for change in (add(ann), remove(ann)):
        costs = [await disk.cost("patch", change, group) for group in (few, many)]
        assert costs[1] <= 1.2 * costs[0], costs


async def test_a_person_in_a_group_costs_the_same_among_thousands_of_others(disk: Disk) -> None:
    ann = await disk.person("ann")
    await disk.house.group("patch", add(ann), await disk.group("sales"))
    await disk.watch()
    costs = [await disk.cost("replace", {"userName": "ann", "title": "Clerk"}, ann)]
    (known,) = await disk.house.services.resources.find("phonebook", USER, (Key("id", ann),))

    await disk.databases[0].write(lambda file: crowd(file, known.base))
    costs.append(await disk.cost("replace", {"userName": "ann", "title": "Agent"}, ann))

    assert costs[1] <= 1.2 * costs[0]


def crowd(file: Any, base: str) -> None:
    file.executemany(
        "INSERT INTO resource (base, type, id, original, state, created, modified, replied)"
        " VALUES (?, 'User', ?, '{}', 'active', '', '', 1)",
        [(base, f"p{n}") for n in range(5000)],
    )


async def test_changes_of_one_group_at_the_same_time_lose_nobody(disk: Disk) -> None:
    ids = [await disk.person(f"p{n}") for n in range(64)]
    gone, group = ids[:16], await disk.group("sales")
    for id in gone:
        await disk.house.group("patch", add(id), group)

    changes = [remove(id) for id in gone] + [add(id) for id in ids[16:]]
    await asyncio.gather(*(disk.house.group("patch", change, group) for change in changes))

    shown = await disk.house.get_group(group)
    entry = await disk.house.target.connector.get(GROUP, group, members=True)
    assert {member["value"] for member in shown["members"]} == set(ids[16:])
    assert {member["value"] for member in entry["members"]} == set(ids[16:])


async def test_sixty_four_who_come_at_the_same_time_are_all_there(disk: Disk) -> None:
    ids, group = [await disk.person(f"p{n}") for n in range(64)], await disk.group("sales")

    replies = await asyncio.gather(*(disk.house.group("patch", add(id), group) for id in ids))

    assert {reply.status for reply in replies} == {204}
    assert {member["value"] for member in (await disk.house.get_group(group))["members"]} == set(ids)
