import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidFilter, InvalidPath
from gateway.scim.grammar import (
    MAX_LENGTH,
    MAX_TERMS,
    AttrPath,
    CompareOperator,
    Comparison,
    ValuePath,
    leaves,
    parse_filter,
    parse_path,
    rfc_notation,
)

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "vectors"


def cases(verdict: str) -> list[str]:
    """Return the filters that the collected sources call `valid` or `invalid`; no two of them differ."""
    path = VECTORS / "filter_syntax.json"
    if not path.exists() and "CI" not in os.environ:
        return []
    return [case["filter"] for case in json.loads(path.read_text())["cases"] if case["verdict"] == verdict]


# What one library alone lets through, and RFC 7644 section 3.4.2.2 does not: (reason, what shows it)
LENIENCIES = [
    pytest.param(r"(?i)(^|[ \[])not (?!\()", id="not without parentheses"),
    pytest.param(r"\.\w+\[", id="brackets after a sub-attribute"),
    pytest.param(r"\[[^\]]*\[", id="brackets in brackets"),
    pytest.param(r"\] (pr|co)", id="a test of what brackets pick, without a sub-attribute"),
    pytest.param(r"eq (123abc|-null)", id="a value without quotes"),
    pytest.param(r"\\user", id="an escape that JSON does not have"),
    pytest.param(r"^\d", id="a name that begins with a digit"),
]


def is_lenient(text: str) -> bool:
    """Say whether a filter is read by no more than one library's leniency."""
    return any(re.search(row.values[0], text) for row in LENIENCIES)


def named_in(text: str) -> list[tuple[str, str]]:
    """Return the names and operators of a filter in its order, found without a grammar."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    found = re.findall(r"([a-z$][\w$:.-]*)\s+(eq|ne|co|sw|ew|gt|ge|lt|le|pr)(?![\w$-])", bare, re.IGNORECASE)
    return [(name, operator.lower()) for name, operator in found]


@pytest.mark.parametrize("text", [text for text in cases("valid") if not is_lenient(text)])
def test_a_filter_that_others_read_is_read(text):
    tree = parse_filter(text)

    read = [(str(leaf.attr_path), leaf.op if isinstance(leaf, Comparison) else "pr") for leaf in leaves(tree)]
    assert read == named_in(text)


@pytest.mark.parametrize("text", cases("invalid"))
def test_a_filter_that_others_refuse_is_refused(text):
    with pytest.raises(InvalidFilter):
        parse_filter(text)


@pytest.mark.parametrize("shape", LENIENCIES)
def test_the_leniency_of_one_library_is_refused(shape):
    collected = cases("valid") or pytest.skip("the collected filters are not here")
    lenient = [text for text in collected if re.search(shape, text)]
    assert lenient
    for text in lenient:
        with pytest.raises(InvalidFilter):
            parse_filter(text)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        pytest.param('userName eq "ann"', "userName", "ann", id="as Okta sends it"),
        pytest.param('userName EQ "ann"', "userName", "ann", id="operator in any case"),
        pytest.param('userName  eq "ann"', "userName", "ann", id="two spaces"),
        pytest.param('a eq "é"', "a", "é", id="letters beyond ASCII"),
        pytest.param('a eq "x\\"y"', "a", 'x"y', id="escaped quote"),
        pytest.param('a eq "\\ud83d\\ude00"', "a", "😀", id="surrogate pair"),
    ],
)
def test_an_equality_is_one_comparison(text, name, value):
    assert parse_filter(text) == Comparison(AttrPath(name), CompareOperator.eq, value)


@pytest.mark.parametrize(
    ("dotted", "meant"),
    [
        pytest.param("urn:x:2.0:User.a", "urn:x:2.0:User:a", id="of people"),
        pytest.param("URN:x:2.0:group.a", "URN:x:2.0:group:a", id="of groups"),
        pytest.param("urn:x:2.0:Users.a", None, id="of none"),
        pytest.param("user.a", None, id="no URN"),
    ],
)
def test_a_dot_behind_the_urn_of_a_type_is_meant_as_its_colon(dotted, meant):
    assert str(parse_filter(f"{dotted} pr")) == f"{meant or dotted} pr"
    assert str(parse_path(dotted)) == (meant or dotted)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("", "column 1", id="empty"),
        pytest.param('é eq "x"', "column 1", id="name beyond ASCII"),
        pytest.param('aé eq "x"', "column 2", id="name that ends beyond ASCII"),
        pytest.param('a eq "\\u0000"', "NUL", id="NUL"),
        pytest.param('a eq "\\ud800"', "surrogate", id="half a surrogate pair"),
        pytest.param('a eq "\ud800"', "surrogate", id="raw half of a surrogate pair"),
        pytest.param('a eq "\x00"', "column", id="raw NUL"),
        pytest.param('a[b eq "\\u0000"]', "NUL", id="NUL in brackets"),
        pytest.param('a eq "' + "x" * MAX_LENGTH + '"', "longer than", id="too long"),
        pytest.param(" or ".join(["a pr"] * (MAX_TERMS + 1)), "more than 16 terms", id="too many terms"),
        pytest.param("not (" * 40 + "a pr" + ")" * 40, "nests more", id="too deep"),
    ],
)
def test_a_filter_is_refused_with_its_reason(text, detail):
    with pytest.raises(InvalidFilter, match=detail):
        parse_filter(text)


def test_the_comparisons_of_a_filter_come_in_its_order():
    tree = parse_filter("a pr and not (b eq 1 or c[d eq 2 and e pr])")

    assert [str(leaf) for leaf in leaves(tree)] == ["a pr", "b eq 1", "d eq 2", "e pr"]


WORK = Comparison(AttrPath("type"), CompareOperator.eq, "work")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("userName", AttrPath("userName"), id="attribute"),
        pytest.param("name.givenName", AttrPath("name", "givenName"), id="sub-attribute"),
        pytest.param('emails[type eq "work"]', ValuePath(AttrPath("emails"), WORK), id="filter"),
        pytest.param(
            'emails[type EQ "work"].value', ValuePath(AttrPath("emails"), WORK, "value"), id="filter and sub"
        ),
        pytest.param(
            "emails.^[type=='work'].value", ValuePath(AttrPath("emails"), WORK, "value"), id="Okta's notation"
        ),
        pytest.param(
            "emails.^[value=='a\\b\"c'].type",
            ValuePath(
                AttrPath("emails"), Comparison(AttrPath("value"), CompareOperator.eq, 'a\\b"c'), "type"
            ),
            id="Okta's notation with marks of JSON",
        ),
        pytest.param(
            "emails.^[primary==true].value",
            ValuePath(AttrPath("emails"), Comparison(AttrPath("primary"), CompareOperator.eq, True), "value"),
            id="Okta's boolean",
        ),
        pytest.param(
            f"{ENTERPRISE}:manager.value", AttrPath("manager", "value", ENTERPRISE), id="URN-qualified"
        ),
    ],
)
def test_a_path_is_read(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("", "column 1", id="empty"),
        pytest.param("emails[", "path: invalid", id="open bracket"),
        pytest.param("a b", "column 3", id="two names"),
        pytest.param("é", "column 1", id="beyond ASCII"),
        pytest.param('emails.x[type eq "a"]', "sub-attribute", id="filter after a sub-attribute"),
        pytest.param('emails[type eq "\\u0000"]', "NUL", id="NUL"),
        pytest.param("x" * (MAX_LENGTH + 1), "longer than", id="too long"),
    ],
)
def test_a_path_is_refused_with_its_reason(text, detail):
    with pytest.raises(InvalidPath, match=detail):
        parse_path(text)


@pytest.mark.parametrize("text", ["userName", 'emails[type eq "work"].value', "^[a]", "a.^[b=c]"])
def test_what_is_not_oktas_notation_stays(text):
    assert rfc_notation(text) == text


PIECES = st.lists(
    st.sampled_from(
        ["a", "é", " ", ".", "[", "]", "(", ")", "eq", "pr", "not", "and", '"', '"x"', "1", "urn:x:y:", "\\"]
    )
    | st.characters(),
    max_size=12,
).map("".join)


@given(PIECES)
def test_any_text_gives_a_tree_or_a_refusal(text):
    for parse in (parse_filter, parse_path):
        with suppress(InvalidFilter, InvalidPath):
            parse(text)
