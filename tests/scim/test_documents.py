from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidSyntax, InvalidValue
from gateway.scim.documents import (
    ABSENT_IS_UNCHANGED,
    canonical,
    check,
    fold,
    identity,
    is_active,
    replacement,
    schemas_of,
    take_password,
    without_read_only,
)
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER

WSOS = "urn:ietf:params:scim:schemas:extension:wsos:2.0:User"


@pytest.mark.parametrize(
    ("document", "result"),
    [
        pytest.param({"USERNAME": "Ann"}, {"userName": "Ann"}, id="known name"),
        pytest.param({"Name": {"GIVENNAME": "A"}}, {"name": {"givenName": "A"}}, id="sub-attribute"),
        pytest.param({"emails": [{"Value": "a"}]}, {"emails": [{"value": "a"}]}, id="in a list"),
        pytest.param(
            {ENTERPRISE_USER.lower(): {"Manager": {"VALUE": "1"}}},
            {ENTERPRISE_USER: {"manager": {"value": "1"}}},
            id="enterprise extension",
        ),
        pytest.param({"Shoe": {"Size": 4}}, {"Shoe": {"Size": 4}}, id="unknown names stay"),
        pytest.param({WSOS: {"Name": "x"}}, {WSOS: {"Name": "x"}}, id="unknown extension"),
        pytest.param({"title": None, "nickName": "", "roles": [], "name": {}}, {}, id="empty"),
        pytest.param({"name": {"givenName": ""}, "emails": [{"value": None}]}, {}, id="empty inside"),
        pytest.param({"roles": ["", "a", None]}, {"roles": ["a"]}, id="empty among others"),
        pytest.param({"roles": [{"type": "a", "value": ""}]}, {}, id="an element that lost its value"),
        pytest.param(
            {"phoneNumbers": [{"type": "work", "Value": None, "x": 1}, {"type": "fax"}]},
            {"phoneNumbers": [{"type": "work", "x": 1}, {"type": "fax"}]},
            id="elements that say something else, or never had one",
        ),
        pytest.param(
            {"active": False, "level": 0}, {"active": False, "level": 0}, id="false and 0 are values"
        ),
        pytest.param({"title": " "}, {"title": " "}, id="a space is a value"),
    ],
)
def test_the_canonical_form_has_standard_names_and_nothing_empty(document, result):
    before = deepcopy(document)

    assert canonical(document, "User") == result
    assert document == before


def test_a_group_has_names_of_its_own():
    assert canonical({"DisplayName": "a", "Members": [{"VALUE": "1"}]}, "Group") == {
        "displayName": "a",
        "members": [{"value": "1"}],
    }


@pytest.mark.parametrize(
    ("document", "result"),
    [
        pytest.param({"externalID": ""}, {"externalId": None}, id="emptied"),
        pytest.param({"externalId": "1"}, {"externalId": "1"}, id="given"),
        pytest.param({"members": []}, {"members": None}, id="empty list"),
        pytest.param({"title": ""}, {}, id="another attribute"),
    ],
)
def test_what_is_unchanged_when_absent_shows_that_it_was_emptied(document, result):
    assert canonical(document, "User", keep=ABSENT_IS_UNCHANGED) == result


NAMES = st.sampled_from(["userName", "USERNAME", "emails", "Value", "primary", ENTERPRISE_USER, "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "True"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)


@given(DOCUMENTS)
def test_the_canonical_form_of_a_canonical_form_is_itself(document):
    before = deepcopy(document)

    once = canonical(document, "User")

    assert canonical(once, "User") == once
    assert document == before


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        pytest.param("User", {"userName": "ann"}, id="least user"),
        pytest.param(
            "User",
            {
                "schemas": [CORE_USER],
                "userName": "ann",
                "externalId": "1",
                "active": False,
                "name": {"givenName": "A", "familyName": None},
                "emails": [{"value": "a", "primary": "True"}, {"type": "home"}],
                "phoneNumbers": [],
                "roles": "anything",
            },
            id="all",
        ),
        pytest.param("User", {"userName": "ann", "externalId": None, "active": None}, id="null is absent"),
        pytest.param("Group", {"displayName": "g", "members": [{"value": "1"}]}, id="group"),
        pytest.param("Device", {"userName": 5}, id="another resource type"),
    ],
)
def test_right_types_are_let_in(kind, document):
    check(document, kind)


@pytest.mark.parametrize(
    ("kind", "name", "value", "wanted"),
    [
        pytest.param("User", "userName", None, "userName is missing", id="no userName"),
        pytest.param("User", "userName", " ", "text that is not empty", id="blank userName"),
        pytest.param("User", "userName", 5, "text that is not empty", id="userName number"),
        pytest.param("User", "schemas", CORE_USER, "a list of URNs", id="schemas text"),
        pytest.param("User", "schemas", [1], "a list of URNs", id="schemas numbers"),
        pytest.param("User", "externalId", 7, "externalId must be text", id="externalId"),
        pytest.param("User", "active", "yes", "active must be true or false", id="active"),
        pytest.param("User", "name", "Ann", "name must be an object", id="name text"),
        pytest.param("User", "name", {"givenName": ["A"]}, "name must be an object", id="name list"),
        pytest.param("User", "emails", {"value": "a"}, "emails must be a list", id="emails object"),
        pytest.param("User", "emails", ["a"], "emails must be a list of objects", id="emails texts"),
        pytest.param("User", "emails", [{"value": 1}], "each value text", id="email number"),
        pytest.param("User", "phoneNumbers", [{"primary": "maybe"}], "primary true or false", id="primary"),
        pytest.param("Group", "displayName", None, "displayName is missing", id="no displayName"),
        pytest.param(
            "Group", "members", [{"display": "a"}], "members must be a list", id="member without value"
        ),
        pytest.param("Group", "members", ["1"], "members must be a list", id="member text"),
    ],
)
def test_a_wrong_type_is_refused_by_name(kind, name, value, wanted):
    right = {"userName": "ann", "displayName": "g"}

    with pytest.raises(InvalidValue, match=wanted):
        check({**right, name: value}, kind)


def test_only_the_attributes_asked_for_are_looked_at():
    wrong = {"USERNAME": 5, "active": "yes"}

    check(wrong, "User", ["title", "emails"])
    with pytest.raises(InvalidValue, match="userName"):
        check(wrong, "User", ["username"])


VIEW = {"userName": "ann", "externalId": "1", "active": False, "members": [{"value": "1"}], "title": "Dr"}


@pytest.mark.parametrize(
    ("body", "result"),
    [
        pytest.param(
            {"userName": "bob"},
            {"userName": "bob", "externalId": "1", "active": False, "members": [{"value": "1"}]},
            id="absent ones are unchanged, others cleared",
        ),
        pytest.param(
            {"externalId": None, "members": [], "active": None, "title": ""},
            {"active": False},
            id="empty ones are cleared, but nobody comes back by it",
        ),
        pytest.param(
            {"EXTERNALID": "2", "Active": True, "members": [{"value": "2"}]},
            {"EXTERNALID": "2", "Active": True, "members": [{"value": "2"}]},
            id="given ones are taken",
        ),
        pytest.param(
            {"id": "7", "META": {}, "groups": [{"value": "g"}], "externalId": "2", "members": ""},
            {"externalId": "2", "active": False},
            id="the server's own are ignored",
        ),
    ],
)
def test_a_put_follows_the_rules_of_what_is_absent(body, result):
    before = deepcopy((VIEW, body))

    assert replacement(VIEW, body) == result
    assert (VIEW, body) == before


def test_a_put_leaves_absent_what_was_never_there():
    assert replacement({}, {"userName": "ann"}) == {"userName": "ann"}


@given(DOCUMENTS, DOCUMENTS)
def test_a_put_repeated_changes_nothing_more(view, body):
    view, body = canonical(view, "User"), canonical(body, "User")

    once = replacement(view, body)

    assert replacement(once, body) == once


def test_the_servers_own_attributes_are_taken_out():
    document = {"ID": "1", "meta": {}, "groups": [], "userName": "ann"}

    assert without_read_only(document) == {"userName": "ann"}
    assert len(document) == 4


@pytest.mark.parametrize(
    ("document", "left", "password"),
    [
        pytest.param({"userName": "a", "password": "x"}, {"userName": "a"}, "x", id="text"),
        pytest.param({"PassWord": "x"}, {}, "x", id="any case"),
        pytest.param({"password": {"a": 1}}, {}, None, id="not text"),
        pytest.param({"password": ""}, {}, None, id="empty"),
        pytest.param({"userName": "a"}, {"userName": "a"}, None, id="none"),
    ],
)
def test_a_password_never_stays_in_a_document(document, left, password):
    assert take_password(document) == (left, password)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        pytest.param({"userName": "ANN", "externalId": "X"}, ("ann", "X"), id="both"),
        pytest.param({"username": "Ann"}, ("ann", None), id="any case"),
        pytest.param({"userName": 5, "externalId": ""}, (None, None), id="unusable"),
    ],
)
def test_a_person_is_known_by_a_folded_name_and_an_exact_external_id(document, found):
    assert identity(document) == found


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("STRASSE", "straße", id="sharp s"),
        pytest.param("e\u0301lan", "ÉLAN", id="composed and decomposed"),
        pytest.param("Ann@Example.COM", "ann@example.com", id="ASCII"),
    ],
)
def test_names_that_look_the_same_are_the_same(left, right):
    assert fold(left) == fold(right)


@given(st.text())
def test_a_folded_name_folds_to_itself(name):
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize(
    ("active", "answer"),
    [(True, True), (False, False), ("False", False), ("true", True), (None, True), ("", True)],
)
def test_everybody_is_active_of_whom_it_is_not_denied(active, answer):
    assert is_active({"active": active}) is answer
    assert is_active({}) is True


@pytest.mark.parametrize(
    ("kind", "document", "schemas"),
    [
        pytest.param("User", {"userName": "a"}, [CORE_USER], id="core"),
        pytest.param(
            "User",
            {WSOS: {"a": 1}, "schemas": ["urn:old"], ENTERPRISE_USER: {"b": 1}, "urn:empty": {}},
            [CORE_USER, WSOS, ENTERPRISE_USER],
            id="extensions that are there, in order",
        ),
        pytest.param("Group", {}, [CORE_GROUP], id="group"),
    ],
)
def test_schemas_are_made_from_what_is_there(kind, document, schemas):
    assert schemas_of(document, kind) == schemas


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({f"{CORE_USER}:active": False}, {"active": False}, id="one name"),
        pytest.param({CORE_USER: {"active": False}}, {"active": False}, id="an object of the core"),
        pytest.param({CORE_USER.upper() + ":UserName": "a"}, {"userName": "a"}, id="in any case"),
        pytest.param(
            {f"{ENTERPRISE_USER}:department": "Sales", ENTERPRISE_USER: {"division": "EU"}},
            {ENTERPRISE_USER: {"department": "Sales", "division": "EU"}},
            id="beside the extension's object",
        ),
    ],
)
def test_a_fully_qualified_name_stands_where_it_belongs(body, expected) -> None:
    assert canonical(body, "User") == expected


def test_a_name_given_twice_in_two_ways_is_refused() -> None:
    with pytest.raises(InvalidSyntax, match="userName is given twice"):
        canonical({"userName": "a", f"{CORE_USER}:userName": "b"}, "User")
