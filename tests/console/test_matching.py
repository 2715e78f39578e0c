"""Who is meant by a number, an address or words, whatever case, spelling or escape they stand in."""

import json

import pytest

from gateway.console.matching import match_of

ANN = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann@example.com",
    "title": 'Head of "Phones" \\ Zürich',
    "emails": [{"type": "work", "value": "Ann.Lee@example.com"}],
    "phoneNumbers": [{"type": "work", "value": "+41 44 668 18 00"}, {"type": "other", "value": "4711"}],
    "more": {"room": ["B 12", None, 7]},
}


@pytest.mark.parametrize(
    ("text", "anybody", "whole"),
    [
        pytest.param("+41446681800", True, True, id="E.164"),
        pytest.param("0041 (0)44 668 18 00", True, True, id="dialled from abroad"),
        pytest.param("044 668 18 00", True, True, id="at home"),
        pytest.param("+41-44-668.18.00 ext. 5", True, False, id="with an extension"),
        pytest.param("668 18 00", True, False, id="end"),
        pytest.param("4711", True, True, id="short"),
        pytest.param("800", False, False, id="three digits"),
        pytest.param("+49 44 668 18 00", False, False, id="another country"),
        pytest.param("+41 44 668 18 01", False, False, id="another number"),
        pytest.param("ANN.LEE@EXAMPLE.COM", True, True, id="address"),
        pytest.param("lee@example.com", True, False, id="end of an address"),
        pytest.param('"phones" zürich', True, False, id="words"),
        pytest.param("head zurich", False, False, id="one word is not there"),
        pytest.param("core:2.0:user", False, False, id="schema"),
        pytest.param("familyName", False, False, id="name of an attribute"),
        pytest.param("phoneNumbers", False, False, id="attribute that is there"),
        pytest.param("b 12", True, False, id="inside"),
        pytest.param("\\", True, False, id="escaped"),
        pytest.param("+", True, False, id="sign alone, a word"),
    ],
)
def test_somebody_is_meant_by_a_text(text: str, anybody: bool, whole: bool) -> None:
    original = json.dumps(ANN, ensure_ascii=False, separators=(",", ":"))

    matches = [match_of(text, whole=only) for only in (False, True)]

    assert [match is not None and match(original) for match in matches] == [anybody, whole]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_means_nobody(text: str) -> None:
    assert match_of(text, whole=False) is None


def test_what_looks_like_no_list_of_numbers_is_passed_over() -> None:
    match = match_of("+41446681800", whole=True)

    assert match is not None
    number = "+41446681800"
    for numbers in (None, number, {"value": number}, [5, {"value": int(number)}, {"type": number}]):
        assert not match(json.dumps({"phoneNumbers": numbers}))
