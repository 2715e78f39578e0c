"""Random filters on random people, judged by a model that is small enough to be right."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.scim.grammar import (
    Comparison,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
    parse_filter,
)
from gateway.scim.names import ENTERPRISE_USER
from gateway.scim.predicate import predicate
from gateway.targets.scim.requests import render_filter

TEXTS = st.sampled_from(["a", "A", "ab", "b", 'q"\\', "Research and Development", "a+b@x.com"])
TYPES = st.sampled_from(["work", "home"])
ELEMENT = st.fixed_dictionaries({"value": TEXTS}, optional={"type": TYPES, "primary": st.booleans()})
PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "userName": TEXTS,
        "externalId": TEXTS,
        "active": st.booleans(),
        "level": st.integers(0, 3),
        "emails": st.lists(ELEMENT, min_size=1, max_size=2),
        ENTERPRISE_USER: st.fixed_dictionaries({"department": TEXTS}),
    },
)
EXACT = {"externalId"}
ORDERS = ["eq", "ne", "gt", "ge", "lt", "le"]
WORDS = ["co", "sw", "ew"]

LITERALS = st.builds(json.dumps, TEXTS, ensure_ascii=st.booleans())
NAMES = st.sampled_from(["userName", "externalId", "emails.value", f"{ENTERPRISE_USER}:department"])
INNER = st.builds("value {} {}".format, st.sampled_from([*ORDERS, *WORDS]), LITERALS) | st.builds(
    "type eq {}".format, TYPES.map(json.dumps)
)
TERMS = (
    st.builds("{} {} {}".format, NAMES, st.sampled_from([*ORDERS, *WORDS]), LITERALS)
    | st.builds("level {} {}".format, st.sampled_from(ORDERS), st.integers(0, 3))
    | st.builds(
        "active {} {}".format, st.sampled_from(["eq", "ne"]), st.sampled_from(["true", '"True"', '"false"'])
    )
    | st.sampled_from(["userName pr", "emails pr", "emails.type pr", "level pr"])
    | st.builds("emails[{} {} {}]".format, INNER, st.sampled_from(["and", "or"]), INNER)
)
FILTERS = st.recursive(
    TERMS,
    lambda inner: (
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=4,
)
COMPARE = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "co": lambda left, right: right in left,
    "sw": lambda left, right: left.startswith(right),
    "ew": lambda left, right: left.endswith(right),
}


def values(path, holder):
    """Return the values a path leads to in a person or an element."""
    held = holder.get(path.uri, {}) if path.uri else holder
    found = held.get(path.attr, [])
    found = found if isinstance(found, list) else [found]
    return found if path.sub_attr is None else [e[path.sub_attr] for e in found if path.sub_attr in e]


def plain(value, path):
    if path.attr == "active" and isinstance(value, str):
        return value == "True"
    return value.lower() if isinstance(value, str) and path.attr not in EXACT else value


def holds(tree, person):
    """Say what RFC 7644 section 3.4.2.2 says, for these people and these filters."""
    match tree:
        case LogicalExpr(op, terms):
            return (all if op is LogicalOperator.and_ else any)(holds(term, person) for term in terms)
        case Not(inner):
            return not holds(inner, person)
        case ValuePath(path, inner):
            return any(holds(inner, element) for element in values(path, person))
        case Present(path):
            return bool(values(path, person))
        case Comparison(path, op, literal):
            found = [plain(value, path) for value in values(path, person)]
            every = all if op == "ne" else any
            return every(COMPARE[op](value, plain(literal, path)) for value in found)


@given(FILTERS, PEOPLE)
def test_a_filter_matches_whom_the_model_matches(text, person):
    tree = parse_filter(text)

    assert predicate(tree)(person) is holds(tree, person)


@given(FILTERS, PEOPLE)
def test_a_filter_that_is_sent_on_says_the_same(text, person):
    sent = render_filter(parse_filter(text))

    assert holds(parse_filter(sent), person) is holds(parse_filter(text), person)
    assert render_filter(parse_filter(sent)) == sent
