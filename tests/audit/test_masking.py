"""How much of a value the trail keeps."""

import hashlib
import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.audit.event import Event, Personal, Remark
from gateway.audit.masking import MOST_VALUES, Masking, blotted, hashing, masked, masked_event
from gateway.scim.difference import Line, Lines
from gateway.scim.names import SPELLED
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
@example("0\xb8")  # a blank with a mark upon it
def test_no_value_is_quoted_whatever_it_is(value):
    event = masked_event(
        Event("e-1", {"reason": Remark(f"is <{value}> good", ({"a": value},))}), HASHED, None
    )

    is_told = not value[0].isalnum() or value.lower() in ("true", "false") or value in SPELLED
    assert f"<{value}>" not in event.fields["reason"].value or is_told


PERSON = {
    "userName": "ann.o'brien@example.com",
    "externalId": "Zoë/7",
    "name": {"givenName": "Bo", "familyName": "José Ibáñez", "formatted": "C:\\new"},
    "title": "Manager",
    "nickName": "type",
    "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0123", "primary": True}],
    "roles": ["x" * 200, "李", "Senior\nAgent"],
    "urn:example:2.0:User": {"isLead": "true", "floor": 12, "site": "name"},
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("ann.o'brien@example.com is taken", "*** is taken", id="as it is"),
        pytest.param("ANN.O'BRIEN@EXAMPLE.COM is taken", "*** is taken", id="in another case"),
        pytest.param(r"'ann.o\'brien@example.com' is taken", "'***' is taken", id="an escaped quote"),
        pytest.param(r'{"userName":"ann.o\u0027brien\u0040example.com"}', '{"userName":"***"}', id="JSON"),
        pytest.param(r"ann.o\\u0027brien\\u0040example.com", "***", id="JSON in JSON"),
        pytest.param("/Users/ann.o%27brien%40example.com", "/Users/***", id="a URL"),
        pytest.param("ann.o%2527brien%2540example.com", "***", id="a URL in a URL"),
        pytest.param("<b>ann.o&#39;brien&#x40;example.com</b>", "<b>***</b>", id="HTML"),
        pytest.param(r"cn=Jos\C3\A9 Ib\C3\A1\C3\B1ez,ou=people", "cn=***,ou=people", id="LDAP"),
        pytest.param(r"Zo\u00eb\/7 is odd", "*** is odd", id="an escaped slash"),
        pytest.param("Jose\u0301 Iba\u0301n\u0303ez is odd", "*** is odd", id="marks apart"),
        pytest.param("JOSE IBANEZ is odd", "*** is odd", id="without marks"),
        pytest.param("José\u00a0 Ibáñez is odd", "*** is odd", id="other blanks"),
        pytest.param("JoséIbáñez is odd", "*** is odd", id="without blanks"),
        pytest.param("\uff22\uff4f is odd", "*** is odd", id="wide letters"),
        pytest.param("+442079460123 is odd", "*** is odd", id="a number without blanks"),
        pytest.param("(020) 7946-0123 is odd", "(*** is odd", id="a number as the target writes it"),
        pytest.param(r"C:\\new is odd", "*** is odd", id="a backslash doubled"),
        pytest.param(r"C:\new is odd", "*** is odd", id="a backslash"),
        pytest.param(r"CORP\bo is odd", r"CORP\*** is odd", id="behind a backslash"),
        pytest.param(r"one\nBo\nis odd", r"one\n***\nis odd", id="a line of a text in JSON"),
        pytest.param(r"Senior\nAgent is odd", "*** is odd", id="a line break in JSON"),
        pytest.param("用户李已存在", "用户***已存在", id="a name of one character, among others"),
        pytest.param("José Ib… is odd", "***… is odd", id="cut short"),
        pytest.param("José Ib... is odd", "***... is odd", id="cut short with dots"),
        pytest.param("too long: " + "x" * 180 + "…", "too long: ***…", id="cut short at the end"),
        pytest.param("Bo, Bob, body, abo and Bo_1", "***, Bob, body, abo and ***_1", id="a short name"),
        pytest.param("more than 12 of 120 floors", "more than *** of 120 floors", id="a short number"),
        pytest.param("Manager is odd, manager is unknown", "*** is odd, manager is unknown", id="a title"),
        pytest.param("active must be true or false", "active must be true or false", id="booleans"),
        pytest.param("phoneNumbers[0].value is too long", "phoneNumbers[0].value is too long", id="a path"),
        pytest.param("name.familyName of type work", "name.familyName of type work", id="names"),
        pytest.param("urn:example:2.0:User:floor", "urn:example:2.0:User:floor", id="an extension's name"),
        pytest.param("used by carol@example.com", "used by ***", id="somebody else"),
        pytest.param(
            "no CN=Carol Smith,OU=People", "no CN=***,OU=People", id="a directory's name of somebody"
        ),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_a_target_says_is_told_without_values(text, shown):
    assert blotted(text, (PERSON,)) == shown


def test_of_a_request_with_too_many_values_to_look_for_nothing_is_told():
    numbers = [{"value": f"n-{n}"} for n in range(MOST_VALUES + 1)]

    assert blotted("x n-1 y", (numbers,)) == "***"
    assert blotted("x n-1 y", (numbers[1:],)) == "x *** y"


@pytest.mark.parametrize("masking", [MASKED, HASHED], ids=lambda masking: masking.level)
@pytest.mark.parametrize(
    "names", [("Ann Marie Lee", "Lee Smith"), ("Lee Smith", "Ann Marie Lee"), ("Ann Marie Lee Smith", "Lee")]
)
def test_of_values_that_overlap_nothing_is_left(masking, names):
    text = "Ann Marie Lee Smith is taken"

    shown = value_of_remark(Remark(text, ({"a": names[0], "b": names[1]},)), masking)

    assert shown == f"{masking.mask('Ann Marie Lee Smith')} is taken"


def value_of_remark(remark, masking):
    return masked_event(Event("e-1", {"reason": remark}), masking, None).fields["reason"].value


@pytest.mark.parametrize("masking", [MASKED, HASHED], ids=lambda masking: masking.level)
def test_the_name_of_a_groups_member_is_covered(masking):
    member = {"value": "7", "display": "Annabel Lee", "type": "User", "$ref": "../Users/7"}

    shown = value_of(member, masking)

    assert shown["display"] == masking.mask("Annabel Lee")
    assert shown["type"] == "User"
    assert "Annabel" not in value_of_remark(Remark("no Annabel Lee", (member,)), masking)
