"""A gateway before a real directory, with the preset `openldap`: what a provider sees, what is stored."""

import json

import ldap
import pytest

from tests.support.ldap_scene import GROUPS, USERS, person, scenes, work

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PASSWORD_RULE = '[[targets.phonebook.rules]]\nto = "password"'
WORK = work("+44 (0)20 7946 0018")
MOVE = {
    "keys": 'on_deactivate = "send"',
    "more": 'inactive = "move"\ninactive_base = "ou=left,{base}"',
}


@pytest.fixture
async def scene(request, slapd_server, tmp_path):
    """A gateway; the parameter is what its target says besides."""
    async with scenes(slapd_server, tmp_path, **getattr(request, "param", {})) as opened:
        yield opened


async def test_a_person_is_made_read_changed_renamed_and_removed(scene):
    made = await scene.ask("POST", USERS, person(phoneNumbers=WORK, name={"familyName": "Lee"}))
    one = f"{USERS}/{made.body['id']}"
    read = await scene.ask("GET", one)
    changed = await scene.ask("PUT", one, read.body | {"userName": "anna@example.com", "title": "Agent"})
    there = scene.there()
    removed = await scene.ask("DELETE", one)

    assert [answer.status for answer in (made, read, changed, removed)] == [201, 200, 200, 204]
    assert read.body["phoneNumbers"] == WORK
    ((dn, entry),) = there.items()
    assert dn == "uid=anna@example.com,ou=people"
    assert (entry["telephoneNumber"], entry["sn"], entry["title"]) == (
        [b"+442079460018"],
        [b"Lee"],
        [b"Agent"],
    )
    assert scene.there() == {}


async def test_who_leaves_is_removed_and_comes_back_under_the_same_id(scene):
    made = await scene.ask("POST", USERS, person())
    one = f"{USERS}/{made.body['id']}"
    gone = await scene.ask("PUT", one, person(active=False))
    without = scene.there()
    back = await scene.ask("PUT", one, person())

    assert without == {}
    assert [answer.body["active"] for answer in (gone, back)] == [False, True]
    assert back.body["id"] == made.body["id"]
    assert list(scene.there()) == ["uid=ann@example.com,ou=people"]


@pytest.mark.parametrize("scene", [MOVE], indirect=True)
async def test_who_leaves_is_moved_where_the_target_says_so(scene):
    made = await scene.ask("POST", USERS, person())
    one = f"{USERS}/{made.body['id']}"

    gone = await scene.ask(
        "PATCH", one, {"Operations": [{"op": "replace", "path": "active", "value": False}]}
    )
    listed = await scene.ask("GET", f"{USERS}?filter=active%20eq%20false")

    assert list(scene.there()) == ["uid=ann@example.com,ou=left"]
    assert (gone.status, gone.body["active"]) == (200, False)
    assert [found["id"] for found in listed.body["Resources"]] == [made.body["id"]]


async def test_somebody_who_is_there_already_is_adopted(scene):
    scene.put("uid=ann@example.com", title="Old")

    made = await scene.ask("POST", USERS, person(title="New"))

    ((_, entry),) = scene.there().items()
    assert (made.status, entry["title"], entry["employeeNumber"]) == (201, [b"New"], [b"00u-ann@example.com"])
    assert (await scene.last())["outcome"]["result"] == "adopted"


async def test_a_leaver_with_bad_data_leaves(scene):
    made = await scene.ask("POST", USERS, person())

    bad = person(active=False, phoneNumbers=[{"type": "work", "value": "n/a"}])
    gone = await scene.ask("PUT", f"{USERS}/{made.body['id']}", bad)

    assert (gone.status, scene.there()) == (200, {})


MANAGER = {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "nobody"}}}


@pytest.mark.parametrize("scene", [MOVE | {"more": f"{MOVE['more']}\n{PASSWORD_RULE}"}], indirect=True)
@pytest.mark.parametrize("operation", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(MANAGER, id="an unknown manager"),
        pytest.param({"userName": "taken@example.com"}, id="a name that is taken"),
        pytest.param({"title": "T" * 129}, id="a title of 129 characters"),
        pytest.param({"password": "weak"}, id="a weak password"),
        pytest.param({"title": "T" * 129, "password": "weak"}, id="two at once"),
        pytest.param({"displayName": "D" * 65_536, "title": "T" * 129}, id="nothing of what is refused"),
    ],
)
async def test_a_leaver_with_data_that_the_directory_refuses_leaves(scene, operation, refused):
    scene.put("uid=taken@example.com")
    made = await scene.ask("POST", USERS, person(title="Agent", displayName="Ann"))

    leaves = {"active": False} | refused
    bodies = {"PUT": person() | leaves, "PATCH": {"Operations": [{"op": "replace", "value": leaves}]}}
    gone = await scene.ask(operation, f"{USERS}/{made.body['id']}", bodies[operation])

    there = scene.there()["uid=ann@example.com,ou=left"]
    assert (gone.status, gone.body["active"]) == (200, False)
    assert (there["title"], there["displayName"]) == ([b"Agent"], [b"Ann"])
    assert (await scene.last())["outcome"]["result"] == "rejected"


LOCK = """inactive = "nsAccountLock"
object_classes = ["top", "person", "organizationalPerson", "inetOrgPerson", "lockable"]
"""


@pytest.mark.parametrize("operation", ["PUT", "PATCH"])
async def test_a_leaver_whose_place_is_not_there_is_locked_where_they_stand(
    slapd_server, tmp_path, operation
):
    dn = {"more": LOCK, "keys": 'on_deactivate = "send"', "dn": "uid={{userName}},ou={{title}},{{base}}"}
    async with scenes(slapd_server, tmp_path, **dn) as scene:
        made = await scene.ask("POST", USERS, person("ann", title="people"))
        leaves = {"active": False, "title": "nowhere"}
        bodies = {
            "PUT": person("ann") | leaves,
            "PATCH": {"Operations": [{"op": "replace", "value": leaves}]},
        }

        gone = await scene.ask(operation, f"{USERS}/{made.body['id']}", bodies[operation])

        assert (gone.status, gone.body["active"]) == (200, False)
        assert scene.there()["uid=ann,ou=people"]["nsAccountLock"] == [b"true"]


async def test_groups_hold_people_by_our_ids(scene):
    ids = [
        (await scene.ask("POST", USERS, person(f"{name}@example.com"))).body["id"] for name in ("ann", "bob")
    ]
    members = [{"value": id} for id in ids]
    sales = await scene.ask("POST", GROUPS, {"displayName": "Sales", "members": members})
    one = f"{GROUPS}/{sales.body['id']}"
    gone = {"Operations": [{"op": "remove", "path": f'members[value eq "{ids[0]}"]'}]}
    await scene.ask("PATCH", one, gone)
    shown = await scene.ask("GET", one)

    ((dn, entry),) = scene.there("(objectClass=groupOfNames)").items()
    assert dn == "cn=Sales,ou=groups"
    assert entry["member"] == [b"cn=nobody", f"uid=bob@example.com,ou=people,{scene.base}".encode()]
    assert [member["value"] for member in shown.body["members"]] == [ids[1]]


async def test_a_group_has_the_external_id_it_came_with_though_the_directory_keeps_none(scene):
    sales = {"displayName": "Sales", "externalId": "00g1"}
    await scene.ask("POST", GROUPS, {"displayName": "Agents", "externalId": "00g2"})
    made = await scene.ask("POST", GROUPS, sales)
    again = await scene.ask("POST", GROUPS, sales)
    found = await scene.ask("GET", f"{GROUPS}?filter=externalId%20eq%20%2200g1%22")
    one = f"{GROUPS}/{found.body['Resources'][0]['id']}"
    renamed = await scene.ask("PUT", one, sales | {"displayName": "Sale"})
    there = await scene.ask("GET", f"{GROUPS}?filter=externalId%20eq%20%2200g1%22%20and%20displayName%20pr")

    assert (made.status, again.status, found.body["totalResults"], renamed.status) == (201, 409, 1, 200)
    assert [(g["id"], g["displayName"], g["externalId"]) for g in there.body["Resources"]] == [
        (made.body["id"], "Sale", "00g1")
    ]
    assert len(scene.there("(objectClass=groupOfNames)")) == 2


@pytest.mark.parametrize("scene", [{"dialect": "rfc"}], indirect=True)
async def test_people_of_one_external_id_are_each_somebody(scene):
    names = ("jane@a.example", "john@b.example")
    made = [await scene.ask("POST", USERS, person(name, externalId="jsmith")) for name in names]
    found = await scene.ask("GET", f"{USERS}?filter=externalId%20eq%20%22jsmith%22")

    assert [answer.status for answer in made] == [201, 201]
    assert list(scene.there()) == [f"uid={name},ou=people" for name in names]
    assert sorted(who["id"] for who in found.body["Resources"]) == sorted(who.body["id"] for who in made)


@pytest.mark.parametrize("scene", [{"dialect": "okta"}], indirect=True)
async def test_the_same_external_id_is_a_rename_where_ids_are_unique(scene):
    names = ("jane@a.example", "john@b.example")
    made = [await scene.ask("POST", USERS, person(name, externalId="jsmith")) for name in names]

    assert [answer.status for answer in made] == [201, 201]
    assert list(scene.there()) == ["uid=john@b.example,ou=people"]


BLANKS = [
    pytest.param("mail", {"emails": [{"type": "work", "value": "VALUE"}]}, "a@x.org", id="mail"),
    pytest.param("mail", {"emails": [{"primary": True, "value": "VALUE"}]}, "a@x.org", id="the primary mail"),
    pytest.param("telephoneNumber", {"phoneNumbers": work("VALUE")}, "+442079460018", id="a number"),
    pytest.param("title", {"title": "VALUE"}, "Agent", id="a text"),
    pytest.param("preferredLanguage", {"preferredLanguage": "VALUE"}, "en-GB", id="a language"),
    pytest.param("departmentNumber", {ENTERPRISE: {"department": "VALUE"}}, "Sales", id="of an extension"),
    pytest.param("cn", {"name": {"formatted": "VALUE"}}, "Ann Lee", id="what must be there"),
    pytest.param("manager", {ENTERPRISE: {"manager": {"value": "VALUE"}}}, "boss", id="whose DN is stored"),
]


@pytest.mark.parametrize("around", [" {} ", "\t{}\n", "\u3000{}\u00a0"], ids=["blanks", "lines", "wide"])
@pytest.mark.parametrize(("attribute", "said", "value"), BLANKS)
async def test_a_directory_gets_no_blanks_around_a_value(scene, attribute, said, value, around):
    await scene.ask("POST", USERS, person("boss"))
    quoted = {before: json.dumps(before)[1:-1] for before in (value, around.format(value))}
    plain, blank = (json.loads(json.dumps(said).replace("VALUE", text)) for text in quoted.values())

    made = await scene.ask("POST", USERS, person("ann", **blank))
    there = scene.there("(uid=ann)")["uid=ann,ou=people"][attribute]
    same = await scene.ask("PUT", f"{USERS}/{made.body['id']}", person("ann", **plain))

    boss = f"uid=boss,ou=people,{scene.base}"
    assert (made.status, same.status) == (201, 200)
    assert there == [(boss if attribute == "manager" else value).encode()]
    assert scene.there("(uid=ann)")["uid=ann,ou=people"][attribute] == there


async def test_blanks_alone_are_nothing(scene):
    said = {"title": " ", "displayName": "\t", "emails": [{"type": "work", "value": "\u3000"}]}

    made = await scene.ask("POST", USERS, person("ann", **said))

    entry = scene.there("(uid=ann)")["uid=ann,ou=people"]
    assert (made.status, entry["cn"], {"title", "displayName", "mail"} & set(entry)) == (201, [b"ann"], set())


async def test_a_password_keeps_its_blanks(slapd_server, tmp_path):
    async with scenes(slapd_server, tmp_path, more=PASSWORD_RULE) as scene:
        await scene.ask("POST", USERS, person("ann", password=" se cret "))

        ldap.initialize(slapd_server.url).simple_bind_s(f"uid=ann,ou=people,{scene.base}", " se cret ")
