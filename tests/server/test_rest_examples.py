"""The two worked examples of docs/rest.md before live services: everything that a provider does to people."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from gateway.admin.reconcile import Finding, Reconciliation
from gateway.cli import main
from gateway.flow.change import Changes
from gateway.flow.recovery import Recovery
from tests.support.forms import ENTERPRISE
from tests.support.rest_examples import Contacts, Hr, example
from tests.support.scim_target import scim_target
from tests.support.served import CONFIG

ALL: Final = CONFIG.replace('targets = ["phonebook"]\n', "").replace('["other"]', "[]")
ANN: Final = {
    "userName": "canary.ann@example.com",
    "externalId": "canary-00u1",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "title": "Agent",
    "emails": [{"value": "canary.ann@example.com", "type": "work"}],
    "phoneNumbers": [{"type": "work", "value": "020 7946 0018"}, {"type": "mobile", "value": "07400 123456"}],
    ENTERPRISE: {"department": "Sales"},
    "active": True,
}
ACTIVE: Final = [{"op": "replace", "value": {"active": True}}]
INACTIVE: Final = [{"op": "replace", "value": {"active": False}}]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTACTS_KEY", "HR_PASSWORD"):
        monkeypatch.setenv(name, f"canary-{name}")


@pytest.fixture
async def contacts(serve: Any) -> AsyncIterator[tuple[Any, Contacts]]:
    async with scim_target(Contacts()) as service:
        yield await serve(example(0, service.url), config=ALL), service


@pytest.fixture
async def hr(serve: Any) -> AsyncIterator[tuple[Any, Hr]]:
    async with scim_target(Hr()) as service:
        yield await serve(example(1, service.url), config=ALL), service


async def done(served: Any, method: str, path: str, body: Any = None) -> Any:
    body = {"Operations": body} if isinstance(body, list) else body
    answer = await served.ask(method, f"/scim/{path}", body)
    assert answer.status < 300, (method, path, answer.status, answer.body)
    return answer.body


def named(people: str, name: str) -> str:
    return f"{people}?filter=userName%20eq%20%22{name}%22"


async def test_a_person_lives_a_whole_life_in_a_phone_book(contacts) -> None:
    served, service = contacts
    people = "contacts/v2/Users"

    id = (await done(served, "POST", people, ANN))["id"]
    assert service.people[id] == {
        "id": id,
        "vip": True,
        "email": "canary.ann@example.com",
        "ref": "canary-00u1",
        "name": {"first": "Ann", "last": "Lee"},
        "status": "available",
        "team": "Sales",
        "phones": [{"kind": "desk", "number": "+442079460018"}, {"kind": "cell", "number": "+447400123456"}],
    }
    shown = await done(served, "GET", f"{people}/{id}")
    assert {name: shown[name] for name in ANN if name != "title"} == {
        name: value for name, value in ANN.items() if name != "title"
    }
    changed = {**ANN, "phoneNumbers": ANN["phoneNumbers"][:1], "name": {"givenName": "Anna"}}
    await done(served, "PUT", f"{people}/{id}", changed)
    assert service.asked[-1] == (
        "PATCH",
        f"/contacts/{id}",
        {"name": {"first": "Anna", "last": None}, "phones": [{"kind": "desk", "number": "+442079460018"}]},
    )
    for operations, status in ((INACTIVE, "left"), (ACTIVE, "available")):
        await done(served, "PATCH", f"{people}/{id}", operations)
        assert (service.people[id]["status"], service.asked[-1][2]) == (status, {"status": status})
    found = await done(served, "GET", named(people, "CANARY.ann@example.com"))
    assert [one["id"] for one in found["Resources"]] == [id]
    await done(served, "DELETE", f"{people}/{id}")
    assert service.people == {}


async def test_everybody_in_a_phone_book_is_listed_over_its_short_pages(contacts) -> None:
    served, _ = contacts
    for n in range(5):
        await done(served, "POST", "contacts/v2/Users", {"userName": f"canary.{n}"})

    listed = await done(served, "GET", "contacts/v2/Users?startIndex=2&count=3")

    assert [one["userName"] for one in listed["Resources"]] == [f"canary.{n}" for n in (1, 2, 3)]
    assert listed["totalResults"] == 5


async def test_a_person_lives_a_whole_life_in_an_hr_service(hr) -> None:
    served, service = hr
    people = "hr/v2/Users"

    id = (await done(served, "POST", people, ANN))["id"]
    assert service.people == {
        101: {
            "no": 101,
            "login": "canary.ann@example.com",
            "code": "canary-00u1",
            "person": {"given": "Ann", "family": "Lee"},
            "title": "Agent",
            "mails": [{"address": "canary.ann@example.com", "usage": "work"}],
        }
    }
    await done(served, "PUT", f"{people}/{id}", {**ANN, "title": "Chief"})
    assert service.people[101]["title"] == "Chief"
    for operations, left in ((INACTIVE, {101}), (ACTIVE, set())):
        before = len(service.asked)
        answer = await done(served, "PATCH", f"{people}/{id}", operations)
        assert (service.left, answer["active"]) == (left, operations == ACTIVE)
        changes = [path for path, _ in service.asked[before:] if "read" not in path]
        assert changes == ["/employee/leave" if left else "/employee/return"]
    found = await done(served, "GET", named(people, "CANARY.ann@example.com"))
    assert [one["id"] for one in found["Resources"]] == [id]
    await done(served, "DELETE", f"{people}/{id}")
    assert service.people == {}
    assert service.keys == 1


async def test_a_session_that_is_over_is_opened_again_once_and_nothing_is_lost(hr) -> None:
    served, service = hr
    await done(served, "POST", "hr/v2/Users", ANN)
    service.keys += 1  # nobody's session is any good now

    await done(served, "POST", "hr/v2/Users", ANN | {"userName": "canary.ben", "externalId": "canary-2"})

    assert (len(service.people), service.keys) == (2, 3)


async def test_an_error_inside_of_200_is_what_the_configuration_says(hr, refused) -> None:
    served, service = hr
    wrong = await served.ask("POST", "/scim/hr/v2/Users", ANN | {"title": "X"})
    service.people[7] = {"no": 7, "login": "canary.ann@example.com", "code": "canary-00u1"}

    adopted = await served.ask("POST", "/scim/hr/v2/Users", ANN)

    refused(wrong, 400, "hr refused the change: no such title")
    assert (adopted.status, [*service.people], service.people[7]["title"]) == (201, [7], "Agent")


async def test_a_group_lives_a_whole_life_in_an_hr_service(hr) -> None:
    served, service = hr
    people = [
        (await done(served, "POST", "hr/v2/Users", {"userName": f"canary.{n}"}))["id"] for n in range(3)
    ]
    members = [{"value": id} for id in people]

    group = await done(served, "POST", "hr/v2/Groups", {"displayName": "Sales", "members": members[:2]})
    own, no = f"hr/v2/Groups/{group['id']}", int(group["id"])
    assert service.members[no] == [101, 102]
    await done(served, "PATCH", own, [{"op": "add", "path": "members", "value": members[2:]}])
    await done(served, "PATCH", own, [{"op": "remove", "path": f'members[value eq "{people[0]}"]'}])
    await done(served, "PATCH", own, [{"op": "replace", "value": {"displayName": "Agents"}}])
    assert (service.units[no]["label"], service.members[no]) == ("Agents", [102, 103])
    shown = await done(served, "GET", own)
    assert [one["value"] for one in shown["members"]] == people[1:]
    await done(served, "DELETE", own)
    assert service.units == {}


async def test_a_phone_book_without_groups_says_so(contacts, refused) -> None:
    served, _ = contacts

    listed = await done(served, "GET", "contacts/v2/Groups")
    pushed = await served.ask("POST", "/scim/contacts/v2/Groups", {"displayName": "Sales"})

    assert listed["totalResults"] == 0
    refused(pushed, 501, "Push Groups")


def explained(tmp_path: Any, capsys: Any, number: int, *options: str) -> str:
    (tmp_path / "config.toml").write_text(example(number, "https://service.example.com/api"))
    (tmp_path / "ann.json").write_text(json.dumps(ANN | {"nickName": "Annie"}))
    target = ("contacts", "hr")[number]
    config = ["--config", str(tmp_path / "config.toml")]
    assert main(["explain", target, str(tmp_path / "ann.json"), *options, *config]) == 0
    out: str = capsys.readouterr().out
    return out


def test_explain_shows_the_very_request(tmp_path, capsys) -> None:
    explanation = json.loads(explained(tmp_path, capsys, 1, "--format", "json"))

    assert explanation["request"] == {
        "method": "POST",
        "url": "https://service.example.com/api/employee/add",
        "headers": {},
        "body": {
            "login": "canary.ann@example.com",
            "code": "canary-00u1",
            "person": {"given": "Ann", "family": "Lee"},
            "title": "Agent",
            "mails": [{"address": "canary.ann@example.com", "usage": "work"}],
        },
    }
    assert explanation["dropped"] == ["phoneNumbers", f"{ENTERPRISE}:department", "nickName"]


def test_explain_shows_people_the_request_without_the_credentials(tmp_path, capsys) -> None:
    told = explained(tmp_path, capsys, 0)

    assert "request: POST https://service.example.com/api/contacts\n" in told
    assert json.loads(told[told.rindex("\n{") :])["status"] == "available"
    assert "CONTACTS_KEY" not in told


def test_explain_tells_of_parts_that_are_not_sent(tmp_path, capsys) -> None:
    phones = [{"type": kind, "value": f"+44207946012{n}"} for n, kind in enumerate(["work", "other", "work"])]
    ann = {"userName": "a", "name": {"givenName": "A", "middleName": "M"}, "phoneNumbers": phones}
    (tmp_path / "config.toml").write_text(example(0, "https://service.example.com/api"))
    (tmp_path / "ann.json").write_text(json.dumps(ann))
    config = ["--config", str(tmp_path / "config.toml"), "--format", "json"]

    main(["explain", "contacts", str(tmp_path / "ann.json"), *config])

    dropped = ["name.middleName", 'phoneNumbers[type eq "other"]', 'phoneNumbers[type eq "work"]']
    assert json.loads(capsys.readouterr().out)["dropped"] == dropped


def test_explain_refuses_who_has_not_what_the_address_needs(tmp_path, capsys) -> None:
    text = example(0, "https://service.example.com/api").replace(
        "POST /contacts", "POST /contacts/{externalId}"
    )
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "ann.json").write_text(json.dumps({"userName": "canary.ann"}))
    config = ["--config", str(tmp_path / "config.toml"), "--format", "json"]

    status = main(["explain", "contacts", str(tmp_path / "ann.json"), *config])

    explanation = json.loads(capsys.readouterr().out)
    assert (status, explanation["accepted"]) == (1, False)
    assert explanation["problems"] == [
        {
            "path": "externalId",
            "rule": "rest.users.create",
            "reason": "externalId is missing, and the address needs it",
        }
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_a_json_service_has_a_set_up_page(tmp_path, capsys, number: int) -> None:
    (tmp_path / "config.toml").write_text(example(number, "https://service.example.com/api"))

    assert main(["guide", ("contacts", "hr")[number], "--config", str(tmp_path / "config.toml")]) == 0
    assert f"/scim/{('contacts', 'hr')[number]}/v2" in capsys.readouterr().out


async def reconciled(served: Any, name: str, repair: bool = False) -> list[Any]:
    services, target = served.gateway.services, served.gateway.targets[name]
    run = Reconciliation(services, Changes(services, Recovery(services)), target, repair)
    return [line for line in [line async for line in run.lines()] if isinstance(line, Finding)]


@pytest.fixture(params=["contacts", "hr"])
async def either(request: pytest.FixtureRequest, serve: Any) -> AsyncIterator[tuple[Any, Any, str]]:
    is_hr = request.param == "hr"
    async with scim_target(Hr() if is_hr else Contacts()) as service:
        yield await serve(example(int(is_hr), service.url), config=ALL), service, request.param


async def test_reconcile_finds_nothing_after_our_own_changes_and_mends_those_of_others(either) -> None:
    served, service, name = either
    ben = {**ANN, "userName": "canary.ben", "externalId": "canary-2"}
    await done(served, "POST", f"{name}/v2/Users", ANN)
    id = (await done(served, "POST", f"{name}/v2/Users", ben))["id"]
    await done(served, "PATCH", f"{name}/v2/Users/{id}", INACTIVE)

    before = await reconciled(served, name)
    ann, *_ = service.people
    part, key = ("name", "first") if name == "contacts" else ("person", "given")
    service.people[ann][part] |= {key: "X"}
    told, after = await reconciled(served, name, repair=True), await reconciled(served, name)

    assert (before, len(told), after) == ([], 1, [])
    assert service.people[ann][part][key] == "Ann"
