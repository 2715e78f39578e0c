"""What the answers of a JSON service mean, whatever they are."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.address import RestCall, RestErrors
from gateway.flow.target_port import (
    Broken,
    Denied,
    MemberUpdate,
    Missing,
    Nonsense,
    Page,
    Query,
    Refused,
    ResourceType,
    TargetError,
    Throttled,
    Update,
)
from gateway.scim.difference import compare
from gateway.scim.grammar import parse_filter
from gateway.targets.rest.answers import Answers
from gateway.targets.rest.connector import RestConnector
from gateway.targets.rest.requests import Request, as_id, with_parameters
from gateway.targets.transport import Call, HttpReply
from tests.support.rest_service import RestLesser, address_of

USER, GROUP = ResourceType.USER, ResourceType.GROUP
ODD = RestErrors("e.code", "e.text", ("fine", 0), {"exists": ("X", 418), "denied": ("D",)})


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, "", Missing),
        (410, "{}", Missing),
        (404, "<html>", Nonsense),
        (404, "none", Nonsense),
        (400, "bad", Refused),
        (400, "<html>", Nonsense),
        (429, "<html>", Throttled),
        (403, "<html>", Denied),
        (503, "", Broken),
        (408, "", Broken),
        (302, "", Nonsense),
        (101, "", Nonsense),
        (200, "7", Nonsense),
        (200, "nothing", Nonsense),
        (200, '{"e": {"code": "other"}}', Nonsense),
        (200, '{"e": {"code": ["D"]}}', Nonsense),
        (200, '{"e": {"code": "D"}}', Denied),
        (500, '{"e": {"code": "D"}}', Denied),
    ],
)
def test_an_answer_that_is_an_error_is_one_of_its_kind(status, body, error):
    with pytest.raises(error):
        Answers(ODD).document(HttpReply(status, {}, body.encode()), 1000, 0.0)


@pytest.mark.parametrize("code", ["fine", 0, None, "", False])
def test_a_code_that_is_no_error_is_none(code):
    errors = RestErrors("e.code", ok=("fine", 0)) if code is not False else RestErrors("e.code")
    document = {"e": {"code": code}}

    assert Answers(errors).document(HttpReply(200, {}, json.dumps(document).encode()), 1000, 0.0) == document


@pytest.mark.parametrize(
    ("document", "is_error"),
    [
        ({"error": {"code": 7}}, True),
        ({"errors": ["no"], "uid": 7}, True),
        ({"error": True}, True),
        ({"error": None, "errors": []}, False),
        ({"error": False, "errors": 0}, False),
        ({"success": False, "message": "no"}, True),
        ({"ok": False}, True),
        ({"ok": True, "success": 0, "uid": 7}, False),
        ({"data": {"ok": False}}, False),
        ([{"error": "of one"}], False),
    ],
)
def test_an_error_inside_a_200_is_one_though_nobody_said_where_its_code_is(document, is_error):
    reply = HttpReply(200, {}, json.dumps(document).encode())

    if not is_error:
        assert Answers(RestErrors()).document(reply, 1000, 0.0) == document
        return
    with pytest.raises(Nonsense):
        Answers(RestErrors()).document(reply, 1000, 0.0)


def test_false_is_an_error_where_it_is_said_what_is_none():
    reply = HttpReply(200, {}, b'{"success": false}')

    with pytest.raises(Nonsense):
        Answers(RestErrors("success", ok=(True,))).document(reply, 1000, 0.0)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, '{"e": {"text": "too\\nlong"}}', "too long"),
        (400, '{"x": 1}', '{"x":1}'),
        (400, "", "the target answered 400 without a reason"),
        (500, "<h1>out of order</h1>", "out of order"),
        (400, "a" * 500, "a" * 299 + "…"),
    ],
)
def test_the_reason_is_the_services_own_word(status, body, says):
    with pytest.raises(TargetError) as caught:
        Answers(ODD).document(HttpReply(status, {}, body.encode()), 1000, 0.0)

    assert caught.value.reason == says


@pytest.mark.parametrize(
    ("link", "next"),
    [
        ('<https://x.test/p?a=2>; rel="next"', "https://x.test/p?a=2"),
        ("<p?a=2>; rel=next", "p?a=2"),
        ('<p?a=0>; rel="prev", <p?a=2>; title="x"; rel="next"', "p?a=2"),
        ('<p?a=2>; rel="last next"', "p?a=2"),
        ('<p?a=0>; rel="prev"', None),
        ('<p?a=0>; rel="nextish"', None),
        ("", None),
        ("next", None),
    ],
)
def test_the_next_page_is_where_the_header_says(link, next):
    request = Request("list", RestCall("GET /p", items="d", next="link"), "https://x.test")

    listed = Answers(RestErrors()).listed(HttpReply(200, {"link": link}, b'{"d": []}'), request, 0.0)

    assert listed.next == next


@pytest.mark.parametrize("body", ['{"d": {}}', "[]", '{"d": [], "n": "x"}', '{"d": [], "n": -1}', "{}"])
def test_what_is_no_list_is_nonsense(body):
    request = Request("list", RestCall("GET /p", items="d", total="n"), "https://x.test")

    with pytest.raises(Nonsense):
        Answers(RestErrors()).listed(HttpReply(200, {}, body.encode()), request, 0.0)


@pytest.mark.parametrize(
    ("url", "asked", "whole"),
    [
        ("https://x/p", {}, "https://x/p"),
        ("https://x/p", {"a": "1 2"}, "https://x/p?a=1%202"),
        ("https://x/p?b=3", {"a": "&"}, "https://x/p?b=3&a=%26"),
        ("https://x/p?a=1&b=3", {"a": "2"}, "https://x/p?b=3&a=2"),
    ],
)
def test_a_parameter_stands_once_in_an_address(url, asked, whole):
    assert with_parameters(url, asked) == whole


class Whatever:
    """A transport that answers one thing after the other, and the last of them ever after."""

    def __init__(self, bodies: list[Any]) -> None:
        self.bodies = bodies

    async def send(self, call: Call) -> HttpReply:
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        return HttpReply(200, {"link": "<x>; rel=next"}, json.dumps(body).encode())


names = st.sampled_from(
    ["data", "meta", "uid", "login", "total", "next", "names", "mail", "people", "error", "code"]
)
values = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=3)
documents = st.recursive(
    values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)


async def asked_everything(connector: RestConnector) -> None:
    """Make every call of the port; each answers as promised, or raises a TargetError."""
    present = {"id": "7", "userName": "ann", "active": True}
    wanted = {"id": "7", "userName": "ann", "active": False, "title": "x"}
    update = Update(present, wanted, compare(present, wanted), MemberUpdate(({"value": "1"},), ("2",)))
    calls = [
        lambda kind: connector.get(kind, "7", members=True),
        lambda kind: connector.query(kind, Query(count=3, members=True)),
        lambda kind: connector.query(kind, Query(parse_filter('userName eq "ann"'))),
        lambda kind: connector.create(kind, wanted),
        lambda kind: connector.change(kind, "7", update),
        lambda kind: connector.delete(kind, "7"),
    ]
    for kind in (USER, GROUP):
        for call in calls:
            try:
                answered = await call(kind)
            except TargetError:
                continue
            entries = answered.entries if isinstance(answered, Page) else [answered] if answered else []
            assert all(isinstance(entry["id"], str) and entry["id"] for entry in entries)


@pytest.mark.parametrize(
    ("value", "id"), [("a", "a"), (7, "7"), (True, None), ("", None), (None, None), ("a\x00b", None)]
)
def test_an_id_is_a_text_or_a_whole_number(value, id):
    assert as_id(value) == id


WAYS = [("page", False), ("cursor", True), ("link", False)]


@pytest.mark.parametrize(("way", "joins"), WAYS)
def test_whatever_a_service_answers_is_an_entry_or_one_of_the_errors(tmp_path, way: str, joins: bool) -> None:
    spec = address_of(RestLesser(url="https://x.example", way=way, joins=joins), tmp_path).rest
    assert spec is not None
    bodies = st.lists(documents | documents.map(lambda inner: {"data": inner}), min_size=1, max_size=4)

    @settings(max_examples=50)
    @given(bodies)
    def check(bodies: list[Any]) -> None:
        asyncio.run(asked_everything(RestConnector(Whatever(bodies), "https://x.example", spec)))

    check()
