"""Transforms that look a text up, forward and back."""

import pytest

from gateway.mapping.specs import Office, Person, Unusable
from gateway.mapping.transforms import compile_transform

OFFICES = {
    "LDN": Office("London", "GB"),
    "London HQ": Office("London", "GB"),
    "tyo": Office("東京", "JP"),
    "TYO": Office("Tokyo 2", "JP"),
}
TABLE = {"CSR": "Agent", "Rep": "Agent", "Boss": "Supervisor", "None": "", "On": True}


def compiled(entry, **options):
    return compile_transform({"name": entry, **options}, OFFICES)


def run(entry, value, **options):
    return compiled(entry, **options).apply(value, Person())


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param("CSR", {}, "Agent", id="listed"),
        pytest.param("On", {}, True, id="to a boolean"),
        pytest.param("None", {}, "", id="to nothing"),
        pytest.param("csr", {}, "csr", id="another case is kept"),
        pytest.param("ｃｓｒ ", {"ignore_case": True}, "Agent", id="in any case and width"),
        pytest.param("Clerk", {"ignore_case": True}, "Clerk", id="unlisted is kept"),
        pytest.param("Clerk", {"otherwise": "drop"}, None, id="unlisted is dropped"),
        pytest.param(["CSR", "Clerk", "None"], {"otherwise": "drop"}, ["Agent"], id="list"),
        pytest.param([{"value": "CSR", "type": "x"}], {}, [{"value": "Agent", "type": "x"}], id="objects"),
    ],
)
def test_map_looks_a_text_up(value, options, expected):
    assert run("map", value, table=TABLE, **options) == expected


def test_map_rejects_what_is_not_in_the_table_without_repeating_it():
    with pytest.raises(Unusable) as caught:
        run("map", ["CSR", "Secret"], table=TABLE, otherwise="reject")

    assert str(caught.value) == "is not one of " + ", ".join(TABLE)


def test_map_prefers_the_exact_spelling():
    assert run("map", "a", table={"A": "upper", "a": "lower"}, ignore_case=True) == "lower"


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param("Supervisor", {}, "Boss", id="one to one"),
        pytest.param("Agent", {}, "CSR", id="the first key"),
        pytest.param("agent", {}, "agent", id="another case"),
        pytest.param("agent", {"ignore_case": True}, "CSR", id="another case, ignored"),
        pytest.param("Other", {"otherwise": "reject"}, "Other", id="unknown"),
        pytest.param(["Agent", 7], {}, ["CSR", 7], id="list"),
        pytest.param([{"value": "Agent", "type": "x"}], {}, [{"value": "CSR", "type": "x"}], id="objects"),
        pytest.param({"value": None}, {}, {"value": None}, id="no value"),
    ],
)
def test_map_turns_a_targets_value_back(value, options, expected):
    assert compiled("map", table=TABLE, **options).invert(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("LDN", "London", id="key"),
        pytest.param("London", "London", id="the target's name"),
        pytest.param("tyo", "東京", id="exact before any case"),
        pytest.param("TYO", "Tokyo 2", id="exact before any case, the other"),
        pytest.param("Tyo", "東京", id="any case: the first"),
        pytest.param("ｌｄｎ", "London", id="any width"),
        pytest.param(" LONDON ", "London", id="the target's name in any case"),
        pytest.param(["LDN", "TYO"], ["London", "Tokyo 2"], id="list"),
    ],
)
def test_an_office_is_written_as_the_target_names_it(value, expected):
    assert run("office", value) == expected


def test_an_unknown_office_is_unusable():
    with pytest.raises(Unusable, match=r"^is not an office of this target: LDN, "):
        run("office", "Paris")


@pytest.mark.parametrize(("value", "expected"), [("London", "LDN"), ("Paris", "Paris"), (7, 7)])
def test_an_office_is_turned_back_into_its_first_key(value, expected):
    assert compiled("office").invert(value) == expected


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        pytest.param("admin", {}, "admin", id="listed"),
        pytest.param("ADMIN", {"ignore_case": True}, "admin", id="written as listed"),
        pytest.param("other", {"otherwise": "drop"}, None, id="dropped"),
        pytest.param(["admin", "other"], {"otherwise": "drop"}, ["admin"], id="dropped from a list"),
        pytest.param([{"value": "general"}], {}, [{"value": "general"}], id="objects"),
    ],
)
def test_allow_lets_listed_values_through(value, options, expected):
    assert run("allow", value, values=["admin", "general"], **options) == expected


@pytest.mark.parametrize("value", ["ADMIN", "other", ["admin", "other"], [{"value": "other"}]], ids=repr)
def test_allow_rejects_any_other(value):
    with pytest.raises(Unusable, match=r"^is not one of admin, general$"):
        run("allow", value, values=["admin", "general"])
