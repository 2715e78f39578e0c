from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scim.dialects import DIALECTS
from gateway.scim.names import ENTERPRISE_USER

EMAIL = {"value": "a@example.com", "type": "work"}


@pytest.mark.parametrize(
    ("dialect", "sent", "read"),
    [
        pytest.param("okta", {"active": "true"}, {"active": True}, id="okta boolean text"),
        pytest.param("okta", {"emails": EMAIL}, {"emails": [EMAIL]}, id="okta single email"),
        pytest.param("okta", {"PhoneNumbers": EMAIL}, {"PhoneNumbers": [EMAIL]}, id="okta single phone"),
        pytest.param("okta", {"name": {"givenName": "A"}}, {"name": {"givenName": "A"}}, id="okta name"),
        pytest.param(
            "entra",
            {"Active": "False", "emails": [{**EMAIL, "primary": "True"}]},
            {"Active": False, "emails": [{**EMAIL, "primary": True}]},
            id="entra boolean texts",
        ),
        pytest.param("entra", {"active": "maybe"}, {"active": "maybe"}, id="entra no boolean"),
        pytest.param("entra", {"title": "True"}, {"title": "True"}, id="entra text that looks like one"),
        pytest.param(
            "entra",
            {ENTERPRISE_USER: {"manager": "42"}},
            {ENTERPRISE_USER: {"manager": {"value": "42"}}},
            id="entra manager text",
        ),
        pytest.param(
            "entra",
            {ENTERPRISE_USER: {"manager": [{"$ref": "../Users/42", "value": "42"}]}},
            {ENTERPRISE_USER: {"manager": {"$ref": "../Users/42", "value": "42"}}},
            id="entra manager list",
        ),
        pytest.param(
            "entra", {ENTERPRISE_USER: {"department": "a"}}, {ENTERPRISE_USER: {"department": "a"}}, id="none"
        ),
        pytest.param("entra", {ENTERPRISE_USER: None}, {ENTERPRISE_USER: None}, id="entra empty extension"),
        pytest.param(
            "entra", {"roles": [{"value": '{"id":1}'}]}, {"roles": [{"value": '{"id":1}'}]}, id="entra roles"
        ),
        pytest.param("rfc", {"active": "true"}, {"active": "true"}, id="rfc takes it as sent"),
    ],
)
def test_a_document_is_read_in_its_providers_way(dialect, sent, read):
    before = deepcopy(sent)

    assert DIALECTS[dialect].document(sent) == read
    assert sent == before


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(
    st.dictionaries(
        st.sampled_from(["active", "emails", "phoneNumbers", ENTERPRISE_USER]),
        st.sampled_from(
            ["True", "x", None, 1, {"primary": "true"}, [{"primary": "x"}], {"manager": ["1"]}, []]
        ),
    )
)
def test_a_document_read_twice_is_read_once(dialect, body):
    once = dialect.document(body)

    assert dialect.document(once) == once


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_messages_and_filters_need_no_dialect_so_far(dialect):
    message = {"Operations": [{"op": "Add", "path": "title", "value": "a"}]}

    assert dialect.patch(message) == message
    assert dialect.filter('userName Eq "a"') == 'userName Eq "a"'
