"""Members of groups in the directory: rows of their own."""

from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import pytest

from gateway.flow.target_port import Attributes, MemberUpdate, Query, ResourceType, Update
from gateway.scim.grammar import parse_filter
from gateway.sqlite import Database
from gateway.sqlite_file import load_migrations
from gateway.targets.embedded.connector import EmbeddedConnector

USER, GROUP = ResourceType.USER, ResourceType.GROUP


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[EmbeddedConnector]:
    directory = await EmbeddedConnector.open(tmp_path / "directory.db", pytest.fail)
    yield directory
    await directory.close()


async def person(directory: EmbeddedConnector, name: str) -> str:
    made: str = (await directory.create(USER, {"userName": name}))["id"]
    return made


async def grouped(directory: EmbeddedConnector, name: str, *ids: str) -> Attributes:
    group = await directory.create(GROUP, {"displayName": name})
    members = MemberUpdate(tuple({"value": id, "display": f"the {id}"} for id in ids))
    return await directory.change(GROUP, group["id"], Update(group, group, (), members))


async def members(directory: EmbeddedConnector, group: Attributes) -> list[str]:
    shown = await directory.get(GROUP, group["id"], members=True)
    return [element["value"] for element in (shown or {}).get("members", ())]


async def test_who_is_deleted_is_in_no_group(directory: EmbeddedConnector) -> None:
    ann, bob = [await person(directory, name) for name in ("ann", "bob")]
    sales, agents = await grouped(directory, "Sales", ann, bob), await grouped(directory, "Agents", ann)

    await directory.delete(USER, ann)

    assert [await members(directory, group) for group in (sales, agents)] == [[bob], []]


async def test_a_deleted_group_leaves_no_rows(directory: EmbeddedConnector) -> None:
    ann = await person(directory, "ann")
    inner = await grouped(directory, "Inner", ann)
    outer = await grouped(directory, "Outer", inner["id"])

    await directory.delete(GROUP, inner["id"])

    assert await members(directory, outer) == []
    found = await directory.query(GROUP, Query(parse_filter(f'members.value eq "{ann}"')))
    assert found.total == 0


async def test_a_member_is_shown_as_they_were_first_said(directory: EmbeddedConnector) -> None:
    ann = await person(directory, "ann")
    group = await grouped(directory, "Sales", ann)

    again = MemberUpdate(({"value": ann},))
    await directory.change(GROUP, group["id"], Update(group, group, (), again))

    shown = await directory.get(GROUP, group["id"], members=True)
    assert shown["members"] == [{"value": ann, "display": f"the {ann}"}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('members.value eq "{ann}"', ["Sales"], id="a member"),
        pytest.param('members eq "{ann}"', ["Sales"], id="in short"),
        pytest.param('members[value eq "{ann}"]', ["Sales"], id="in brackets"),
        pytest.param('members.display co "the"', ["Sales", "Agents"], id="what was said of them"),
        pytest.param('not (members.value eq "{ann}")', ["Agents"], id="no member"),
        pytest.param('members.value eq "nobody"', [], id="nobody"),
    ],
)
async def test_groups_are_found_by_their_members(
    directory: EmbeddedConnector, text: str, found: list[str]
) -> None:
    ann, bob = [await person(directory, name) for name in ("ann", "bob")]
    await grouped(directory, "Sales", ann, bob)
    await grouped(directory, "Agents", bob)

    page = await directory.query(GROUP, Query(parse_filter(text.format(ann=ann))))

    assert [entry["displayName"] for entry in page.entries] == found
    assert not any("members" in entry for entry in page.entries)


async def test_a_directory_without_groups_goes_on_with_them(tmp_path: Path) -> None:
    path, first = tmp_path / "directory.db", load_migrations(resources.files("gateway.targets.embedded"))[:1]
    old = await Database.open(path, "full", pytest.fail, first)
    await old.close()

    directory = await EmbeddedConnector.open(path, pytest.fail)
    try:
        ann = await person(directory, "ann")
        assert await members(directory, await grouped(directory, "Sales", ann)) == [ann]
    finally:
        await directory.close()
