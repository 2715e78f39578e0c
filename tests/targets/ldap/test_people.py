"""People in a real directory."""

import ldap
import pytest

from gateway.address import Basic, Directory, Secret
from gateway.flow.target_port import Conflict, Denied, Missing, Query, Refused, Silent, Unreachable, Update
from gateway.scim.grammar import parse_filter
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.paging import people_listing
from gateway.targets.ldap.people import People
from tests.support.ldap import USER, Room, room
from tests.support.slapd import PASSWORD, READER

ODD = [
    pytest.param("*)(uid=*))(|(uid=*", id="a filter turned inside out"),
    pytest.param("a\x00b", id="NUL"),
    pytest.param('Lee, "Ann" + <x>;y=z\\', id="every special character of a DN"),
    pytest.param("#ann", id="a hash in front"),
    pytest.param("日本", id="Japanese"),
    pytest.param("Ann Lee", id="a space"),
]


@pytest.fixture
async def here(slapd_server):
    async with room(slapd_server) as opened:
        yield opened


@pytest.mark.parametrize("name", ODD)
async def test_any_name_makes_one_entry_that_is_found_renamed_and_removed(here: Room, name):
    await here.person("bob")
    made = await here.person(name)
    found = await here.connector.query(USER, Query(parse_filter("userName pr")))
    renamed = await here.change(made, userName=f"{name}2", title="Agent")
    await here.connector.delete(USER, made["id"])

    assert (made["userName"], renamed["userName"]) == (name, f"{name}2")
    assert {entry["userName"] for entry in found.entries} == {"bob", name}
    assert list(here.raw()) == [f"uid=bob,{here.people}"]


async def test_a_space_at_the_end_of_a_name_is_not_another_person(here: Room):
    await here.person("ann")

    with pytest.raises(Conflict):
        await here.person("ann ")


async def test_a_new_person_stands_where_the_template_says(here: Room):
    ann = await here.person("ann", sn="Lee", mail="")

    ((dn, entry),) = here.raw().items()
    assert dn == f"uid=ann,{here.people}"
    assert (entry["cn"], entry["sn"], "mail" in entry) == ([b"Lee"], [b"Lee"], False)
    assert entry["entryUUID"] == [ann["id"].encode()]


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        pytest.param("telephoneNumber", "020 7946;ext=5", "mail|telephoneNumber: has a value", id="a number"),
        pytest.param("mail", "日本@example.com", "mail: has a value that the directory's syntax", id="IA5"),
        pytest.param("department", "Sales", "department: the directory has no such attribute", id="unknown"),
        pytest.param(
            "c", "GB", "c: is needed by the entry's object classes, or not allowed", id="not of a class"
        ),
        pytest.param(
            "preferredLanguage", ["en", "de"], "preferredLanguage: breaks a rule", id="single-valued"
        ),
        pytest.param(
            "telephoneNumber", ["+44 1", "+441"], "telephoneNumber: .* twice", id="one number twice"
        ),
        pytest.param(
            "manager", "nobody-knows-whom", "manager: nobody, or more than one", id="an unknown manager"
        ),
        pytest.param("entryUUID", "7", "entryUUID: ", id="what the server keeps for itself"),
        pytest.param("password", "weak", "userPassword: breaks a rule", id="a weak password"),
        pytest.param("employeeType", "x" * 129, "employeeType: breaks a rule", id="too long a text"),
    ],
)
async def test_what_a_directory_refuses_is_refused_by_name_and_nothing_is_written(
    here: Room, attribute, value, reason
):
    bob = await here.person("bob", title="Agent")
    before = here.raw()

    with pytest.raises(Refused, match=reason):
        await here.person("ann", **{attribute: value})
    with pytest.raises(Refused, match=reason):
        await here.change(bob, userName="rob", title=None, **{attribute: value})

    assert {dn: entry["title"] for dn, entry in here.raw().items()} == {
        dn: entry["title"] for dn, entry in before.items()
    }


class Stubborn:
    """A session that renames once, refuses to modify, and then is gone."""

    def __init__(self) -> None:
        self.renamed = 0

    def find(self, base, text, names):
        return [] if "uid=" in text else [Raw("uid=ann,dc=y", {"entryUUID": [b"1"]})]

    def rename(self, dn, rdn, parent):
        self.renamed += 1
        if self.renamed > 1:
            raise Unreachable("gone")
        return f"{rdn},{parent}"

    def modify(self, dn, modifications):
        raise Refused("no")


def test_a_name_that_cannot_be_taken_back_leaves_the_change_in_doubt():
    directory = Directory("dc=y")
    people = People(directory, people_listing(directory))
    present = {"userName": "ann", "title": "x"}

    with pytest.raises(Silent, match="no"):
        people.change(Stubborn(), "1", Update(present, {"userName": "anna", "title": "y"}, ()))


async def test_a_manager_is_found_by_any_name_and_kept_as_a_dn(here: Room):
    boss = await here.person("boss", externalId="00uBoss")
    for number, name in enumerate(("boss", "00uBoss", boss["id"], f"uid=boss,{here.people}")):
        await here.person(f"p{number}", manager=name)

    managers = [entry["manager"] for dn, entry in here.raw().items() if "uid=p" in dn]
    assert managers == [[f"uid=boss,{here.people}".encode()]] * 4


async def test_a_name_is_taken_wherever_its_entry_stands(here: Room):
    bob = await here.person("bob", active=False)
    ann = await here.person("ann")

    with pytest.raises(Conflict):
        await here.person("BOB")
    with pytest.raises(Conflict):
        await here.change(ann, userName="Bob")
    assert await here.change(bob, userName="BOB")


async def test_who_leaves_is_moved_and_comes_back_under_the_same_id(here: Room):
    ann = await here.person("ann")

    gone = await here.change(ann, active=False, title="Agent")
    there = list(here.raw())
    back = await here.change(gone, active=True, userName="anna")

    assert there == [f"uid=ann,ou=left,{here.directory.base}"]
    assert list(here.raw()) == [f"uid=anna,{here.people}"]
    assert [entry["id"] for entry in (gone, back)] == [ann["id"]] * 2
    assert (gone["active"], back["active"], back["title"]) == (False, True, "Agent")


async def test_people_are_made_among_the_inactive_where_they_are(here: Room):
    ann = await here.person("ann", active=False)

    assert list(here.raw()) == [f"uid=ann,ou=left,{here.directory.base}"]
    assert (await here.connector.get(USER, ann["id"]))["active"] is False


async def test_an_entry_that_stands_elsewhere_stays_there(here: Room):
    dn = f"cn=Ann Lee,ou=groups,{here.directory.base}"
    here.server.add(dn, ["inetOrgPerson"], uid="ann", cn="Ann Lee", sn="Lee", userPassword="secret")
    (ann,) = (await here.connector.query(USER, Query(parse_filter('userName eq "ann"')))).entries

    await here.change(ann, userName="anna", sn="Li")
    await here.change(ann | {"userName": "anna"}, cn="Anna Li")

    ((dn, entry),) = here.raw().items()
    assert dn == f"cn=Anna Li,ou=groups,{here.directory.base}"
    assert (entry["uid"], entry["sn"], entry["userPassword"]) == ([b"anna"], [b"Li"], [b"secret"])
    assert "userPassword" not in ann


async def test_the_place_may_be_said_by_an_attribute(slapd_server):
    async with room(slapd_server, dn="uid={userName},ou={l},{base}") as here:
        ann = await here.person("ann", l="people")

        await here.change(ann, l="left")

        assert list(here.raw()) == [f"uid=ann,ou=left,{here.directory.base}"]


async def test_an_object_class_is_added_and_none_is_taken_away(here: Room):
    ann = await here.person("ann", objectClass=["inetOrgPerson"])

    await here.change(ann, objectClass=["inetOrgPerson", "lockable"])
    await here.change(ann, objectClass=["lockable"])

    ((_, entry),) = here.raw().items()
    assert entry["objectClass"] == [b"inetOrgPerson", b"lockable"]


async def test_a_password_is_set_and_never_shown(here: Room):
    ann = await here.person("ann", password="first-secret")
    changed = await here.change(ann, password="second-secret")

    assert "secret" not in f"{ann}{changed}"
    with_password = ldap.initialize(here.server.url)
    with_password.simple_bind_s(f"uid=ann,{here.people}", "second-secret")


async def test_several_values_are_shown_of_what_is_looked_at(slapd_server):
    values = {"telephoneNumber": ["+441", "+442"], "description": "a", "title": "x"}
    async with room(slapd_server, attributes=("TelephoneNumber", "description")) as here:
        ann = await here.person("ann", **values)

        shown = {name: value for name, value in ann.items() if name.casefold() in map(str.casefold, values)}
        assert shown == {"TelephoneNumber": ["+441", "+442"], "description": "a"}


async def test_two_people_with_one_external_id_are_both_shown(here: Room):
    await here.person("ann", externalId="00uX")
    here.server.add(f"uid=bob,{here.people}", ["inetOrgPerson"], cn="bob", sn="bob", employeeNumber="00uX")

    assert (await here.connector.query(USER, Query(parse_filter('externalId eq "00uX"')))).total == 2


async def test_an_external_id_that_somebody_has_is_a_conflict_and_one_in_another_case_is_none(here: Room):
    await here.person("ann", externalId="00uX")
    await here.person("bob", externalId="00ux")

    with pytest.raises(Conflict, match="externalId"):
        await here.person("cid", externalId="00uX")
    assert len(here.raw()) == 2


async def test_a_person_locked_elsewhere_is_inactive_here(slapd_server):
    classes = ["inetOrgPerson", "lockable"]
    async with room(slapd_server, inactive="nsAccountLock", inactive_base=None) as here:
        ann = await here.person("ann", objectClass=classes)
        gone = await here.change(ann, active=False)
        locked = await here.connector.query(USER, Query(parse_filter("active eq false")))
        back = await here.change(gone, active=True)

        assert [entry["active"] for entry in (ann, gone, back)] == [True, False, True]
        assert locked.entries == (gone,)
        assert "nsAccountLock" not in next(iter(here.raw().values()))


@pytest.mark.parametrize("active", [False, True])
async def test_a_place_that_is_not_there_is_refused_by_name_and_keeps_nobody_in(slapd_server, active):
    there = {"inactive": "nsAccountLock", "inactive_base": None, "dn": "uid={userName},ou={title},{base}"}
    async with room(slapd_server, **there) as here:
        ann = await here.person("ann", title="people", objectClass=["inetOrgPerson", "lockable"])

        with pytest.raises(Refused, match="there is no entry ou=nowhere"):
            await here.change(ann, title="nowhere", active=active)
        alone = await here.change(ann, active=False)

        assert (alone["active"], list(here.raw())) == (False, [f"uid=ann,{here.people}"])


WINDOWS = {
    "dn": "CN={userName},ou=people,{base}",
    "people": "(objectClass=user)",
    "user_name": "userPrincipalName",
    "makes": ("sAMAccountName", "password"),
    "password": "unicodePwd",
    "inactive": "userAccountControl",
    "inactive_base": None,
}


async def test_an_account_of_windows_is_made_disabled_renamed_and_enabled(slapd_server):
    async with room(slapd_server, **WINDOWS) as here:
        ann = await here.person("ann@x.com", objectClass=["user"], sn="Lee")
        off = await here.change(ann, active=False)
        switched_off = await here.connector.query(USER, Query(parse_filter("active eq false")))
        on = await here.change(off, active=True, userName="anna@x.com")

        ((dn, entry),) = here.raw("(objectClass=user)").items()
        assert dn.casefold() == f"cn=anna@x.com,{here.people}"
        assert (entry["userAccountControl"], entry["sAMAccountName"]) == ([b"512"], [b"ann"])
        assert [one["active"] for one in (ann, off, on)] == [True, False, True]
        assert [one["id"] for one in switched_off.entries] == [ann["id"]]
        assert len(entry["unicodePwd"][0]) == 2 * len('"Aa1-"') + 64


async def test_a_flag_that_somebody_else_set_meanwhile_stays(slapd_server):
    async with room(slapd_server, **WINDOWS) as here:
        ann = await here.person("ann@x.com", objectClass=["user"], sn="Lee")
        change = [(ldap.MOD_REPLACE, "userAccountControl", [b"66048"])]
        here.server.root().modify_s(f"CN=ann@x.com,{here.people}", change)

        await here.change(ann, active=False)

        assert next(iter(here.raw("(objectClass=user)").values()))["userAccountControl"] == [b"66050"]


async def test_an_entry_is_known_by_16_bytes(slapd_server):
    async with room(slapd_server, **WINDOWS, id="objectGUID") as here:
        guid = "00112233-4455-6677-8899-aabbccddeeff"
        here.server.root().add_s(
            f"CN=ann,{here.people}",
            [
                ("objectClass", [b"user"]),
                ("sn", [b"Lee"]),
                ("userPrincipalName", [b"ann@x.com"]),
                ("objectGUID", [bytes.fromhex("33221100554477668899aabbccddeeff")]),
            ],
        )

        ann = await here.connector.get(USER, guid)
        assert (ann["id"], ann["userName"]) == (guid, "ann@x.com")
        assert await here.change(ann, title="Agent")
        assert await here.connector.get(USER, "no-guid") is None
        boss = await here.change(ann, manager="ann@x.com")
        assert boss["manager"].casefold() == f"cn=ann,{here.people}"


async def test_an_account_that_may_only_read_is_told_so(slapd_server):
    async with room(slapd_server, Basic(READER, Secret(PASSWORD))) as here:
        with pytest.raises(Denied, match="the account may not do this"):
            await here.person("ann")


@pytest.mark.parametrize(
    "habits",
    [
        pytest.param({"dn": "uid={userName},ou=nowhere,{base}"}, id="where people are made"),
        pytest.param({"base": "ou=nowhere,dc=example,dc=org"}, id="the base"),
    ],
)
async def test_a_base_that_is_gone_is_no_word_on_the_person(slapd_server, habits):
    async with room(slapd_server, **habits) as here:
        with pytest.raises(Unreachable, match=r"there is no entry .*ou=nowhere"):
            await here.person("ann")


async def test_a_place_for_the_inactive_that_is_gone_leaves_people_where_they_are(slapd_server):
    async with room(slapd_server, inactive_base="ou=nowhere,dc=example,dc=org") as here:
        ann = await here.person("ann")
        with pytest.raises(Unreachable, match="there is no entry ou=nowhere"):
            await here.change(ann, active=False)

        assert list(here.raw()) == [f"uid=ann,{here.people}"]


@pytest.mark.parametrize("name", ["", None])
async def test_a_person_without_a_name_is_refused(here: Room, name):
    with pytest.raises(Refused, match="userName"):
        await here.person(name)


@pytest.mark.parametrize("name", ["\ud800", "a\ud800"])
async def test_half_a_character_is_refused(here: Room, name):
    with pytest.raises(Refused, match="Unicode"):
        await here.person(name)


async def test_who_is_not_there_any_more_is_missing(here: Room):
    ann = await here.person("ann")
    here.server.root().delete_s(f"uid=ann,{here.people}")

    with pytest.raises(Missing):
        await here.change(ann, title="Agent")


async def test_who_was_renamed_past_the_gateway_is_still_known(here: Room):
    ann = await here.person("ann")
    here.server.root().rename_s(f"uid=ann,{here.people}", "uid=anna")

    assert (await here.connector.get(USER, ann["id"]))["userName"] == "anna"


async def test_an_entry_with_two_names_keeps_them(here: Room):
    dn = f"cn=Ann+uid=ann,{here.people}"
    here.server.add(dn, ["inetOrgPerson"], uid="ann", cn="Ann", sn="Lee")
    (ann,) = (await here.connector.query(USER, Query(parse_filter('userName eq "ann"')))).entries

    await here.change(ann, title="Agent")
    with pytest.raises(Refused, match="uid"):
        await here.change(ann, userName="anna")

    ((_, entry),) = here.raw().items()
    assert (entry["uid"], entry["title"]) == ([b"ann"], [b"Agent"])


@pytest.mark.parametrize("habits", [{"dn": "uid={userName}+cn={userName},ou=people,{base}"}])
async def test_a_template_with_two_names_makes_nobody(slapd_server, habits):
    async with room(slapd_server, **habits) as here:
        with pytest.raises(Refused, match="cannot be named so"):
            await here.person("ann")


async def test_without_groups_people_are_renamed_and_removed(slapd_server):
    async with room(slapd_server, group_base=None) as here:
        ann = await here.person("ann")
        anna = await here.change(ann, userName="anna")
        await here.connector.delete(USER, anna["id"])

        assert here.raw() == {}
