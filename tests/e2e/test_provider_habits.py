"""What identity providers do, and what breaks services that do not expect it: one number for each habit."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.flow.target_port import ResourceType
from gateway.scim.names import ENTERPRISE_USER
from tests.support.served import Scripted, Served, check_refused, gateways, scripted_target
from tests.support.talk import Talk, members, op

CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.okta]
dialect = "okta"
token = {{ sha256 = "{okta}" }}
[providers.entra]
dialect = "entra"
token = {{ sha256 = "{entra}" }}
[providers.rfc]
token = {{ sha256 = "{rfc}" }}
"""
PEOPLE = """
[targets.people]
connector = "embedded"
url = "sqlite:var/people.db"
shared = true
protect = 'userName sw "svc-"'
"""
PHONES = """
[targets.phones]
connector = "embedded"
url = "sqlite:var/phones.db"
shared = true
region = "US"
[[targets.phones.rules]]
to = "phoneNumbers.value"
via = ["phone"]
"""
GIVEN = [op("replace", None, {"active": False}), op("Replace", "active", "False")]  # Okta's way, and Entra's

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with gateways(tmp_path_factory.mktemp("habits")) as serve:
        yield await serve(PEOPLE, PHONES, config=CONFIG)


@pytest.fixture
def okta(served: Served) -> Talk:
    return Talk(served, "okta")


@pytest.fixture
def entra(served: Served) -> Talk:
    return Talk(served, "entra")


@pytest.fixture
def rfc(served: Served) -> Talk:
    return Talk(served, "rfc")


@pytest_asyncio.fixture(loop_scope="module")
async def scripted() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        yield target


@pytest_asyncio.fixture(loop_scope="module")
async def before(scripted: Scripted, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Talk]]]:
    """Put Okta before a target that answers as it is told."""
    async with gateways(tmp_path) as serve:

        async def run(**keys: str) -> Talk:
            return Talk(await serve(scripted.toml(settle='"1ms"', **keys), config=CONFIG), target="phonebook")

        yield run


async def test_01_a_refused_create_leaves_the_person_who_was_there_as_she_was(okta):
    path = await okta.create()
    before = await okta.get(path)

    again = await okta.ask("POST", "/Users", okta.person | {"externalId": "other", "title": "Dr"})

    assert again.status == 409
    assert await okta.get(path) == before


async def test_02_somebody_whom_the_target_has_already_is_taken_on_and_not_refused(okta):
    entry = await okta.served.gateway.targets["people"].connector.create(ResourceType.USER, okta.person)

    answer = await okta.ask("POST", "/Users", okta.person | {"title": "Dr"})

    assert (answer.status, answer.body["id"], answer.body["title"]) == (201, entry["id"], "Dr")
    assert len(await okta.look_up(f'userName eq "{okta.person["userName"]}"')) == 1


LONG = {"timeout": '"20s"', "deadline": '"20s"'}


async def test_03_a_create_whose_answer_the_target_lost_is_found_and_not_made_twice(before, scripted):
    okta, entries = await before(**LONG), []

    async def reply(request: web.Request) -> web.Response:
        if request.method == "POST":
            entries.append(await request.json() | {"id": "t1"})
            request.transport.close()
        return web.json_response({"totalResults": len(entries), "Resources": entries})

    scripted.reply = reply
    answer = await okta.ask("POST", "/Users", okta.person)

    assert (answer.status, answer.body["id"], len(entries)) == (201, "t1", 1)


async def test_03_a_create_whose_answer_the_provider_lost_is_answered_again(before, scripted):
    okta = await before(**LONG)
    scripted.holds(201, json.dumps(okta.person | {"id": "t1"}))
    lost = asyncio.create_task(okta.ask("POST", "/Users", okta.person))
    async with asyncio.timeout(20):
        while not scripted.asked:
            await asyncio.sleep(0)
    lost.cancel()
    await asyncio.wait([lost])
    scripted.says(200, json.dumps(okta.person | {"id": "t1"}))
    scripted.held.set()

    again = await okta.ask("POST", "/Users", okta.person)

    assert (again.status, again.body["id"], scripted.asked.count("POST /Users")) == (201, "t1", 1)


async def test_04_of_creates_at_the_same_time_none_fails_and_one_person_is_made(okta):
    answers = await okta.at_once("POST", "/Users", *[okta.person] * 8)

    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.body["id"] for answer in answers if answer.status == 201}) == 1
    assert len(await okta.look_up(f'externalId eq "{okta.person["externalId"]}"')) == 1


async def test_05_a_conflict_says_that_it_is_one_of_uniqueness(okta):
    await okta.create()

    answer = await okta.ask("POST", "/Users", okta.person)

    assert (answer.status, answer.body["scimType"]) == (409, "uniqueness")


@pytest.mark.parametrize("who", ["externalId", "userName"])
async def test_06_who_was_deactivated_comes_back_in_place(okta, who):
    path = await okta.create()
    await okta.patch(path, GIVEN[0])
    known = {"userName": okta.person["userName"], who: okta.person[who]}

    answer = await okta.ask("POST", "/Users", known)

    assert (answer.status, f"/Users/{answer.body['id']}", answer.body["active"]) == (201, path, True)


@pytest.mark.parametrize("leaving", GIVEN, ids=["okta", "entra"])
async def test_07_who_was_deactivated_is_still_found(entra, leaving):
    path = await entra.create()

    assert (await entra.patch(path, leaving)).status == 200

    assert (await entra.get(path))["active"] is False
    for name in ("userName", "externalId"):
        (found,) = await entra.look_up(f'{name} eq "{entra.person[name]}"')
        assert (f"/Users/{found['id']}", found["active"]) == (path, False)


@pytest.mark.parametrize("leaves", [True, False], ids=["who left before", "who never left"])
async def test_08_a_new_name_for_the_same_external_id_is_the_same_person(okta, leaves):
    path = await okta.create()
    if leaves:
        await okta.patch(path, GIVEN[0])

    renamed = okta.person | {"userName": f"married.{okta.number}@example.com"}
    answer = await okta.ask("POST", "/Users", renamed)

    assert (answer.status, f"/Users/{answer.body['id']}") == (201, path)
    assert (answer.body["userName"], answer.body["active"]) == (renamed["userName"], True)
    assert len(await okta.look_up(f'externalId eq "{renamed["externalId"]}"')) == 1


async def test_09_a_user_name_comes_back_in_the_case_it_was_sent_in(okta):
    name = f"ANN.{okta.number}@Example.COM"

    path = await okta.create(userName=name)

    assert (await okta.get(path))["userName"] == name
    assert (await okta.look_up(f'userName eq "{name.lower()}"'))[0]["userName"] == name


async def test_10_a_look_up_and_a_create_fold_names_in_the_same_way(okta):
    path = await okta.create(userName=f"Straße.{okta.number}@example.com")

    (found,) = await okta.look_up(f'USERNAME eq "STRASSE.{okta.number}@EXAMPLE.COM"')
    again = await okta.ask("POST", "/Users", {"userName": f"strasse.{okta.number}@example.com"})

    assert (f"/Users/{found['id']}", again.status) == (path, 409)


@pytest.mark.parametrize("way", ["PUT", "PATCH"])
async def test_11_the_last_word_about_somebody_is_seen_at_once(okta, way):
    path = await okta.create()

    for active in (False, True, False, True):
        wanted = {"active": active}
        body = {"PUT": okta.person | wanted, "PATCH": {"Operations": [op("replace", None, wanted)]}}[way]
        assert (await okta.ask(way, path, body)).body["active"] is active
        assert (await okta.get(path))["active"] is active


async def test_12_trouble_at_the_target_is_not_final_so_that_the_person_can_leave_later(before, scripted):
    okta, states = await before(), {"POST": 503, "GET": 200}

    async def reply(request: web.Request) -> web.Response:
        body = okta.person | {"id": "t1"} if request.method == "POST" else {"totalResults": 0}
        return web.json_response(body, status=states[request.method])

    scripted.reply = reply
    busy = await okta.ask("POST", "/Users", okta.person)
    states["POST"] = 201
    made = await okta.ask("POST", "/Users", okta.person)

    assert (busy.status, busy.headers["Retry-After"].isdigit()) == (429, True)
    assert (made.status, made.body["id"]) == (201, "t1")


@pytest.mark.parametrize(
    "roles",
    [
        pytest.param(["reader", "writer"], id="texts"),
        pytest.param("reader,writer", id="one text"),
        pytest.param([{"value": "Admin", "display": "Admin", "primary": True}], id="objects"),
        pytest.param([{"primary": False, "value": "Admin", "displayName": "Admin"}], id="displayName"),
    ],
)
async def test_13_roles_come_back_in_the_shape_they_came_in(entra, roles):
    created = await entra.create(roles=roles)
    patched = await Talk(entra.served, "entra").create()

    assert (await entra.patch(patched, op("Replace", "roles", roles))).status == 200

    assert [(await entra.get(path))["roles"] for path in (created, patched)] == [roles, roles]


async def test_13_a_role_of_entra_s_as_json_in_a_text_comes_back_as_the_role_that_it_is(entra, okta):
    roles = [{"value": '{"id":"1","value":"Admin","displayName":"The Admin"}'}]
    shown = {}
    for talk in (entra, okta):
        patched = await Talk(talk.served, talk.provider).create()
        assert (await talk.patch(patched, op("Add", "roles", roles))).status == 200
        paths = (await talk.create(roles=roles), patched)
        shown[talk.provider] = [(await talk.get(path))["roles"] for path in paths]

    assert shown == {"entra": [[{"value": "Admin", "display": "The Admin"}]] * 2, "okta": [roles, roles]}


@pytest.mark.parametrize("provider", ["okta", "entra", "rfc"])
@pytest.mark.parametrize("text", ["False", "false", "FALSE"])
async def test_14_a_boolean_may_be_a_text(served, provider, text):
    talk = Talk(served, provider)
    path = await talk.create(active="True")

    left = await talk.patch(path, op("Replace", "active", text))
    back = await talk.patch(path, op("Replace", None, {"active": "True"}))

    assert [answer.body["active"] for answer in (left, back)] == [False, True]
    assert (await talk.ask("PUT", path, talk.person | {"active": text})).body["active"] is False


@pytest.mark.parametrize("verb", ["replace", "Replace", "REPLACE", "add", "Add"])
async def test_15_an_operation_may_be_in_any_case(entra, verb):
    path = await entra.create()

    answer = await entra.patch(path, op(verb, "title", "Dr"), op("Remove", "name.familyName"))

    assert (answer.status, answer.body["title"], answer.body["name"]) == (200, "Dr", {"givenName": "Ann"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda new: op("replace", None, {"id": "x:y", "displayName": new["displayName"]}), id="okta"
        ),
        pytest.param(lambda new: op("Replace", "displayName", new["displayName"]), id="entra"),
        pytest.param(lambda new: op("replace", None, new), id="several"),
    ],
)
async def test_16_a_group_that_is_changed_keeps_its_members(okta, change):
    ann, new = await okta.create(), {"displayName": f"New {okta.number}", "externalId": f"g{okta.number}"}
    group = await okta.gather(ann)

    answer = await okta.patch(group, change(new))

    assert answer.status in (200, 204)
    assert (await okta.get(group))["displayName"] == new["displayName"]
    assert await okta.members(group) == {ann}


@pytest.mark.parametrize(
    "removal",
    [
        pytest.param(lambda id: op("remove", f'members[value eq "{id}"]'), id="okta"),
        pytest.param(lambda id: op("Remove", "members", [{"$ref": None, "value": id}]), id="entra"),
        pytest.param(lambda id: op("remove", "members", {"value": id}), id="one object"),
    ],
)
async def test_17_who_is_taken_out_of_a_group_goes_alone_and_who_joins_takes_no_place(okta, removal):
    ann, bob, eve = [await Talk(okta.served).create() for _ in range(3)]
    group = await okta.gather(ann, bob)

    left = await okta.patch(group, removal(ann.removeprefix("/Users/")))
    joined = await okta.patch(group, op("add", "members", members(eve)))

    assert (left.status, joined.status) == (204, 204)
    assert await okta.members(group) == {bob, eve}


@pytest.mark.parametrize(
    "push",
    [
        pytest.param(lambda element: op("replace", "members", element), id="a path"),
        pytest.param(lambda element: op("replace", None, {"members": element}), id="no path"),
    ],
)
async def test_17_entra_names_only_who_joins_where_others_name_everybody(entra, okta, push):
    ann, bob = await entra.create(), await okta.create()
    group = await entra.gather(ann)

    await entra.patch(group, push(members(bob)))
    assert await entra.members(group) == {ann, bob}

    await okta.patch(group, push(members(bob)))
    assert await okta.members(group) == {bob}


async def test_18_members_who_join_at_the_same_time_are_all_there(okta):
    people = [await Talk(okta.served).create() for _ in range(12)]
    group = await okta.gather()

    messages = [{"Operations": [op("add", "members", members(path))]} for path in people]
    answers = await okta.at_once("PATCH", group, *messages)

    assert {answer.status for answer in answers} == {204}
    assert await okta.members(group) == set(people)


@pytest.mark.parametrize(
    "push",
    [
        pytest.param(lambda ann, bob: op("add", "members", members("nobody", bob)), id="those who join"),
        pytest.param(lambda ann, bob: op("replace", "members", members(ann, "nobody", bob)), id="all"),
    ],
)
async def test_19_one_unknown_member_keeps_nobody_out(okta, push):
    ann, bob = [await Talk(okta.served).create() for _ in range(2)]
    group = await okta.gather(ann)

    answer = await okta.patch(group, push(ann, bob))

    assert answer.status == 204
    assert {ann, bob} <= await okta.members(group)


@pytest.mark.parametrize(
    "push",
    [
        pytest.param(lambda group: op("replace", "members", []), id="a path"),
        pytest.param(lambda group: op("replace", None, group | {"members": [], "id": "x:y"}), id="no path"),
    ],
)
async def test_20_a_group_is_emptied_by_a_push_of_nobody(okta, push):
    group = await okta.gather(await okta.create())

    assert (await okta.patch(group, push(okta.group))).status == 204

    assert await okta.members(group) == set()


async def test_21_a_member_needs_no_type(okta):
    ann = await okta.create()
    group = await okta.gather()

    await okta.patch(group, op("add", "members", [members(ann)[0] | {"display": "Ann"}]))

    assert await okta.members(group) == {ann}


async def test_22_a_member_who_is_there_may_be_added_again(okta):
    ann = await okta.create()
    group = await okta.gather(ann)

    again = [await okta.patch(group, op("add", "members", members(ann, ann))) for _ in range(2)]

    assert [answer.status for answer in again] == [204, 204]
    assert [element["value"] for element in (await okta.get(group))["members"]] == [
        ann.removeprefix("/Users/")
    ]


async def test_23_a_thousand_members_change_in_one_message_and_are_not_sent_back(okta):
    leaving, staying = [[f"/Users/{side}{n}" for n in range(1000)] for side in ("old", "new")]
    group = await okta.gather(*leaving)

    removals = [op("remove", f'members[value eq "{element["value"]}"]') for element in members(*leaving)]
    answer = await okta.patch(group, *removals, op("add", "members", members(*staying)))

    assert (answer.status, answer.body) == (204, None)
    assert await okta.members(group) == set(staying)


@pytest.mark.parametrize("way", ["PUT", "PATCH"])
async def test_24_the_extension_counts_and_both_ways_deactivate(okta, way):
    path = await okta.create()
    left = {"active": False, ENTERPRISE_USER: {"department": "Sales"}}

    body = {"PUT": okta.person | left, "PATCH": {"Operations": [op("replace", None, left)]}}[way]
    answer = await okta.ask(way, path, body)

    assert answer.status == 200
    assert (await okta.get(path)).items() >= left.items()


@pytest.mark.parametrize(
    ("query", "start", "shown"),
    [
        pytest.param("", 1, 3, id="neither"),
        pytest.param("&startIndex=0&count=2", 1, 2, id="from 0"),
        pytest.param("&startIndex=3&count=2", 3, 1, id="the last page"),
        pytest.param("&startIndex=4&count=2", 4, 0, id="past the end"),
        pytest.param("&startIndex=1&count=100", 1, 3, id="more than there are"),
    ],
)
async def test_25_a_page_says_how_many_there_are_and_how_many_it_has(okta, query, start, shown):
    for _ in range(3):
        await Talk(okta.served).create(nickName=f"page{okta.number}")

    page = await okta.get(f"/Users?filter=nickName%20eq%20%22page{okta.number}%22{query}")

    numbers = [page[name] for name in ("totalResults", "startIndex", "itemsPerPage")]
    assert numbers == [3, start, shown]
    assert len(page["Resources"]) == shown


@pytest.mark.parametrize(
    ("number", "is_one"),
    [
        ("tel:+1-201-555-0123", True),
        ("(212) 555 0100 ext. 7", True),
        ("555-555-5555", False),
        ("+12223334444", False),
        ("call my desk", False),
        ("٠١٢", False),
        ("+" * 999, False),
    ],
)
async def test_26_what_is_no_phone_number_is_kept_or_refused_by_name_as_the_rules_are(served, number, is_one):
    kept, ruled = Talk(served), Talk(served, target="phones")
    phones = [{"type": "work", "value": number}]

    path = await kept.create(phoneNumbers=phones)
    answer = await ruled.ask("POST", "/Users", ruled.person | {"phoneNumbers": phones})

    assert (await kept.get(path))["phoneNumbers"] == phones
    if is_one:
        assert (answer.status, answer.body["phoneNumbers"]) == (201, phones)
    else:
        check_refused(answer, 400, 'phoneNumbers[type eq "work"].value')


async def test_26_a_mobile_number_is_added_where_only_work_is_known(served):
    talk = Talk(served, "entra", "phones")
    path = await talk.create(phoneNumbers=[{"type": "work", "value": "+12015550123"}])

    answer = await talk.patch(path, op("Add", 'phoneNumbers[type eq "mobile"].value', "(201) 555-0124"))

    assert [element["type"] for element in answer.body["phoneNumbers"]] == ["work", "mobile"]


WORK, HOME = {"type": "work", "value": "w@example.com"}, {"type": "home", "value": "h@example.com"}


@pytest.mark.parametrize(
    ("operation", "primary"),
    [
        pytest.param(op("add", "emails", [{**HOME, "primary": True}]), "home", id="added"),
        pytest.param(op("Replace", 'emails[type eq "home"].primary', "True"), "home", id="set"),
        pytest.param(op("Replace", 'emails[type eq "home"].primary', False), "work", id="denied"),
        pytest.param(op("replace", None, {"emails": {**HOME, "primary": True}}), "home", id="one object"),
    ],
)
async def test_27_there_is_one_primary_and_the_new_one_demotes_the_old(okta, operation, primary):
    path = await okta.create(emails=[{**WORK, "primary": True}, HOME])

    answer = await okta.patch(path, operation)

    assert [element["type"] for element in answer.body["emails"] if element.get("primary")] == [primary]


@pytest.mark.parametrize(
    "emails",
    [
        pytest.param([WORK, HOME], id="none"),
        pytest.param({**WORK, "primary": "true"}, id="one object"),
        pytest.param([], id="no address"),
    ],
)
async def test_27_a_list_is_taken_without_a_primary_and_one_object_is_one(okta, emails):
    path = await okta.create(emails=emails)

    shown = (await okta.get(path)).get("emails", [])

    assert [element["value"] for element in shown] == [
        element["value"] for element in (emails if isinstance(emails, list) else [emails])
    ]


async def test_27_two_primaries_are_refused_and_of_entra_s_the_last_is_kept(okta, entra):
    both = {"emails": [{**WORK, "primary": True}, {**HOME, "primary": True}]}
    path, of_entra = await okta.create(), await entra.create(**both)

    created = await Talk(okta.served).ask("POST", "/Users", Talk(okta.served).person | both)
    put = await okta.ask("PUT", path, okta.person | both)
    patched = await okta.patch(path, op("replace", "emails", both["emails"]))

    for answer in (created, put, patched):
        check_refused(answer, 400, "emails: no more than one value can be primary")
    assert [one["primary"] for one in (await entra.get(of_entra))["emails"]] == [False, True]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("said", ["error code: 502", "<html>Bad Gateway</html>", ""])
async def test_28_what_a_proxy_says_reaches_nobody_but_as_an_error_of_scim(before, scripted, method, said):
    scripted.says(502, said)

    okta = await before()
    answer = await okta.ask(method, "/Users", okta.person if method == "POST" else None)

    check_refused(answer, 429, "phonebook answered 502 [")


@pytest.mark.parametrize(
    "type", ["application/scim+json; charset=utf-8", "application/json", "text/plain", ""]
)
async def test_29_a_content_type_decides_nothing(okta, type):
    header = {"Content-Type": type} if type else {}

    made = await okta.ask("POST", "/Users", okta.person, **header)
    read = await okta.ask("GET", f"/Users/{made.body['id']}", None, **header)

    assert (made.status, read.status) == (201, 200)
    assert made.headers["Content-Type"] == read.headers["Content-Type"] == "application/scim+json"


@pytest.mark.parametrize(
    ("asked", "told"), [("7", "7"), ("", "30"), ("soon", "30"), ("Thu, 01 Jan 1970 00:00:00 GMT", "30")]
)
async def test_30_a_target_that_slows_us_down_is_passed_on_in_whole_seconds(before, scripted, asked, told):
    scripted.says(429, "slow down", **({"Retry-After": asked} if asked else {}))

    okta = await before()
    answer = await okta.ask("POST", "/Users", okta.person)

    assert (answer.status, answer.headers["Retry-After"]) == (429, told)


async def test_31_a_deactivation_and_a_deletion_a_month_later_both_count(entra):
    path = await entra.create()

    left = await entra.patch(path, op("Replace", "active", "False"))
    gone = await entra.ask("DELETE", path)

    assert (left.body["active"], gone.status) == (False, 204)
    check_refused(await entra.ask("GET", path), 404, "has no user with this id")
    assert await entra.look_up(f'externalId eq "{entra.person["externalId"]}"') == []


async def test_32_somebody_who_signed_in_before_the_first_push_is_found_and_linked(okta):
    entry = {"userName": okta.person["userName"].upper(), "active": True}
    there = await okta.served.gateway.targets["people"].connector.create(ResourceType.USER, entry)

    (found,) = await okta.look_up(f'userName eq "{okta.person["userName"]}"')
    answer = await okta.ask("PUT", f"/Users/{found['id']}", found | okta.person)

    assert found["id"] == there["id"]
    assert (answer.status, answer.body["externalId"]) == (200, okta.person["externalId"])


async def test_33_an_import_shows_no_account_that_is_nobodys(okta):
    machine = {"userName": f"svc-backup-{okta.number}", "active": True}
    await okta.served.gateway.targets["people"].connector.create(ResourceType.USER, machine)

    page = await okta.get("/Users?startIndex=1&count=100")

    assert machine["userName"] not in [person["userName"] for person in page["Resources"]]
    assert await okta.look_up(f'userName eq "{machine["userName"]}"') == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/users", "/groups", "/serviceConfiguration", "/ServiceConfiguration"])
async def test_entra_calls_the_endpoints_by_other_names(entra, okta, method, path):
    assert (await entra.ask(method, path)).status == 200
    assert (await okta.ask(method, path)).status == 404


async def test_a_filter_that_orders_true_and_false_is_refused(entra, okta):
    for talk in (entra, okta):
        answer = await talk.ask("GET", "/Users?filter=active%20gt%20true")

        check_refused(answer, 400, "true and false have no order")
        assert answer.body["scimType"] == "invalidFilter"


async def test_entra_looks_somebody_up_without_quotes_and_by_another_path(entra):
    path = await entra.create()

    answer = await entra.ask("GET", f"{path.replace('Users', 'users')}")
    found = await entra.look_up(f"userName eq {entra.person['userName']}", "/users")

    assert (answer.status, [one["id"] for one in found]) == (200, [answer.body["id"]])


async def test_a_create_keeps_the_extensions_that_it_came_with(okta):
    own = "urn:ietf:params:scim:schemas:custom:Space"
    extensions = {ENTERPRISE_USER: {"department": "Sales", "manager": {"value": "7"}}, own: {"seat": "4a"}}

    shown = await okta.get(await okta.create(**extensions))

    assert {name: shown.get(name) for name in extensions} == extensions
    assert set(extensions) <= set(shown["schemas"])


@pytest.mark.parametrize(
    ("said", "meant"), [("False", False), ("false", False), ("True", True), ("TRUE", True)]
)
async def test_active_as_text_is_what_it_says_in_every_change(okta, said, meant):
    path = await okta.create(active=said)
    created = (await okta.get(path))["active"]

    await okta.patch(path, op("replace", "active", not meant))
    patched = await okta.patch(path, op("replace", "active", said))
    await okta.patch(path, op("replace", None, {"active": not meant}))
    without_path = await okta.patch(path, op("replace", None, {"active": said}))
    await okta.patch(path, op("replace", "active", not meant))
    put = await okta.ask("PUT", path, okta.person | {"active": said})

    assert [created, *(answer.body["active"] for answer in (patched, without_path, put))] == [meant] * 4


async def test_who_is_removed_and_added_in_one_patch_is_in_the_group_and_the_other_way_round(okta):
    ann, bob = await okta.create(), await Talk(okta.served).create()
    group = await okta.gather(ann)
    ids = [path.rpartition("/")[2] for path in (ann, bob)]

    await okta.patch(group, op("remove", f'members[value eq "{ids[0]}"]'), op("add", "members", members(ann)))
    back = await okta.members(group)
    await okta.patch(group, op("add", "members", members(bob)), op("remove", f'members[value eq "{ids[1]}"]'))

    assert (back, await okta.members(group)) == ({ann}, {ann})
