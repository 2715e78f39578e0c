"""Events as links of a chain: any event comes back as it was, and no personal value stands in its body."""

import time
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.chain import Head, canonical, digests, join, next_published, seal, stamp, stamp_of
from gateway.audit.event import Event, Personal

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda name: name != "#")
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAMES
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
FIELDS = st.recursive(
    PLAIN | st.builds(Personal, VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


def revealed(value):
    if isinstance(value, Personal):
        return value.value
    if isinstance(value, dict):
        return {name: revealed(inner) for name, inner in value.items()}
    return [revealed(inner) for inner in value] if isinstance(value, list) else value


@given(
    fields=st.dictionaries(NAMES, FIELDS, max_size=5),
    taken=st.just({"id", "seq", "published", "prev", "hash"}),
)
def test_an_event_comes_back_as_it_was(fields, taken):
    sealed = seal(Event("e-1", fields), Head(), NOW, bytes)

    told = join(sealed.body, [value.json for value in sealed.values], "", sealed.head.hash)
    expected = {name: value for name, value in revealed(fields).items() if name not in taken}
    assert {name: value for name, value in told.items() if name not in taken} == expected
    assert len(sealed.values) == len(digests(sealed.body))


def test_an_event_is_not_changed_by_its_sealing():
    fields = {"target": {"user_name": Personal("Ann")}, "diff": ({"after": Personal(1)},)}

    seal(Event("e-1", fields), Head(), NOW, bytes)
    assert fields == {"target": {"user_name": Personal("Ann")}, "diff": ({"after": Personal(1)},)}


def test_each_value_has_its_own_salt():
    salts = iter([b"1" * 16, b"2" * 16])
    event = Event("e-1", {"a": Personal("Ann"), "b": Personal("Ann")})

    one, two = digests(seal(event, Head(), NOW, lambda size: next(salts)).body)
    assert one != two


def test_text_that_looks_like_a_digest_stays_text():
    text = '{"#":"' + "0" * 64 + '"}'
    sealed = seal(Event("e-1", {"reason": text, "a": Personal(text)}), Head(), NOW, bytes)

    told = join(sealed.body, [value.json for value in sealed.values], "", "")
    assert (told["reason"], told["a"]) == (text, text)


@pytest.mark.parametrize("name", ["seq", "published", "id"])
def test_an_event_cannot_say_its_own_place(name):
    sealed = seal(Event("e-1", {name: "forged"}), Head(), NOW, bytes)

    assert orjson.loads(sealed.body)[name] == {"seq": 1, "published": stamp(NOW), "id": "e-1"}[name]


def test_a_hash_depends_on_the_one_before_it():
    heads = [Head(0, previous, "") for previous in ("", "00" * 32, "01" * 32)]

    hashes = {seal(Event("e-1", {}), head, NOW, bytes).head.hash for head in heads}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("previous", "now", "published"),
    [
        pytest.param("", NOW, "2026-11-22T00:00:00.000000Z", id="first"),
        pytest.param(stamp(NOW), NOW, "2026-11-22T00:00:00.000001Z", id="same moment"),
        pytest.param("2027-01-01T00:00:00.999999Z", NOW, "2027-01-01T00:00:01.000000Z", id="clock set back"),
        pytest.param(stamp(NOW), NOW + timedelta(1), "2026-11-23T00:00:00.000000Z", id="later"),
    ],
)
def test_published_is_always_later(previous, now, published):
    assert next_published(previous, now) == published


def test_a_moment_is_written_in_utc():
    assert (
        stamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T00:00:00.000000Z"
    )


@pytest.mark.parametrize(
    "text",
    ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", "2025-12-31T23:00:00.000-01:00"],
)
def test_a_time_without_a_zone_is_utc_wherever_the_gateway_stands(monkeypatch, request, text):
    request.addfinalizer(time.tzset)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()

        assert stamp_of(text) == "2026-01-01T00:00:00.000000Z"


def test_the_canonical_form_does_not_depend_on_order():
    assert canonical({"b": 1, "a": [{"d": "é", "c": None}]}) == '{"a":[{"c":null,"d":"é"}],"b":1}'
