"""Targets that can less: a provider is served as before any other, or told why not; nobody is made twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.flow.change import Changes
from gateway.flow.groups import Deliveries
from tests.support.forms import ENTERPRISE
from tests.support.lesser import KEPT_UNSEEN, QUIRKS, Lesser, Paging
from tests.support.rest_service import RestLesser
from tests.support.scim_target import scim_target
from tests.support.served import OTHER, USERS, Served

PEOPLE: Final = [f"canary.{n}@example.com" for n in range(1, 13)]
LAST: Final = PEOPLE[-1]  # far behind the first page
NO_FILTERS: Final = {"filter": {"supported": False}, "patch": {"supported": True}}
KINDS: Final[Mapping[str, Lesser]] = {
    "promises no filters": Lesser(config=NO_FILTERS),
    "refuses filters, pages of three": Lesser(filters="refused", paging=Paging(most=3)),
    "ignores filters": Lesser(filters="ignored"),
    "ignores filters, no totals": Lesser(filters="ignored", paging=Paging(totals="missing")),
    "ignores filters and pages": Lesser(filters="ignored", paging=Paging(starts=False, counts=False)),
    "ignores filters and startIndex": Lesser(filters="ignored", paging=Paging(starts=False)),
    "totals of the page, pages of three": Lesser(paging=Paging(most=3, totals="of the page")),
    "one attribute at a time": Lesser(config={"patch": {"supported": True}}, single=True),
    "rest, no look-ups, pages of three": RestLesser(finds=False, paging=Paging(most=3)),
    "rest, ignores look-ups, offsets": RestLesser(filters="ignored", way="offset"),
    "rest, ignores look-ups, no totals": RestLesser(filters="ignored", says_total=False),
    "rest, a cursor": RestLesser(way="cursor", change="PATCH"),
    "rest, addresses, no look-ups": RestLesser(way="address", finds=False, says_total=False),
    "rest, links": RestLesser(way="link", says_total=False),
    "rest, all at once, no look-ups": RestLesser(way="all at once", finds=False),
}


@pytest.fixture(params=[*KINDS])
async def lesser(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A target of each kind with twelve people."""
    service = replace(KINDS[request.param], entries={}, groups={}, changes=[], queries=[], asked=[])
    service.fill(*PEOPLE)
    async with scim_target(service) as served:
        yield served


async def before(serve: Any, service: Lesser, **keys: str) -> Any:
    if service.single:
        keys["patch"] = '"single"'
    return await serve(service.toml(**keys), OTHER)


def names(answer: Any) -> list[str]:
    return [resource["userName"] for resource in answer.body["Resources"]]


def named(name: str) -> str:
    return f"{USERS}?filter=userName%20eq%20%22{name}%22&startIndex=1&count=100"


async def test_everybody_is_listed_once_and_counted(serve, lesser) -> None:
    served = await before(serve, lesser)

    pages = [await served.ask("GET", f"{USERS}?startIndex={start}&count=5") for start in (1, 6, 11, 16)]

    assert [name for page in pages for name in names(page)] == PEOPLE
    assert [page.body["totalResults"] for page in pages] == [12, 12, 12, 12]
    assert [page.body["itemsPerPage"] for page in pages] == [5, 5, 2, 0]


async def test_the_one_who_is_asked_for_is_found_and_nobody_else(serve, lesser) -> None:
    served = await before(serve, lesser)

    answers = [await served.ask("GET", named(name)) for name in (LAST.upper(), "canary.nobody")]

    assert [(names(answer), answer.body["totalResults"]) for answer in answers] == [([LAST], 1), ([], 0)]


async def test_who_is_there_already_is_adopted_and_not_made_twice(serve, lesser) -> None:
    served = await before(serve, lesser, unique_names="false")

    answer = await served.ask("POST", USERS, {"userName": LAST, "externalId": "canary-1", "title": "Agent"})

    assert (answer.status, answer.body["id"], len(lesser.entries)) == (201, "o12", 12)
    assert {**lesser.entries["o12"], "schemas": None} == {
        "id": "o12",
        "userName": LAST,
        "active": True,
        "externalId": "canary-1",
        "title": "Agent",
        "schemas": None,
    }


async def test_the_provider_is_told_what_it_gets_not_what_the_target_can(serve, lesser) -> None:
    served = await before(serve, lesser)

    config = (await served.ask("GET", "/scim/phonebook/v2/ServiceProviderConfig")).body

    assert {name: config[name]["supported"] for name in ("patch", "filter", "sort", "bulk")} == {
        "patch": True,
        "filter": True,
        "sort": False,
        "bulk": False,
    }
    assert config["filter"]["maxResults"] == 5


CONTRADICTORY: Final[Mapping[str, Paging]] = {
    "more are promised than shown": Paging(totals="too high"),
    "a page comes again": Paging(totals="missing", last=6),
    "always the first page": Paging(most=4, starts=False),
}


NO_LOOK_UPS: Final[Mapping[str, Lesser]] = {
    **{name: Lesser(filters="refused", paging=paging) for name, paging in CONTRADICTORY.items()},
    "rest, more are promised than shown": RestLesser(finds=False, paging=Paging(totals="too high")),
    "rest, totals of the page": RestLesser(finds=False, paging=Paging(totals="of the page")),
    "rest, totals that are too low": RestLesser(finds=False, way="cursor", paging=Paging(totals="too low")),
    "rest, a page comes again": RestLesser(
        finds=False, way="offset", says_total=False, paging=Paging(last=6)
    ),
    "rest, always the first page": RestLesser(finds=False, paging=Paging(most=4, starts=False)),
}


@pytest.mark.parametrize("made", NO_LOOK_UPS.values(), ids=NO_LOOK_UPS)
async def test_nobody_is_made_where_it_cannot_be_seen_who_is_there(serve, made, refused) -> None:
    async with scim_target(replace(made, entries={}, groups={}, changes=[])) as service:
        service.fill(*PEOPLE)
        served = await before(serve, service, unique_names="false", deadline='"300ms"')

        created = await served.ask("POST", USERS, {"userName": "canary.new"})
        found = await served.ask("GET", named("canary.new"))

    refused(created, 429, "phonebook contradicts itself: ")
    refused(found, 502, "phonebook contradicts itself: ")
    assert service.changes == []


async def test_totals_that_are_not_to_be_believed_are_said_so_in_the_configuration(serve) -> None:
    async with scim_target(Lesser(paging=Paging(totals="too high"))) as service:
        service.fill(*PEOPLE)
        served = await before(serve, service, totals="false")

        answer = await served.ask("GET", f"{USERS}?startIndex=11&count=5")

    assert (names(answer), answer.body["totalResults"]) == (PEOPLE[10:], 12)


async def test_what_a_target_can_is_asked_once_and_logged_once(serve, log) -> None:
    async with scim_target(Lesser(config=NO_FILTERS)) as service:
        service.fill(*PEOPLE)
        served = await before(serve, service)

        for name in PEOPLE[:3]:
            await served.ask("GET", named(name))

    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "target.lacks"]
    assert service.asked == ["/ServiceProviderConfig"]
    assert [(line["target"], line["lack"]) for line in lines] == [("phonebook", "filter")]


async def test_thousands_are_found_in_one_walk_of_a_target_that_shows_all_at_once(serve) -> None:
    paging = Paging(starts=False, counts=False)
    async with scim_target(Lesser(filters="ignored", paging=paging)) as service:
        service.fill(*(f"canary.{n}" for n in range(3000)))
        served = await before(serve, service)

        answer = await served.ask("GET", named("canary.2999"))

    assert names(answer) == ["canary.2999"]
    assert len(service.queries) <= 4


BY_PATCH: Final = {"change": "PATCH"}
REST: Final[
    Mapping[str, Mapping[str, Any]]
] = {  # what JSON services are known to do, each for a `RestLesser`
    "rest, PUT": {},
    "rest, PATCH": BY_PATCH,
    "rest, members one by one": {"joins": True},
    "rest, reads lag by one": {"lag": 1},
    "rest, reads lag by three, PATCH": BY_PATCH | {"lag": 3},
    "rest, members are never shown": {"members": "empty"},
    "rest, members are left out, PATCH": BY_PATCH | {"members": "left out"},
    "rest, attributes are never returned": {"unreturned": KEPT_UNSEEN},
    "rest, attributes are never returned, PATCH": BY_PATCH | {"unreturned": KEPT_UNSEEN},
    "rest, no match is 404": {"no_match": 404},
    "rest, totals are text": {"total_is_text": True},
    "rest, titles are short": {"longest": 128},
    "rest, titles are short, PATCH": BY_PATCH | {"longest": 128},
}
GROUPS: Final = "/scim/phonebook/v2/Groups"
ANN: Final = {
    "userName": "canary.ann",
    "externalId": "canary-1",
    "title": "Agent",
    "active": True,
    "phoneNumbers": [{"value": "+441234567890", "type": "work"}],
    "entitlements": [{"value": "canary-licence"}],
    ENTERPRISE: {"department": "Sales"},
}


@pytest.fixture
async def quirky(request: pytest.FixtureRequest, serve: Any) -> AsyncIterator[tuple[Served, Lesser]]:
    """A gateway before an empty target with one of the quirks, and the target."""
    service = (
        Lesser(**QUIRKS[request.param]) if request.param in QUIRKS else RestLesser(**REST[request.param])
    )
    async with scim_target(service):
        keys = {"members": "false"} if service.members != "shown" and request.param in REST else {}
        yield await serve(service.toml(**keys), OTHER), service


async def done(served: Served, method: str, path: str, body: Any = None) -> Any:
    answer = await served.ask(method, path, body)
    assert answer.status < 300, (method, path, answer.status, answer.body)
    return answer.body


def patch(*operations: Any) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}


def held(service: Lesser, id: str) -> dict[str, Any]:
    """Return what the target holds of somebody, without what any entry has."""
    return {name: value for name, value in service.entries[id].items() if name not in ("id", "schemas")}


@pytest.mark.parametrize("quirky", [*QUIRKS, *REST], indirect=True)
async def test_a_person_lives_a_whole_life_on(quirky) -> None:
    served, service = quirky
    id = (await done(served, "POST", USERS, ANN))["id"]
    assert held(service, id) == ANN

    await done(served, "PATCH", f"{USERS}/{id}", patch({"op": "replace", "path": "title", "value": "Lead"}))
    assert held(service, id) == ANN | {"title": "Lead"}
    number = {"op": "replace", "path": 'phoneNumbers[type eq "work"].value', "value": "+441234567891"}
    await done(served, "PATCH", f"{USERS}/{id}", patch(number, {"op": "remove", "path": "title"}))
    now = {name: value for name, value in ANN.items() if name != "title"}
    now |= {"phoneNumbers": [{"value": "+441234567891", "type": "work"}]}
    assert held(service, id) == now
    now |= {"userName": "canary.anna", "title": "Chief"}
    await done(served, "PUT", f"{USERS}/{id}", now)
    assert held(service, id) == now

    for read in (f"{USERS}/{id}", USERS):
        await done(served, "GET", read)
    for active in (False, True):
        operation = {"op": "replace", "value": {"active": active}}
        await done(served, "PATCH", f"{USERS}/{id}", patch(operation))
        assert held(service, id) == now | {"active": active}
    await done(served, "DELETE", f"{USERS}/{id}")
    assert service.entries == {}
    again = (await done(served, "POST", USERS, ANN))["id"]
    assert list(service.entries) == [again]


SHORT: Final = [quirk for quirk in (*QUIRKS, *REST) if "titles are short" in quirk]


@pytest.mark.parametrize("quirky", SHORT, indirect=True)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "refused", [{"title": "x" * 129}, {"userName": "canary.bob"}], ids=["too long", "taken"]
)
async def test_who_leaves_with_data_that_are_refused_leaves_and_it_is_told(quirky, method, refused) -> None:
    served, service = quirky
    service.fill("canary.bob")  # not known to the gateway
    id = (await done(served, "POST", USERS, ANN))["id"]
    said = refused | {"active": False}

    body = ANN | said if method == "PUT" else patch({"op": "replace", "value": said})
    answer = await done(served, method, f"{USERS}/{id}", body)

    assert (answer["active"], held(service, id)) == (False, ANN | {"active": False})
    made, told = [event["outcome"] for event in (await served.events())[-2:]]
    assert (made["result"], told["result"]) == ("applied", "rejected")


def told(service: Lesser, group: str) -> list[str]:
    return sorted(element["value"] for element in service.groups[group].get("members", ()))


@pytest.mark.parametrize("quirky", [*QUIRKS, *REST], indirect=True)
async def test_a_group_lives_a_whole_life_on(quirky) -> None:
    served, service = quirky
    people = [(await done(served, "POST", USERS, {"userName": f"canary.{n}"}))["id"] for n in range(6)]
    elements = [{"value": id} for id in people]
    group = (await done(served, "POST", GROUPS, {"displayName": "Sales", "members": elements[:1]}))["id"]
    own = f"{GROUPS}/{group}"
    assert told(service, group) == people[:1]

    for element in elements[1:]:
        await done(served, "PATCH", own, patch({"op": "add", "path": "members", "value": [element]}))
    await done(served, "PATCH", own, patch({"op": "remove", "path": f'members[value eq "{people[0]}"]'}))
    assert told(service, group) == people[1:]
    renamed = {"op": "replace", "value": {"displayName": "Agents"}}
    await done(served, "PATCH", own, patch(renamed))
    assert (service.groups[group]["displayName"], told(service, group)) == ("Agents", people[1:])
    shown = (await done(served, "GET", own))["members"]
    assert sorted(element["value"] for element in shown) == people[1:]
    await done(served, "PATCH", own, patch({"op": "add", "path": "members", "value": elements[:1]}))
    assert (service.groups[group]["displayName"], told(service, group)) == ("Agents", people)

    everybody = {"op": "replace", "path": "members", "value": elements[4:5]}
    await done(served, "PATCH", own, patch(everybody))
    assert told(service, group) == people[4:5]
    await done(served, "PUT", own, {"displayName": "Sales", "members": elements[:3]})
    assert (service.groups[group]["displayName"], told(service, group)) == ("Sales", people[:3])
    await done(served, "PUT", own, {"displayName": "Sales", "members": []})
    assert told(service, group) == []
    await done(served, "DELETE", own)
    assert service.groups == {}


@pytest.mark.parametrize("quirky", [*QUIRKS, *REST], indirect=True)
async def test_eight_who_join_a_group_at_once_are_all_in_it_on(quirky) -> None:
    served, service = quirky
    people = [(await done(served, "POST", USERS, {"userName": f"canary.{n}"}))["id"] for n in range(9)]
    first = {"displayName": "Sales", "members": [{"value": people[8]}]}
    group = (await done(served, "POST", GROUPS, first))["id"]

    joins = [{"op": "add", "path": "members", "value": [{"value": id}]} for id in people[:8]]
    await asyncio.gather(*(done(served, "PATCH", f"{GROUPS}/{group}", patch(join)) for join in joins))

    assert told(service, group) == people


@pytest.mark.long
@pytest.mark.parametrize("quirky", [*QUIRKS, *REST], indirect=True)
async def test_a_large_group_of_people_nobody_has_seen_is_whole_on(quirky) -> None:
    served, service = quirky
    service.fill(*(f"canary.{n}" for n in range(120)))
    members = [{"value": id} for id in service.entries]

    group = (await done(served, "POST", GROUPS, {"displayName": "Sales", "members": members}))["id"]
    gateway = served.gateway
    deliveries = Deliveries(gateway.services, Changes(gateway.services, gateway.recovery))
    await deliveries.sweep(gateway.targets["phonebook"])

    assert told(service, group) == sorted(service.entries)


TITLE: Final = '[[targets.phonebook.rules]]\nto = "title"\n'
NO_ROUTE: Final = [quirk for quirk in QUIRKS if quirk.startswith("PATCH is")]


@pytest.mark.parametrize("quirky", NO_ROUTE, indirect=True)
async def test_a_patch_of_somebody_who_is_there_that_is_404_is_sent_as_put_from_then_on(quirky, log) -> None:
    served, service = quirky
    id = (await done(served, "POST", USERS, ANN))["id"]
    service.changes.clear()

    for title in ("Lead", "Chief"):
        body = patch({"op": "replace", "path": "title", "value": title})
        await done(served, "PATCH", f"{USERS}/{id}", body)

    assert [change["method"] for change in service.changes] == ["PUT", "PUT"]
    assert held(service, id) == ANN | {"title": "Chief"}
    assert '"lack":"patch"' in log.getvalue()


@pytest.mark.parametrize("quirky", NO_ROUTE, indirect=True)
async def test_a_patch_of_somebody_who_has_gone_is_no_reason_to_send_put(quirky) -> None:
    served, service = quirky
    id = (await done(served, "POST", USERS, ANN))["id"]
    service.entries.clear()

    body = patch({"op": "replace", "path": "title", "value": "Lead"})
    answer = await done(served, "PATCH", f"{USERS}/{id}", body)

    assert (answer["id"], answer["title"], len(service.entries)) == (id, "Lead", 1)


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("said", ["true", '"single"'])
async def test_who_says_that_patch_is_taken_where_it_is_not_is_told_what_to_say(
    serve, refused, status: int, said: str
) -> None:
    async with scim_target(Lesser(patch_status=status)) as service:
        served = await serve(service.toml(patch=said), OTHER)
        id = (await done(served, "POST", USERS, ANN))["id"]
        body = patch({"op": "replace", "path": "title", "value": "Lead"})

        answer = await served.ask("PATCH", f"{USERS}/{id}", body)

    busy = 429 if status == 404 else 400
    refused(answer, busy, f"it answers PATCH with {status}: with patch = false it gets PUT")


@pytest.mark.parametrize("first", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("listed", [True, False], ids=["listed before", "not listed"])
async def test_an_adopted_entry_keeps_what_lists_do_not_show(serve, first: str, listed: bool) -> None:
    service = Lesser(config={"patch": {"supported": False}}, unlisted=frozenset({"phoneNumbers", "nickName"}))
    async with scim_target(service):
        service.entries["o1"] = ANN | {"id": "o1", "nickName": "Annie", "schemas": []}
        served = await serve(service.toml(unique_names="false", unlisted='"hold"') + TITLE, OTHER)
        if listed:
            await done(served, "GET", USERS)

        named = {"userName": "canary.ann", "externalId": "canary-1", "active": True, "title": "Lead"}
        body = named if first == "POST" else await done(served, "GET", f"{USERS}/o1") | {"title": "Lead"}
        body = patch({"op": "replace", "path": "title", "value": "Lead"}) if first == "PATCH" else body
        await done(served, first, USERS if first == "POST" else f"{USERS}/o1", body)

        assert held(service, "o1") == ANN | {"nickName": "Annie", "title": "Lead"}


@pytest.mark.parametrize("quirky", ["attributes are never returned, PUT"], indirect=True)
async def test_what_a_target_never_shows_is_kept_changed_and_removed(quirky) -> None:
    served, service = quirky
    id = (await done(served, "POST", USERS, ANN | {"name": {"givenName": "Ann"}}))["id"]
    one = f"{USERS}/{id}"
    number = {"op": "replace", "path": 'phoneNumbers[type eq "work"].value', "value": "+441234567891"}

    await done(served, "PATCH", one, patch(number))
    await done(served, "PATCH", one, patch({"op": "replace", "path": "title", "value": "Lead"}))
    shown = await done(served, "GET", one)
    await done(served, "PATCH", one, patch({"op": "remove", "path": "entitlements"}))
    service.entries[id] |= {"nickName": "Annie"}  # by its administrator
    await done(served, "PUT", one, await done(served, "GET", one) | {"title": "Chief"})

    phones = [{"value": "+441234567891", "type": "work"}]
    assert (shown["phoneNumbers"], shown["title"]) == (phones, "Lead")
    now = ANN | {"name": {"givenName": "Ann"}, "title": "Chief", "phoneNumbers": phones, "nickName": "Annie"}
    assert held(service, id) == {name: value for name, value in now.items() if name != "entitlements"}
