from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scim.dialects import DIALECTS
from gateway.scim.grammar import MAX_LENGTH, parse_filter
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER
from tests.support.talk import op

EMAIL = {"value": "a@example.com", "type": "work"}
ENTERPRISE_1 = "urn:scim:schemas:extension:enterprise:1.0"
OWN = "urn:ietf:params:scim:schemas:custom:Space"
EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@EVERY
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param({"Active": "False"}, {"Active": False}, id="a boolean as text"),
        pytest.param(
            {"emails": [{**EMAIL, "primary": "true"}]}, {"emails": [{**EMAIL, "primary": True}]}, id="primary"
        ),
        pytest.param({"active": "maybe"}, {"active": "maybe"}, id="no boolean"),
        pytest.param({"title": "True"}, {"title": "True"}, id="text that looks like one"),
        pytest.param({"emails": EMAIL}, {"emails": [EMAIL]}, id="one email"),
        pytest.param({"PhoneNumbers": EMAIL}, {"PhoneNumbers": [EMAIL]}, id="one phone number"),
        pytest.param({"addresses": {"country": "DE"}}, {"addresses": [{"country": "DE"}]}, id="one address"),
        pytest.param({"name": {"givenName": "A"}}, {"name": {"givenName": "A"}}, id="a name is one object"),
        pytest.param({"accounts": EMAIL}, {"accounts": EMAIL}, id="an object that nobody knows"),
        pytest.param({"roles": "a,b"}, {"roles": "a,b"}, id="text for a list is left to a transform"),
        pytest.param(
            {"roles": [{"value": '{"id":1}'}]}, {"roles": [{"value": '{"id":1}'}]}, id="JSON in a text"
        ),
        pytest.param({ENTERPRISE_USER: None}, {ENTERPRISE_USER: None}, id="an empty extension"),
        pytest.param({OWN: {"manager": "42"}}, {OWN: {"manager": "42"}}, id="another extension"),
    ],
)
def test_what_can_mean_only_one_thing_is_forgiven_to_everybody(dialect, sent, read):
    before = deepcopy(sent)

    assert dialect.document(sent) == read
    assert sent == before


@EVERY
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param("42", {"value": "42"}, id="text"),
        pytest.param(
            [{"$ref": "../Users/42", "value": "42"}], {"$ref": "../Users/42", "value": "42"}, id="list"
        ),
        pytest.param({"managerId": "42", "x": 1}, {"value": "42", "x": 1}, id="managerId"),
        pytest.param({"managerId": "42", "value": "43"}, {"managerId": "42", "value": "43"}, id="both"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_manager_becomes_the_object_that_is_meant(dialect, sent, read):
    assert dialect.document({ENTERPRISE_USER.upper(): {"Manager": sent, "department": "a"}}) == {
        ENTERPRISE_USER.upper(): {"Manager": read, "department": "a"}
    }


def test_a_group_has_no_emails_of_the_standard():
    sent = {"displayName": "g", "emails": EMAIL, "active": "True", "members": {"value": "1"}}

    assert DIALECTS["okta"].document(sent, "Group") == {**sent, "members": [{"value": "1"}]}


@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        pytest.param(
            "User",
            {ENTERPRISE_1.upper(): {"manager": {"managerId": "7"}}},
            {ENTERPRISE_USER: {"manager": {"value": "7"}}},
            id="an extension",
        ),
        pytest.param(
            "User",
            {f"{ENTERPRISE_1}:department": "a"},
            {f"{ENTERPRISE_USER}:department": "a"},
            id="in a name",
        ),
        pytest.param("User", {"urn:scim:schemas:core:1.0": {}}, {CORE_USER: {}}, id="the core of people"),
        pytest.param("Group", {"urn:scim:schemas:core:1.0": {}}, {CORE_GROUP: {}}, id="the core of groups"),
        pytest.param("User", {f"{ENTERPRISE_1}1": {}}, {f"{ENTERPRISE_1}1": {}}, id="another URN"),
        pytest.param(
            "User",
            {ENTERPRISE_1: {"a": 1}, ENTERPRISE_USER: {"b": 2}},
            {ENTERPRISE_1: {"a": 1}, ENTERPRISE_USER: {"b": 2}},
            id="both at once",
        ),
    ],
)
def test_who_says_nothing_of_itself_may_name_the_urns_of_scim_1(kind, sent, read):
    assert DIALECTS["rfc"].document(sent, kind) == read


@pytest.mark.parametrize("name", ["okta", "entra"])
def test_a_namespace_that_an_administrator_typed_stays_as_it_is(name):
    sent = {ENTERPRISE_1: {"department": "a"}}

    assert DIALECTS[name].document(sent) == sent


@EVERY
@given(
    st.dictionaries(
        st.sampled_from(["active", "emails", "phoneNumbers", ENTERPRISE_USER, ENTERPRISE_1]),
        st.sampled_from(
            ["True", "x", None, 1, {"primary": "true"}, [{"primary": "x"}], {"manager": ["1"]}, []]
        ),
    )
)
def test_a_document_read_twice_is_read_once(dialect, body):
    once = dialect.document(body)

    assert dialect.document(once) == once


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param({"op": "Add", "path": "title", "value": "a"}, None, id="a path"),
        pytest.param({"op": "remove", "path": 'members[value eq "1"]'}, None, id="no value"),
        pytest.param({"op": "add", "value": "a"}, None, id="no object"),
        pytest.param("add", None, id="no operation"),
        pytest.param({"op": "add", "path": 5, "value": ["a"]}, None, id="a path that is no text"),
        pytest.param(
            {"OP": "add", "Value": {"emails": EMAIL}},
            {"OP": "add", "Value": {"emails": [EMAIL]}},
            id="no path",
        ),
        pytest.param(
            {"op": "add", "path": "", "value": {ENTERPRISE_1: {"manager": "7"}}},
            {"op": "add", "path": "", "value": {ENTERPRISE_USER: {"manager": {"value": "7"}}}},
            id="an empty path",
        ),
        pytest.param(
            {"op": "add", "path": f"{ENTERPRISE_1}:department", "value": "a"},
            {"op": "add", "path": f"{ENTERPRISE_USER}:department", "value": "a"},
            id="an outdated path",
        ),
    ],
)
def test_an_operation_is_forgiven_what_a_document_is(sent, read):
    message = {"schemas": [], "operations": [sent]}
    before = deepcopy(message)

    assert DIALECTS["rfc"].patch(message) == {"schemas": [], "operations": [sent if read is None else read]}
    assert message == before


@EVERY
@pytest.mark.parametrize(
    ("kind", "sent", "read"),
    [
        ("User", f"{CORE_USER}.active", f"{CORE_USER}:active"),
        ("User", "user.active", "active"),
        ("User", 'User.emails[type eq "work"].value', 'emails[type eq "work"].value'),
        ("User", "Group.displayName", "Group.displayName"),
        ("User", f"{OWN}.a", f"{OWN}.a"),
        ("Group", f"{CORE_GROUP}.members", f"{CORE_GROUP}:members"),
        ("Group", "Group.members", "members"),
    ],
)
def test_a_dot_behind_a_type_is_its_colon(dialect, kind, sent, read):
    message = {"Operations": [op("add", sent, "x"), op("add", None, {sent: "x"}), op("remove", f"{sent}.y")]}

    assert dialect.patch(message, kind) == {
        "Operations": [op("add", read, "x"), op("add", None, {read: "x"}), op("remove", f"{read}.y")]
    }


ANN = [{"value": "1"}]
MEMBERS = f"{CORE_GROUP}:members"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param(op("Replace", "Members", ANN), [op("add", "Members", ANN)], id="who join"),
        pytest.param(op("replace", MEMBERS, ANN), [op("add", MEMBERS, ANN)], id="with the URN"),
        pytest.param(op("replace", None, {"members": ANN}), [op("add", "members", ANN)], id="no path"),
        pytest.param(
            op("Replace", None, {"displayName": "g", "members": ANN}),
            [op("Replace", None, {"displayName": "g"}), op("add", "members", ANN)],
            id="with a name",
        ),
        pytest.param(op("replace", "members", []), None, id="nobody"),
        pytest.param(op("replace", None, {"members": []}), None, id="nobody, no path"),
        pytest.param(op("Remove", "members", ANN), None, id="who leave"),
        pytest.param(op("replace", "displayName", "a"), None, id="something else"),
        pytest.param({"op": 5, "path": "members", "value": ANN}, None, id="no text"),
        pytest.param({"op": "replace", "path": 5, "value": ANN}, None, id="a path that is no text"),
        pytest.param({"op": "replace", "value": ["members"]}, None, id="no object"),
        pytest.param("replace", None, id="no operation"),
    ],
)
def test_entra_replaces_members_to_add_them(sent, read):
    for name, expected in (("entra", read or [sent]), ("okta", [sent]), ("rfc", [sent])):
        assert DIALECTS[name].patch({"Operations": [sent]}, "Group") == {"Operations": expected}


@EVERY
@pytest.mark.parametrize("message", [{}, {"Operations": None}, {"Operations": {"op": "add"}}])
def test_a_message_that_is_no_patch_is_left_to_be_refused(dialect, message):
    assert dialect.patch(message) == message


MANAGER = f"{ENTERPRISE_USER}:manager"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('emails[type eq "work"] eq "a@x"', 'emails[type eq "work"].value eq "a@x"'),
        ('emails[type eq "work"].value eq "a@x"', 'emails[type eq "work"].value eq "a@x"'),
        ('id eq "1" and Manager Eq "2"', f'id eq "1" and {MANAGER} Eq "2"'),
        (f'{MANAGER} eq "2"', f'{MANAGER} eq "2"'),
        ('title eq "manager eq \\" ] eq "', 'title eq "manager eq \\" ] eq "'),
        ('x.manager eq "2" or manager sw "2"', 'x.manager eq "2" or manager sw "2"'),
        ('userName eq "half', 'userName eq "half'),
        ("userName eq ann@x.com", 'userName eq "ann@x.com"'),
        ("externalId eq 12345", 'externalId eq "12345"'),
        ("displayName eq Sales Team or title eq x", 'displayName eq "Sales Team" or title eq "x"'),
        ('title eq "x" and (userName eq ann)', 'title eq "x" and (userName eq "ann")'),
        ("emails[type eq work].value eq a@x", 'emails[type eq "work"].value eq "a@x"'),
        ("emails[type eq work] eq a@x", 'emails[type eq "work"].value eq "a@x"'),
        ("manager eq 7", f'{MANAGER} eq "7"'),
        ("active eq true and title ne null", "active eq true and title ne null"),
        ('title eq "a eq b"', 'title eq "a eq b"'),
        (f'manager eq "{"x" * MAX_LENGTH}"', f'manager eq "{"x" * MAX_LENGTH}"'),
    ],
)
def test_entra_leaves_out_what_its_filters_need(sent, read):
    assert DIALECTS["entra"].filter(sent) == read
    assert DIALECTS["rfc"].filter(sent) == sent


def test_a_capital_operator_needs_no_dialect():
    assert parse_filter('userName Eq "a" AND active Eq true') == parse_filter(
        'userName eq "a" and active eq true'
    )


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("manager", MANAGER),
        ("Manager", MANAGER),
        ("manager.value", f"{MANAGER}.value"),
        (f"{CORE_USER}:manager", f"{CORE_USER}:manager"),
        ("managerName", "managerName"),
        (MANAGER, MANAGER),
    ],
)
def test_entra_means_the_enterprise_manager(sent, read):
    operations = [op("Add", sent, "7"), op("add", None, {sent: "7"}), op("remove", sent)]

    for name, meant in (("entra", read), ("okta", sent), ("rfc", sent)):
        assert DIALECTS[name].patch({"Operations": operations}) == {
            "Operations": [op("Add", meant, "7"), op("add", None, {meant: "7"}), op("remove", meant)]
        }
    assert DIALECTS["entra"].patch({"Operations": operations}, "Group") == {"Operations": operations}


ROLE = '{"id":"1","value":"Admin","displayName":"The Admin"}'


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param([{"value": ROLE}], [{"value": "Admin", "display": "The Admin"}], id="an object"),
        pytest.param([ROLE, "Guest"], [{"value": "Admin", "display": "The Admin"}, "Guest"], id="texts"),
        pytest.param(
            [{"value": ROLE, "primary": True}],
            [{"value": "Admin", "display": "The Admin", "primary": True}],
            id="with more around it",
        ),
        pytest.param([{"value": "{no JSON"}], [{"value": "{no JSON"}], id="no JSON"),
        pytest.param([{"value": '{"id":"1"}'}], [{"value": '{"id":"1"}'}], id="JSON without a value"),
        pytest.param([{"value": "Admin"}], [{"value": "Admin"}], id="plain"),
    ],
)
def test_entra_writes_a_role_as_json_in_a_text(sent, read):
    operations = [op("Add", "roles", sent), op("replace", None, {"Roles": sent})]

    for name, meant in (("entra", read), ("okta", sent), ("rfc", sent)):
        assert DIALECTS[name].patch({"Operations": operations}) == {
            "Operations": [op("Add", "roles", meant), op("replace", None, {"Roles": meant})]
        }
        assert DIALECTS[name].document({"roles": sent}) == {"roles": meant}
