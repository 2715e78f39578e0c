"""Templates: what becomes of people in JSON of any shape, and of that JSON again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.merging import laid, merge_patch, sparing
from gateway.mapping.templates import (
    ABSENT,
    Unfit,
    compile_shape,
    compile_spot,
    compile_text,
    faults_of,
    read_back,
)
from gateway.scim.names import ENTERPRISE_USER

ANN = {
    "userName": "ann",
    "active": False,
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [{"value": "a@x.test", "type": "work"}, {"value": "b@x.test", "type": "home"}],
    "phoneNumbers": [{"value": "+44", "type": "work"}],
    ENTERPRISE_USER: {"department": "Sales"},
    "roles": [],
}
WORK, MOBILE = '{phoneNumbers[type eq "work"].value}', '{phoneNumbers[type eq "mobile"].value}'


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        pytest.param("{userName}", "ann", id="a text"),
        pytest.param("{active}", False, id="a boolean stays one"),
        pytest.param("{emails}", ANN["emails"], id="a list stays one"),
        pytest.param("{emails.value}", ["a@x.test", "b@x.test"], id="many values"),
        pytest.param('{emails[type eq "home"].value}', "b@x.test", id="one of many"),
        pytest.param(f"{{{ENTERPRISE_USER}:department}}", "Sales", id="an extension's"),
        pytest.param("{name.givenName} {name.familyName}", "Ann Lee", id="a longer text"),
        pytest.param("{name.givenName} {title}", ABSENT, id="a longer text that lacks one"),
        pytest.param("{{{userName}}}", "{ann}", id="braces"),
        pytest.param("{title}", ABSENT, id="nobody's"),
        pytest.param("{roles}", ABSENT, id="an empty list"),
        pytest.param("fixed", "fixed", id="no place"),
        pytest.param({"a": "{title}", "b": {"c": "{userName}"}}, {"b": {"c": "ann"}}, id="left out"),
        pytest.param({"kind": "x", "a": "{title}"}, ABSENT, id="an object that says nothing of them"),
        pytest.param({"kind": "x"}, {"kind": "x"}, id="an object that is the same for everybody"),
        pytest.param(
            [{"k": "w", "n": WORK}, {"k": "m", "n": MOBILE}], [{"k": "w", "n": "+44"}], id="certain elements"
        ),
        pytest.param(
            {"each": "emails", "as": {"a": "{value}"}}, [{"a": "a@x.test"}, {"a": "b@x.test"}], id="each"
        ),
        pytest.param({"each": "ims", "as": {"a": "{value}"}}, ABSENT, id="each of nothing"),
        pytest.param(7, 7, id="a number"),
    ],
)
def test_a_template_is_filled(template, filled):
    assert compile_shape(template).fill(ANN) == filled


@pytest.mark.parametrize("text", ["a {phoneNumbers}", "{name} x"])
def test_what_has_parts_cannot_stand_in_a_text(text):
    with pytest.raises(Unfit, match="has parts"):
        compile_shape(text).fill(ANN)


@pytest.mark.parametrize(
    ("template", "found", "read"),
    [
        pytest.param("{userName}", "ann", {"userName": "ann"}, id="a text"),
        pytest.param("{userName}", 7, {"userName": "7"}, id="a number is the text it would be"),
        pytest.param("{active}", False, {"active": False}, id="a boolean"),
        pytest.param("{userName}", None, {}, id="null"),
        pytest.param("{badge}", 7, {"badge": 7}, id="a number that is no text of the standard"),
        pytest.param("{name.givenName}", "Ann", {"name": {"givenName": "Ann"}}, id="a part"),
        pytest.param("{emails.value}", ["a"], {"emails": [{"value": "a"}]}, id="many values"),
        pytest.param("{emails.value}", "a", {"emails": [{"value": "a"}]}, id="one of many"),
        pytest.param(WORK, "1", {"phoneNumbers": [{"type": "work", "value": "1"}]}, id="one of a type"),
        pytest.param("{name.givenName} x", "Ann x", {}, id="a longer text is not read"),
        pytest.param(
            [{"k": "w", "n": WORK}, {"k": "m", "n": MOBILE}],
            [{"k": "?", "n": "0"}, {"k": "m", "n": "2"}],
            {"phoneNumbers": [{"type": "mobile", "value": "2"}]},
            id="certain elements",
        ),
        pytest.param([{"k": "w"}], "none", {}, id="no list where one is expected"),
        pytest.param({"a": "{title}"}, ["x"], {}, id="no object where one is expected"),
    ],
)
def test_json_is_read_back(template, found, read):
    assert compile_shape(template).unfill(found, {}) == read


ENTRY = compile_shape(
    {
        "login": "{userName}",
        "on": "{active}",
        "who": {"first": "{name.givenName}", "last": "{name.familyName}"},
        "mails": {"each": "emails", "as": {"a": "{value}", "t": "{type}"}},
        "phones": [{"k": "w", "n": WORK}, {"k": "m", "n": MOBILE}],
        "dept": f"{{{ENTERPRISE_USER}:department}}",
        "roles": "{roles.value}",
    }
)
words = st.text(min_size=1, max_size=5)
elements = st.fixed_dictionaries({"value": words}, optional={"type": words})
people = st.fixed_dictionaries(
    {"userName": words},
    optional={
        "active": st.booleans(),
        "name": st.dictionaries(st.sampled_from(["givenName", "familyName"]), words, min_size=1),
        "emails": st.lists(elements, min_size=1, max_size=3),
        "phoneNumbers": st.sets(st.sampled_from(["work", "mobile"]), min_size=1).flatmap(
            lambda kinds: st.tuples(
                *(
                    st.fixed_dictionaries({"type": st.just(kind), "value": words})
                    for kind in sorted(kinds)[::-1]
                )
            ).map(list)
        ),
        ENTERPRISE_USER: st.fixed_dictionaries({"department": words}),
        "roles": st.lists(words, min_size=1, max_size=3).map(lambda names: [{"value": n} for n in names]),
    },
)


@given(people)
def test_what_was_written_is_read_back_as_it_was(person):
    assert ENTRY.unfill(ENTRY.fill(person), {}) == person


json = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)


@given(json)
def test_whatever_a_service_shows_is_read(found):
    assert isinstance(ENTRY.unfill(found, {}), dict)
    assert isinstance(
        ENTRY.unfill({"login": found, "who": found, "phones": found, "mails": [found]}, {}), dict
    )


def patched(target, patch):
    """RFC 7396 section 2, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


without_null = st.recursive(
    st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), without_null, max_size=3)


@given(objects, objects)
def test_a_merge_patch_turns_one_object_into_the_other_and_says_nothing_of_what_is_the_same(before, after):
    patch = merge_patch(before, after)

    assert patched(before, patch) == after
    assert (patch == {}) == (before == after)


@given(people, people, st.dictionaries(st.sampled_from(["vip", "made"]), words, max_size=2))
def test_what_only_the_service_knows_stays_and_all_else_is_as_it_shall_be(before, after, own):
    found = {**ENTRY.fill(before), **own}
    found["who"] = {**found.get("who", {}), "middle": "M"}

    whole = laid(ENTRY, found, ENTRY.filled(after))

    assert {name: whole[name] for name in own} == own
    assert whole["who"]["middle"] == "M"
    assert ENTRY.unfill(whole, {}) == after


@given(people, people, st.booleans())
def test_a_merge_patch_comes_to_what_a_whole_entry_does(before, after, more):
    found = laid(ENTRY, {"who": {"middle": "M"}, "vip": True} if more else {}, ENTRY.filled(before))
    held = [{"kind": "fax", "number": "3"}] if more else []
    if phones := [one | {"seen": 5} for one in found.get("phones", [])] + held:
        found["phones"] = phones

    patch = merge_patch(ENTRY.filled(before), ENTRY.filled(after))

    assert patched(found, sparing(ENTRY, found, patch)) == laid(ENTRY, found, ENTRY.filled(after))


DESK = {"kind": "desk", "number": WORK}
MAIL = {"each": "emails", "as": {"address": "{value}", "usage": "{type}", "shown": "<{value}>"}}
CELL = {"kind": "cell", "number": "2"}


@pytest.mark.parametrize(
    ("template", "found", "whole"),
    [
        pytest.param(
            [DESK],
            [CELL, {"kind": "desk", "number": "1", "seen": 5}],
            [{"kind": "desk", "number": "+44", "seen": 5}, CELL],
            id="an element of another kind, and what is beside",
        ),
        pytest.param([{"kind": "mobile", "number": MOBILE}], [CELL], [CELL], id="nobody's"),
        pytest.param([{"kind": "cell", "number": MOBILE}], [CELL], None, id="gone"),
        pytest.param([WORK], ["1", "2"], ["+44"], id="elements that nothing tells apart"),
        pytest.param(
            MAIL,
            [{"address": "b@x.test", "usage": "home", "ok": True}, {"address": "c@x.test", "ok": True}],
            [
                {"address": "a@x.test", "usage": "work", "shown": "<a@x.test>"},
                {"address": "b@x.test", "usage": "home", "shown": "<b@x.test>", "ok": True},
            ],
            id="what is beside an element that stays",
        ),
        pytest.param([DESK], "x", [{"kind": "desk", "number": "+44"}], id="what is no list"),
    ],
)
def test_what_only_the_service_knows_stays_in_lists_too(template, found, whole) -> None:
    shape = compile_shape({"held": template})

    assert laid(shape, {"held": found}, shape.filled(ANN)).get("held") == whole


class Compared(str):
    """A text that counts how often it is compared."""

    __slots__ = ()
    count = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Compared.count += 1
        return str.__eq__(self, other)


def test_a_long_list_is_laid_over_another_in_one_walk():
    shape = compile_shape({"people": {"each": "members", "as": {"id": "{value}"}}}, "Group")
    found = {"people": [{"id": Compared(n), "role": "agent"} for n in range(300)]}
    filled = shape.filled({"members": [{"value": Compared(n)} for n in reversed(range(300))]})
    Compared.count = 0

    whole = laid(shape, found, filled)

    assert whole == {"people": list(reversed(found["people"]))}
    assert Compared.count < 3000


@pytest.mark.parametrize(
    ("spot", "found"),
    [
        (None, {"meta": {"n": 1}, "a.b": 2, "_l": [{"x": 3}], "l": [{"x": 3}]}),
        ("meta.n", 1),
        ("META.N", 1),
        ("l.x", 3),
        (("a.b",), 2),
        (("meta", "n"), 1),
        (("meta", "n", "x"), None),
        ("nothing.there", None),
    ],
)
def test_a_spot_is_found(spot, found):
    document = {"meta": {"n": 1}, "a.b": 2, "_l": [{"x": 3}], "l": [{"x": 3}]}

    assert compile_spot(spot).of(document) == found


@pytest.mark.parametrize(
    ("spot", "document", "is_null"),
    [
        ("a.b", {"a": {"b": None}}, True),
        (("a", "b"), {"a": {"b": None}}, True),
        ("a", {"a": None}, True),
        ("a.b", {"a": {}}, False),
        ("a", {"b": None}, False),
        ("a", [], False),
        (None, {}, False),
    ],
)
def test_null_is_told_from_what_is_not_there(spot, document, is_null):
    assert compile_spot(spot).is_null(document) is is_null


@pytest.mark.parametrize(
    ("text", "says"),
    [("{a..b}", "no path"), ("a } b", "has a } by itself"), ("{a", "has a { by itself"), ("{}", "no path")],
)
def test_a_text_that_is_no_template_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        compile_text(text)


def test_every_fault_has_the_keys_it_is_below():
    raw = {"a": "{x", "b": ["{title}", {"each": "emails", "as": {"c": "{valu}"}}]}

    found = dict(faults_of(raw, lambda where: "no" if where.attribute == "title" else None))

    assert found == {
        ("a",): "has a { by itself; write {{ where it is meant as it is",
        ("b", 0): "no",
        ("b", 1, "as", "c"): "has {valu}, and emails has no valu",
    }


def test_what_is_read_back_is_known_by_name():
    raw = {"a": "{userName}", "b": ["x {title}", {"each": "emails", "as": {}}], "c": "{name.givenName}"}

    assert read_back(raw) == {"userName", "emails", "name"}
