"""What of an explanation is not as a test expects, and the test that expects what an explanation says."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.rule_test import RuleTest, as_test, mismatches

PROBLEM = {"path": "title", "rule": "config:title", "reason": "is not one of a, b"}
INPUT = {"userName": "ann"}


def explanation(resource: Any = None, problems: Any = (), **fates: Any) -> dict[str, Any]:
    return {"target": "t", "resource": resource, "problems": problems, "held": [], "dropped": [], **fates}


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        pytest.param({"form": {"a": 1}}, explanation({"a": 1, "schemas": ["x"]}), [], id="schemas"),
        pytest.param({"form": {"a": 1}}, explanation({"a": 1, "active": True}), [], id="active unsaid"),
        pytest.param(
            {"form": {"a": 1, "active": False}},
            explanation({"a": 1, "active": True}),
            ["active: expected false, got true"],
            id="active said",
        ),
        pytest.param({"form": {"a": 1}}, explanation({}), ["a: expected 1, got nothing"], id="less"),
        pytest.param({"form": {}}, explanation({"b": "x"}), ['b: expected nothing, got "x"'], id="more"),
        pytest.param({"form": {}}, explanation(None), [], id="out of scope"),
        pytest.param({"held": []}, explanation({"b": 1}), [], id="form unsaid"),
        pytest.param(
            {"held": ["a"]},
            explanation({}, held=["b"]),
            ["a: expected held, got not held", "b: expected not held, got held"],
            id="held",
        ),
        pytest.param(
            {"dropped": ["a"]}, explanation({}), ["a: expected dropped, got not dropped"], id="dropped"
        ),
        pytest.param({"form": {}}, explanation({}, dropped=["a"], held=["b"]), [], id="fates unsaid"),
        pytest.param({"problems": ["title"]}, explanation(None, [PROBLEM]), [], id="refused"),
        pytest.param(
            {"problems": ["x"]},
            explanation(None, [PROBLEM]),
            [
                "x: expected refused, got accepted",
                "title: expected accepted, got refused: is not one of a, b",
            ],
            id="refused for something else",
        ),
        pytest.param(
            {"form": {"a": 1}, "held": ["b"]},
            explanation(None, [PROBLEM]),
            ["title: expected accepted, got refused: is not one of a, b"],
            id="refused instead",
        ),
        pytest.param(
            {"problems": ["x"]}, explanation({}), ["x: expected refused, got accepted"], id="accepted instead"
        ),
    ],
)
def test_what_is_not_as_expected_is_told(expected: Any, found: Any, told: list[str]) -> None:
    assert list(map(str, mismatches(RuleTest("n", "p", INPUT, **expected), found))) == told


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab é\"'.", max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
tables = st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), values, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


@given(tables, tables)
def test_a_test_is_written_as_toml_that_says_the_same(resource: dict[str, Any], form: dict[str, Any]) -> None:
    (read,) = tomllib.loads(as_test(resource, explanation(form)))["targets"]["t"]["tests"]

    kept = {name: value for name, value in resource.items() if name.casefold() != "password"}
    assert read["input"] == without_nulls(kept)
    assert read["form"] == without_nulls({name: value for name, value in form.items() if name != "schemas"})
