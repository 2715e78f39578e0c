import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidSyntax, InvalidValue, TooLarge
from gateway.scim.jsontext import MAX_NAMES, count_values, dump, parse_json, refuse_many


def nested(depth: int) -> bytes:
    """Return an object that is `depth` levels deep."""
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("body", "document"),
    [
        pytest.param(b'{"userName": "ann"}', {"userName": "ann"}, id="object"),
        pytest.param(b" {}\n", {}, id="empty object in white space"),
        pytest.param('{"a": "é😀"}'.encode(), {"a": "é😀"}, id="UTF-8"),
        pytest.param(b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}, id="surrogate pair"),
        pytest.param(b'{"a": "\\\\u0000"}', {"a": "\\u0000"}, id="a backslash, not a NUL"),
        pytest.param(b'{"a": 18446744073709551615}', {"a": 2**64 - 1}, id="64 bits"),
        pytest.param(b'{"a": -9223372036854775808}', {"a": -(2**63)}, id="64 bits below zero"),
        pytest.param(
            b'{"a": "12345678901234567890123"}', {"a": "12345678901234567890123"}, id="text of digits"
        ),
        pytest.param(b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}, id="same name apart"),
        pytest.param(b'{"a": [' + b"[]," * 40 + b"[]]}", {"a": [[]] * 41}, id="wide, not deep"),
        pytest.param(nested(32), json.loads(nested(32)), id="32 levels"),
    ],
)
def test_a_json_object_is_read_as_it_is(body, document):
    assert parse_json(body, refuse_duplicates=True) == document
    assert parse_json(body, refuse_duplicates=False) == document


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        pytest.param(b"", InvalidSyntax, "the body is empty", id="empty"),
        pytest.param(b" \r\n", InvalidSyntax, "the body is empty", id="white space"),
        pytest.param(b'{"a": "\xff"}', InvalidSyntax, "not UTF-8: wrong byte at position 7", id="not UTF-8"),
        pytest.param(b'{"a": 1,\n "b": }', InvalidSyntax, "error at line 2, column 7", id="broken"),
        pytest.param(b'{"a": NaN}', InvalidSyntax, "error at line 1, column 7", id="NaN"),
        pytest.param(b'{"a": 1e400}', InvalidSyntax, "error at line 1", id="infinity"),
        pytest.param(b'{"a": "\\ud800"}', InvalidSyntax, "error at line 1", id="half a surrogate pair"),
        pytest.param(b'{"a": "\x00"}', InvalidSyntax, "error at line 1", id="raw NUL"),
        pytest.param(b"\xef\xbb\xbf{}", InvalidSyntax, "error at line 1", id="byte order mark"),
        pytest.param(b"{} {}", InvalidSyntax, "error at line 1, column 4", id="two objects"),
        pytest.param(b'["a"]', InvalidSyntax, "not a JSON object", id="list"),
        pytest.param(b"null", InvalidSyntax, "not a JSON object", id="null"),
        pytest.param(nested(33), InvalidSyntax, "deeper than 32 levels", id="33 levels"),
        pytest.param(nested(1000), InvalidSyntax, "deeper than 32 levels", id="1000 levels"),
        pytest.param(nested(100_000), InvalidSyntax, "deeper than 32 levels", id="100,000 levels"),
        pytest.param(
            b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", InvalidSyntax, "deeper than 32", id="deep lists"
        ),
        pytest.param(
            dump({f"a{n}": n for n in range(MAX_NAMES + 1)}), InvalidSyntax, "more than 1000 attr", id="wide"
        ),
        pytest.param(b'{"a": 18446744073709551616}', InvalidValue, "more than 64 bits", id="65 bits"),
        pytest.param(
            b'{"a": -9223372036854775809}', InvalidValue, "more than 64 bits", id="65 bits below zero"
        ),
        pytest.param(b'{"a": ' + b"9" * 300 + b"}", InvalidValue, "more than 64 bits", id="300 digits"),
        pytest.param(
            b'{"name": {"givenName": "a\\u0000b"}}', InvalidValue, "'name.givenName' contains a NUL", id="NUL"
        ),
        pytest.param(
            b'{"emails": [{"value": "\\u0000"}]}', InvalidValue, "'emails.value'", id="NUL in a list"
        ),
        pytest.param(b'{"a\\u0000": 1}', InvalidValue, "contains a NUL", id="NUL in a name"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(body, error, detail):
    for refuse_duplicates in (False, True):
        with pytest.raises(error, match=detail):
            parse_json(body, refuse_duplicates=refuse_duplicates)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param(b'{"active": true, "active": false}', "active", id="same spelling"),
        pytest.param(b'{"active": true, "Active": false}', "Active", id="another case"),
        pytest.param(b'{"name": {"givenName": 1, "GIVENNAME": 2}}', "GIVENNAME", id="deeper"),
    ],
)
def test_an_attribute_given_twice_is_refused_on_changes_only(body, name):
    with pytest.raises(InvalidSyntax, match=f"attribute '{name}' twice"):
        parse_json(body, refuse_duplicates=True)

    assert isinstance(parse_json(body, refuse_duplicates=False), dict)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"userName": "secret-value", }', id="broken"),
        pytest.param(b'{"userName": "secret-value\\u0000"}', id="NUL"),
        pytest.param(b'{"a": "secret-value", "A": "secret-value"}', id="twice"),
    ],
)
def test_an_error_never_quotes_a_value(body):
    with pytest.raises(GatewayError) as raised:
        parse_json(body, refuse_duplicates=True)

    assert "secret-value" not in raised.value.detail
    assert raised.value.__cause__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)
BODIES = (
    st.binary()
    | st.text().map(lambda text: text.encode(errors="surrogatepass"))
    | JSON.map(lambda value: json.dumps(value).encode())
)


@given(BODIES, st.booleans())
@example(b'{"a":\xed\xa0\x80}', True)
def test_any_bytes_give_an_object_or_an_error_of_ours(body, refuse_duplicates):
    with suppress(InvalidSyntax, InvalidValue):
        document = parse_json(body, refuse_duplicates=refuse_duplicates)
        assert parse_json(dump(document), refuse_duplicates=refuse_duplicates) == document


@pytest.mark.parametrize(
    ("body", "count"),
    [
        pytest.param(b'{"a":[1,2,{"b":"c"}]}', 5, id="each value once"),
        pytest.param(b"[[],[],[]]", 6, id="empty ones"),
        pytest.param(b'{"a":"x,y"}', 2, id="commas in texts as well"),
    ],
)
def test_values_are_counted_before_anything_is_made_of_them(body, count):
    assert count_values(body) == count
    refuse_many(body, count)
    with pytest.raises(TooLarge, match=f"more than {count - 1} values"):
        refuse_many(body + b" " * 10, count - 1)
