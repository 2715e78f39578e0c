"""Transforms of texts, and how they reach into lists and objects."""

import pytest

from gateway.mapping.specs import Person, Unusable
from gateway.mapping.transforms import compile_transform


def run(entry, value):
    return compile_transform(entry, {}).apply(value, Person())


SPACES = [
    *range(0x09, 0x0E),
    *(0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    *(0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF),  # zero width
    *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # bidi
]


@pytest.mark.parametrize("code", SPACES, ids=hex)
def test_strip_spaces_knows_every_space(code):
    assert run("strip_spaces", f"{chr(code)}+44{chr(code)}20{chr(code)}") == "+4420"


@pytest.mark.parametrize("code", SPACES, ids=hex)
def test_trim_knows_the_same_spaces_at_both_ends_only(code):
    assert run("trim", f"{chr(code)}a{chr(code)}b{chr(code)}") == f"a{chr(code)}b"


@pytest.mark.parametrize(
    ("entry", "value", "expected"),
    [
        pytest.param("strip_spaces", "a\u00adb", "a\u00adb", id="a soft hyphen is no space"),
        pytest.param("strip_spaces", "\u00a0\u200b", "", id="nothing but spaces"),
        pytest.param("lower", "ÄB", "äb", id="lower"),
        pytest.param("upper", "äß", "ÄSS", id="upper"),
        pytest.param("nfkc", "ＡＢ１\u3000ｶﾞ", "AB1 ガ", id="nfkc"),
        pytest.param("digits", "+44 (0)20-x", "44020", id="digits"),
        pytest.param("digits", "１２٣۴", "1234", id="digits of other scripts"),
        pytest.param("digits", "none", "", id="no digits"),
        pytest.param(
            {"name": "truncate", "length": 3}, "日本語名", "日本語", id="truncate counts characters"
        ),
        pytest.param({"name": "truncate", "length": 9}, "abc", "abc", id="truncate a short one"),
        pytest.param({"name": "replace", "pattern": "a+", "by": "é"}, "caat", "cét", id="replace"),
        pytest.param({"name": "replace", "pattern": "-", "by": ""}, "a-b-c", "abc", id="replace by nothing"),
        pytest.param(
            {"name": "replace", "pattern": r"(\w+)@(\w+)", "by": r"\2\\\1\0"},
            "ann@x",
            "x\\annann@x",
            id="replace with groups",
        ),
        pytest.param(
            {"name": "replace", "pattern": "(a)|b", "by": r"<\1>"}, "ab", "<a><>", id="unused group"
        ),
        pytest.param({"name": "replace", "pattern": "日", "by": "月"}, "日本日", "月本月", id="beyond ASCII"),
        pytest.param({"name": "match", "pattern": "[a-z]+"}, "abc", "abc", id="match"),
    ],
)
def test_a_text_is_changed(entry, value, expected):
    assert run(entry, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("true", True, id="true"),
        pytest.param("True", True, id="Entra's True"),
        pytest.param(" FALSE ", False, id="FALSE in spaces"),
        pytest.param("1", True, id="1"),
        pytest.param("0", False, id="0"),
        pytest.param(True, True, id="boolean"),
        pytest.param(0, False, id="number"),
        pytest.param(["true", "0"], [True, False], id="list keeps false"),
        pytest.param([{"type": "a", "value": "False"}], [{"type": "a", "value": False}], id="objects"),
    ],
)
def test_a_boolean_is_read(value, expected):
    assert run("boolean", value) is expected or run("boolean", value) == expected
    assert type(run("boolean", value)) is type(expected)


@pytest.mark.parametrize("value", ["yes", "", "2", 2, 1.0, None, [["true"]], {"value": "on"}], ids=repr)
def test_what_is_not_true_or_false_is_unusable(value):
    with pytest.raises(Unusable, match="is not true or false"):
        run("boolean", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["A", "B"], ["a", "b"], id="list"),
        pytest.param(["A", "", None, [], {}], ["a"], id="absent items leave"),
        pytest.param({"value": "A", "type": "work"}, {"value": "a", "type": "work"}, id="object"),
        pytest.param(
            [{"value": "A", "primary": True}, "B"],
            [{"value": "a", "primary": True}, "b"],
            id="objects and texts",
        ),
        pytest.param(
            [{"type": "work"}, {"value": "", "type": "home"}], [], id="objects without a value leave"
        ),
    ],
)
def test_a_list_or_object_is_changed_item_by_item(value, expected):
    assert run("lower", value) == expected


def test_items_that_become_absent_leave_the_list():
    assert run("digits", ["a1", "b", {"value": "c", "type": "work"}]) == ["1"]


@pytest.mark.parametrize(
    "value", [1, True, 1.5, ["a", 1], [["a"]], [{"value": ["a"]}], {"value": 7}], ids=repr
)
@pytest.mark.parametrize("entry", ["strip_spaces", "trim", "digits", "phone", "language", "country"])
def test_what_is_no_text_is_unusable(entry, value):
    with pytest.raises(Unusable, match="is not text"):
        run(entry, value if not isinstance(value, list) else value[-1:])


@pytest.mark.parametrize("value", ["ab1", "", "abc\n"], ids=repr)
def test_match_wants_the_whole_text_and_does_not_repeat_it(value):
    with pytest.raises(Unusable) as caught:
        run({"name": "match", "pattern": "[a-z]+"}, value)

    assert str(caught.value) == "does not match the pattern of its rule"


@pytest.mark.parametrize("name", ["match", "replace"])
def test_half_a_character_is_unusable_for_a_pattern(name):
    options = {"by": ""} if name == "replace" else {}

    with pytest.raises(Unusable, match="is not Unicode text"):
        run({"name": name, "pattern": ".*", **options}, "a\ud800")
