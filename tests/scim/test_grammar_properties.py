"""Every tree can be written and read again, and another parser of the same grammar reads the same."""

import re
from contextlib import suppress
from functools import reduce

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scim2_models import InvalidFilterException, InvalidPathException
from scim2_models.path.grammar import _parse_filter, _parse_path

from gateway.errors import InvalidFilter, InvalidPath
from gateway.scim.grammar import (
    MAX_DEPTH,
    MAX_LENGTH,
    AttrPath,
    CompareOperator,
    Comparison,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
    parse_filter,
    parse_path,
)

NAMES = st.sampled_from(["userName", "emails", "value", "$ref", "a-b_c$", "not1", "never", "and", "eq", "pr"])
SUBS = st.none() | NAMES
URNS = st.none() | st.sampled_from(
    ["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "URN:a.b", "urn:x:1:y"]
)
PATHS = st.builds(AttrPath, NAMES, SUBS, URNS)
HOLDERS = st.builds(AttrPath, NAMES, st.none(), URNS)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
LITERALS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(['q"\\', "a and b", "]) or (", "\\u0041", "\n\t", "😀"])
)
LEAVES = st.builds(Present, PATHS) | st.builds(
    Comparison, PATHS, st.sampled_from(list(CompareOperator)), LITERALS
)


def joined(op, terms):
    """Join filters as the grammar does: a chain of one operator is one node."""
    flat = [inner for term in terms for inner in (term.terms if is_joined_by(op, term) else (term,))]
    return LogicalExpr(op, tuple(flat))


def is_joined_by(op, tree):
    return isinstance(tree, LogicalExpr) and tree.op is op


def filters_of(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(
                joined, st.sampled_from(list(LogicalOperator)), st.lists(inner, min_size=2, max_size=3)
            )
        ),
        max_leaves=5,
    )


PICKS = st.builds(ValuePath, HOLDERS, filters_of(LEAVES))
FILTERS = filters_of(LEAVES | PICKS)
PATCH_PATHS = PATHS | LEAVES | st.builds(ValuePath, HOLDERS, filters_of(LEAVES), SUBS)


@given(FILTERS)
def test_a_filter_that_is_written_is_read_as_the_same_tree(tree):
    assert repr(parse_filter(str(tree))) == repr(tree)


@given(PATCH_PATHS)
def test_a_path_that_is_written_is_read_as_the_same_tree(tree):
    assert repr(parse_path(str(tree))) == repr(tree)


MARKS = st.sampled_from(
    [*'()[]." \t\n\\$-:1e', "not", " and ", " OR ", " eq ", " Pr", "true", "-1.50E-3", "01", '"x"', "urn:a:"]
)


@st.composite
def mangled(draw, trees):
    """Return the text of a tree, with up to three pieces put in or taken out, maybe in another case."""
    text = str(draw(trees))
    for _ in range(draw(st.integers(0, 3))):
        at, taken = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(MARKS | st.just("")) + text[at + taken :]
    return text.swapcase() if draw(st.booleans()) else text


def tree_or_none(parse, text, refusal):
    with suppress(refusal):
        return repr(parse(text))


# what `repr` writes for a NUL character and for half a surrogate pair: no filter and no path may hold them
UNSTORABLE = re.compile(r"(?<!\\)(\\\\)*\\(x00|ud[89a-f])")
LITERALS = [r'name eq "\ud800"', r'name eq "\\ud800"', r'name eq "\u0000"']


def storable(tree):
    """Return a tree's text as it is, or None where a value in it cannot be kept."""
    return None if tree is None or UNSTORABLE.search(tree) else tree


def each(literals):
    """Have a property try these first."""
    return lambda test: reduce(lambda tested, text: example(text)(tested), literals, test)


@given(mangled(FILTERS) | st.lists(MARKS | NAMES, max_size=8).map("".join))
@each(LITERALS)
def test_another_parser_reads_a_filter_alike(text):
    other = tree_or_none(_parse_filter, text, InvalidFilterException)

    assert tree_or_none(parse_filter, text, InvalidFilter) == storable(other)


@given(mangled(PATCH_PATHS) | st.lists(MARKS | NAMES, max_size=8).map("".join))
@each(LITERALS)
def test_another_parser_reads_a_path_alike(text):
    other = tree_or_none(_parse_path, text, InvalidPathException)

    assert tree_or_none(parse_path, text, InvalidPath) == storable(other)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("(" * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH, None, id="as deep as may be"),
        pytest.param("(" * (MAX_DEPTH + 1) + "a pr", "nests more", id="deeper"),
        pytest.param("(" * MAX_LENGTH, "nests more", id="nothing but brackets"),
        pytest.param("a[" + "not (" * MAX_DEPTH + "b pr", "nests more", id="deeper in an element"),
    ],
)
def test_brackets_nest_only_so_deep(text, detail):
    if detail is None:
        assert parse_filter(text) == Present(AttrPath("a"))
    else:
        with pytest.raises(InvalidFilter, match=detail):
            parse_filter(text)


@pytest.mark.parametrize("name", ["", "1a", "a.b", "a b", "é", 'a"', "a]"])
def test_no_tree_holds_a_name_that_no_parser_reads(name):
    with pytest.raises(ValueError, match="is not an attribute name"):
        AttrPath(name)
    with pytest.raises(ValueError, match="is not an attribute name"):
        AttrPath("a", name)
    with pytest.raises(ValueError, match="is not a schema URN"):
        AttrPath("a", None, f"urn: {name}")


@pytest.mark.parametrize("number", ["1e999", "-1E400"])
def test_a_number_beyond_all_bounds_is_refused(number):
    with pytest.raises(InvalidFilter, match=f"number out of range: {number}"):
        parse_filter(f"a eq {number}")
