"""The shipped presets: that they load, and that they say what their sources say."""

from typing import Any

import pytest

from gateway.address import Bearer
from gateway.mapping.rules import Rule
from gateway.mapping.specs import Person, Unusable
from gateway.settings import PresetPin, TargetSettings
from gateway.settings.faults import Faults
from gateway.settings.presets import load_preset, preset_names
from tests.support.presets import using

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CX = 'preset = "cx"\nurl = "https://cx.example.com"\n'
DIALPAD = 'preset = "dialpad"\n'
AUTH = 'auth = { bearer = { env = "DIALPAD_TOKEN" } }\n'


def target(load, text: str) -> TargetSettings:
    return load(f"[targets.t]\n{text}").targets["t"]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_without_a_fault(load, name):
    found = target(load, using(name))

    assert found.preset.name == name
    assert found.rules


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_compiles_with_each_value_of_each_option(load, name):
    declared = load_preset(name, "", Faults()).table.options
    for option, values in declared.items():
        for value in values:
            text = f'options = {{ {option} = "{value}" }}'
            assert target(load, using(name) + text).options[option] == value


def test_cx_wants_what_its_guide_requires(load):
    found = target(load, CX + AUTH)

    assert found.require == (
        ("userName",),
        ("externalId",),
        ('phoneNumbers[type eq "work"].value',),
        ("name.givenName", "name.familyName"),
    )
    assert (found.connector, found.on_deactivate, found.unlisted) == ("scim", "delete", "hold")
    assert isinstance(found.auth, Bearer)
    assert found.auth.scheme == "bearer"


def test_cx_takes_the_work_address_or_else_the_primary(load):
    mail = target(load, CX).rules[1]

    assert mail.to.text == 'emails[type eq "work"].value'
    assert tuple(source.text for source in mail.sources) == (
        'emails[type eq "work"].value',
        "emails[primary eq true].value",
    )


def test_cx_refuses_a_number_it_could_not_use(load):
    phone = target(load, CX).rules[0]

    assert (phone.to.text, phone.on_invalid) == ('phoneNumbers[type eq "work"].value', "reject")
    assert [transform.name for transform in phone.via] == ["phone"]


def through(rule: Rule, value: str) -> Any:
    for transform in rule.via:
        value = transform.apply(value, Person(region="GB"))
    return value


def back(rule: Rule, value: str) -> Any:
    for transform in reversed(rule.via):
        value = transform.invert(value) if transform.invert else value
    return value


def test_cx_gets_numbers_without_spaces(load):
    assert through(target(load, CX).rules[0], " 020\u20097946 0018") == "+442079460018"


@pytest.mark.parametrize("number", ["+44 20 7946 0018 ext. 12", "n/a"])
def test_cx_gets_no_number_it_cannot_dial(load, number):
    phone = target(load, CX).rules[0]

    with pytest.raises(Unusable):
        through(phone, number)


@pytest.mark.parametrize(
    ("licence", "sent"),
    [
        pytest.param(" Dialpad_Talk", "dialpad_talk", id="any case"),
        pytest.param("Dialpad_Ai Voice", "dialpad_talk", id="newer name"),
        pytest.param("dialpad_ai sales", "dialpad_sell", id="newer name in any case"),
        pytest.param("dialpad_tfb", "dialpad_tfb", id="as it is"),
    ],
)
def test_dialpad_gets_one_of_its_licences(load, licence, sent):
    rule = target(load, DIALPAD).rules[0]

    assert through(rule, licence) == sent
    assert back(rule, sent) == sent


def test_dialpad_gets_no_other_licence(load):
    rule = target(load, DIALPAD).rules[0]

    assert rule.on_invalid == "reject"
    with pytest.raises(Unusable):
        through(rule, "dialpad_gold")


def test_dialpad_gets_offices_by_its_own_names(load):
    rule = target(load, DIALPAD + 'offices = { LDN = { name = "London" } }').rules[1]

    assert (through(rule, "ldn"), rule.on_invalid) == ("London", "keep")


def test_dialpad_is_where_its_guide_says(load):
    found = target(load, DIALPAD)

    assert found.url == "https://dialpad.com/scim"
    assert found.require == (("userName",), ("name.givenName",), ("name.familyName",))
    assert (found.connector, found.on_deactivate, found.unlisted) == ("scim", "send", "hold")
    assert found.preset == PresetPin("dialpad", 1)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        pytest.param("", "officeName", id="by default"),
        pytest.param('options = { office_field = "department" }', "department", id="as asked"),
    ],
)
def test_dialpad_sends_the_office_in_the_field_its_tenant_reads(load, options, field):
    found = target(load, DIALPAD + options)

    assert [rule.to.text for rule in found.rules] == [
        f"{ENTERPRISE}:licenseType",
        f"{ENTERPRISE}:{field}",
        'addresses[type eq "work"].country',
        "preferredLanguage",
        "title",
    ]
    assert tuple(source.text for source in found.rules[0].sources) == ("*:licenseType",)
    assert tuple(source.text for source in found.rules[1].sources) == (
        "*:officeName",
        f"{ENTERPRISE}:department",
    )
    assert tuple(source.text for source in found.rules[2].sources) == (
        "*:countryCode",
        'addresses[type eq "work"].country',
    )


def test_a_preset_may_be_pinned_and_its_habits_overruled(load):
    found = target(
        load, 'preset = "cx@1"\nurl = "https://cx.example.com"\non_deactivate = "send"\nrequire = []'
    )

    assert str(found.preset) == "cx@1"
    assert (found.on_deactivate, found.require) == ("send", ())


def test_the_scheme_of_a_preset_may_be_overruled(load):
    found = target(load, CX + 'auth = { bearer = { env = "DIALPAD_TOKEN" }, scheme = "Token" }')

    assert found.auth.scheme == "Token"


@pytest.mark.parametrize(
    ("options", "path", "words"),
    [
        pytest.param('{ ofice_field = "x" }', "ofice_field", 'did you mean "office_field"?', id="name"),
        pytest.param('{ office_field = "x" }', "office_field", "officeName, department", id="value"),
        pytest.param("{ office_field = [] }", "office_field", "officeName, department", id="type"),
    ],
)
def test_an_option_that_a_preset_has_not_is_a_fault(faults_of, options, path, words):
    found = faults_of(f"[targets.t]\n{DIALPAD}options = {options}")

    assert words in found[f"targets.t.options.{path}"]
