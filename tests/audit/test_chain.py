"""Events as links of a chain: any event comes back as it was, and no personal value stands in its body."""

import hmac
import os
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.chain import (
    Head,
    Stored,
    canonical,
    digest_of,
    draft,
    join,
    next_published,
    place,
    stamp,
    stamp_of,
    subject,
    values_of,
    without,
)
from gateway.audit.event import Event, Personal
from gateway.scim.difference import Line, Lines

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


ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
PATHS = st.sampled_from(
    [
        *("title", "", "@", "@department", f"{ENTERPRISE}department", f"@{ENTERPRISE}@"),
        'e[value eq "ann"].type',
    ]
)
LINES = st.builds(Line, PATHS, VALUES, VALUES, st.none() | st.just("dialpad@1:title"), st.booleans())
OWN = {"id", "seq", "published", "prev", "hash"}


FIRST = Head()


def sealed(event, head=FIRST, random=bytes):
    """Return an event as it is kept, first in the trail unless said otherwise."""
    made = draft(event, random)
    own = place(made, head, NOW)
    name, correlation_id = made.indexed[0], made.indexed[3]
    kept = (own.seq, made.id, own.published, name, correlation_id, made.body, made.personal, own.hash)
    return Stored(*kept)


def told(event):
    return join(sealed(event), "")


@given(fields=st.dictionaries(NAMES, FIELDS, max_size=5), event=st.sampled_from(["x", None, 7]))
def test_an_event_comes_back_as_it_was(fields, event):
    shown = told(Event("e-1", {**fields, "event": event, "correlation_id": event}))

    expected = revealed({**fields, "event": event, "correlation_id": event})
    assert {name: value for name, value in shown.items() if name not in OWN} == {
        name: value for name, value in expected.items() if name not in OWN
    }


def shown_line(line):
    """Return a line as readers have always seen it."""
    op = "add" if line.before is None else "remove" if line.after is None else "replace"
    return {"path": line.path, "op": op, "before": line.before, "after": line.after, "rule": line.rule}


@given(lines=st.lists(LINES, max_size=4), more=st.lists(st.fixed_dictionaries({"path": NAMES}), max_size=2))
def test_lines_are_read_as_they_were_when_they_were_fields(lines, more):
    event = Event("e-1", {"event": "user.create", "diff": more}, Lines.of(lines))

    assert told(event)["diff"] == [*(shown_line(line) for line in lines), *more]
    personal = [
        {
            **shown_line(line),
            "path": Personal(line.path) if line.personal_path else line.path,
            "before": None if line.before is None else Personal(line.before),
            "after": None if line.after is None else Personal(line.after),
        }
        for line in lines
    ]
    before = told(Event("e-1", {"event": "user.create", "diff": [*personal, *more]}))
    assert [list(line) for line in told(event)["diff"][: len(lines)]] == [
        list(line) for line in before["diff"][: len(lines)]
    ]
    assert told(event)["diff"] == before["diff"]


def test_an_event_without_lines_has_the_diff_that_it_says_or_none():
    assert told(Event("e-1", {"diff": []}))["diff"] == []
    assert "diff" not in told(Event("e-1", {}))


def test_fields_are_shown_in_one_order():
    names = ["timing", "held", "diff", "target", "correlation_id", "attempts", "outcome"]
    fields = dict.fromkeys(names, "x")
    event = Event("e-1", {**fields, "correlation_id": "c", "event": "x", "diff": []})

    assert list(told(event)) == [
        *("id", "seq", "published", "event", "outcome", "target", "diff"),
        *("attempts", "correlation_id", "held", "timing", "prev", "hash"),
    ]


def test_an_event_is_not_changed_by_its_sealing():
    fields = {"target": {"user_name": Personal("Ann")}, "diff": ({"after": Personal(1)},)}

    sealed(Event("e-1", fields, Lines.of([Line("title", None, "Agent")])))
    assert fields == {"target": {"user_name": Personal("Ann")}, "diff": ({"after": Personal(1)},)}


def test_no_personal_value_stands_in_the_body():
    path = 'emails[value eq "ann@x.test"].type'
    lines = [Line("title", "Agent", "Boss", "dialpad@1:title"), Line(path, None, "work", None, True)]
    fields = {"a": Personal("Ann"), "diff": [{"after": Personal("Zoe")}]}
    kept = sealed(Event("e-1", fields, Lines.of(lines)))

    assert not any(word in kept.body for word in ("Ann", "Zoe", "Agent", "Boss", "ann@", '"work"'))
    assert "dialpad@1:title" in kept.body
    assert {value.content for value in values_of(kept.personal)} == {
        *("Agent", "Boss", path, "work", "Ann", "Zoe")
    }


def test_each_value_has_its_own_salt():
    lines = Lines.of([Line("c", "Ann", "Ann")])
    event = Event("e-1", {"a": Personal("Ann"), "b": Personal("Ann")}, lines)

    salts = [value.salt for value in values_of(sealed(event, random=os.urandom).personal)]
    assert (len(set(salts)), {len(salt) for salt in salts}) == (4, {24})


def test_the_digest_depends_on_every_value_and_salt_and_stays_when_values_are_erased():
    lines = Lines.of([Line("title", "Agent", {"b": 1, "a": 2.5})])
    event = Event("e-1", {"a": Personal("Ann")}, lines)
    kept = sealed(event, random=os.urandom)
    made = digest_of(values_of(kept.personal))
    assert made in kept.body

    for number in (0, 1, 2, None):
        left = without(kept.personal, number)
        assert digest_of(values_of(left)) == made
        assert without(left, number) == left
        erased = [value.salt is None for value in values_of(left)]
        assert erased == [number in (None, at) for at in range(3)]
    for at in range(3):
        values = values_of(kept.personal)
        for other in ({"salt": "x" * 24}, {"content": "other"}):
            values[at] = values_of(kept.personal)[at]._replace(**other)
            assert digest_of(values) != made


@given(values=st.lists(VALUES, max_size=5), number=st.none() | st.integers(0, 5))
def test_what_is_not_erased_stays_byte_for_byte(values, number):
    kept = sealed(
        Event("e-1", {f"f{n}": Personal(value) for n, value in enumerate(values)}), random=os.urandom
    )

    assert without(kept.personal, 9) == kept.personal
    left = values_of(without(kept.personal, number))
    for at, (value, before) in enumerate(zip(left, values_of(kept.personal), strict=True)):
        assert value.shown == (None if number in (None, at) else before.shown)


def test_a_value_that_was_erased_reads_as_null():
    lines = Lines.of([Line("title", "Agent", "Boss")])
    kept = sealed(Event("e-1", {"a": Personal("Ann"), "b": Personal("Zoe")}, lines))

    shown = join(kept._replace(personal=without(without(kept.personal, 1), 2)), "")
    assert (shown["a"], shown["b"]) == (None, "Zoe")
    assert shown["diff"] == [shown_line(Line("title", "Agent", "Boss")) | {"after": None}]


def test_text_that_looks_like_a_digest_stays_text():
    text = '{"#":3} {"#":"' + "0" * 64 + '"}'
    lines = Lines.of([Line(text, text, None)])
    shown = told(Event("e-1", {"reason": text, "a": Personal(text)}, lines))

    assert (shown["reason"], shown["a"], shown["diff"][0]["path"]) == (text, text, text)
    assert shown["diff"][0]["before"] == text


@pytest.mark.parametrize(
    "fields",
    [{"#": 1}, {"a": {"#": 0}}, {"a": [{"#": "0" * 64}], "b": Personal("x")}, {"a": {"#": Personal("x")}}],
)
def test_an_event_may_not_look_as_if_it_had_digests(fields):
    with pytest.raises(ValueError, match="#"):
        draft(Event("e-1", fields), bytes)


@pytest.mark.parametrize("name", ["seq", "published", "id"])
def test_an_event_cannot_say_its_own_place(name):
    assert (
        told(Event("e-1", {name: "forged"}))[name] == {"seq": 1, "published": stamp(NOW), "id": "e-1"}[name]
    )


def test_a_hash_depends_on_the_one_before_it_and_on_all_that_is_kept():
    heads = [Head(0, previous, "") for previous in ("", "00" * 32, "01" * 32)]
    assert len({sealed(Event("e-1", {}), head).hash for head in heads}) == 3

    changed = [{}, {"event": "x"}, {"correlation_id": "x"}, {"a": "x"}, {"a": Personal("x")}]
    hashes = {sealed(Event(id, fields)).hash for fields in changed for id in ("e-1", "e-2")}
    assert len(hashes) == 10


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


@given(st.datetimes(timezones=st.timezones()) | st.datetimes(timezones=st.just(UTC)))
def test_times_are_told_in_one_form_of_one_length(moment) -> None:
    try:
        expected = moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:  # at the ends of time
        return

    assert stamp(moment) == expected
    assert len(expected) == len("2026-11-22T00:00:00.000000Z")


@given(st.binary(max_size=100), NAMES)
def test_who_an_event_is_about_is_an_hmac_of_their_name(key, name):
    assert subject(key, name) == hmac.digest(key, name.encode(), "sha256").hex()[:32]
