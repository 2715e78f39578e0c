"""A resource as the provider is shown it, and what is laid over its entry."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flow import resource as module
from gateway.flow.model import Target
from gateway.flow.resource import laid, shown_entry
from gateway.flow.target_port import ResourceType
from gateway.mapping.target import TargetMapping
from gateway.scim.difference import Difference, compare, overlay
from tests.support.house import FakeTarget
from tests.support.rules import make_rule

TARGET = Target("x", FakeTarget({}), TargetMapping(), location="http://gw/v2")
IDS = st.text(st.characters(codec="utf-8"), min_size=1) | st.from_regex(r"[\w.~%/-]+", fullmatch=True)


@given(IDS)
def test_an_id_is_quoted_in_its_address(id: str) -> None:
    document = shown_entry(TARGET, ResourceType.USER, {"id": id, "userName": "ann"})

    assert document["meta"]["location"] == f"http://gw/v2/Users/{quote(id, safe='')}"


def test_what_says_what_it_is_comes_first_and_is_ours() -> None:
    entry = {"userName": "ann", "meta": {"created": "2026-01-01T00:00:00Z"}, "schemas": ["urn:x"], "id": "a"}

    document = shown_entry(TARGET, ResourceType.USER, entry)

    assert list(document) == ["schemas", "id", "userName", "meta"]
    assert document["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User"]
    assert document["meta"]["created"] == "2026-01-01T00:00:00Z"


IN_A_DIRECTORY = replace(make_rule("title"), in_directory=True)


@pytest.mark.parametrize(
    ("there", "before", "after", "left"),
    [
        pytest.param(["A", "B"], "B", "C", ["A", "C"], id="one of several is exchanged"),
        pytest.param(["A", "B"], "X", "C", ["C", "B"], id="which is not known: the first"),
        pytest.param(["A", "B"], "A", "B", "B", id="for one that is there, which is there once"),
        pytest.param(["A", "B", "C"], "B", None, ["A", "C"], id="one goes"),
        pytest.param(["A", "B"], "X", None, ["A", "B"], id="one that is not there goes"),
        pytest.param("A", "A", "B", "B", id="there is one"),
        pytest.param("A", "A", None, None, id="there is one, which goes"),
        pytest.param(None, None, "A", "A", id="there is none"),
        pytest.param(["A"], ["A"], ["B", "C"], ["B", "C"], id="a list is exchanged whole"),
    ],
)
def test_a_difference_is_laid_over_the_value_that_is_meant_and_leaves_the_others(
    there: Any, before: Any, after: Any, left: Any
) -> None:
    present = {"id": "1", "name": {"givenName": "Ann"}} | ({} if there is None else {"title": there})
    renamed = Difference(("name", "givenName"), "Ann", "Bea")

    result = laid(TargetMapping([IN_A_DIRECTORY]), present, [renamed, Difference(("title",), before, after)])

    assert result.pop("title", None) == left
    assert result == {"id": "1", "name": {"givenName": "Bea"}}


def test_many_differences_are_laid_over_an_entry_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_over = list[int]()
    monkeypatch.setattr(
        module, "overlay", lambda base, some: laid_over.append(len(some)) or overlay(base, some)
    )
    before = {"x509Certificates": [{"type": str(n), "value": "A"} for n in range(100)]}
    after = {"x509Certificates": [{"type": str(n), "value": "B"} for n in range(100)]}
    differences = compare(before, after)

    assert laid(TargetMapping([]), before, differences) == after
    assert laid_over == [len(differences)]
    assert len(differences) > 99
