"""A resource as the provider is shown it."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.model import Target
from gateway.flow.resource import shown_entry
from gateway.flow.target_port import ResourceType
from gateway.mapping.target import TargetMapping
from tests.support.house import FakeTarget

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
