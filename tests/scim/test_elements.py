from copy import deepcopy

import pytest

from gateway.errors import InvalidValue, TooLarge
from gateway.scim.elements import MAX_LOOKS, Elements, Looks, merged, refuse_larger
from gateway.scim.grammar import parse_filter
from gateway.scim.jsontext import MAX_BODY, MAX_ELEMENTS
from gateway.scim.names import resource

EMAILS = resource("User").find("emails")
MEMBERS = resource("Group").find("members")


def emails(*values: dict) -> Elements:
    """Return these emails, ready to be changed."""
    return Elements(list(values), EMAILS)


def test_an_object_keeps_its_own_names_under_fresh_values():
    assert merged({"Value": "a", "type": "x"}, {"value": "b", "display": "c"}) == {
        "Value": "b",
        "type": "x",
        "display": "c",
    }


def test_what_nothing_changed_is_given_back_itself():
    source = [{"value": "a"}]
    elements = Elements(source, EMAILS)

    elements.put(0, {"value": "a"})
    elements.drop_sub(0, "display")

    assert elements.plain() is source


def test_the_source_is_never_changed():
    source = [{"value": "a", "primary": True}, {"value": "b"}]
    before = deepcopy(source)
    elements = Elements(source, EMAILS)

    elements.demote_others([elements.add({"value": "c", "primary": True})])
    elements.drop(1)

    assert source == before
    assert elements.plain() == [{"value": "a", "primary": False}, {"value": "c", "primary": True}]


@pytest.mark.parametrize(
    ("filter", "places"),
    [
        ('value eq "A@x"', [0, 1]),
        ('value eq "a@x" and type eq "home"', [1]),
        ('type eq "work"', [0, 2]),
        ('value eq "gone"', []),
        ('value sw "b"', [2]),
        ('value.x eq "a@x"', []),
        ("value eq 5", []),
        ("value eq true", [3]),
        ('value eq "true"', [3]),
    ],
)
def test_a_filter_picks_by_value_as_it_does_by_anything_else(filter, places):
    elements = emails(
        {"value": "a@x", "type": "work"},
        {"value": "A@X", "type": "home"},
        {"value": "b@x", "type": "work"},
        {"value": True},
    )

    assert elements.select(parse_filter(filter)) == places


def test_a_value_that_changed_is_found_under_its_new_value_alone():
    elements = emails({"value": "a"}, {"value": "b"})
    by_value = {name: parse_filter(f'value eq "{name}"') for name in "abc"}
    assert elements.select(by_value["a"]) == [0]

    elements.put(0, {"value": "c"})
    elements.drop(1)

    assert [elements.select(by_value[name]) for name in "abc"] == [[], [], [0]]


@pytest.mark.parametrize(
    ("present", "added", "result"),
    [
        pytest.param([{"value": "a"}], {"value": "a"}, [{"value": "a"}], id="the same"),
        pytest.param(
            [{"value": "a", "type": "work"}],
            {"value": "A", "display": "d"},
            [{"value": "A", "type": "work", "display": "d"}],
            id="more about one that is there",
        ),
        pytest.param(
            [{"value": "a", "type": "work"}],
            {"value": "a", "type": "home"},
            [{"value": "a", "type": "work"}, {"value": "a", "type": "home"}],
            id="another type",
        ),
        pytest.param([{"type": "x", "b": 1}], {"type": "x"}, [{"type": "x", "b": 1}], id="part of another"),
        pytest.param([{"type": "x"}], {"type": "y"}, [{"type": "x"}, {"type": "y"}], id="no value"),
        pytest.param(["a"], "a", ["a"], id="text that is there"),
        pytest.param(["a"], "A", ["a", "A"], id="text in another case"),
        pytest.param([{"value": "a"}], "a", [{"value": "a"}], id="text of an object that is there"),
        pytest.param(["a"], {"value": "a"}, [{"value": "a"}], id="an object of a text that is there"),
        pytest.param(["a"], {"value": "b"}, [{"value": "a"}, {"value": "b"}], id="object among texts"),
        pytest.param([1], 2, [1, 2], id="numbers"),
        pytest.param("a", "b", ["a", "b"], id="a text that was no list"),
        pytest.param(None, "b", ["b"], id="absent"),
    ],
)
def test_adding_what_is_there_adds_nothing(present, added, result):
    elements = Elements(present, EMAILS)

    place = elements.add(added)

    assert elements.plain() == result
    assert elements.add(added) == place


def test_members_that_differ_in_case_are_two():
    elements = Elements([{"value": "aB"}], MEMBERS)

    elements.add({"value": "AB"})

    assert elements.plain() == [{"value": "aB"}, {"value": "AB"}]


@pytest.mark.parametrize(
    ("element", "sub", "result"),
    [
        pytest.param({"value": "a", "type": "x"}, "VALUE", None, id="no more than companions is left"),
        pytest.param({"value": "a", "type": "x"}, "type", [{"value": "a"}], id="a companion goes"),
        pytest.param({"type": "x"}, "type", None, id="nothing is left"),
        pytest.param({"type": "x", "primary": True}, "primary", [{"type": "x"}], id="companions stay alone"),
        pytest.param({"value": "a"}, "type", [{"value": "a"}], id="absent"),
        pytest.param("a", "type", ["a"], id="text"),
    ],
)
def test_a_sub_attribute_takes_its_element_along_when_it_was_what_counted(element, sub, result):
    elements = Elements([element], EMAILS)

    elements.drop_sub(0, sub)

    assert elements.plain() == result


def test_of_several_primaries_the_last_one_set_stays():
    elements = emails({"value": "a", "primary": "True"}, {"value": "b", "primary": True}, {"value": "c"})

    elements.demote_others([0, 1])

    assert [element.get("primary") for element in elements.plain()] == [False, True, None]


def test_without_a_new_primary_the_old_one_stays():
    elements = emails({"value": "a", "primary": True}, {"value": "b"})

    elements.demote_others([1])

    assert elements[0]["primary"] is True


def test_searching_without_end_is_refused():
    elements = Elements([{"type": "a"}] * MAX_LOOKS, EMAILS)
    assert elements.alike({"display": "x"}) == []

    with pytest.raises(InvalidValue, match="fewer operations"):
        elements.alike({"display": "x"})


def test_all_lists_of_a_patch_and_every_term_of_a_filter_count():
    looks, element_count = Looks(), MAX_LOOKS // 8
    one, other = (Elements([{"type": "a"}] * element_count, EMAILS, looks) for _ in range(2))
    picks = parse_filter('type co "x" or type co "y" or display co "x" or display co "y"')

    assert one.select(picks) == other.select(picks) == []
    with pytest.raises(InvalidValue, match=f"more than {MAX_LOOKS} comparisons"):
        one.alike({"display": "x"})


LONG = [{"value": str(number)} for number in range(MAX_ELEMENTS)]
FULL = {f"l{number}": [{"value": "x", "type": "y"}] * 320 for number in range(10)}  # 9,611 values


@pytest.mark.parametrize(
    ("before", "after", "detail"),
    [
        pytest.param({}, {"roles": [*LONG, {"value": "x"}]}, "roles has more than 1000", id="list"),
        pytest.param({}, {"urn:x:y": {"l": [*LONG, "x"]}}, "l has more than 1000", id="of an extension"),
        pytest.param({"roles": LONG}, {"roles": [*LONG, "x"]}, "roles has more than 1000", id="one more"),
        pytest.param(FULL, FULL | {"more": ["x"] * 500}, "more than 10000 values", id="values"),
        pytest.param({"a": "x" * MAX_BODY}, {"a": "x" * MAX_BODY, "b": "x"}, "1048576 bytes", id="bytes"),
    ],
)
def test_nothing_becomes_larger_than_a_body_may_be(before, after, detail):
    with pytest.raises((InvalidValue, TooLarge), match=detail):
        refuse_larger(before, after)


@pytest.mark.parametrize(
    "large",
    [
        pytest.param({"roles": [*LONG, *LONG]}, id="list"),
        pytest.param({"urn:x:y": {"l": [*LONG, *LONG]}}, id="of an extension"),
        pytest.param(FULL | {"more": ["x"] * 900}, id="values"),
        pytest.param({"a": "x" * 2 * MAX_BODY}, id="bytes"),
    ],
)
def test_what_a_target_has_larger_can_be_changed_all_the_same(large):
    refuse_larger(large | {"title": "Dr"}, large | {"title": "Mr"})
