import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scim.names import (
    CORE_GROUP,
    CORE_USER,
    ENTERPRISE_USER,
    RESOURCES,
    get,
    is_multi_valued,
    is_standard,
    is_urn,
    key_of,
    resource,
)


@pytest.mark.parametrize(
    ("document", "name", "key"),
    [
        pytest.param({"username": 1, "userName": 2}, "userName", "userName", id="exact first"),
        pytest.param({"USERNAME": 1}, "userName", "USERNAME", id="any case"),
        pytest.param({"user": 1}, "userName", None, id="absent"),
        pytest.param({}, "userName", None, id="empty document"),
    ],
)
def test_a_name_is_found_in_the_spelling_the_document_has(document, name, key):
    assert key_of(document, name) == key
    assert get(document, name) == (None if key is None else document[key])


@pytest.mark.parametrize(
    ("kind", "path", "flags"),
    [
        pytest.param("User", ["userName"], (False, False, False, False), id="userName"),
        pytest.param("User", ["EMAILS"], (True, False, False, False), id="any case"),
        pytest.param("User", ["externalId"], (False, True, False, False), id="externalId"),
        pytest.param("User", ["id"], (False, True, True, False), id="id"),
        pytest.param("User", ["active"], (False, False, False, True), id="active"),
        pytest.param("User", ["emails", "primary"], (False, False, False, True), id="primary"),
        pytest.param("User", ["groups"], (True, False, True, False), id="groups"),
        pytest.param("User", ["meta", "version"], (False, True, False, False), id="version"),
        pytest.param("Group", ["members", "value"], (False, True, False, False), id="members.value"),
        pytest.param(
            "User", [ENTERPRISE_USER, "manager", "displayName"], (False, False, True, False), id="manager"
        ),
    ],
)
def test_the_table_says_what_the_standard_says_of_an_attribute(kind, path, flags):
    known = resource(kind)
    for name in path:
        known = known.find(name)

    assert (known.multi_valued, known.case_exact, known.read_only, known.boolean) == flags


def test_a_resource_type_of_somebody_else_has_no_standard_attributes():
    assert resource("Device").find("userName") is None


def test_every_attribute_stands_under_its_own_folded_name():
    pending = list(RESOURCES.values())
    while pending:
        attribute = pending.pop()
        assert all(name == sub.name.casefold() for name, sub in attribute.sub.items())
        pending.extend(attribute.sub.values())


@pytest.mark.parametrize(
    ("name", "many"),
    [("phoneNumbers", True), ("MEMBERS", True), ("name", False), ("accounts", False)],
)
def test_a_multi_valued_attribute_is_known_by_its_name(name, many):
    assert is_multi_valued(name) is many


@pytest.mark.parametrize(
    ("urn", "attribute", "sub", "standard"),
    [
        pytest.param(None, "USERNAME", None, True, id="core"),
        pytest.param(CORE_USER, "name", "givenName", True, id="core by URN"),
        pytest.param(CORE_GROUP.upper(), "members", "value", True, id="URN in any case"),
        pytest.param(None, "name", "shoe", False, id="unknown sub-attribute"),
        pytest.param(None, "accounts", None, False, id="unknown attribute"),
        pytest.param(ENTERPRISE_USER, "manager", "value", True, id="extension"),
        pytest.param(ENTERPRISE_USER, "userName", None, False, id="core name in an extension"),
        pytest.param("urn:x:y", "department", None, False, id="unknown extension"),
        pytest.param("userName", "department", None, False, id="no URN at all"),
    ],
)
def test_what_the_standard_has_is_told_from_what_it_has_not(urn, attribute, sub, standard):
    assert is_standard(urn, attribute, sub) is standard


@pytest.mark.parametrize(
    ("name", "urn"),
    [
        (CORE_USER, True),
        ("URN:x:y", True),
        ("urn:x", False),
        ("urn:", False),
        ("urn:x:y:", False),
        ("userName", False),
        ("", False),
    ],
)
def test_an_extension_is_recognized_by_its_urn(name, urn):
    assert is_urn(name) is urn


NAMES = st.sampled_from(["userName", "USERNAME", "members", "Members", "x", "X", "ß", "ss", ""]) | st.text()


@given(st.dictionaries(NAMES, st.integers(), max_size=8), NAMES)
def test_a_name_is_found_in_any_case_and_exact_before_any_other(document, name):
    alike = [key for key in document if key.casefold() == name.casefold()]

    assert key_of(document, name) == (name if name in document else next(iter(alike), None))


def test_no_two_names_of_the_standard_differ_by_their_case_alone():
    spelled = {sub.name for kind in RESOURCES.values() for sub in spelled_in(kind)}

    assert len({name.casefold() for name in spelled}) == len(spelled)


def spelled_in(known):
    for sub in known.sub.values():
        yield sub
        yield from spelled_in(sub)
