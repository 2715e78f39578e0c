"""Groups in a real directory, and those of a directory that gives members in ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Conflict, MemberUpdate, Page, Query, Refused, Unreachable, Update
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.groups import Groups
from gateway.targets.ldap.paging import people_listing
from tests.support.ldap import GROUP, USER, Room, room

ATTRIBUTES = {"groupOfNames": "member", "groupOfUniqueNames": "uniqueMember", "posixGroup": "memberUid"}


@pytest.fixture
async def here(slapd_server):
    async with room(slapd_server) as opened:
        yield opened


async def group(here: Room, *ids: str, name: str = "Sales"):
    made = await here.connector.create(GROUP, {"displayName": name})
    await change(here, made, add=ids)
    return made


async def change(here: Room, group, add=(), remove=(), **more):
    members = MemberUpdate(tuple({"value": id} for id in add), tuple(remove))
    wanted = {name: value for name, value in (group | more).items() if value is not None}
    update = Update(group, wanted, compare(group, wanted), members)
    return await here.connector.change(GROUP, group["id"], update)


def held(here: Room) -> dict[str, list[bytes]]:
    """Return the members that are really there, by group."""
    attribute = ATTRIBUTES[here.directory.group_class]
    raw = here.raw(f"(objectClass={here.directory.group_class})")
    return {entry["cn"][0].decode(): entry.get(attribute, []) for entry in raw.values()}


@pytest.mark.parametrize("kind", ["groupOfNames", "groupOfUniqueNames"])
async def test_a_group_that_must_have_a_member_has_nobody(slapd_server, kind):
    async with room(slapd_server, group_class=kind) as here:
        ann = await here.person("ann")
        sales = await group(here)
        empty = held(here)
        await change(here, sales, add=[ann["id"]])
        await change(here, sales, remove=[ann["id"]])

        assert empty == held(here) == {"Sales": [b"cn=nobody"]}
        assert "members" not in await here.connector.get(GROUP, sales["id"], members=True)


async def test_the_last_member_of_a_group_made_elsewhere_can_go(here: Room):
    ann = await here.person("ann")
    dn = f"cn=Old,{here.directory.group_base}"
    here.server.add(dn, ["groupOfNames"], cn="Old", member=f"uid=ann,{here.people}")
    (old,) = (await here.connector.query(GROUP, Query(parse_filter('displayName eq "old"')))).entries

    await change(here, old, remove=[ann["id"]])

    assert held(here) == {"Old": [b"cn=nobody"]}


async def test_groups_of_unix_are_numbered_and_name_people(slapd_server):
    async with room(slapd_server, group_class="posixGroup") as here:
        ann = await here.person("ann")
        for name in ("Sales", "Agents"):
            await group(here, ann["id"], name=name)

        numbers = sorted(entry["gidNumber"][0] for entry in here.raw("(objectClass=posixGroup)").values())
        assert numbers == [b"10000", b"10001"]
        assert held(here) == {"Sales": [b"ann"], "Agents": [b"ann"]}


@pytest.mark.parametrize("kind", ATTRIBUTES)
async def test_who_is_renamed_or_leaves_stays_in_their_groups(slapd_server, kind):
    async with room(slapd_server, group_class=kind) as here:
        ann = await here.person("ann")
        sales = await group(here, ann["id"])

        gone = await here.change(ann, userName="anna", active=False)
        await here.change(gone, active=True)

        shown = await here.connector.get(GROUP, sales["id"], members=True)
        assert shown["members"] == [{"value": ann["id"]}]
        assert not any(b"ann," in value or value == b"ann" for value in held(here)["Sales"])


@pytest.mark.parametrize("kind", ATTRIBUTES)
async def test_who_is_deleted_is_in_no_group_any_more(slapd_server, kind):
    async with room(slapd_server, group_class=kind) as here:
        ann = await here.person("ann")
        await group(here, ann["id"])

        await here.connector.delete(USER, ann["id"])

        assert [value for value in held(here)["Sales"] if value != b"cn=nobody"] == []


async def test_a_group_can_be_in_a_group_and_others_are_not_shown(here: Room):
    inner = await group(here, name="Inner")
    outer = await group(here, inner["id"], name="Outer")
    stranger = f"cn=stranger,{here.directory.base}"
    here.server.root().modify_s(f"cn=Outer,{here.directory.group_base}", [(0, "member", [stranger.encode()])])

    shown = await here.connector.get(GROUP, outer["id"], members=True)
    assert shown["members"] == [{"value": inner["id"]}]


async def test_a_member_whom_the_directory_does_not_have_is_refused_and_nobody_is_added(here: Room):
    ann = await here.person("ann")
    sales = await group(here)

    with pytest.raises(Refused, match="members"):
        await change(here, sales, add=[ann["id"], "nobody"], displayName="Agents")

    assert held(here) == {"Sales": [b"cn=nobody"]}


async def test_a_second_group_of_one_name_is_a_conflict(here: Room):
    await group(here)

    with pytest.raises(Conflict):
        await group(here, name="SALES")


async def test_a_name_that_is_too_long_for_an_entry_is_refused(here: Room):
    sales = await group(here)

    for work in (group(here, name="ä" * 121), change(here, sales, displayName="ä" * 121)):
        with pytest.raises(Refused, match="240 bytes"):
            await work


async def test_a_group_may_have_an_external_id(slapd_server):
    async with room(slapd_server, group_external_id="description") as here:
        made = await here.connector.create(GROUP, {"displayName": "Sales", "externalId": "00g1"})
        found = await here.connector.query(GROUP, Query(parse_filter('externalId eq "00g1"')))
        changed = await change(here, made, externalId="00g2")
        bare = await change(here, changed, externalId=None)

        assert found.entries == (made,)
        assert (made["externalId"], changed["externalId"], "externalId" in bare) == ("00g1", "00g2", False)


async def test_a_directory_without_groups_has_none(slapd_server):
    async with room(slapd_server, group_base=None) as here:
        assert not await here.connector.has_groups()
        assert await here.connector.get(GROUP, "1") is None
        assert await here.connector.query(GROUP, Query()) == Page(0, ())
        with pytest.raises(Refused, match="group_base"):
            await here.connector.create(GROUP, {"displayName": "Sales"})


async def test_a_base_of_groups_that_is_gone_is_no_word_on_the_group(slapd_server):
    async with room(slapd_server, group_base="ou=nowhere,dc=example,dc=org") as here:
        with pytest.raises(Unreachable, match="ou=nowhere"):
            await here.connector.create(GROUP, {"displayName": "Sales"})


@dataclass
class Ranged:
    """A session with a directory that gives two members of a group at a time, as Windows gives 1,500."""

    names: list[str]
    asked: list[str] = field(default_factory=list)

    def read(self, dn: str, names: list[str], text: str = "") -> Raw:
        self.asked.append(names[0])
        start = int(names[0].partition("=")[2].partition("-")[0] or 0)
        some = [name.encode() for name in self.names[start : start + 2]]
        end = "*" if start + 2 >= len(self.names) else start + 1
        return Raw(dn, {"member": [], f"member;range={start}-{end}": some})

    def find(self, base: str, text: str, names: list[str]) -> list[Raw]:
        return [Raw(name, {"objectGUID": [md5(name.encode()).digest()]}) for name in self.names]

    def pages(self, base: str, text: str, names: list[str]) -> Iterator[list[Raw]]:
        yield [Raw("cn=g,dc=y", {"objectGUID": [16 * b"g"]})]


def test_members_that_come_in_ranges_are_all_shown():
    directory = Directory("dc=y", id="objectGUID", group_class="group")
    session = Ranged([f"cn=m{n},dc=y" for n in range(5)])

    groups = Groups(directory, "dc=y", people_listing(directory))
    (shown,) = groups.page(session, Query(members=True)).entries

    assert len({member["value"] for member in shown["members"]}) == 5
    assert session.asked == ["member", "member;range=2-*", "member;range=4-*"]
