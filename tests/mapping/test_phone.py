"""Phone numbers: every form that directories are known to hold."""

import json
import os
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from gateway.mapping.phone import parse_phone, plain_e164
from gateway.mapping.specs import Person, Unusable
from gateway.mapping.transforms import compile_transform

PHONES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "phones.json"


def rows():
    if not PHONES.exists() and not os.environ.get("CI"):
        return [pytest.param({}, marks=pytest.mark.skip(reason="no folder `shared` beside the checkout"))]
    return [
        pytest.param(row, id=f"{row['form']} in {row['region']}")
        for row in json.loads(PHONES.read_text("utf-8"))["rows"]
    ]


def read(text, region):
    """Return (e164, extension), or None where there is no number."""
    try:
        number = parse_phone(text, region)
    except Unusable:
        return None
    return number.e164, number.extension


def write(text, region="GB", **options):
    return compile_transform({"name": "phone", **options}, {}).apply(text, Person(region=region))


@pytest.mark.parametrize("row", rows())
def test_a_directorys_number_comes_out_as_expected(row):
    expected = None if row["e164"] is None else (row["e164"], row["extension"])

    assert read(row["input"], row["region"]) == expected


@pytest.mark.parametrize("row", rows())
def test_a_directorys_number_that_is_read_at_once_comes_out_as_expected(row):
    assert plain_e164(row["input"]) in (None, row["e164"])


def numbers_of(region):
    """Return a number of each kind that a region has, as it is written abroad."""
    kinds = [kind for kind in range(11) if phonenumbers.example_number_for_type(region, kind)]
    numbers = [phonenumbers.example_number_for_type(region, kind) for kind in kinds]
    return [phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) for number in numbers]


EXAMPLES = [number for region in sorted(phonenumbers.SUPPORTED_REGIONS) for number in numbers_of(region)]
EXAMPLES += [
    "+800 1234 5678",
    "+870 773 111 632",
    "+39 02 1234 5678",
    "+54 9 11 2345 6789",
    "+1 876 523 0123",
]


TYPED = (*"0123456789", *" -.()+/x#;,", "", "", ".0")


@st.composite
def international(draw):
    """Draw a number of some country, with some of its characters changed, put in or left out."""
    text = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(0, 3))):
        at, width = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
        text = text[:at] + draw(st.sampled_from(TYPED)) + text[at + width :]
    return text


@given(international(), st.sampled_from([None, "GB", "US", "JP", "IT", "AR"]))
@settings(max_examples=500)
def test_what_is_read_at_once_is_what_libphonenumber_reads(text, region):
    plain = plain_e164(text)

    if plain is not None:
        assert read(text, region) == (plain, None)


def test_most_numbers_as_they_are_written_abroad_are_read_at_once():
    at_once = [text for text in EXAMPLES if plain_e164(text)]

    assert len(at_once) > 0.9 * len(EXAMPLES)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("020 7946 0018", id="a national one"),
        pytest.param("+44 (0)20 7946 0018", id="what is dialled at home"),
        pytest.param("+1 1 202 555 0123", id="the same in America"),
        pytest.param("+44 20 7946 0018 x12", id="an extension"),
        pytest.param("+44 20 7946 0018/19", id="two numbers"),
        pytest.param("+3758107177017", id="what may have to go, though it looks valid"),
        pytest.param("+4930123456.0", id="a spreadsheet's"),
        pytest.param("+0442079460018", id="no country"),
        pytest.param("+999 1234 5678", id="no country yet"),
        pytest.param("+44 20 7946 001", id="too short"),
        pytest.param("\uff0b44 20 7946 0018", id="a wide plus"),
        pytest.param("+44 20 7946 \u0660018", id="digits of another script"),
        pytest.param("+", id="nothing but the plus"),
        pytest.param("+44 20 7946 0018" + " " * 40, id="long"),
    ],
)
def test_what_has_to_be_looked_at_closely_is_left_to_libphonenumber(text):
    assert plain_e164(text) is None


LONDON, TOKYO = "+442079460018", "+81332249999"


@pytest.mark.parametrize(
    ("text", "gb", "jp", "us"),
    [
        pytest.param("+44\u202f20\u202f7946\u20090018", LONDON, LONDON, LONDON, id="narrow spaces"),
        pytest.param("090-1234-5678", "+449012345678", "+819012345678", None, id="another number elsewhere"),
        pytest.param("010 44 20 7946 0018", None, LONDON, None, id="Japan's prefix"),
        pytest.param("Tel: 020 7946 0018", LONDON, "+812079460018", None, id="label before"),
        pytest.param("電話03-3224-9999", None, TOKYO, None, id="label without a space"),
        pytest.param("Tel/Fax: +44 20 7946 0018", LONDON, LONDON, LONDON, id="two labels"),
        pytest.param("03ー3224ー9999", None, TOKYO, None, id="kana's long mark"),
        pytest.param("+44 20 7946 0018 mobile", None, None, None, id="label after, without brackets"),
        pytest.param("+44 20 7946 0018 [work]", LONDON, LONDON, LONDON, id="label in square brackets"),
        pytest.param("020 7946 0018 / 07400 123456", LONDON, "+812079460018", None, id="two, slash"),
        pytest.param("020 7946 0018 or 07400 123456", LONDON, "+812079460018", None, id="two, or"),
        pytest.param("+442079460018, 07400123456", LONDON, LONDON, LONDON, id="two, comma"),
        pytest.param("+442079460018\n+447400123456", LONDON, LONDON, LONDON, id="two lines"),
        pytest.param("+442079460018 +447400123456", None, None, None, id="two, only a space"),
        pytest.param("n/a; +442079460018", LONDON, LONDON, LONDON, id="nothing, then a number"),
        pytest.param("4.4208E+11", None, None, None, id="spreadsheet exponent"),
        pytest.param("1234", None, None, None, id="only possible"),
        pytest.param("000-0000-0000", None, None, None, id="zeros"),
        pytest.param("07400 mobile", None, None, None, id="letters that would make a mobile number"),
        pytest.param("1-800-GO-FEDEX", None, None, "+18004633339", id="vanity number"),
        pytest.param("0800 FLOWERS", "+448003569377", "+818003569377", None, id="vanity by region"),
        pytest.param("+44 20 7946 HOME", None, None, None, id="vanity is for free numbers"),
        pytest.param("ann2079460018", None, None, None, id="digits of a name"),
        pytest.param("ann2079460018@example.com", None, None, None, id="digits of an address"),
        pytest.param("+442079460018@pbx.example.com", LONDON, LONDON, LONDON, id="address without scheme"),
        pytest.param("<sip:+442079460018@h:5060;user=phone>", LONDON, LONDON, LONDON, id="SIP in brackets"),
        pytest.param(
            "tel:+44-20-7946-0018;phone-context=+81", LONDON, LONDON, LONDON, id="global in a context"
        ),
        pytest.param("*21*+442079460018", None, None, None, id="dialling code"),
        pytest.param("+" + "4" * 300, None, None, None, id="endless"),
        pytest.param("\ufdfa" * 20, None, None, None, id="endless when normalized"),
    ],
)
def test_a_number_is_read_with_care(text, gb, jp, us):
    found = {region: read(text, region) for region in ("GB", "JP", "US")}

    assert {region: number and number[0] for region, number in found.items()} == {
        "GB": gb,
        "JP": jp,
        "US": us,
    }


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        pytest.param("+44 20 7946 0018 ext. 123", "123", id="ext."),
        pytest.param("+44 20 7946 0018 Extension: 123", "123", id="Extension"),
        pytest.param("+442079460018,123", "123", id="comma"),
        pytest.param("+442079460018,,123#", "123", id="pauses"),
        pytest.param("+442079460018, ext 123", "123", id="comma and word"),
        pytest.param("+44 20 7946 0018 ｘ１２３", "123", id="full-width"),
        pytest.param("+442079460018 内線123", "123", id="Japanese"),
        pytest.param("+442079460018 (ext 123)", "123", id="in brackets"),
        pytest.param("+442079460018 x12 / +447400123456 x34", "12", id="the first one's"),
        pytest.param("tel:+442079460018;isub=12;ext=5", "5", id="RFC 3966"),
    ],
)
def test_an_extension_is_told_from_the_number(text, extension):
    assert read(text, "JP") == (LONDON, extension)


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        pytest.param("n/a", "GB", "has no digits", id="no digits"),
        pytest.param("ext 1234", "GB", "is an extension without a number", id="extension only"),
        pytest.param(
            "020 7946 0018", None, "is written without a country code that is known", id="no region"
        ),
        pytest.param(
            "020 7946 0018", "ZZ", "is written without a country code that is known", id="no such region"
        ),
        pytest.param("+44 20 7946 0018 home", "GB", "is not a valid phone number", id="word behind"),
        pytest.param("+44 20 7946 HOME", "GB", "has letters in it", id="letters"),
        pytest.param("*31#", "GB", "has something in it that cannot be dialled", id="code"),
        pytest.param("()" * 200 + "1", "GB", "is too long for a phone number", id="long"),
        pytest.param("1", "GB", "is not a valid phone number", id="one digit"),
    ],
)
def test_the_reason_says_what_is_wrong_without_the_number(text, region, reason):
    with pytest.raises(Unusable) as caught:
        parse_phone(text, region)

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("options", "home", "foreign"),
    [
        pytest.param({}, LONDON, TOKYO, id="default"),
        pytest.param({"format": "e164"}, LONDON, TOKYO, id="e164"),
        pytest.param({"format": "e164_digits"}, "442079460018", "81332249999", id="e164_digits"),
        pytest.param({"format": "rfc3966"}, "tel:+44-20-7946-0018", "tel:+81-3-3224-9999", id="rfc3966"),
        pytest.param({"format": "national"}, "020 7946 0018", "+81 3-3224-9999", id="national"),
        pytest.param({"format": "digits"}, "02079460018", "0081332249999", id="digits"),
    ],
)
def test_a_number_is_written_in_the_form_asked_for(options, home, foreign):
    assert (write(LONDON, "gb", **options), write(TOKYO, "gb", **options)) == (home, foreign)


@pytest.mark.parametrize(("format", "expected"), [("national", "020 7946 0018"), ("digits", "02079460018")])
def test_where_nobody_knows_the_country_a_number_is_at_home(format, expected):
    assert write(LONDON, None, format=format) == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("e164", "+442079460018;ext=12"),
        ("rfc3966", "tel:+44-20-7946-0018;ext=12"),
        ("national", "020 7946 0018 x12"),
        ("digits", "02079460018x12"),
        ("e164_digits", "442079460018x12"),
    ],
)
def test_an_extension_is_appended_and_read_again(format, expected):
    options = {"format": format, "extension": "append"}
    once = write("020 7946 0018 ext 12", **options)

    assert (once, write(once, **options), write(LONDON, **options)) == (
        expected,
        expected,
        write(LONDON, format=format),
    )


def test_an_extension_is_dropped_unless_asked_for():
    assert write("020 7946 0018 ext 12") == LONDON


def test_an_extension_can_be_refused():
    with pytest.raises(Unusable, match=r'^has an extension; the option extension = "drop" leaves it out$'):
        write("020 7946 0018 ext 12", extension="reject")


def test_a_number_without_an_extension_passes_where_they_are_refused():
    assert write(LONDON, extension="reject") == LONDON


def test_the_numbers_of_a_list_are_written_one_by_one():
    value = [{"value": "020 7946 0018", "type": "work"}, {"type": "mobile"}]

    assert write(value) == [{"value": LONDON, "type": "work"}]


PIECES = st.sampled_from(
    [
        *(
            "+",
            "44",
            "020",
            "7946",
            "0018",
            "81",
            "0",
            "1",
            "800",
            ".0",
            "\u0664",
            "(0)",
            "FLOWERS",
            "内線",
            "ext",
        ),
        *(" ", "\n", "/", ";", ",", "-", "~", "#", "*", "x", "(", ")", "[", "]", "or", "@", "tel:", ";ext="),
        ";phone-context=",
    ]
)
TEXTS = st.one_of(
    st.text(), st.lists(PIECES, max_size=12).map("".join), st.text(st.characters(), max_size=300)
)
REGIONS = st.one_of(
    st.none(), st.text(max_size=3), st.sampled_from(["GB", "JP", "US", "DE", "IT", "AU", "001"])
)


@settings(deadline=None)  # a region's metadata is loaded when first met
@given(TEXTS, REGIONS)
def test_any_text_is_a_number_or_unusable(text, region):
    found = read(text, region)

    assert found is None or found[0][1:].isdecimal()


@settings(deadline=None)  # a region's metadata is loaded when first met
@given(TEXTS, REGIONS, st.sampled_from(["e164", "rfc3966"]), st.sampled_from(["drop", "append"]))
def test_a_written_number_is_written_the_same_again(text, region, format, extension):
    options = {"format": format, "extension": extension}
    try:
        once = write(text, region, **options)
    except Unusable:
        return

    assert write(once, region, **options) == once
