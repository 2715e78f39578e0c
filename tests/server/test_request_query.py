"""What a read asks for is read from a URL and from a search request alike."""

import string
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidFilter, InvalidPath, InvalidValue
from gateway.flow.model import ReadQuery, Target
from gateway.scim.dialects import DIALECTS
from gateway.scim.grammar import AttrPath, Sort, parse_filter
from gateway.server.request import parse_projection, parse_query, parse_read_query, parse_search
from tests.support.house import make_house


def target(*, sorts: bool = False, page_size: int = 100) -> Target:
    house = make_house(page_size=page_size)
    return Target("phonebook", house.fake, house.target.mapping, house.target.policy, sorts=sorts)


def question(query: dict[str, str], **of_target: Any) -> ReadQuery:
    return parse_read_query(query, DIALECTS["rfc"], target(**of_target), members=True)


LITERAL = 'userName eq "a+b c@x.com"'


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("filter=" + quote(LITERAL), id="percent"),
        pytest.param("filter=" + quote(LITERAL, safe="+"), id="percent, and a plus sign as it is"),
        pytest.param(urlencode({"filter": LITERAL}), id="as forms have it"),
        pytest.param("x=1&filter=" + quote(LITERAL) + "&filter=again", id="the first of two"),
    ],
)
def test_a_literal_is_what_the_provider_meant(raw: str) -> None:
    assert parse_query(raw)["filter"] == LITERAL


@given(st.dictionaries(st.text(string.ascii_letters, min_size=1), st.text(), max_size=3))
def test_what_is_encoded_is_read_back(query: dict[str, str]) -> None:
    spelled = {name: value.encode(errors="replace").decode() for name, value in query.items()}

    assert {**parse_query(urlencode(spelled)), "": ""} == {**spelled, "": ""}
    assert {**parse_query(urlencode(spelled, quote_via=quote)), "": ""} == {**spelled, "": ""}


@pytest.mark.parametrize(
    ("query", "start", "count"),
    [
        pytest.param({}, 1, 100, id="nothing"),
        pytest.param({"startIndex": "", "count": ""}, 1, 100, id="empty"),
        pytest.param({"startIndex": "11", "count": "10"}, 11, 10, id="a page"),
        pytest.param({"startIndex": "0", "count": "0"}, 1, 0, id="none of them"),
        pytest.param({"startIndex": "-5", "count": "-5"}, 1, 0, id="negative"),
        pytest.param({"count": "999999999"}, 1, 100, id="more than a page holds"),
        pytest.param({"startIndex": "+2"}, 2, 100, id="with a sign"),
    ],
)
def test_a_page_is_one_based_and_bounded(query: dict[str, str], start: int, count: int) -> None:
    found = question(query)

    assert (found.start, found.count) == (start, count)


def test_no_page_is_larger_than_ours_may_be() -> None:
    assert question({}, page_size=5000).count == 1000


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param({"startIndex": "one"}, InvalidValue, id="no number"),
        pytest.param({"count": "1.5"}, InvalidValue, id="no whole number"),
        pytest.param({"count": "9" * 10}, InvalidValue, id="too large"),
        pytest.param({"count": "²"}, InvalidValue, id="no digit"),
        pytest.param({"filter": ""}, InvalidFilter, id="an empty filter"),
        pytest.param({"filter": "userName"}, InvalidFilter, id="half a filter"),
        pytest.param({"sortBy": "a b"}, InvalidPath, id="no attribute"),
        pytest.param({"sortBy": "a", "sortOrder": "down"}, InvalidValue, id="no order"),
    ],
)
def test_what_cannot_be_asked_is_refused(query: dict[str, str], error: type[GatewayError]) -> None:
    with pytest.raises(error):
        question(query, sorts=True)


def test_an_order_is_read_only_for_a_target_that_sorts() -> None:
    asked = {"sortBy": "userName", "sortOrder": "descending"}

    assert question(asked, sorts=True).sort == Sort(AttrPath("userName"), descending=True)
    assert question({"sortOrder": "descending"}, sorts=True).sort is None
    assert question({"sortBy": "a b", "sortOrder": "down"}).sort is None


def test_a_search_request_asks_what_a_url_asks() -> None:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "FILTER": LITERAL,
        "startIndex": 2,
        "count": "3",
        "sortBy": "userName",
        "excludedAttributes": ["members", "name"],
        "attributes": None,
    }

    query = parse_search(body)

    found = question(query, sorts=True)
    assert found == ReadQuery(parse_filter(LITERAL), 2, 3, True, Sort(AttrPath("userName")))
    assert not parse_projection(query).shows("name")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param({"filter": 1}, "filter must be text", id="filter"),
        pytest.param({"count": True}, "count must be a whole number", id="count"),
        pytest.param({"startIndex": 1.5}, "startIndex must be a whole number", id="startIndex"),
        pytest.param({"attributes": [1]}, "attributes must be a list of texts", id="attributes"),
        pytest.param({"excludedAttributes": {}}, "must be a list of texts", id="excludedAttributes"),
    ],
)
def test_a_search_request_of_other_types_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        parse_search(body)


@given(st.text() | st.text('filter=count&startIndex%20+"eqa0 ', max_size=40))
def test_any_url_gives_a_question_or_a_refusal(raw: str) -> None:
    with suppress(GatewayError):
        question(parse_query(raw), sorts=True)
