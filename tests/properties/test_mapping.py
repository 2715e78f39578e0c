"""What holds of every mapping: its input stays, nothing is lost unexplained, and what can be is undone."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.program import SERVER_OWNED
from gateway.mapping.rules import Rule, Unlisted, is_many
from gateway.mapping.specs import Office
from gateway.mapping.target import ALWAYS_SHOWN, TargetMapping
from gateway.mapping.transforms import compile_transform
from gateway.scim.documents import canonical
from gateway.scim.grammar import parse_filter
from gateway.scim.names import ENTERPRISE_USER
from gateway.scim.paths import ANYWHERE, place, put
from gateway.scim.predicate import predicate
from tests.support.rules import make_rule

SPACE = "urn:ietf:params:scim:schemas:custom:Space"
OFFICE = f"{ENTERPRISE_USER}:officeName"
WORK = 'phoneNumbers[type eq "work"].value'
OFFICES = {"LDN": Office("London", "GB"), "TYO": Office("Tokyo", "JP")}

# --- any rules over any resource

NAMES = [
    "userName",
    "active",
    "name",
    "emails",
    "phoneNumbers",
    "addresses",
    "roles",
    "title",
    "countryCode",
    "officeName",
    "givenName",
]
names = st.sampled_from([*NAMES, "value", "type", "primary", "country", ENTERPRISE_USER, SPACE, "x y", "é"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", " ", "work", "GB", "LDN", "true", "020 7946 0123", "[1]", '{"value": "a"}', "a;b"])
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(names, values, max_size=6)
canonical_documents = documents.map(lambda document: canonical(document, "User"))
paths = st.sampled_from(
    [
        *("userName", "title", "active", "roles", "roles.value", "emails", "emails.value", "name.givenName"),
        *('emails[type eq "work"].value', "emails[primary eq true].value", "phoneNumbers.value", WORK),
        *('addresses[type eq "work"].country', f"{ENTERPRISE_USER}:department", f"{SPACE}:seat"),
    ]
)
sources = paths | st.sampled_from(["*:officeName", "*:countryCode", "phoneNumbers.^[type=='work'].value"])
PLAIN = "strip_spaces trim lower upper nfkc digits phone office split join primary objects language country"
transforms = st.sampled_from(
    [
        *(*PLAIN.split(), "template", "boolean"),
        {"name": "map", "table": {"work": "office"}, "otherwise": "drop"},
        {"name": "allow", "values": ["work", "GB"]},
        {"name": "truncate", "length": 2},
        {"name": "replace", "pattern": "[a-c]", "by": ""},
        {"name": "match", "pattern": "[0-9 ]+"},
        {"name": "constant", "value": {"a": [1]}},
        {"name": "phone", "format": "national", "extension": "append"},
        {"name": "primary", "mode": "only", "literal": "string"},
    ]
)
conditions = st.sampled_from([None, None, "active eq true", 'title sw "w"', 'emails[type eq "work"]'])


@st.composite
def any_rules(draw: st.DrawFn) -> Rule:
    when = draw(conditions)
    return make_rule(
        draw(paths),
        draw(st.lists(sources, max_size=2)),
        [compile_transform(entry, OFFICES) for entry in draw(st.lists(transforms, max_size=3))],
        predicate(parse_filter(when)) if when else None,
        draw(st.sampled_from([None, "fallback"])),
        draw(st.sampled_from(["reject", "drop", "keep"])),
    )


mappings = st.builds(
    TargetMapping,
    st.lists(any_rules(), max_size=4),
    unlisted=st.sampled_from(["send", "hold", "drop"]),
    require=st.sampled_from([(), (("userName",), (WORK, "title"))]),
    offices=st.just(OFFICES),
    region=st.sampled_from([None, "GB"]),
)


@given(mappings, documents)
def test_forward_takes_any_resource_and_leaves_it_as_it_was(
    mapping: TargetMapping, original: dict[str, Any]
) -> None:
    before = copy.deepcopy(original)

    mapped = mapping.forward(original)

    assert original == before
    assert mapped == mapping.forward(original)
    json.dumps(mapped.form)


@given(mappings, documents)
def test_reverse_takes_any_entry_and_leaves_it_as_it_was(
    mapping: TargetMapping, entry: dict[str, Any]
) -> None:
    entry = {"id": "t1", "meta": {}, "schemas": [SPACE], "password": "secret", **entry}
    before = copy.deepcopy(entry)

    shown = mapping.reverse(entry)

    assert entry == before
    assert shown == mapping.reverse(entry)
    named = {place.urn or place.attribute for rule in mapping.rules for place in (rule.to, *rule.sources)}
    passed_on = set(entry) - set(SERVER_OWNED) if mapping.unlisted is Unlisted.SEND else set(ALWAYS_SHOWN)
    unnamed = [name for name in entry if name not in named and ANYWHERE not in named]
    assert {name: shown.get(name) for name in unnamed} == {
        name: entry[name] if name in passed_on else None for name in unnamed
    }


@given(mappings, documents, documents, documents)
def test_a_view_takes_anything_and_leaves_it_as_it_was(
    mapping: TargetMapping, original: dict[str, Any], seen: dict[str, Any], present: dict[str, Any]
) -> None:
    before = copy.deepcopy((original, seen, present))

    mapping.view(original, seen, present)

    assert (original, seen, present) == before


@given(mappings, canonical_documents)
def test_a_view_of_an_unchanged_entry_is_the_original(
    mapping: TargetMapping, original: dict[str, Any]
) -> None:
    seen = mapping.forward(original).form

    assert mapping.view(original, seen, seen | {"id": "t1", "meta": {}}) == original


@given(mappings, canonical_documents)
def test_what_is_remembered_becomes_the_same_form(mapping: TargetMapping, original: dict[str, Any]) -> None:
    assert mapping.forward(mapping.remembered(original)).form == mapping.forward(original).form


# --- nothing disappears unexplained

SPOTS = (
    *("title", "nickName", "displayName", "name.givenName", "name.familyName", WORK),
    *('emails[type eq "work"].value', 'emails[type eq "home"].value', 'phoneNumbers[type eq "mobile"].value'),
    *(f"{ENTERPRISE_USER}:department", f"{ENTERPRISE_USER}:costCenter", f"{SPACE}:seat"),
)
FATES = {
    "sent": [],
    "dropped": [{"name": "allow", "values": ["nothing"], "otherwise": "drop"}],
    "unusable": [{"name": "allow", "values": ["nothing"]}],
}
spots = st.sampled_from(SPOTS)
moves = st.builds(
    lambda to, sources, fate, on_invalid: make_rule(
        to, sources, [compile_transform(entry, {}) for entry in FATES[fate]], on_invalid=on_invalid
    ),
    spots,
    st.lists(spots | st.sampled_from(["emails.value", "phoneNumbers.value"]), max_size=3, unique=True),
    st.sampled_from(list(FATES)),
    st.sampled_from(["reject", "drop", "keep"]),
)


def holding(present: set[str]) -> dict[str, Any]:
    """Return a resource with a text of its own at each of these places."""
    document: dict[str, Any] = {"userName": "somebody"}
    for text in sorted(present):
        document = put(document, place(text), f"<{SPOTS.index(text)}>", many=is_many(place(text)))
    return document


@given(
    st.lists(moves, max_size=4, unique_by=lambda rule: rule.to),
    st.sets(spots),
    st.sampled_from(["send", "hold", "drop"]),
)
def test_every_value_is_sent_or_it_is_said_what_became_of_it(
    rules: list[Rule], present: set[str], unlisted: str
) -> None:
    mapped = TargetMapping(rules, unlisted=unlisted).forward(holding(present))

    sent = {text for text in present if f"<{SPOTS.index(text)}>" in json.dumps(mapped.form)}
    refused = {problem.path for problem in mapped.problems}
    assert present - sent == present & {*mapped.held, *mapped.dropped, *refused} - sent
    assert not sent & set(mapped.held)
    assert len({*mapped.held, *mapped.dropped}) == len(mapped.held) + len(mapped.dropped)


# --- what can be undone is undone

words = st.text(st.characters(codec="ascii", categories=("Ll", "Lu")), min_size=1, max_size=4)
ROUND = {"a": "b", "b": "c", "c": "a"}
TABLE = {"CSR": "Agent", "TL": "Lead", "MGR": "Manager"}
REVERSIBLE = [
    make_rule("title", via=[compile_transform({"name": "map", "table": TABLE}, {})]),
    make_rule("nickName", ["displayName"]),
    make_rule(OFFICE, ["*:officeName"], [compile_transform("office", OFFICES)], on_invalid="keep"),
    make_rule("roles", via=[compile_transform("split", {}), compile_transform("objects", {})]),
    make_rule("skills", via=[compile_transform("join", {})]),
    make_rule(WORK, ["phoneNumbers.^[type=='sms'].value"]),
    make_rule("emails.value", via=[compile_transform({"name": "map", "table": ROUND}, {})]),
]
people = st.fixed_dictionaries(
    {"userName": words, "active": st.booleans()},
    optional={
        "title": st.sampled_from([*TABLE, "Intern"]),
        "displayName": words,
        "officeName": st.sampled_from([*OFFICES, "Elsewhere"]),
        "roles": st.lists(words, min_size=1, max_size=3, unique=True).map(",".join),
        "skills": st.lists(words, min_size=2, max_size=3, unique=True),
        "phoneNumbers": words.map(lambda text: [{"type": "sms", "value": text}]),
        "emails": st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True).map(
            lambda found: [{"type": f"t{n}", "value": text} for n, text in enumerate(found)]
        ),
        "locale": words,
        SPACE: st.fixed_dictionaries({"seat": words}),
    },
)


@given(people, st.sets(st.integers(0, len(REVERSIBLE) - 1)))
def test_mapping_and_reverse_give_back_what_was_sent(person: dict[str, Any], chosen: set[int]) -> None:
    mapping = TargetMapping([REVERSIBLE[n] for n in sorted(chosen)], offices=OFFICES)

    mapped = mapping.forward(person)

    assert not mapped.problems
    assert mapping.reverse(mapped.form | {"id": "t1", "meta": {}}) == person
