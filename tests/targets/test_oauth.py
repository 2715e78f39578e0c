"""Client credentials: what is asked for a token, and what each answer means."""

import json
import unicodedata
from contextlib import suppress

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.address import OAuth2, Secret
from gateway.flow.target_port import Denied, TargetError, Throttled, Unreachable
from gateway.targets.oauth import DEFAULT_LIFE, LONGEST_LIFE, Client, read_token, token_call
from gateway.targets.transport import HttpReply

URL = "https://login.test/token?tenant=a"
CLIENT = "check client_id and client_secret"


def reply(status: int = 200, **document: object) -> HttpReply:
    return HttpReply(status, {}, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("scope", "form"),
    [
        pytest.param("", b"grant_type=client_credentials", id="no scope"),
        pytest.param("a b/.c", b"grant_type=client_credentials&scope=a+b%2F.c", id="scope"),
    ],
)
def test_a_token_is_asked_for_with_a_form(scope, form):
    call = token_call(OAuth2(URL, "me", Secret("s3cret"), scope))

    assert (call.method, call.url, call.body) == ("POST", URL, form)
    assert (call.accepts, call.sends) == ("application/json", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("scope", "form"),
    [
        pytest.param("", b"grant_type=account_credentials&account_id=a%2F1", id="no scope"),
        pytest.param("scim2", b"grant_type=account_credentials&account_id=a%2F1&scope=scim2", id="scope"),
    ],
)
def test_the_token_of_an_account_is_asked_for_by_the_grant_for_accounts(scope, form):
    call = token_call(OAuth2(URL, "me", Secret("s3cret"), scope, account_id="a/1"))

    assert (call.method, call.url, call.body) == ("POST", URL, form)


@pytest.mark.parametrize(
    ("id", "secret", "value"),
    [
        pytest.param(
            "s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3", id="plain"
        ),
        pytest.param("a:b", "c d%ä", "YSUzQWI6YytkJTI1JUMzJUE0", id="form-encoded before Basic"),
    ],
)
def test_a_client_shows_who_it_is_as_the_standard_says(id, secret, value):
    assert Client(id, secret).header() == ("Authorization", f"Basic {value}")


def test_a_clients_secret_is_never_shown_however_it_is_written():
    assert "c d%" not in repr(Client("me", "c d%")) + repr(OAuth2(URL, "me", Secret("c d%")))
    assert Client("me", "c d%").secrets() == ("bWU6YytkJTI1", "c d%", "c+d%25")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param({"expires_in": 3600}, 3570, id="half a minute before an hour is over"),
        pytest.param({"expires_in": 60}, 54, id="a tenth before a minute is over"),
        pytest.param({"expires_in": "3599"}, 3569, id="in quotes"),
        pytest.param({"expires_in": 0}, 0, id="never again"),
        pytest.param({"expires_in": 10**15}, LONGEST_LIFE - 30, id="a day at most"),
        pytest.param({}, DEFAULT_LIFE - 30, id="unsaid"),
        pytest.param({"expires_in": None}, DEFAULT_LIFE - 30, id="null"),
        pytest.param({"expires_in": "soon"}, DEFAULT_LIFE - 30, id="no number"),
        pytest.param({"expires_in": -1}, DEFAULT_LIFE - 30, id="negative"),
        pytest.param({"expires_in": "nan"}, DEFAULT_LIFE - 30, id="nan"),
        pytest.param({"expires_in": [1]}, DEFAULT_LIFE - 30, id="a list"),
    ],
)
def test_a_token_is_used_until_shortly_before_its_end(said, seconds):
    token = read_token(reply(access_token="t", token_type="Bearer", **said), 0.0)

    assert (token.value, token.seconds) == ("t", seconds)


def test_a_token_counts_whatever_error_stands_beside_it():
    assert read_token(reply(access_token="t", error=""), 0.0).value == "t"


@pytest.mark.parametrize("kind", [{}, {"token_type": "bearer"}, {"token_type": "BEARER"}], ids=str)
def test_a_token_without_a_type_is_a_bearer_token(kind):
    assert read_token(reply(access_token="t", **kind), 0.0).value == "t"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(
            reply(401, error="invalid_client", error_description="Who?"),
            f"answered 401 invalid_client (Who?); {CLIENT}",
            id="unknown client",
        ),
        pytest.param(
            reply(400, error="invalid_scope"), "answered 400 invalid_scope; check scope", id="scope"
        ),
        pytest.param(reply(400, error="unauthorized_client"), "may use the client credentials", id="grant"),
        pytest.param(reply(400, error="unsupported_grant_type"), "grant is turned on", id="no such grant"),
        pytest.param(reply(400, error="odd"), "answered 400 odd; check token_url", id="an error of its own"),
        pytest.param(reply(400, error={"code": 7}), "answered 400; check token_url", id="of another form"),
        pytest.param(HttpReply(403, {}, b"<html>"), f"answered 403; {CLIENT}", id="a page"),
        pytest.param(HttpReply(404, {}, b""), "answered 404; check token_url", id="a wrong address"),
        pytest.param(
            HttpReply(302, {"location": "/in"}), "302, a redirect, and none is followed", id="redirect"
        ),
        pytest.param(reply(error="invalid_scope"), "200 invalid_scope; check scope", id="refused with 200"),
        pytest.param(HttpReply(200, {}, b"<html>"), "answered 200 without a token", id="a page for a token"),
        pytest.param(reply(id_token="x"), "without a token; check token_url", id="no token"),
        pytest.param(reply(access_token="a\nb"), "without a token", id="no header takes it"),
        pytest.param(reply(access_token=7), "without a token", id="a number"),
        pytest.param(HttpReply(200, {}, b"[]"), "without a token", id="a list"),
        pytest.param(reply(access_token="t", token_type="mac"), "not of type Bearer", id="type"),
        pytest.param(reply(access_token="t", token_type=None), "not of type Bearer", id="null type"),
    ],
)
def test_an_answer_without_a_usable_token_says_what_to_look_at(answer, says):
    with pytest.raises(Denied) as raised:
        read_token(answer, 0.0)

    assert says in raised.value.reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, Unreachable), (502, Unreachable), (408, Unreachable), (425, Unreachable), (429, Throttled)],
    ids=str,
)
def test_a_token_endpoint_that_cannot_now_may_be_asked_again_as_nothing_was_sent(status, kind):
    with pytest.raises(TargetError, match=f"the token endpoint answered {status} slow_down") as raised:
        read_token(reply(status, error="slow_down"), 0.0)

    assert type(raised.value) is kind
    assert not raised.value.maybe_applied


def test_a_token_endpoint_says_when_to_come_again():
    with pytest.raises(Throttled) as raised:
        read_token(HttpReply(429, {"retry-after": "7"}), 0.0)

    assert (raised.value.status, raised.value.retry_after) == (None, 7.0)  # the target said nothing


def test_a_foreign_text_is_made_readable():
    with pytest.raises(Denied) as raised:
        read_token(reply(400, error="a\nb", error_description="c\x1b d" + "!" * 10_000), 0.0)

    told = "c d" + "!" * 296 + "…"
    assert raised.value.reason == f"the token endpoint answered 400 a b ({told}); check token_url"


ANYTHING = (
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.lists(st.text(max_size=2))
)
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
FIELDS = ["access_token", "token_type", "expires_in", "error", "error_description"]
ANSWERS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING).map(json.dumps).map(str.encode)
BESIDE = st.dictionaries(st.sampled_from(["scope", "expires_in", "error", "error_description"]), ANYTHING)


@settings(max_examples=50)
@given(value=VISIBLE, beside=BESIDE, status=st.integers(200, 299))
def test_a_token_is_read_whatever_stands_beside_it(value, beside, status):
    body = orjson.dumps(beside | {"access_token": value})

    token = read_token(HttpReply(status, {}, body), 0.0)

    assert token.value == value
    assert 0 <= token.seconds <= LONGEST_LIFE


@settings(max_examples=50)
@given(status=st.integers(300, 599) | st.just(200), body=st.binary() | ANSWERS)
def test_what_is_no_token_is_told_of_on_one_line(status, body):
    assume(status != 200 or not isinstance(known_token(body), str))

    with pytest.raises(TargetError) as raised:
        read_token(HttpReply(status, {}, body), 0.0)

    reason = raised.value.reason
    assert reason.startswith(f"the token endpoint answered {status}") or "not of type Bearer" in reason
    assert len(reason) < 1000
    assert not any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in reason)


def known_token(body: bytes) -> object:
    with suppress(ValueError):
        document = json.loads(body)
        return document.get("access_token") if isinstance(document, dict) else None
    return None
