"""People in Dialpad's form and in ours, and what is said to its API of them."""

import json
from typing import Any

import orjson
import pytest

from gateway.flow.target_port import Refused
from gateway.scim.grammar import parse_filter
from gateway.scim.names import CORE_USER
from gateway.targets.dialpad.users import (
    NOBODY,
    UserCalls,
    changed,
    created,
    entry_of,
    id_of,
    is_id,
    lookup_of,
    refuse_unsendable,
)
from tests.support.dialpad import OPENAPI, needs_openapi
from tests.support.forms import ENTERPRISE

OFFICES = {"124": "London", "125": "ファージー　ボール, Inc"}
USER: dict[str, Any] = {
    "id": "5137304475768569",
    "state": "active",
    "emails": ["ann@example.com", "a.berg@example.com"],
    "first_name": "Ann",
    "last_name": "Berg",
    "display_name": "Ann Berg",
    "job_title": "Agent",
    "license": "talk",
    "office_id": "124",
    "phone_numbers": ["+14155551001"],
    "is_admin": True,
}
ENTRY: dict[str, Any] = {
    "schemas": [CORE_USER, ENTERPRISE],
    "id": "5137304475768569",
    "userName": "ann@example.com",
    "active": True,
    "name": {"givenName": "Ann", "familyName": "Berg"},
    "title": "Agent",
    ENTERPRISE: {"licenseType": "talk", "officeName": "London"},
    "displayName": "Ann Berg",
    "emails": [
        {"value": "ann@example.com", "primary": True},
        {"value": "a.berg@example.com", "primary": False},
    ],
    "phoneNumbers": [{"value": "+14155551001", "type": "work"}],
    "roles": [{"value": "admin"}],
}


def test_a_user_is_an_entry():
    assert entry_of(USER, OFFICES) == ENTRY


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param({"id": 5137304475768569, "office_id": 124}, ENTRY, id="ids as numbers"),
        pytest.param({"state": "pending"}, ENTRY, id="invited is not away"),
        pytest.param({"state": "suspended"}, ENTRY | {"active": False}, id="suspended"),
        pytest.param({"state": "cancelled"}, ENTRY | {"active": False}, id="cancelled"),
        pytest.param(
            {"office_id": "999"}, ENTRY | {ENTERPRISE: {"licenseType": "talk"}}, id="an office of no list"
        ),
        pytest.param(
            {"office_id": "125"},
            ENTRY | {ENTERPRISE: {"licenseType": "talk", "officeName": OFFICES["125"]}},
            id="an office with a wide space",
        ),
        pytest.param(
            {"first_name": None, "last_name": ""},
            {name: value for name, value in ENTRY.items() if name != "name"},
            id="no names",
        ),
        pytest.param(
            {"job_title": 7, "phone_numbers": {"a": 1}, "emails": ["ann@example.com", None]},
            {n: v for n, v in ENTRY.items() if n not in ("title", "phoneNumbers")}
            | {"emails": ENTRY["emails"][:1]},
            id="of other types than published",
        ),
    ],
)
def test_what_a_user_has_is_shown_so(written, shown):
    assert entry_of(USER | written, OFFICES) == shown


@needs_openapi()
def test_the_examples_of_the_published_file_are_people():
    paths = json.loads(OPENAPI.read_text())["paths"]
    answer = paths["/api/v2/users"]["get"]["responses"]["200"]["content"]["application/json"]
    (first, second, *_) = answer["examples"]["json_example"]["value"]["items"]

    shown = [entry_of(user, {"6422934115149452": "Oslo"}) for user in (first, second)]

    assert [entry["userName"] for entry in shown] == ["bot@fuzz-ball.com", "test_contact@fuzz-ball.com"]
    assert [entry["name"] for entry in shown] == [{"givenName": "テÉst", "familyName": "Bot"}] * 2
    assert shown[0]["roles"] == [{"value": "super_admin"}, {"value": "admin"}]
    assert shown[0][ENTERPRISE] == {"licenseType": "talk", "officeName": "Oslo"}


@pytest.mark.parametrize("id", ["me", "", "..", "0", "007", "+7", "7/../8", "٣", "9" * 20, "1e3"])
def test_what_is_no_number_is_nobodys_id(id):
    assert not is_id(id)
    assert id_of(id) is None


@pytest.mark.parametrize("value", [True, None, 1.5, [], -4])
def test_what_is_no_number_or_text_is_no_id(value):
    assert id_of(value) is None


def test_a_create_says_what_it_takes_and_the_office_by_its_number():
    body = created(ENTRY, "124", auto_assign=False)

    assert body == {
        "email": "ann@example.com",
        "first_name": "Ann",
        "last_name": "Berg",
        "license": "talk",
        "office_id": 124,
    }
    assert created(ENTRY, "124", auto_assign=True) == body | {"auto_assign": True}


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"title": "Lead"}, {"job_title": "Lead"}, id="a title"),
        pytest.param({"title": None}, {"job_title": ""}, id="no title"),
        pytest.param({"name": {"givenName": "Anna"}}, {"first_name": "Anna", "last_name": ""}, id="names"),
        pytest.param({"active": False}, {"state": "suspended"}, id="who leaves is suspended"),
        pytest.param({"active": "False"}, {"state": "suspended"}, id="who leaves, as a text"),
        pytest.param(
            {"userName": "new@example.com"},
            {"emails": ["new@example.com", "a.berg@example.com"]},
            id="a new name takes the old one's place",
        ),
        pytest.param(
            {"userName": "a.berg@example.com"},
            {"emails": ["a.berg@example.com"]},
            id="a second one comes first",
        ),
        pytest.param({"userName": "ANN@example.com"}, {}, id="another case of a name is the same"),
        pytest.param(
            {"emails": [{"value": "x@example.com"}]},
            {"emails": ["ann@example.com", "x@example.com"]},
            id="further addresses",
        ),
        pytest.param({ENTERPRISE: {"licenseType": "agents"}}, {"license": "agents"}, id="a licence"),
        pytest.param({ENTERPRISE: {"officeName": "London"}}, {}, id="a licence cannot be taken away"),
        pytest.param(
            {ENTERPRISE: {"licenseType": "talk", "extension": "123"}}, {"extension": "123"}, id="an extension"
        ),
    ],
)
def test_a_change_says_what_differs(wanted, body):
    assert changed(ENTRY, ENTRY | wanted) == body


def test_who_returns_is_active():
    assert changed(ENTRY | {"active": False}, ENTRY) == {"state": "active"}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param({"displayName": "A"}, "cannot set displayName", id="made by Dialpad"),
        pytest.param({"nickName": "A", "locale": "en"}, "cannot set nickName, locale", id="all are named"),
        pytest.param({"name": {"formatted": "A"}}, "cannot set name.formatted", id="a part"),
        pytest.param(
            {ENTERPRISE: {"costCenter": "1"}}, f"cannot set {ENTERPRISE}:costCenter", id="of an extension"
        ),
        pytest.param({"title": "a\nb"}, "one line of text for title", id="two lines"),
        pytest.param({"name": {"givenName": "a\u2028b"}}, "for name.givenName", id="two lines in Unicode"),
        pytest.param({ENTERPRISE: {"extension": 123}}, f"for {ENTERPRISE}:extension", id="a number"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_name_before_anything_is_sent(wanted, reason):
    with pytest.raises(Refused) as refused:
        refuse_unsendable(ENTRY | wanted, ENTRY)

    assert reason in refused.value.reason


def test_what_is_there_already_or_ours_alone_is_no_matter():
    refuse_unsendable(ENTRY | {"externalId": "1", "meta": {}, "groups": [{"value": "1"}]}, ENTRY)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('userName eq "ann@example.com"', ("email", "ann@example.com")),
        ('emails.value eq "ann@example.com"', ("email", "ann@example.com")),
        ('emails eq "ann@example.com"', ("email", "ann@example.com")),
        ('phoneNumbers.value eq "+14155551001"', ("number", "+14155551001")),
        ('active eq true and userName eq "a"', ("email", "a")),
        ('externalId eq "00u1"', NOBODY),
        (f'{CORE_USER}:userName eq "a"', ("email", "a")),
        ('userName sw "ann"', None),
        ('userName eq "a" or userName eq "b"', None),
        ('not (userName eq "a")', None),
        ('title eq "Agent"', None),
        ('userName eq ""', None),
        ('urn:example:2.0:User:userName eq "a"', None),
    ],
)
def test_a_filter_is_asked_by_the_parameter_that_finds_all_who_match(text, asked):
    assert lookup_of(parse_filter(text)) == asked


def test_people_are_asked_for_in_every_state_and_without_a_limit():
    calls = UserCalls("https://dialpad.test/")

    assert [calls.people().url, calls.people("c/1=", email="a&b@x").url, calls.offices("c").url] == [
        "https://dialpad.test/api/v2/users?state=all",
        "https://dialpad.test/api/v2/users?email=a%26b%40x&state=all&cursor=c%2F1%3D",
        "https://dialpad.test/api/v2/offices?cursor=c",
    ]


def test_a_body_is_json_and_nothing_else():
    call = UserCalls("https://dialpad.test").change("7", {"state": "suspended"})

    assert (call.method, call.url, call.accepts, call.sends) == (
        "PATCH",
        "https://dialpad.test/api/v2/users/7",
        "application/json",
        "application/json",
    )
    assert orjson.loads(call.body or b"") == {"state": "suspended"}
