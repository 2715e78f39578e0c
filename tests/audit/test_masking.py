"""How much of a value the trail keeps."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.masking import Masking, hashing, masked, masked_event
from gateway.scim.difference import Line, Lines
from tests.support.diffs import lines_in

KEY = b"k" * 32
MASKED, HASHED = Masking("masked", masked), Masking("hashed", hashing(KEY))
TEXTS = st.text(min_size=1, max_size=12)


def value_of(value, masking=MASKED):
    event = masked_event(Event("e-1", {"after": Personal(value)}), masking, None)
    return event.fields["after"].value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Annabel Lee", "A*** (11)", id="first character and length"),
        pytest.param("+442079460123", "+*** (13)", id="number"),
        pytest.param("ann.lee@example.com", "a***@example.com (19)", id="the domain of an address"),
        pytest.param("ann@example.com", "***@example.com (15)", id="of a short name nothing"),
        pytest.param("Li", "*** (2)", id="short"),
        pytest.param("", "*** (0)", id="empty"),
        pytest.param("Ann @ Lee", "A*** (9)", id="no address"),
    ],
)
def test_a_masked_text_shows_enough_to_recognise_it(text, shown):
    assert masked(text) == shown


@given(first=TEXTS, second=TEXTS)
def test_texts_alike_in_length_and_first_character_are_masked_alike(first, second):
    one, other = (f"A{text:x<12}"[:12].replace("@", "x") for text in (first, second))

    assert masked(one) == masked(other)


def test_equal_values_have_equal_digests_for_who_has_the_key():
    digest = hmac.new(KEY, b"Ann", hashlib.sha256).hexdigest()

    assert value_of("Ann", HASHED) == f"hmac:{digest}"
    assert hashing(b"x" * 32)("Ann") != value_of("Ann", HASHED)


def test_names_labels_booleans_and_null_stay():
    element = {"type": "work", "primary": True, "value": "ann.lee@example.com", "display": None, "n": [12345]}

    assert value_of(element) == {
        "type": "work",
        "primary": True,
        "value": "a***@example.com (19)",
        "display": None,
        "n": ["1*** (5)"],
    }


def test_all_that_is_personal_is_covered_and_nothing_else():
    target = {"name": "cx", "id": "7", "user_name": Personal("annabel")}
    fields = {
        "event": "user.create",
        "target": target,
        "diff": [{"path": "title", "after": Personal("Agent")}],
    }

    assert masked_event(Event("e-1", fields), MASKED, "5ubj3ct").fields == {
        "event": "user.create",
        "target": {"name": "cx", "id": "7", "user_name": Personal("a*** (7)")},
        "diff": [{"path": "title", "after": Personal("A*** (5)")}],
        "level": "masked",
        "subject": Personal("5ubj3ct"),
    }


def test_a_path_that_picks_by_value_stays_readable():
    path = 'emails[value eq "ann.lee@example.com"].type'
    event = masked_event(Event("e-1", {"diff": [{"path": Personal(path)}]}), MASKED, None)

    assert event.fields["diff"][0]["path"] == Personal('emails[value eq "a***@example.com (19)"].type')


@pytest.mark.parametrize("masking", [MASKED, HASHED], ids=lambda masking: masking.level)
@pytest.mark.parametrize(
    "line",
    [
        Line("title", None, "Agent", "dialpad@1:title"),
        Line("active", True, None),
        Line(
            'emails[type eq "work"]', {"type": "work", "value": "ann.lee@example.com"}, {"value": [7, None]}
        ),
        Line('emails[value eq "ann.lee@example.com"].type', "work", "home", None, True),
    ],
)
def test_a_line_is_masked_as_it_was_when_it_was_a_field(masking, line):
    path = Personal(line.path) if line.personal_path else line.path
    personal = [None if value is None else Personal(value) for value in (line.before, line.after)]
    field = {"path": path, "before": personal[0], "after": personal[1], "rule": line.rule}

    event = masked_event(Event("e-1", {"diff": [field]}, Lines.of([line])), masking, None)
    (shown,), (expected,) = lines_in(event.lines), event.fields["diff"]
    assert shown.path == (expected["path"].value if line.personal_path else expected["path"])
    assert [shown.before, shown.after] == [
        value and value.value for value in (expected["before"], expected["after"])
    ]
    assert (shown.rule, shown.personal_path) == (line.rule, line.personal_path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("userName annabel is taken", "userName a*** (7) is taken", id="quoted"),
        pytest.param("ANNABEL is taken", "A*** (7) is taken", id="in another case"),
        pytest.param("annabella is taken", "annabella is taken", id="another word"),
        pytest.param(
            "Li (555) is no number", "*** (2) (***) is no number".replace("***)", "555)"), id="short"
        ),
        pytest.param("no such type: work", "no such type: work", id="label"),
        pytest.param(
            "title: is odd (rule dialpad@1:title)",
            "title: is odd (rule dialpad@1:title)",
            id="a preset's rule",
        ),
        pytest.param("used by bob@example.com", "used by ***@example.com (15)", id="an address not ours"),
        pytest.param("+44 20 7946 0123 is used", "+*** (16) is used", id="a number as the target writes it"),
    ],
)
def test_what_a_target_quotes_is_covered_too(text, shown):
    known = {
        "userName": "annabel",
        "name": {"familyName": "Li"},
        "emails": [{"type": "work", "primary": True}],
    }
    event = masked_event(Event("e-1", {"outcome": {"reason": Remark(text, (known,))}}), MASKED, None)

    assert event.fields["outcome"]["reason"] == Personal(shown)


@given(value=st.text(min_size=2, max_size=10).filter(lambda text: text.strip() == text))
def test_no_value_is_quoted_whatever_it_is(value):
    event = masked_event(
        Event("e-1", {"reason": Remark(f"is <{value}> good", ({"a": value},))}), HASHED, None
    )

    assert f"<{value}>" not in event.fields["reason"].value or not value[0].isalnum()
