import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidPath, InvalidValue
from gateway.scim.filters import parse_sort, rank, sort_value
from gateway.scim.grammar import AttrPath, Sort
from gateway.scim.names import ENTERPRISE_USER


@pytest.mark.parametrize(
    ("by", "order", "sort"),
    [
        ("userName", "", Sort(AttrPath("userName"))),
        ("name.familyName", "Ascending", Sort(AttrPath("name", "familyName"))),
        (
            f"{ENTERPRISE_USER}:department",
            "descending",
            Sort(AttrPath("department", None, ENTERPRISE_USER), True),
        ),
    ],
)
def test_an_order_is_read(by, order, sort):
    assert parse_sort(by, order) == sort


@pytest.mark.parametrize(
    ("by", "order", "error"),
    [
        pytest.param("user name", "", InvalidPath, id="no path"),
        pytest.param('emails[type eq "work"]', "", InvalidPath, id="a filter"),
        pytest.param("userName", "down", InvalidValue, id="no order"),
    ],
)
def test_an_order_that_is_none_is_refused(by, order, error):
    with pytest.raises(error):
        parse_sort(by, order)


@pytest.mark.parametrize(
    ("path", "document", "value"),
    [
        pytest.param(AttrPath("USERNAME"), {"userName": "Ann"}, "ann", id="in any case"),
        pytest.param(AttrPath("externalId"), {"externalId": "Ann"}, "Ann", id="in its own case"),
        pytest.param(AttrPath("name", "familyName"), {"name": {"familyName": "Émil"}}, "émil", id="sub"),
        pytest.param(AttrPath("level"), {"level": 3}, 3.0, id="a number"),
        pytest.param(AttrPath("active"), {"active": False}, 0.0, id="a boolean"),
        pytest.param(AttrPath("emails"), {"emails": [{"value": "B"}, {"value": "A"}]}, "b", id="the first"),
        pytest.param(
            AttrPath("emails"),
            {"emails": [{"value": "B"}, {"value": "A", "primary": True}]},
            "a",
            id="the primary",
        ),
        pytest.param(
            AttrPath("emails", "type"), {"emails": [{"type": "b"}, {"type": "a"}]}, "b", id="sub of the first"
        ),
        pytest.param(
            AttrPath("department", None, ENTERPRISE_USER),
            {ENTERPRISE_USER: {"department": "X"}},
            "x",
            id="of an extension",
        ),
        pytest.param(AttrPath("userName"), {}, None, id="absent"),
        pytest.param(AttrPath("title"), {"title": ""}, None, id="empty"),
        pytest.param(AttrPath("emails"), {"emails": []}, None, id="an empty list"),
        pytest.param(AttrPath("emails"), {"emails": [{"type": "work"}]}, None, id="without a value"),
        pytest.param(AttrPath("name"), {"name": {"familyName": "Lee"}}, None, id="an object"),
    ],
)
def test_a_document_is_ordered_by_one_value(path, document, value):
    assert sort_value(path, "User")(document) == value


def test_numbers_come_before_texts_and_who_has_no_value_is_last_or_first():
    documents = [{"x": "b"}, {}, {"x": 2}, {"x": "A"}, {"x": 10}]
    up, down = Sort(AttrPath("x")), Sort(AttrPath("x"), descending=True)

    assert sorted(documents, key=rank(up, "User")) == [{"x": 2}, {"x": 10}, {"x": "A"}, {"x": "b"}, {}]
    assert sorted(documents, key=rank(down, "User"), reverse=True)[0] == {}


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["value", "primary"]), inner),
    max_leaves=4,
)


@given(st.lists(ANYTHING, max_size=6), st.sampled_from(["x", "x.value"]))
def test_any_values_can_be_put_in_order(values, path):
    sort = parse_sort(path, "")

    assert len(sorted(({"x": value} for value in values), key=rank(sort, "User"))) == len(values)
