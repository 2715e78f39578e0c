"""What holds for every transform and any value: pure, only ever Unusable, twice is once where it says so."""

import copy
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mapping.specs import Office, Person, Unusable
from gateway.mapping.transforms import TRANSFORMS, compile_transform

OFFICES = {"LDN": Office("London", "GB"), "a": Office("b")}
REQUIRED = {
    "map": {"table": {"a": "b", "1": "", "b": True}},
    "allow": {"values": ["a", "b"]},
    "truncate": {"length": 2},
    "replace": {"pattern": "a|(b*)", "by": r"<\1>"},
    "match": {"pattern": "[ab]*"},
    "constant": {"value": ["a"]},
}
ENTRIES = [{"name": name, **REQUIRED.get(name, {})} for name in TRANSFORMS]
OTHERS = [
    {"name": name, **REQUIRED.get(name, {}), key: choice}
    for name, spec in TRANSFORMS.items()
    for key, option in spec.options.items()
    for choice in option.choices[1:]
]
INVERTIBLE = [entry for entry in [*ENTRIES, *OTHERS] if compile_transform(entry, OFFICES).invert]
IDEMPOTENT = [entry for entry in ENTRIES if TRANSFORMS[entry["name"]].idempotent]

WORDS = st.sampled_from(
    [
        *(
            "",
            "a",
            "b",
            "A",
            " a ",
            "a,b;c",
            "en_US",
            "GB",
            "020 7946 0018",
            "true",
            "LDN",
            "İ",
            "ß",
            "\ufb03",
        ),
        *("\ud800", '["a"]', '"[\\"a\\"]"', '{"value": "a;b"}', 'a, "b"', "x,[1]"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | WORDS | st.text(max_size=12)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["value", "type", "primary"]), inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda value: value is not None)
ANN = {"name": {"givenName": "Ann", "familyName": "Lee"}, "title": "a"}
PEOPLE = st.builds(
    Person, st.just(ANN) | st.dictionaries(st.sampled_from(["name", "title"]), VALUES), st.just("GB")
)
IDS = {"ids": lambda entry: " ".join(map(str, entry.values()))}


@pytest.mark.parametrize("entry", [*ENTRIES, *OTHERS], **IDS)
@settings(max_examples=25, deadline=None)
@given(value=VALUES, person=PEOPLE)
def test_a_transform_leaves_its_input_as_it_is_and_says_only_unusable(entry, value, person):
    before = copy.deepcopy((value, person.original))

    with suppress(Unusable):
        compile_transform(entry, OFFICES).apply(value, person)

    assert repr((value, person.original)) == repr(before)


@pytest.mark.parametrize("entry", IDEMPOTENT, **IDS)
@settings(max_examples=50, deadline=None)
@given(value=VALUES, person=PEOPLE)
def test_twice_is_once_where_the_table_says_so(entry, value, person):
    apply = compile_transform(entry, OFFICES).apply
    try:
        once = apply(value, person)
    except Unusable:
        return

    assert once is None or repr(apply(once, person)) == repr(once)


@pytest.mark.parametrize("entry", INVERTIBLE, **IDS)
@settings(max_examples=25, deadline=None)
@given(value=VALUES | st.none())
def test_turning_back_takes_anything_and_leaves_it_as_it_is(entry, value):
    before = repr(value)

    compile_transform(entry, OFFICES).invert(value)

    assert repr(value) == before


def test_the_transforms_that_can_be_turned_back():
    assert {entry["name"] for entry in INVERTIBLE} == {"split", "join", "map", "office", "objects"}


@given(st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), unique=True))
def test_a_joined_list_is_split_into_the_same_list(texts):
    joined = compile_transform("join", {})

    assert joined.invert(joined.apply(texts, Person())) == texts
