"""A gateway before a real directory, with the preset `openldap`: what a provider sees, what is stored."""

import ldap
import pytest

from tests.support.served import check_refused, gateways
from tests.support.slapd import GATEWAY, PASSWORD

USERS, GROUPS = "/scim/phonebook/v2/Users", "/scim/phonebook/v2/Groups"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
TARGET = """
[targets.phonebook]
preset = "openldap"
url = "{url}"
auth = {{ basic = {{ user = "{user}", password = {{ file = "ldap.password" }} }} }}
region = "GB"
{keys}
[targets.phonebook.ldap]
base = "{base}"
dn = "uid={{userName}},ou=people,{{base}}"
group_base = "ou=groups,{base}"
{more}
[[targets.phonebook.rules]]
to = "manager"
from = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
[[targets.phonebook.rules]]
to = "physicalDeliveryOfficeName"
from = "*:officeName"
via = ["office"]
[targets.phonebook.offices]
LDN = {{ name = "London", country = "GB" }}
"""
MOVE = {
    "keys": 'on_deactivate = "send"',
    "more": 'inactive = "move"\ninactive_base = "ou=left,{base}"',
}


class Scene:
    """A served gateway and what really is in its directory."""

    def __init__(self, served, server, base) -> None:
        self.ask = served.ask
        self.served, self._server, self.base = served, server, base

    def there(self, filter: str = "(objectClass=inetOrgPerson)"):
        found = self._server.root().search_s(self.base, ldap.SCOPE_SUBTREE, filter)
        return {dn.removesuffix(f",{self.base}"): entry for dn, entry in found}

    async def last(self):
        return (await self.served.events())[-1]


def person(user: str = "ann@example.com", **more):
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user,
        "externalId": f"00u-{user}",
        "active": True,
        **more,
    }


@pytest.fixture
async def scene(request, slapd_server, tmp_path):
    """A gateway; the parameter is what its target says besides."""
    base = slapd_server.room().base
    said = {name: text.format(base=base) for name, text in getattr(request, "param", {}).items()}
    (tmp_path / "ldap.password").write_text(PASSWORD)
    (tmp_path / "ldap.password").chmod(0o600)
    named = {"url": slapd_server.url, "user": GATEWAY, "base": base, "keys": "", "more": ""} | said
    async with gateways(tmp_path) as run:
        yield Scene(await run(TARGET.format(**named), OTHER), slapd_server, base)


OTHER = '[targets.other]\nconnector = "embedded"\nurl = "sqlite:other.db"\nshared = true\n'
WORK = [{"type": "work", "value": "+44 (0)20 7946 0018"}]


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


@pytest.mark.parametrize("number", ["+442079460018", "+44 20 7946 0018", "+44-20-7946-0018"])
async def test_a_phone_finds_who_calls(scene, number):
    await scene.ask("POST", USERS, person(phoneNumbers=[{"type": "work", "value": "020 7946 0018"}]))

    names = "(|(telephoneNumber=+442079460018)(mobile=+442079460018)(homePhone=+442079460018))"
    assert list(scene.there(names)) == ["uid=ann@example.com,ou=people"]
    exact = [entry["telephoneNumber"] for entry in scene.there(f"(telephoneNumber={number})").values()]
    assert exact == [[b"+442079460018"]]


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
    dn = f"uid=ann@example.com,ou=people,{scene.base}"
    scene._server.add(dn, ["inetOrgPerson"], uid="ann@example.com", cn="Ann", sn="Lee", title="Old")

    made = await scene.ask("POST", USERS, person(title="New"))

    ((_, entry),) = scene.there().items()
    assert (made.status, entry["title"], entry["employeeNumber"]) == (201, [b"New"], [b"00u-ann@example.com"])
    assert (await scene.last())["outcome"]["result"] == "adopted"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        pytest.param(
            {"phoneNumbers": [{"type": "work", "value": "ask reception"}]},
            'phoneNumbers[type eq "work"]',
            id="phone",
        ),
        pytest.param(
            {"emails": [{"value": "日本@example.com", "type": "work"}]}, "emails", id="an address in Japanese"
        ),
        pytest.param({"officeName": "Atlantis"}, "officeName", id="an office that is not there"),
        pytest.param(
            {ENTERPRISE: {"manager": {"value": "nobody"}}}, "manager", id="a manager who is not there"
        ),
    ],
)
async def test_bad_input_is_refused_with_an_event_and_nothing_is_written(scene, more, says):
    answer = await scene.ask("POST", USERS, person() | more)

    check_refused(answer, 400, says)
    assert (await scene.last())["outcome"]["result"] == "rejected"
    assert scene.there() == {}


@pytest.mark.parametrize("name", ["*)(uid=*))(|(uid=*", 'Lee, "Ann" + <x>;y=z\\', "日本", "#1"])
async def test_any_name_is_made_found_and_removed(scene, name):
    made = await scene.ask("POST", USERS, person(name))
    again = await scene.ask("POST", USERS, person(name, externalId="other"))
    removed = await scene.ask("DELETE", f"{USERS}/{made.body['id']}")

    assert (made.status, made.body["userName"], again.status, removed.status) == (201, name, 409, 204)
    assert scene.there() == {}


async def test_a_leaver_with_bad_data_leaves(scene):
    made = await scene.ask("POST", USERS, person())

    bad = person(active=False, phoneNumbers=[{"type": "work", "value": "n/a"}])
    gone = await scene.ask("PUT", f"{USERS}/{made.body['id']}", bad)

    assert (gone.status, scene.there()) == (200, {})


async def test_two_entries_with_one_external_id_are_a_conflict(scene):
    for name in ("a", "b"):
        dn = f"uid={name},ou=people,{scene.base}"
        scene._server.add(dn, ["inetOrgPerson"], cn=name, sn=name, employeeNumber="00u-ann@example.com")
    scene._server.add(
        f"uid=x,ou=people,{scene.base}", ["inetOrgPerson"], cn="x", sn="x", uid=["x", "ann@example.com"]
    )

    check_refused(await scene.ask("POST", USERS, person()), 409, "several entries with the same externalId")


@pytest.mark.parametrize("scene", [{"keys": 'deadline = "400ms"'}], indirect=True)
async def test_a_base_that_is_gone_is_busy_and_nothing_is_lost(scene):
    made = await scene.ask("POST", USERS, person())
    root = scene._server.root()
    root.delete_s(f"uid=ann@example.com,ou=people,{scene.base}")
    root.delete_s(f"ou=people,{scene.base}")

    answer = await scene.ask("POST", USERS, person("bob@example.com"))

    assert (answer.status, made.status) == (429, 201)
    assert int(answer.headers["Retry-After"]) > 0


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
