"""What no directory can take, and what it must not be fooled by: the answer, the event, what is written."""

from urllib.parse import quote

import ldap
import pytest

from tests.support.ldap_scene import USERS, person, scenes, work
from tests.support.served import check_refused

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BY_MAIL = '[[targets.phonebook.rules]]\nto = "mail"\nfrom = "emails.value"'  # no rule looks at it on the way
JAPANESE = {"emails": [{"value": "日本@example.com", "type": "work"}]}
INJECTION = "*)(uid=*))(|(uid=*"


@pytest.fixture
async def scene(request, slapd_server, tmp_path):
    """A gateway before a directory that holds somebody already."""
    async with scenes(slapd_server, tmp_path, **getattr(request, "param", {})) as opened:
        opened.put("uid=bystander", employeeNumber="1")
        yield opened


BAD = [
    pytest.param({}, {"phoneNumbers": work("ask reception")}, 'phoneNumbers[type eq "work"]', id="a phone"),
    pytest.param({}, JAPANESE, "emails", id="an address in Japanese"),
    pytest.param({"keys": BY_MAIL}, JAPANESE, "mail", id="the same, refused by the directory"),
    pytest.param({}, {"officeName": "Atlantis"}, "officeName", id="an office that is not there"),
    pytest.param(
        {}, {ENTERPRISE: {"manager": {"value": "nobody"}}}, "manager", id="a manager who is not there"
    ),
    pytest.param(
        {}, {ENTERPRISE: {"manager": {"value": INJECTION}}}, "manager", id="a manager who is a filter"
    ),
    pytest.param({}, {"title": "a\0b"}, "title", id="NUL"),
    pytest.param({}, {"userName": "a\0b"}, "userName", id="NUL in the name"),
    pytest.param({}, {"userName": "x" * 300}, "uid", id="a name that is too long"),
    pytest.param({}, {"preferredLanguage": ["en", "de"]}, "preferredLanguage", id="two values where one is"),
]


@pytest.mark.parametrize(("scene", "more", "says"), BAD, indirect=["scene"])
async def test_bad_data_is_refused_with_an_event_and_nothing_is_written(scene, more, says):
    made = await scene.ask("POST", USERS, person())
    before = scene.there()

    created = await scene.ask("POST", USERS, person("bob@example.com") | more)
    last = await scene.last()
    bad = person(title="New") | {"userName": "anna@example.com"} | more
    changed = await scene.ask("PUT", f"{USERS}/{made.body['id']}", bad)

    for answer, event in ((created, last), (changed, await scene.last())):
        check_refused(answer, 400, says)
        assert (event["outcome"]["result"], event["correlation_id"]) == (
            "rejected",
            answer.headers["X-Correlation-Id"],
        )
    assert scene.there() == before


NAMES = [INJECTION, 'Lee, "Ann" + <x>;y=z\\', "日本", "#1", "ann ", " ann", "a  b", "a/b?c%2F", "cn=x,dc=y"]


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_made_found_renamed_and_removed_and_nobody_else_is_touched(scene, name):
    before = scene.there()
    made = await scene.ask("POST", USERS, person(name))
    one = f"{USERS}/{made.body['id']}"
    wanted = quote(name.replace("\\", "\\\\").replace('"', '\\"'))
    found = await scene.ask("GET", f"{USERS}?filter=userName%20eq%20%22{wanted}%22")
    other = await scene.ask("POST", USERS, person(name, externalId="other"))
    renamed = await scene.ask("PUT", one, person(f"{name}2", externalId=f"00u-{name}"))
    removed = await scene.ask("DELETE", one)

    assert (made.status, made.body["userName"]) == (201, name)
    assert [shown["id"] for shown in found.body["Resources"]] == [made.body["id"]]
    assert (other.status, renamed.status, removed.status) == (409, 200, 204)
    assert scene.there() == before


@pytest.mark.parametrize("literal", ["*", INJECTION, "bystander)", "bystander\\\\2a"])
async def test_a_filter_matches_nobody_else(scene, literal):
    found = await scene.ask("GET", f"{USERS}?filter=userName%20eq%20%22{quote(literal)}%22")
    got = await scene.ask("GET", f"{USERS}/{quote(literal, safe='')}")

    assert (found.status, found.body["totalResults"], got.status) == (200, 0, 404)


async def test_who_is_there_under_another_user_name_is_adopted_by_externalid_and_not_doubled(scene):
    scene.put("uid=annie", employeeNumber="00u-ann@example.com")

    answer = await scene.ask("POST", USERS, person())

    assert (answer.status, (await scene.last())["outcome"]["result"]) == (201, "adopted")
    found = scene.there("(employeeNumber=00u-ann@example.com)")
    assert list(found) == ["uid=ann@example.com,ou=people"]


async def test_two_entries_with_one_external_id_are_a_conflict_and_stay_as_they_are(scene):
    for name in ("a", "b"):
        scene.put(f"uid={name}", employeeNumber="00u-ann@example.com")
    before = scene.there()

    answer = await scene.ask("POST", USERS, person())

    check_refused(answer, 409, "several entries with the same externalId")
    assert (await scene.last())["outcome"]["result"] == "rejected"
    assert scene.there() == before


@pytest.mark.parametrize("scene", [{"keys": 'deadline = "400ms"'}], indirect=True)
async def test_a_base_that_is_gone_is_busy_and_what_is_asked_is_done_once_it_is_back(scene):
    base = f"ou=people,{scene.base}"
    scene.server.root().delete_s(f"uid=bystander,{base}")
    scene.server.root().delete_s(base)

    answer = await scene.ask("POST", USERS, person())
    event = await scene.last()
    scene.server.add(base, ["organizationalUnit"])
    again = await scene.ask("POST", USERS, person())

    assert (answer.status, event["outcome"]["result"], again.status) == (429, "deferred", 201)
    assert answer.headers["Retry-After"] == "30"
    assert list(scene.there()) == ["uid=ann@example.com,ou=people"]


async def test_a_directory_whose_base_is_gone_is_not_taken_for_an_empty_one(scene):
    made = await scene.ask("POST", USERS, person())
    for dn, _ in reversed(scene.server.root().search_s(scene.base, ldap.SCOPE_SUBTREE)):
        scene.server.root().delete_s(dn)

    listed = await scene.ask("GET", USERS)
    read = await scene.ask("GET", f"{USERS}/{made.body['id']}")

    assert {listed.status, read.status} == {429}
