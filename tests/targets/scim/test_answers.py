"""What a SCIM service's answers mean."""

import json
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.target_port import (
    Broken,
    CannotFilter,
    Conflict,
    Denied,
    Missing,
    Nonsense,
    Refused,
    TargetError,
    Throttled,
)
from gateway.targets.scim.abilities import NO_MATCH, TEXT_TOTALS, Abilities, Patch
from gateway.targets.scim.answers import (
    MAX_DEPTH,
    MAX_NAMES,
    ListAnswer,
    read_changed,
    read_entry,
    read_found,
    read_list,
    read_promises,
)
from gateway.targets.transport import FAR, HttpReply, readable, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
ERROR = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
    "status": "400",
    "detail": "no such office",
}
ANN = {"id": "1", "userName": "ann"}
LIST = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]}
HTML = b"<!DOCTYPE html><html><body>Sorry</body></html>"


def said(status: int, body: object = None, **headers: str) -> HttpReply:
    text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_is_the_entry_in_its_body(status):
    assert read_entry(said(status, ANN), NOW) == ANN


@pytest.mark.parametrize("reply", [said(204), said(200), said(201, b" \r\n")], ids=["204", "200", "blank"])
def test_a_success_without_body_is_none(reply):
    assert read_entry(reply, NOW) is None
    assert read_changed(reply, "1", NOW) is None


def test_a_changed_entry_has_the_id_it_was_asked_by():
    assert read_changed(said(200, {"userName": "ann"}), "1", NOW) == ANN
    assert read_found(said(200, {"userName": "ann"}), "1", NOW) == ANN


@pytest.mark.parametrize("read", [read_found, read_changed])
def test_an_id_may_be_written_as_a_number(read):
    assert read(said(200, ANN | {"id": 1}), "1", NOW) == ANN


@pytest.mark.parametrize("read", [read_found, read_changed])
@pytest.mark.parametrize("id", ["2", "1 ", "A", 2, [1]])
def test_anothers_entry_is_never_shown_for_the_one_that_was_asked_for(read, id):
    with pytest.raises(Nonsense, match="another entry"):
        read(said(200, ANN | {"id": id}), "1", NOW)


def nested(depth: int) -> bytes:
    """Return an entry of so many objects and lists, each in the one before."""
    return b'{"id":"1","a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def wide(count: int) -> dict[str, int]:
    """Return so many attributes."""
    return {f"a{n}": n for n in range(count)}


def test_an_entry_is_read_as_wide_as_it_may_be():
    document = ANN | wide(MAX_NAMES - len(ANN))

    assert read_entry(said(200, document), NOW) == document


@pytest.mark.parametrize("beside", [b"", b" " + b'"[{",' * 50], ids=["alone", "brackets in texts"])
def test_an_entry_is_read_as_deep_as_it_may_be(beside: bytes):
    body = nested(MAX_DEPTH).replace(b"[[", b"[" + beside + b"[", 1)

    assert read_entry(said(200, body), NOW) is not None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HTML, id="HTML"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"id": "\xff"}', id="no UTF-8"),
        pytest.param(nested(MAX_DEPTH + 1), id="one too deep"),
        pytest.param(nested(MAX_DEPTH * 100), id="3,200 deep"),
        pytest.param(b"[" * 100_000, id="100,000 deep"),
        pytest.param(ANN | wide(MAX_NAMES), id="too many attributes"),
        pytest.param(ANN | {"urn:x": wide(MAX_NAMES + 1)}, id="too many attributes in an extension"),
        pytest.param({"userName": "ann"}, id="no id"),
        pytest.param({"id": "a\x00b"}, id="a NUL in the id"),
        pytest.param({"id": ""}, id="an empty id"),
        pytest.param({"id": 1}, id="a number as id"),
        pytest.param({**ERROR, "id": "1"}, id="an error that calls itself success"),
    ],
)
def test_a_success_that_is_no_entry_is_nonsense(body):
    with pytest.raises(Nonsense):
        read_entry(said(200, body), NOW)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(said(400, ERROR), Refused, id="400"),
        pytest.param(said(413, {"message": "no SCIM"}), Refused, id="413"),
        pytest.param(said(405), Refused, id="405 without a body"),
        pytest.param(said(400, HTML), Nonsense, id="400 in HTML"),
        pytest.param(said(401, HTML), Denied, id="401"),
        pytest.param(said(403, ERROR), Denied, id="403"),
        pytest.param(said(404, {"message": "no route"}), Nonsense, id="404 of somebody else"),
        pytest.param(said(404, {"schemas": "Error", "detail": "x"}), Nonsense, id="404 with another schema"),
        pytest.param(said(404), Nonsense, id="404 without a body"),
        pytest.param(said(404, HTML), Nonsense, id="404 in HTML"),
        pytest.param(said(408), Broken, id="408"),
        pytest.param(said(409, ERROR), Conflict, id="409"),
        pytest.param(said(429), Throttled, id="429"),
        pytest.param(said(500, HTML), Broken, id="500"),
        pytest.param(said(503, ERROR), Broken, id="503"),
        pytest.param(said(302, HTML, location="/login"), Nonsense, id="a redirect"),
        pytest.param(said(304), Nonsense, id="304"),
        pytest.param(said(999), Nonsense, id="999"),
    ],
)
@pytest.mark.parametrize(
    "read", [read_entry, lambda reply, now: read_changed(reply, "1", now)], ids=["entry", "changed"]
)
def test_a_status_says_what_went_wrong(reply, error, read):
    with pytest.raises(error) as raised:
        read(reply, NOW)

    assert type(raised.value) is error
    assert raised.value.status == reply.status


@pytest.mark.parametrize(
    "schemas", [ERROR["schemas"], [urn.upper() for urn in ERROR["schemas"]], ERROR["schemas"][0]]
)
def test_a_404_in_scim_says_that_the_entry_is_missing(schemas):
    with pytest.raises(Missing):
        read_changed(said(404, ERROR | {"schemas": schemas}), "1", NOW)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(read_entry, id="a create"),
        pytest.param(lambda reply, now: read_list(reply, False, now), id="a list"),
    ],
)
def test_a_404_where_no_entry_was_asked_for_is_nonsense(read):
    with pytest.raises(Nonsense):
        read(said(404, ERROR), NOW)


def test_a_read_of_what_is_not_there_is_none():
    assert read_found(said(404, ERROR), "1", NOW) is None


@pytest.mark.parametrize(
    "reply", [said(404, HTML), said(204), said(200)], ids=["404 in HTML", "204", "no body"]
)
def test_a_read_must_be_answered(reply):
    with pytest.raises(Nonsense):
        read_found(reply, "1", NOW)


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        pytest.param("no such office", "no such office", id="as it is"),
        pytest.param("a\r\n\x1b[31mb\x00\u202ec", "a [31mb c", id="control characters"),
        pytest.param("é" * 400, "é" * 299 + "…", id="too long"),
        pytest.param(" \n", "the target answered 400 without a reason", id="blank"),
        pytest.param(["x"], "the target answered 400 without a reason", id="no text"),
    ],
)
def test_the_reason_is_the_targets_own_on_one_line(detail, reason):
    with pytest.raises(Refused) as raised:
        read_entry(said(400, {**ERROR, "detail": detail}), NOW)

    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"\n  database is locked\nat line 7", "database is locked", id="a text"),
        pytest.param(b"<html><head><title>Bad Gateway</title></head>", "Bad Gateway", id="a page"),
        pytest.param(b"<style>p {}</style>\n<p>Sorry</p>", "Sorry", id="a page with style"),
        pytest.param({"message": "no\nmore"}, '{"message":"no\\nmore"}', id="JSON of its own"),
        pytest.param(b"<script>" + b"x" * 5000, "the target answered 500 without a reason", id="a script"),
        pytest.param(b"\xff", "\ufffd", id="no UTF-8"),
        pytest.param(None, "the target answered 500 without a reason", id="nothing"),
        pytest.param(ERROR, "no such office", id="a SCIM Error"),
    ],
)
def test_what_is_no_scim_is_told_by_its_first_line(body, reason):
    with pytest.raises(Broken) as raised:
        read_entry(said(500, body), NOW)

    assert raised.value.reason == reason


def test_a_page_that_calls_itself_success_is_told_by_its_first_line():
    with pytest.raises(Nonsense, match=r"not a JSON object: Sorry$"):
        read_entry(said(200, HTML), NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("120", 120.0, id="seconds"),
        pytest.param(" 0 ", 0.0, id="none"),
        pytest.param("Tue, 14 Nov 2023 22:14:20 GMT", 60.0, id="a date"),
        pytest.param("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0, id="a date of RFC 850"),
        pytest.param("Tue Nov 14 22:14:20 2023", 60.0, id="a date of asctime"),
        pytest.param("Tue, 14 Nov 2023 22:14:20 -0000", 60.0, id="a date without a zone"),
        pytest.param("Tue, 14 Nov 2023 23:14:20 +0100", 60.0, id="a date in another zone"),
        pytest.param("Mon, 13 Nov 2023 22:14:20 GMT", 0.0, id="a date that is over"),
        pytest.param("soon", None, id="a word"),
        pytest.param("-5", None, id="a negative number"),
        pytest.param("1e9", None, id="an exponent"),
        pytest.param("999999999", 999_999_999.0, id="thirty years"),
        pytest.param("9" * 10, FAR, id="ten digits"),
        pytest.param("9" * 400, FAR, id="400 digits"),
        pytest.param("0" * 400 + "7", 7.0, id="zeros"),
        pytest.param("Mon, 01 Jan 99999 00:00:00 GMT", FAR, id="a year of five digits"),
        pytest.param("Monday, 01-Jan-99999 00:00:00 GMT", FAR, id="such a year of RFC 850"),
        pytest.param("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", FAR, id="a year far away"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 -0100", FAR, id="the end of all years"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_target_says_in_many_forms_when_to_come_again(text, seconds):
    reply = said(429, retry_after=text)

    assert retry_after(reply, NOW) == seconds
    with pytest.raises(Throttled) as raised:
        read_entry(reply, NOW)
    assert raised.value.retry_after == seconds


def test_a_broken_target_may_say_when_to_come_again():
    with pytest.raises(Broken) as raised:
        read_entry(said(503, retry_after="7"), NOW)

    assert raised.value.retry_after == 7.0


@given(st.text())
def test_any_text_may_stand_where_the_seconds_are(text):
    seconds = retry_after(said(429, retry_after=text), NOW)

    assert seconds is None or 0 <= seconds <= FAR


@pytest.mark.parametrize(
    ("body", "page"),
    [
        pytest.param({**LIST, "totalResults": 1, "Resources": [ANN]}, ListAnswer(1, (ANN,)), id="one"),
        pytest.param({**LIST, "totalResults": 0}, ListAnswer(0, ()), id="no Resources"),
        pytest.param({**LIST, "totalResults": 0, "Resources": None}, ListAnswer(0, ()), id="null Resources"),
        pytest.param({**LIST, "Resources": [ANN]}, ListAnswer(None, (ANN,)), id="no totalResults"),
        pytest.param({"totalresults": 1, "resources": [ANN]}, ListAnswer(1, (ANN,)), id="lower case"),
    ],
)
def test_a_list_is_a_page(body, page):
    assert read_list(said(200, body), False, NOW) == page


def test_a_filter_that_is_answered_404_in_scim_matches_nobody():
    assert read_list(said(404, ERROR), True, NOW) == ListAnswer(0, (), (NO_MATCH,))


def test_a_filter_that_is_answered_404_in_html_is_nonsense():
    with pytest.raises(Nonsense):
        read_list(said(404, HTML), True, NOW)


@pytest.mark.parametrize(("text", "total"), [("12", 12), ("0", 0), ("007", 7)])
def test_a_total_in_a_text_is_read_as_a_number(text, total):
    found = read_list(said(200, {"totalResults": text, "Resources": []}), False, NOW)

    assert found == ListAnswer(total, (), (TEXT_TOTALS,))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="no body"),
        pytest.param({"totalResults": "-1", "Resources": []}, id="less than nothing in a text"),
        pytest.param({"totalResults": "", "Resources": []}, id="an empty text"),
        pytest.param(ANN, id="no list"),
        pytest.param({"totalResults": "one", "Resources": []}, id="a total in words"),
        pytest.param({"totalResults": True, "Resources": []}, id="a total that is a truth value"),
        pytest.param({"totalResults": -1, "Resources": []}, id="less than nothing"),
        pytest.param({"totalResults": 1.0, "Resources": []}, id="a fraction"),
        pytest.param({"totalResults": 1, "Resources": ANN}, id="one entry for a list"),
        pytest.param({"totalResults": 1, "Resources": ["1"]}, id="an entry that is none"),
        pytest.param({"totalResults": 1, "Resources": [{"userName": "ann"}]}, id="an entry without id"),
    ],
)
def test_a_list_that_is_none_is_nonsense(body):
    with pytest.raises(Nonsense):
        read_list(said(200, body), False, NOW)


@pytest.mark.parametrize(
    ("status", "scim_type", "is_filtered", "error"),
    [
        pytest.param(400, "invalidFilter", True, CannotFilter, id="it says so"),
        pytest.param(400, None, True, CannotFilter, id="only a filter can be at fault"),
        pytest.param(400, "tooMany", True, CannotFilter, id="too many"),
        pytest.param(403, "sensitive", True, CannotFilter, id="a filter it may not take"),
        pytest.param(501, None, True, CannotFilter, id="not implemented"),
        pytest.param(403, None, True, Denied, id="credentials"),
        pytest.param(400, "invalidFilter", False, Refused, id="no filter was sent"),
        pytest.param(501, None, False, Broken, id="not implemented at all"),
        pytest.param(404, None, False, Nonsense, id="no such collection"),
    ],
)
def test_a_filter_beyond_the_target_is_told_from_other_refusals(status, scim_type, is_filtered, error):
    with pytest.raises(error) as raised:
        read_list(said(status, {**ERROR, "scimType": scim_type}), is_filtered, NOW)

    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("body", "patch", "filter"),
    [
        pytest.param({"patch": {"supported": True}}, Patch.WHOLE, None, id="PATCH"),
        pytest.param({"Patch": {"Supported": True}}, Patch.WHOLE, None, id="in another case"),
        pytest.param({"patch": {"supported": False}}, Patch.NONE, None, id="no PATCH"),
        pytest.param({"patch": {"supported": "true"}}, Patch.NONE, None, id="PATCH in text"),
        pytest.param({"patch": True}, Patch.NONE, None, id="PATCH in another form"),
        pytest.param({"filter": {"supported": True}}, Patch.NONE, None, id="filters"),
        pytest.param({"filter": {"supported": False}}, Patch.NONE, False, id="no filters"),
        pytest.param({"filter": {"supported": "false"}}, Patch.NONE, None, id="filters in text"),
        pytest.param({}, Patch.NONE, None, id="unsaid"),
        pytest.param(None, Patch.NONE, None, id="no body"),
    ],
)
def test_patch_is_used_where_it_is_promised_and_filters_where_they_are_not_denied(body, patch, filter):
    assert read_promises(said(200, body), NOW) == Abilities(patch, filter)


READERS = [
    pytest.param(read_entry, id="entry"),
    pytest.param(lambda reply, now: read_found(reply, "1", now), id="found"),
    pytest.param(lambda reply, now: read_changed(reply, "1", now), id="changed"),
    pytest.param(lambda reply, now: read_list(reply, True, now), id="page"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
BODIES = st.binary() | JSON.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("read", READERS)
@given(status=st.integers(100, 999), body=BODIES, after=st.text(max_size=20))
def test_any_answer_is_a_value_or_a_target_error(read, status, body, after):
    with suppress(TargetError):
        value = read(HttpReply(status, {"retry-after": after}, body), NOW)
        assert status // 100 == 2
        assert value is None or isinstance(value, dict | ListAnswer)


@given(st.text())
def test_a_readable_text_stays_as_it_is(text):
    line = readable(text)

    assert readable(line) == line
    assert len(line) <= 300
    assert not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in line)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Mon, 99999999999999999999 Jan 2024 00:00:00 GMT", id="a day"),
        pytest.param("Mon, 01 Jan 2024 00:00:99999999999999999999 GMT", id="a second"),
        pytest.param("Mon, 01 Jan 2024 00:00:00 +9999", id="a zone"),
    ],
)
def test_a_date_that_is_none_says_nothing(text):
    assert retry_after(said(503, retry_after=text), NOW) is None
