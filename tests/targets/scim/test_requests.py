"""What is said to a SCIM service."""

import json
from copy import deepcopy
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.flow.target_port import Missing, Query, ResourceType
from gateway.scim.grammar import AttrPath, CompareOperator, Comparison, parse_filter
from gateway.scim.patch import apply_patch
from gateway.targets.scim.requests import Endpoints, patch_operations, render_filter

USER, GROUP = ResourceType.USER, ResourceType.GROUP
SERVICE = Endpoints("https://target.test/scim/v2/")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WSOS = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"


def test_a_trailing_slash_of_the_base_url_is_forgiven():
    assert SERVICE.config().url == "https://target.test/scim/v2/ServiceProviderConfig"
    assert Endpoints("https://target.test/scim/v2").config() == SERVICE.config()


@pytest.mark.parametrize(
    ("id", "segment"),
    [
        pytest.param("2819c223-7f76", "2819c223-7f76", id="plain"),
        pytest.param("a/b?c#d", "a%2Fb%3Fc%23d", id="what ends a segment"),
        pytest.param("..", "%2E%2E", id="the folder above"),
        pytest.param(".", "%2E", id="this folder"),
        pytest.param("%2e", "%252e", id="encoded already"),
        pytest.param("é @:;=", "%C3%A9%20%40%3A%3B%3D", id="Unicode and punctuation"),
        pytest.param("\ud800", "%ED%A0%80", id="half a character"),
    ],
)
def test_an_id_is_one_segment_of_the_path(id, segment):
    assert SERVICE.get(USER, id).url == f"https://target.test/scim/v2/Users/{segment}"
    assert SERVICE.delete(GROUP, id).url == f"https://target.test/scim/v2/Groups/{segment}"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: SERVICE.get(USER, ""), id="get"),
        pytest.param(lambda: SERVICE.delete(USER, ""), id="delete"),
        pytest.param(lambda: SERVICE.replace(USER, "", {}), id="replace"),
        pytest.param(lambda: SERVICE.patch(USER, "", []), id="patch"),
    ],
)
def test_an_empty_id_never_names_the_whole_collection(call):
    with pytest.raises(Missing):
        call()


def test_a_query_says_filter_start_and_count():
    call = SERVICE.query(USER, Query(parse_filter('userName eq "a&b=c d"'), start=11, count=5))

    assert "+" not in call.url
    assert parse_qs(urlsplit(call.url).query) == {
        "filter": ['userName eq "a&b=c d"'],
        "startIndex": ["11"],
        "count": ["5"],
    }


@pytest.mark.parametrize(
    ("kind", "members", "url"),
    [
        pytest.param(USER, False, "Users?startIndex=1&count=100", id="people"),
        pytest.param(GROUP, True, "Groups?startIndex=1&count=100", id="groups with members"),
        pytest.param(GROUP, False, "Groups?startIndex=1&count=100&excludedAttributes=members", id="groups"),
    ],
)
def test_a_query_without_filter_says_none(kind, members, url):
    assert SERVICE.query(kind, Query(members=members)).url == f"https://target.test/scim/v2/{url}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('userName eq "josé@例え.jp"', id="Unicode"),
        pytest.param('title eq "a \\"b\\" \\\\u00e9"', id="an escape that is none"),
        pytest.param('emails[type eq "é"] and not (title pr)', id="several terms"),
        pytest.param("active eq true", id="no text"),
    ],
)
def test_a_filter_is_rendered_in_plain_unicode(text):
    assert render_filter(parse_filter(text)) == text


def test_a_filter_with_half_a_character_can_be_sent():
    query = Query(Comparison(AttrPath("title"), CompareOperator.eq, "\ud800"))

    assert "%ED%A0%80" in SERVICE.query(USER, query).url


def test_a_create_leaves_out_what_the_service_decides():
    call = SERVICE.create(USER, {"id": "1", "meta": {}, "groups": [], "schemas": ["s"], "userName": "ann"})

    assert (call.method, call.url) == ("POST", "https://target.test/scim/v2/Users")
    assert json.loads(call.body) == {"schemas": ["s"], "userName": "ann"}


def test_a_replace_says_the_id_and_leaves_out_meta_and_groups():
    call = SERVICE.replace(USER, "1", {"meta": {}, "groups": [], "userName": "ann"})

    assert (call.method, call.url) == ("PUT", "https://target.test/scim/v2/Users/1")
    assert json.loads(call.body) == {"id": "1", "userName": "ann"}


def test_a_patch_is_a_patch_op_message():
    call = SERVICE.patch(USER, "1", [{"op": "remove", "path": "title"}])

    assert call.method == "PATCH"
    assert json.loads(call.body) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "title"}],
    }


@pytest.mark.parametrize(
    ("present", "wanted", "operations"),
    [
        pytest.param({"title": "a"}, {"title": "a"}, [], id="nothing"),
        pytest.param({"title": "a"}, {"title": "b"}, [("replace", "title", "b")], id="replace"),
        pytest.param({}, {"title": "b"}, [("add", "title", "b")], id="add"),
        pytest.param({"title": "a"}, {}, [("remove", "title")], id="remove"),
        pytest.param({"title": "a"}, {"title": None}, [("remove", "title")], id="null is absent"),
        pytest.param({"emails": []}, {"emails": None}, [], id="an empty list is absent"),
        pytest.param(
            {"active": True}, {"active": False}, [("replace", "active", False)], id="false is a value"
        ),
        pytest.param(
            {"name": {"givenName": "A", "familyName": "B", "middleName": "C"}},
            {"name": {"givenName": "Z", "familyName": "B", "formatted": "Z B"}},
            [
                ("replace", "name.givenName", "Z"),
                ("remove", "name.middleName"),
                ("add", "name.formatted", "Z B"),
            ],
            id="an object by its sub-attributes",
        ),
        pytest.param(
            {}, {"name": {"givenName": "A"}}, [("add", "name", {"givenName": "A"})], id="a new object"
        ),
        pytest.param({"name": {"givenName": "A"}}, {"name": {}}, [("remove", "name")], id="an object gone"),
        pytest.param(
            {"phoneNumbers": [{"value": "1"}, {"value": "2"}]},
            {"phoneNumbers": [{"value": "2"}]},
            [("replace", "phoneNumbers", [{"value": "2"}])],
            id="a list as a whole",
        ),
        pytest.param(
            {ENTERPRISE: {"department": "A", "division": "D"}},
            {ENTERPRISE: {"department": "B"}},
            [("replace", f"{ENTERPRISE}:department", "B"), ("remove", f"{ENTERPRISE}:division")],
            id="an extension by its attributes",
        ),
        pytest.param(
            {},
            {ENTERPRISE: {"department": "B"}},
            [("add", f"{ENTERPRISE}:department", "B")],
            id="a new extension",
        ),
        pytest.param({ENTERPRISE: {"a": 1}}, {}, [("remove", f"{ENTERPRISE}:a")], id="an extension gone"),
        pytest.param(
            {WSOS: {"name": {"familyNamePhonetic": "A"}}},
            {WSOS: {"name": {"familyNamePhonetic": "B"}}},
            [("replace", f"{WSOS}:name.familyNamePhonetic", "B")],
            id="an object in an extension",
        ),
        pytest.param(
            {},
            {WSOS: {"name": {"familyNamePhonetic": "B"}}},
            [("add", f"{WSOS}:name.familyNamePhonetic", "B")],
            id="a new object in an extension",
        ),
        pytest.param(
            {WSOS: {"name": {"familyNamePhonetic": "A"}, "a": 1}},
            {WSOS: {"a": 1}},
            [("remove", f"{WSOS}:name")],
            id="an object gone from an extension",
        ),
        pytest.param(
            {"id": "1", "meta": {"version": "1"}, "groups": [1], "schemas": ["a"]},
            {"id": "2", "meta": {"version": "2"}, "groups": [2], "schemas": ["b"]},
            [],
            id="what the service decides",
        ),
    ],
)
def test_a_patch_has_one_operation_for_each_attribute_that_differs(present, wanted, operations):
    names = ("op", "path", "value")

    assert patch_operations(present, wanted) == [dict(zip(names, said, strict=False)) for said in operations]


TEXT = st.text(min_size=1, max_size=5)
SIMPLE = TEXT | st.booleans()
ELEMENTS = st.lists(
    st.fixed_dictionaries({"value": st.text(min_size=1, max_size=3)}), min_size=1, max_size=3, unique_by=str
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXT,
        "nickName": TEXT,
        "name": st.dictionaries(st.sampled_from(["givenName", "familyName"]), TEXT, min_size=1),
        "emails": ELEMENTS,
        "phoneNumbers": ELEMENTS,
        ENTERPRISE: st.dictionaries(st.sampled_from(["department", "division"]), TEXT, min_size=1),
        WSOS: st.fixed_dictionaries({"name": st.fixed_dictionaries({"familyNamePhonetic": SIMPLE})}),
    },
)


@given(DOCUMENTS, DOCUMENTS)
def test_the_operations_turn_what_is_present_into_what_is_wanted(present, wanted):
    before = deepcopy((present, wanted))
    operations = patch_operations(present, wanted)
    assume(operations)

    result = apply_patch(present, json.loads(SERVICE.patch(USER, "1", operations).body))

    assert {name: value for name, value in result.items() if name != "schemas"} == wanted
    assert (present, wanted) == before
