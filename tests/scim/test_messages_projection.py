from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidValue
from gateway.scim.messages import EVERYTHING, projection
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER

OWN = "urn:example:2.0:User"
ANN = {
    "schemas": [CORE_USER],
    "id": "1",
    "userName": "ann",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [{"type": "work", "value": "a@x"}, {"type": "home"}],
    "roles": ["admin"],
    ENTERPRISE_USER: {"department": "Sales", "manager": {"value": "9", "displayName": "Max"}},
    OWN: {"shoe": 43},
    "meta": {"version": "1", "location": "there"},
}
ALWAYS = {"schemas": [CORE_USER], "id": "1"}


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param(["userName"], {"userName": "ann"}, id="one"),
        pytest.param([" USERNAME "], {"userName": "ann"}, id="any case"),
        pytest.param([f"{CORE_USER}:userName"], {"userName": "ann"}, id="with its URN"),
        pytest.param(["name.GIVENname"], {"name": {"givenName": "Ann"}}, id="a sub-attribute"),
        pytest.param([f"{CORE_USER}:name.givenName"], {"name": {"givenName": "Ann"}}, id="URN and sub"),
        pytest.param(["name.givenName", "name"], {"name": ANN["name"]}, id="part and whole"),
        pytest.param(["name", "name.givenName"], {"name": ANN["name"]}, id="whole and part"),
        pytest.param(["emails.value"], {"emails": [{"value": "a@x"}]}, id="of every element that has it"),
        pytest.param(["roles.value"], {"roles": ["admin"]}, id="a plain text is its own value"),
        pytest.param(["roles.type"], {}, id="and has nothing else"),
        pytest.param([ENTERPRISE_USER], {ENTERPRISE_USER: ANN[ENTERPRISE_USER]}, id="an extension"),
        pytest.param([OWN.upper()], {OWN: {"shoe": 43}}, id="any extension"),
        pytest.param(
            [f"{ENTERPRISE_USER}:department"], {ENTERPRISE_USER: {"department": "Sales"}}, id="one of it"
        ),
        pytest.param(
            [f"{ENTERPRISE_USER}.department"], {ENTERPRISE_USER: {"department": "Sales"}}, id="by a dot"
        ),
        pytest.param(
            [f"{ENTERPRISE_USER}:manager.value"],
            {ENTERPRISE_USER: {"manager": {"value": "9"}}},
            id="sub of it",
        ),
        pytest.param(
            [ENTERPRISE_USER, f"{ENTERPRISE_USER}:department"],
            {ENTERPRISE_USER: ANN[ENTERPRISE_USER]},
            id="an extension and one of it",
        ),
        pytest.param(
            [f"{ENTERPRISE_USER}:manager.value", f"{ENTERPRISE_USER}:manager"],
            {ENTERPRISE_USER: {"manager": ANN[ENTERPRISE_USER]["manager"]}},
            id="part and whole of it",
        ),
        pytest.param(["department"], {}, id="an extension's without its URN"),
        pytest.param(["nobody", "a.b.c", "urn:", f"{CORE_USER}:"], {}, id="nothing that there is"),
        pytest.param(["id", "meta.version"], {"meta": {"version": "1"}}, id="meta"),
    ],
)
def test_only_what_is_named_is_shown(names, shown):
    assert projection(names, []).of(ANN) == ALWAYS | shown


@pytest.mark.parametrize(
    ("names", "left"),
    [
        pytest.param(["userName", "roles", "meta"], {}, id="some"),
        pytest.param(["ID", "schemas"], {}, id="what always stays"),
        pytest.param(["name.familyName"], {"name": {"givenName": "Ann"}}, id="a sub-attribute"),
        pytest.param(["name.familyName", "name.givenName"], {"name": None}, id="all sub-attributes"),
        pytest.param(["emails.value"], {"emails": [{"type": "work"}, {"type": "home"}]}, id="of elements"),
        pytest.param(["roles.value"], {"roles": None}, id="a plain text"),
        pytest.param(["roles.type"], {"roles": ["admin"]}, id="nothing of a plain text"),
        pytest.param([ENTERPRISE_USER], {ENTERPRISE_USER: None}, id="an extension"),
        pytest.param(
            [f"{ENTERPRISE_USER}:manager.value", f"{ENTERPRISE_USER}:department"],
            {ENTERPRISE_USER: {"manager": {"displayName": "Max"}}},
            id="parts of it",
        ),
    ],
)
def test_all_but_what_is_named_is_shown(names, left):
    named = {name.casefold() for name in names} - {"id", "schemas"}
    expected = {name: value for name, value in ANN.items() if name.casefold() not in named} | left

    shown = projection([], names).of(ANN)

    assert shown == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("attributes", "excluded", "shown"),
    [
        pytest.param([], [], True, id="nothing said"),
        pytest.param([""], [" "], True, id="no name"),
        pytest.param([], ["members"], False, id="excluded"),
        pytest.param([], [f"{CORE_GROUP}:MEMBERS"], False, id="excluded with its URN"),
        pytest.param([], ["members.display"], True, id="excluded in part"),
        pytest.param(["displayName"], [], False, id="not named"),
        pytest.param(["members.value"], [], True, id="named in part"),
        pytest.param(["Members"], [], True, id="named"),
    ],
)
def test_it_is_known_before_whether_members_are_shown(attributes, excluded, shown):
    assert projection(attributes, excluded).shows("members") is shown


def test_both_at_once_contradict_each_other():
    with pytest.raises(InvalidValue, match="exclude each other"):
        projection(["id"], ["members"])


def test_who_asks_for_nothing_gets_the_document_itself():
    assert projection([], [""]) == EVERYTHING
    assert EVERYTHING.of(ANN) is ANN


NAMES = st.sampled_from(["a", "b", "a.x", "b.y", "A.X", OWN, f"{OWN}:a", f"{OWN}:a.x", f"{CORE_USER}:a"])
PARTS = st.fixed_dictionaries({}, optional={"x": st.just(1), "Y": st.just(2)})
LEVEL = st.fixed_dictionaries({}, optional={"A": PARTS | st.lists(PARTS, max_size=2), "b": PARTS})
DOCUMENTS = st.builds(lambda core, own: {"id": "1", **core, OWN: own}, LEVEL, LEVEL)


def leaves(value, path=()):
    """Return every single value of a document, by its path."""
    if isinstance(value, dict):
        return {leaf for name, inner in value.items() for leaf in leaves(inner, (*path, name.casefold()))}
    if isinstance(value, list):
        return {leaf for inner in value for leaf in leaves(inner, path)}
    return {path}


def steps(name):
    """Return the path that one of NAMES stands for."""
    if name == OWN:
        return (OWN.casefold(),)
    urn, _, rest = name.rpartition(":")
    return (*([OWN.casefold()] if urn == OWN else []), *rest.casefold().split("."))


@given(DOCUMENTS, st.lists(NAMES, min_size=1, max_size=4))
def test_a_value_is_shown_when_a_name_leads_to_it_and_left_out_when_that_is_excluded(document, names):
    before = deepcopy(document)
    led = {p for p in leaves(document) if any(p[: len(steps(n))] == steps(n) for n in names)}

    only, without = projection(names, []).of(document), projection([], names).of(document)

    assert leaves(only) == led | {("id",)}
    assert leaves(without) == leaves(document) - led
    assert document == before
