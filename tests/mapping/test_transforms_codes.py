"""Transforms to codes, and those that put something else in a value's place."""

import pytest

from gateway.mapping.specs import Person, Unusable
from gateway.mapping.transforms import compile_transform


def run(entry, value, original=None, **options):
    return compile_transform({"name": entry, **options}, {}).apply(value, Person(original or {}))


@pytest.mark.parametrize(
    ("value", "short", "tag"),
    [
        pytest.param("en", "en", "en", id="en"),
        pytest.param("en_US", "en", "en-US", id="underscore"),
        pytest.param(" EN-gb ", "en", "en-GB", id="any case, spaces"),
        pytest.param("en_US.UTF-8", "en", "en-US", id="POSIX locale"),
        pytest.param("en-US,en;q=0.8", "en", "en-US", id="Accept-Language"),
        pytest.param("zh-Hant-TW", "zh", "zh-Hant-TW", id="script"),
        pytest.param("iw", "he", "he", id="code of old"),
        pytest.param("eng", "en", "en", id="three letters that have two"),
        pytest.param("tl", "tl", "tl", id="two letters that have three"),
    ],
)
def test_a_language_is_read(value, short, tag):
    assert run("language", value) == short
    assert run("language", value, format="bcp47") == tag


@pytest.mark.parametrize("format", ["iso639_1", "bcp47"])
@pytest.mark.parametrize(
    "value",
    ["English", "日本語", "C", "C.UTF-8", "*", "", " ", "jp", "fil", "cmn", "und", "xx", "x-foo", "a" * 99],
)
def test_what_is_no_two_letter_language_is_unusable(value, format):
    with pytest.raises(Unusable, match=r"^is not a language with a two-letter code$"):
        run("language", value, format=format)


@pytest.mark.parametrize(
    ("value", "alpha2", "alpha3"),
    [
        pytest.param("GB", "GB", "GBR", id="alpha-2"),
        pytest.param(" jp ", "JP", "JPN", id="any case, spaces"),
        pytest.param("deu", "DE", "DEU", id="alpha-3"),
        pytest.param("826", "GB", "GBR", id="numeric"),
        pytest.param("United Kingdom", "GB", "GBR", id="name"),
        pytest.param("united states of america", "US", "USA", id="official name"),
        pytest.param("South Korea", "KR", "KOR", id="common name"),
        pytest.param("UK", "GB", "GBR", id="UK"),
        pytest.param("XK", "XK", "XKX", id="Kosovo"),
        pytest.param("xkx", "XK", "XKX", id="Kosovo, alpha-3"),
        pytest.param("AQ", "AQ", "ATA", id="without telephones"),
    ],
)
def test_a_country_is_read(value, alpha2, alpha3):
    assert run("country", value) == alpha2
    assert run("country", value, format="alpha3") == alpha3


@pytest.mark.parametrize(
    ("value", "number", "name"),
    [
        pytest.param("GB", "826", "United Kingdom", id="United Kingdom"),
        pytest.param("AT", "40", "Austria", id="no zero before it"),
        pytest.param("KR", "410", "South Korea", id="common name"),
    ],
)
def test_a_country_has_a_number_and_a_name(value, number, name):
    assert run("country", value, format="numeric") == number
    assert run("country", value, format="name") == name


def test_a_country_that_has_a_name_and_no_number():
    assert run("country", "XK", format="name") == "Kosovo"
    with pytest.raises(Unusable, match=r"^is a country without a number$"):
        run("country", "XK", format="numeric")


@pytest.mark.parametrize("value", ["Korea", "Global", "EU", "C", "", "AN", "England", "ZZ", "001"])
def test_a_country_is_never_guessed(value):
    with pytest.raises(Unusable, match=r"^is not a country$"):
        run("country", value)


ANN = {
    "name": {"givenName": "Ann", "familyName": "Lee", "middleName": ""},
    "emails": [{"value": "home@x", "type": "home"}, {"value": "work@x", "type": "work", "primary": True}],
    "active": True,
    "floor": 3,
    "roles": ["admin", "general"],
    "grid": [["a"]],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, "Ann Lee", id="default"),
        pytest.param(
            "{name.givenName} {name.middleName} {name.familyName}", "Ann Lee", id="absent in the middle"
        ),
        pytest.param(" {name.middleName} ({name.givenName})", "(Ann)", id="absent at the start"),
        pytest.param("{nickName}{title}", "", id="all absent"),
        pytest.param('{emails[type eq "home"].value}', "home@x", id="filter"),
        pytest.param("{emails.^[type=='home'].value}", "home@x", id="Okta's notation"),
        pytest.param("{emails.value}", "work@x", id="the primary one"),
        pytest.param('{emails[type eq "work"]}', "work@x", id="an object's value"),
        pytest.param("{roles}", "admin", id="the first of a list"),
        pytest.param("{active}/{floor}", "true/3", id="boolean and number"),
        pytest.param("{name}{grid}", "", id="no text"),
        pytest.param(
            "{urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department}", "Sales", id="extension"
        ),
        pytest.param("{*:department} team", "Sales team", id="any extension"),
        pytest.param("plain", "plain", id="no path"),
    ],
)
def test_a_template_is_filled_from_the_person(text, expected):
    options = {} if text is None else {"text": text}

    assert run("template", "whatever", ANN, **options) == expected


def test_a_constant_replaces_any_value_and_is_never_shared():
    transform = compile_transform({"name": "constant", "value": [{"value": "a"}]}, {})
    transform.apply("x", Person())[0]["value"] = "spoilt"

    assert transform.apply("x", Person()) == [{"value": "a"}]


@pytest.mark.parametrize("value", ["a", 7, 1.5, False, {"a": [1]}], ids=repr)
def test_a_constant_is_any_json(value):
    assert compile_transform({"name": "constant", "value": value}, {}).apply("x", Person()) == value
