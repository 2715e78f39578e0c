"""A target's rules: paths, transforms, and how the file's lie over the preset's."""

import pytest

from gateway.mapping.rules import OnInvalid, Rule
from gateway.scim.paths import place
from gateway.settings import TargetSettings
from gateway.settings.compiled import mapping_of

TARGET = '[targets.t]\nconnector = "embedded"\nurl = "sqlite:t.db"\n'
CX = '[targets.t]\npreset = "cx"\nurl = "https://cx.example.com"\n'
TITLE = place("title")
WORK_PHONE = 'phoneNumbers[type eq "work"].value'
WORK_MAIL = 'emails[type eq "work"].value'


def rules(load, text: str, head: str = TARGET) -> tuple[Rule, ...]:
    target: TargetSettings = load(f"{head}{text}").targets["t"]
    return target.rules


def rule(**keys: str) -> str:
    return "\n".join(["[[targets.t.rules]]", *(f"{key} = {value}" for key, value in keys.items()), ""])


def test_a_rule_without_more_has_every_default(load):
    assert rules(load, rule(to='"title"')) == (
        Rule(TITLE, (TITLE,), (), None, None, OnInvalid.REJECT, "config:title"),
    )


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param(
            "to = \"phoneNumbers.^[type=='work'].value\"", "to", place(WORK_PHONE), id="to in okta's notation"
        ),
        pytest.param('to = "a"\nfrom = "b"', "sources", (place("b"),), id="from"),
        pytest.param(
            'to = "a"\nfrom = ["*:b", "roles.^[primary==\'True\'].value"]',
            "sources",
            (place("*:b"), place("roles[primary eq true].value")),
            id="from several",
        ),
        pytest.param('to = "a"\ndefault = ["x", { y = 1 }]', "default", ["x", {"y": 1}], id="default"),
        pytest.param('to = "a"\ndefault = -7', "default", -7, id="default whole number"),
        pytest.param('to = "a"\ndefault = 1.5', "default", 1.5, id="default number"),
        pytest.param('to = "a"\non_invalid = "keep"', "on_invalid", "keep", id="on_invalid"),
    ],
)
def test_a_rule_says_what_it_says(load, text, key, value):
    (found,) = rules(load, f"[[targets.t.rules]]\n{text}")

    assert getattr(found, key) == value


def test_a_rule_holds_for_whom_its_filter_matches(load):
    (found,) = rules(load, rule(to='"a"', when='"active eq true"'))

    assert found.when is not None
    assert [found.when({"active": active}) for active in (True, False)] == [True, False]


def test_transforms_are_compiled_in_their_order(load):
    (found,) = rules(load, rule(to='"title"', via='["trim", { name = "allow", values = ["a"] }]'))

    assert [transform.name for transform in found.via] == ["trim", "allow"]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        pytest.param("7", "", "must be a table", id="no table"),
        pytest.param("{}", ".to", "is required", id="no to"),
        pytest.param("{ too = 'a' }", ".too", 'did you mean "to"?', id="near miss"),
        pytest.param("{ to = 'a', if_option = {} }", ".if_option", "unknown key", id="preset's key"),
        pytest.param("{ to = 'a..b' }", ".to", "path", id="bad path"),
        pytest.param("{ to = '*:a' }", ".to", "in `from` only", id="to anywhere"),
        pytest.param("{ to = 'a[b ne 1]' }", ".to", "only `eq`", id="to with ne"),
        pytest.param("{ to = 'a[b eq 1 or c eq 2]' }", ".to", "only `eq`", id="to with or"),
        pytest.param("{ to = 'title pr' }", ".to", "no place", id="to a comparison"),
        pytest.param("{ to = 'name.givenNam' }", ".to", 'did you mean "givenName"?', id="near miss below"),
        pytest.param("{ to = 'title.value' }", ".to", "title has no sub-attributes", id="below a text"),
        pytest.param("{ to = 'emails[tpye eq 1].value' }", ".to", '"type"', id="near miss in a filter"),
        pytest.param("{ to = 'a', from = ['b', 'c d'] }", ".from[1]", "path", id="bad source"),
        pytest.param("{ to = 'a', from = 1 }", ".from", "path in quotes", id="source type"),
        pytest.param("{ to = 'a', from = [] }", ".from", "must not be empty", id="no source"),
        pytest.param("{ to = 'a', when = 'b eq' }", ".when", "filter", id="bad filter"),
        pytest.param("{ to = 'a', on_invalid = 'skip' }", ".on_invalid", '"reject"', id="on_invalid"),
        pytest.param("{ to = 'a', default = 2024-01-01 }", ".default", "must be text", id="date"),
        pytest.param("{ to = 'a', default = [nan] }", ".default", "must be text", id="nan"),
        pytest.param("{ to = 'a', default = 9223372036854775808 }", ".default", "must be text", id="huge"),
        pytest.param("{ to = 'a', via = 'phone' }", ".via", "must be a list", id="via type"),
        pytest.param("{ to = 'a', via = [1] }", ".via[0]", "transform's name", id="transform type"),
        pytest.param("{ to = 'a', via = ['trim', 'fone'] }", ".via[1]", "phone", id="unknown transform"),
        pytest.param(
            "{ to = 'a', via = [{ name = 'phone', format = 'e165' }] }", ".via[0].format", "e164", id="option"
        ),
        pytest.param("{ to = 'a', off = true }", ".to", "no rule", id="nothing to turn off"),
    ],
)
def test_a_fault_of_a_rule_has_its_path(faults_of, text, path, words):
    found = faults_of(f"{TARGET}rules = [{{ to = 'ok' }}, {text}]")

    assert words in found[f"targets.t.rules[1]{path}"]


def test_all_faults_of_a_transform_are_told_at_once(faults_of):
    found = faults_of(TARGET + rule(to='"a"', via='[{ name = "phone", fromat = "x", extension = 1 }]'))

    assert set(found) == {"targets.t.rules[0].via[0].fromat", "targets.t.rules[0].via[0].extension"}


def test_two_rules_for_one_place_are_a_fault_unless_they_hold_at_different_times(load, faults_of):
    first, again = rule(to='"title"', when='"active eq true"'), rule(to='"Title"', when='"active  eq true"')

    assert "targets.t.rules[0]" in faults_of(TARGET + first + again)["targets.t.rules[1].to"]
    assert len(rules(load, first + rule(to='"title"'))) == 2


def test_rules_of_the_file_come_after_those_of_the_preset(load):
    found = rules(load, rule(to='"nickName"'), CX)

    assert [entry.label for entry in found] == [
        f"cx@1:{WORK_PHONE}",
        f"cx@1:{WORK_MAIL}",
        "cx@1:title",
        "config:nickName",
    ]


def test_a_rule_with_the_same_place_replaces_that_of_the_preset_where_it_stands(load):
    found = rules(load, rule(to="\"phoneNumbers.^[type=='work'].value\"", via='["digits"]'), CX)

    assert [entry.label for entry in found][:2] == [f"config:{WORK_PHONE}", f"cx@1:{WORK_MAIL}"]
    assert [transform.name for transform in found[0].via] == ["digits"]


def test_a_rule_for_certain_times_stands_beside_that_of_the_preset(load):
    found = rules(load, rule(to='"title"', when='"active eq true"'), CX)

    assert [entry.to.text for entry in found] == [WORK_PHONE, WORK_MAIL, "title", "title"]


def test_a_core_attribute_is_the_same_with_its_schema_before_it(load):
    found = rules(load, rule(to='"urn:ietf:params:scim:schemas:core:2.0:User:title"'), CX)

    assert [entry.label.partition(":")[0] for entry in found] == ["cx@1", "cx@1", "config"]


def test_off_takes_a_rule_of_the_preset_away(load):
    assert [entry.to.text for entry in rules(load, rule(to='"Title"', off="true"), CX)] == [
        WORK_PHONE,
        WORK_MAIL,
    ]


def test_off_without_such_a_rule_names_the_nearest(faults_of):
    found = faults_of(CX + rule(to='"titel"', off="true"))

    assert 'did you mean "title"?' in found["targets.t.rules[0].to"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("phoneNumber.value", 'did you mean "phoneNumbers"?', id="slip"),
        pytest.param("department", "enterprise:2.0:User:department", id="of the enterprise extension"),
    ],
)
def test_a_path_that_looks_like_a_slip_is_warned_about(load, path, words):
    warnings = load(TARGET + rule(to=f'"{path}"')).warnings

    assert any(line.startswith("targets.t.rules[0].to (line 4, ") and words in line for line in warnings)


@pytest.mark.parametrize(
    "path", ["*:licenseType", "*:employeeBadge", "name.familyNamePhonetic", "urn:x:2.0:User:title.value"]
)
def test_attributes_of_ones_own_are_welcome(load, path):
    assert not any(
        "rules" in line for line in load(TARGET + rule(to='"title"', **{"from": f'"{path}"'})).warnings
    )


EXTENSION = {"phoneNumbers": [{"type": "work", "value": "+44 20 7946 0018 ext. 12"}]}
DESK = rule(to=f"'{WORK_PHONE}'", when="'userType eq \"Desk\"'", via='["trim"]')


@pytest.mark.parametrize(
    ("person", "own", "refused"),
    [
        pytest.param(EXTENSION, DESK, False, id="what the preset's rule refuses"),
        pytest.param({}, DESK, False, id="what the preset requires"),
        pytest.param(
            {}, DESK.replace("[[", f"require = ['{WORK_PHONE}']\n[["), True, id="not one's own require"
        ),
        pytest.param({}, rule(to=f"'{WORK_PHONE}'", via='["trim"]'), True, id="not by a rule for everybody"),
    ],
)
def test_an_exception_replaces_the_presets_refusal_for_its_people(load, person, own, refused):
    target = load(f"{CX}{own}").targets["t"]
    known = {"userName": "a", "externalId": "1", "name": {"givenName": "A"}, "userType": "Desk"}

    mapped = mapping_of(target).forward(known | person)

    assert bool(mapped.problems) is refused
    assert mapping_of(target).forward(known | {"userType": "Agent"}).problems
