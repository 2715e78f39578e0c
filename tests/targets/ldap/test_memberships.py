"""Groups while somebody in them gets another name, and the directory is cut off in the middle of it."""

from contextlib import suppress

import ldap
import pytest

from gateway.address import Directory
from gateway.flow.target_port import Conflict, MemberUpdate, Query, Refused, TargetError, Unreachable, Update
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.memberships import GroupMemberships
from tests.support.ldap import GROUP, USER, room
from tests.support.ldap_faults import faulty

EVERYBODY = Query()
KINDS = ["groupOfNames", "posixGroup"]
NAMES = {"groupOfNames": "uid={},ou=people,{}", "posixGroup": "{}"}
ATTRIBUTES = {"groupOfNames": "member", "posixGroup": "memberUid"}
REQUESTS = 16  # that a rename with two groups takes at most


class Rename:
    """Ann, who is in two groups, behind a proxy."""

    def __init__(self, proxy, here, ann) -> None:
        self.proxy, self.here, self.ann = proxy, here, ann

    def held(self):
        """Return all the members there are, without placeholders, as the parts of them that name people."""
        kind = self.here.directory.group_class
        entries = self.here.raw(f"(objectClass={kind})").values()
        found = [value.decode() for entry in entries for value in entry.get(ATTRIBUTES[kind], [])]
        return [name.partition(",")[0] for name in found if name != "cn=nobody"]

    def named(self, *names):
        kind = self.here.directory.group_class
        return [NAMES[kind].format(name, "x").partition(",")[0] for name in names]

    async def persist(self, **changed):
        """Change her as the core does: after a doubt look, and send what is not so yet."""
        present = self.ann
        while any(present.get(name) != value for name, value in changed.items()):
            with suppress(TargetError):
                await self.here.change(present, **changed)
            with suppress(TargetError):
                present = await self.here.connector.get(USER, self.ann["id"])


@pytest.fixture(params=KINDS)
async def rename(request, slapd_server):
    async with (
        faulty(slapd_server) as proxy,
        room(slapd_server, url=proxy.url, timeout=2.0, group_class=request.param) as here,
    ):
        ann = await here.person("ann")
        for name in ("Sales", "Agents"):
            group = await here.connector.create(GROUP, {"displayName": name})
            joins = Update(group, group, (), MemberUpdate(({"value": ann["id"]},)))
            await here.connector.change(GROUP, group["id"], joins)
        yield Rename(proxy, here, ann)


@pytest.mark.parametrize("fault", ["a reset before it is done", "a reset after it was done"])
@pytest.mark.parametrize("request_cut", range(REQUESTS))
async def test_wherever_a_rename_is_cut_off_everybody_is_in_their_groups_under_one_name(
    rename, fault, request_cut
):
    rename.proxy.strike(fault, spares=request_cut)

    await rename.persist(userName="anna", title="Agent")

    assert rename.held() == rename.named("anna", "anna")
    assert list(rename.here.raw()) == [f"uid=anna,{rename.here.people}"]


async def test_who_cannot_be_removed_keeps_their_groups(rename):
    below = f"cn=phone,uid=ann,{rename.here.people}"
    rename.here.server.add(below, ["device"], cn="phone")

    with pytest.raises(Refused):
        await rename.here.connector.delete(USER, rename.ann["id"])
    kept = rename.held()
    rename.here.server.root().delete_s(below)
    await rename.here.connector.delete(USER, rename.ann["id"])

    assert (kept, rename.held()) == (rename.named("ann", "ann"), [])


@pytest.mark.parametrize("rename", KINDS[:1], indirect=True)
async def test_nobody_is_out_of_their_groups_in_the_middle_of_a_rename(rename):
    rename.proxy.strike("a reset after it was done", "rename")

    with pytest.raises(TargetError):
        await rename.here.change(rename.ann, userName="anna")

    assert sorted(rename.held()) == sorted(rename.named("ann", "anna") * 2)


async def test_a_change_that_is_refused_after_the_rename_leaves_the_groups_as_they_were(rename):
    with pytest.raises(Refused):
        await rename.here.change(rename.ann, userName="anna", mail="é")

    assert rename.held() == rename.named("ann", "ann")


@pytest.mark.parametrize("rename", KINDS[:1], indirect=True)
async def test_a_name_that_another_entry_has_takes_nobody_out_of_their_groups(rename):
    here = rename.here
    taken = f"uid=anna,{here.people}"
    here.server.add(taken, ["account"], uid="anna")
    here.server.add(f"cn=Own,{here.directory.group_base}", ["groupOfNames"], cn="Own", member=taken)

    with pytest.raises(Conflict):
        await here.change(rename.ann, userName="anna")

    assert sorted(rename.held()) == sorted(rename.named("ann", "ann", "anna"))


async def test_who_is_deleted_after_half_a_rename_is_in_no_group_under_any_name(rename):
    rename.proxy.strike("a reset after it was done", "rename")
    with pytest.raises(TargetError):
        await rename.here.change(rename.ann, userName="anna")

    await rename.here.connector.delete(USER, rename.ann["id"])

    assert rename.held() == []


@pytest.mark.parametrize("rename", KINDS[:1], indirect=True)
async def test_a_group_keeps_its_place_in_others_under_another_name_and_leaves_them_when_it_goes(rename):
    here = rename.here
    outer = f"cn=Outer,{here.directory.group_base}"
    here.server.add(outer, ["groupOfNames"], cn="Outer", member=f"cn=Sales,{here.directory.group_base}")
    (sales,) = [
        g for g in (await here.connector.query(GROUP, EVERYBODY)).entries if g["displayName"] == "Sales"
    ]

    await here.connector.change(GROUP, sales["id"], Update(sales, sales | {"displayName": "Agency"}, ()))
    renamed = rename.held()
    await here.connector.delete(GROUP, sales["id"])

    assert "cn=Agency" in renamed
    assert "cn=Sales" not in renamed
    assert "cn=Agency" not in rename.held()


class Taking:
    """A session whose directory shows one group, and takes what is done to it."""

    def __init__(self):
        self.done = []

    def find(self, base, text, names):
        return [Raw("cn=Sales", {})]

    def read(self, dn, names):
        return None

    def amend(self, dn, modifications):
        self.done.append(modifications)


class Refusing(Taking):
    """A session whose directory lets nobody change it."""

    def amend(self, dn, modifications):
        raise Refused("no") from ldap.UNWILLING_TO_PERFORM()


def test_what_a_directory_never_lets_be_finished_keeps_nobody_from_being_read():
    memberships, ann = GroupMemberships(Directory("dc=x"), "ou=groups"), Raw("uid=ann", {})
    with pytest.raises(TargetError), memberships.renaming(Refusing(), "1", ann, "uid=anna", {}):
        pass

    memberships.look(Refusing(), "1", lambda session, id: ann)

    memberships.settle(Refusing(), "1", ann)  # nothing is left to be done


def test_a_read_in_the_middle_of_a_rename_touches_no_group_and_a_change_in_the_middle_of_that_waits():
    memberships, ann, session = GroupMemberships(Directory("dc=x"), "ou=groups"), Raw("uid=ann", {}), Taking()

    with memberships.renaming(session, "1", ann, "uid=anna", {}):
        done = list(session.done)
        memberships.look(session, "1", lambda session, id: pytest.fail("this is the business of others"))
        with pytest.raises(Unreachable), memberships.leaving(session, "1", ann):
            pass

        assert session.done == done
    memberships.look(session, "1", lambda session, id: Raw("uid=anna", {}))
    assert len(session.done) > len(done)


class Directories:
    """A session on groups of one name, which notes what is done to them."""

    def __init__(self) -> None:
        self.amended = []

    def find(self, base, text, names):
        return [Raw("cn=Sales,dc=y", {})]

    def read(self, dn, names, text=""):
        return None

    def amend(self, dn, modifications):
        self.amended += [(kind, values) for kind, _, values in modifications]


def test_nobody_leaves_a_group_because_the_directory_spells_their_name_in_another_way():
    memberships, session = GroupMemberships(Directory("dc=y"), "dc=y"), Directories()
    before, after = Raw("uid=ann,dc=y", {}), Raw("UID=anna, dc=y", {})

    with memberships.renaming(session, "1", before, "uid=anna,dc=y", {}):
        memberships.settle(session, "1", after)

    assert [values for kind, values in session.amended if kind == ldap.MOD_DELETE] == [[b"uid=ann,dc=y"]]
