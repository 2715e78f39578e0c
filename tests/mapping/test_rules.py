"""What a rule writes back: only its own value, where it came from, under the provider's names."""

from typing import Any

import pytest

from gateway.mapping.rules import Rule
from gateway.mapping.specs import Office
from gateway.mapping.target import TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.names import ENTERPRISE_USER
from tests.support.rules import make_rule

WORK = 'phoneNumbers[type eq "work"].value'
OFFICES = {"LDN": Office("London"), "TYO": Office("Tokyo")}
PHONES = make_rule("phoneNumbers.value", via=[compile_transform("phone", {})], on_invalid="drop")
ORIGINAL = {
    "userName": "ann",
    "phoneNumbers": [
        {"type": "work", "value": "+44 20 7946 0123", "primary": True},
        {"type": "mobile", "value": "+44 7400 123456"},
        {"type": "other", "value": "none"},
    ],
}


def seen_and_edited(mapping: TargetMapping, original: dict[str, Any], **edits: str) -> tuple[Any, Any]:
    """Return what the target was sent, and the same with other values in elements of these types."""
    form = mapping.forward(original).form
    elements = [e | {"value": edits.get(e["type"], e["value"])} for e in form["phoneNumbers"]]
    return form, form | {"phoneNumbers": elements}


def test_an_edit_of_one_number_leaves_the_others_as_the_provider_wrote_them() -> None:
    mapping = TargetMapping([PHONES])
    seen, present = seen_and_edited(mapping, ORIGINAL, work="+442079460777")

    view = mapping.view(ORIGINAL, seen, present)

    work, mobile, other = ORIGINAL["phoneNumbers"]
    assert view["phoneNumbers"] == [work | {"value": "+442079460777"}, mobile, other]


def test_an_edit_of_a_number_leaves_what_is_held_of_its_element() -> None:
    mapping = TargetMapping([make_rule(WORK, via=[compile_transform("phone", {})])], unlisted="hold")
    seen, present = seen_and_edited(mapping, ORIGINAL, work="+442079460777")

    view = mapping.view(ORIGINAL, seen, present)

    assert view["phoneNumbers"][0] == {"type": "work", "value": "+442079460777", "primary": True}
    assert view["phoneNumbers"][1:] == ORIGINAL["phoneNumbers"][1:]


@pytest.mark.parametrize("count", [1, 2])
def test_an_unknown_entry_is_shown_with_the_types_of_its_numbers(count: int) -> None:
    numbers = [{"type": "work", "value": "+442079460123"}, {"type": "mobile", "value": "+447400123456"}]

    shown = TargetMapping([PHONES]).reverse({"id": "t1", "phoneNumbers": numbers[:count]})

    assert shown == {"phoneNumbers": numbers[:count]}


def mapped_letters(path: str, **more: Any) -> TargetMapping:
    """Return a mapping that turns a into b at a path, and b back into a."""
    return TargetMapping(
        [make_rule(path, via=[compile_transform({"name": "map", "table": {"a": "b"}}, {})])], **more
    )


@pytest.mark.parametrize("unlisted", ["send", "hold"])
@pytest.mark.parametrize(
    ("path", "held", "shown"),
    [
        pytest.param(WORK, [{"type": "work", "value": "b"}], [{"type": "work", "value": "a"}], id="picked"),
        pytest.param(
            WORK,
            [{"type": "work", "value": "b"}, {"type": "work", "value": "c"}],
            [{"type": "work", "value": "a"}, {"type": "work", "value": "c"}],
            id="two of the kind",
        ),
        pytest.param(
            "phoneNumbers.value", [{"value": "b"}, {"type": "x"}], [{"value": "a"}, {"type": "x"}], id="all"
        ),
        pytest.param("phoneNumbers.value", ["b", "c"], ["a", "c"], id="plain texts"),
    ],
)
def test_an_unknown_entrys_elements_are_shown_as_the_provider_writes_them(
    unlisted: str, path: str, held: list[Any], shown: list[Any]
) -> None:
    mapping = mapped_letters(path, unlisted=unlisted)

    assert mapping.reverse({"phoneNumbers": held}) == {"phoneNumbers": shown}


TYPED = [{"type": "work", "value": "a"}, {"type": "home", "value": "c"}]


@pytest.mark.parametrize(
    ("original", "present", "shown"),
    [
        pytest.param(TYPED, [], [], id="all removed"),
        pytest.param(TYPED, [{"type": "home", "value": "c"}], TYPED[1:], id="one removed"),
        pytest.param(
            TYPED[1:],
            [{"type": "home", "value": "c"}, {"type": "work", "value": "b"}],
            TYPED[::-1],
            id="added",
        ),
        pytest.param([{"value": "a"}], [{"value": "d"}], [{"value": "d"}], id="without types"),
        pytest.param(["a", "c"], ["b", "d"], ["a", "d"], id="plain texts"),
    ],
)
def test_elements_that_come_and_go_at_the_target_do_so_for_the_provider(
    original: list[Any], present: list[Any], shown: list[Any]
) -> None:
    mapping = mapped_letters("phoneNumbers.value")
    document = {"userName": "ann", "phoneNumbers": original}
    seen = mapping.forward(document).form

    view = mapping.view(document, seen, seen | {"phoneNumbers": present})

    assert view.get("phoneNumbers", []) == shown


OFFICE = make_rule(
    f"{ENTERPRISE_USER}:officeName",
    ["*:officeName", f"{ENTERPRISE_USER}:department"],
    [compile_transform("office", OFFICES)],
)


@pytest.mark.parametrize(
    "original",
    [
        pytest.param({"officeName": "LDN"}, id="at the core level"),
        pytest.param({ENTERPRISE_USER: {"officeName": "LDN"}}, id="in the enterprise extension"),
        pytest.param(
            {"urn:example:own": {"officeName": "LDN", "seat": "4"}}, id="in an extension of their own"
        ),
        pytest.param({ENTERPRISE_USER: {"department": "LDN"}}, id="as the department"),
    ],
)
def test_a_value_changed_at_the_target_comes_back_where_the_provider_has_it(original: dict[str, Any]) -> None:
    mapping = TargetMapping([OFFICE], unlisted="hold")
    seen = mapping.forward(original).form

    view = mapping.view(original, seen, seen | {ENTERPRISE_USER: {"officeName": "Tokyo"}})

    assert view == replaced(original, "LDN", "TYO")


def replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: replaced(inner, old, new) for name, inner in value.items()}
    return new if value == old else value


def test_a_value_chosen_among_several_is_the_one_that_is_written_back() -> None:
    mapping = TargetMapping([make_rule("nickName", ["emails.value"])])
    emails = [{"type": "home", "value": "a@x"}, {"type": "work", "value": "b@x", "primary": True}]
    original = {"userName": "ann", "emails": emails}
    seen = mapping.forward(original).form

    view = mapping.view(original, seen, seen | {"nickName": "c@x"})

    assert seen["nickName"] == "b@x"
    assert view["emails"] == [emails[0], emails[1] | {"value": "c@x"}]


def test_several_transforms_are_undone_from_the_last_to_the_first() -> None:
    tables = ({"LDN": "London"}, {"London": "Office 7"}, {"Office 7": "7"})
    rule = make_rule(
        "x", ["officeName"], via=[compile_transform({"name": "map", "table": t}, {}) for t in tables]
    )
    mapping = TargetMapping([rule], unlisted="hold")

    assert mapping.forward({"userName": "ann", "officeName": "LDN"}).form["x"] == "7"
    assert mapping.reverse({"userName": "ann", "x": "7"})["officeName"] == "LDN"


def test_a_rule_runs_on_every_text_of_a_plain_list() -> None:
    lower = make_rule("roles.value", via=[compile_transform("lower", {})])

    mapped = TargetMapping([lower]).forward({"userName": "ann", "roles": ["Admin", "Agent"]})

    assert mapped.form["roles"] == ["admin", "agent"]
    assert (mapped.dropped, mapped.problems) == ((), ())


def only(*values: str, **more: Any) -> Any:
    return compile_transform({"name": "allow", "values": list(values)} | more, {})


@pytest.mark.parametrize(
    ("rules", "dropped"),
    [
        pytest.param(
            [make_rule("title", via=[only("B", otherwise="drop")])], ("title",), id="by its transform"
        ),
        pytest.param([make_rule("title", ["nickName", "title"])], ("title",), id="another source came first"),
        pytest.param([make_rule("title", ["nickName"])], ("title",), id="another attribute stands there"),
        pytest.param(
            [make_rule("title", ["nickName"]), make_rule("displayName", ["title"])], (), id="sent elsewhere"
        ),
    ],
)
def test_what_a_rule_names_and_the_target_does_not_get_is_dropped(
    rules: list[Rule], dropped: tuple[str, ...]
) -> None:
    mapped = TargetMapping(rules).forward({"userName": "ann", "title": "A", "nickName": "N"})

    assert mapped.dropped == dropped
