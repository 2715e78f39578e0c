"""Whatever comes in, every parser gives an answer or an error of ours."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.scim.dialects import DIALECTS, Dialect
from gateway.scim.documents import (
    ABSENT_IS_UNCHANGED,
    canonical,
    check,
    identity,
    is_active,
    replacement,
    schemas_of,
    take_password,
)
from gateway.scim.grammar import parse_filter, parse_path
from gateway.scim.jsontext import dump, parse_json
from gateway.scim.members import delta_of, edited, needs_present, take_member_operations
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER
from gateway.scim.patch import apply_patch
from gateway.scim.predicate import attributes_named, predicate
from tests.support.grouped import take_members

KINDS = st.sampled_from(["User", "Group"])
DIALECT = st.sampled_from(list(DIALECTS.values()))
WORDS = (
    *(
        "userName",
        "USERNAME",
        "externalId",
        "active",
        "name",
        "givenName",
        "emails",
        "value",
        "type",
        "primary",
    ),
    *(
        "displayName",
        "members",
        "manager",
        "managerId",
        "roles",
        "schemas",
        "id",
        "meta",
        "groups",
        "password",
    ),
    *(
        "op",
        "path",
        "Operations",
        "add",
        "Replace",
        "REMOVE",
        "True",
        "work",
        "",
        " ",
        ".",
        ":",
        "urn:",
        "urn:x:y",
    ),
    *(CORE_USER, CORE_GROUP, ENTERPRISE_USER, f"{ENTERPRISE_USER}:manager", f"{CORE_GROUP}:members"),
    *("urn:scim:schemas:core:1.0", "name.givenName", 'emails[type eq "work"].value', 'members[value eq "1"]'),
)
TEXTS = st.sampled_from(WORDS) | st.text(max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=6)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "REMOVE"])}, optional={"path": TEXTS, "value": JSON}
)
MESSAGES = OBJECTS | st.fixed_dictionaries({"Operations": st.lists(OPERATIONS | JSON, max_size=4)})
PIECES = st.sampled_from(
    [
        *WORDS,
        "(",
        ")",
        "[",
        "]",
        '"',
        "eq",
        "pr",
        "and",
        "or",
        "not",
        "sw",
        "true",
        "null",
        "1",
        "-1.5e9",
        "\\u00",
    ]
)
GRAMMAR = st.lists(PIECES, max_size=12).map(" ".join) | st.lists(PIECES, max_size=8).map("".join) | st.text()


def read_document(body: dict[str, Any], dialect: Dialect, kind: str, *, replaces: bool) -> dict[str, Any]:
    """Return a document as a create or a PUT is read, members apart."""
    keep = ABSENT_IS_UNCHANGED if replaces else ()
    document = canonical(dialect.document(body, kind), kind, keep=keep)
    check({name: value for name, value in document.items() if value is not None}, kind)
    document, _ = take_password(document)
    return take_members(document, replaces=replaces)[0] if kind == "Group" else document


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.booleans())
@example(b"\xef\xbb\xbf{}", True)
@example(b'{"a":' + b"9" * 400 + b"}", False)
@example(b'{"a":1e999}', False)
@example(b"[" * 5000, False)
def test_bytes_become_a_document_or_an_error_of_ours(body, refuse_duplicates):
    with suppress(GatewayError):
        document = parse_json(body, refuse_duplicates=refuse_duplicates)
        assert isinstance(document, dict)
        assert isinstance(dump(document), bytes)


@settings(max_examples=60, deadline=None)
@given(OBJECTS, OBJECTS, DIALECT, KINDS, st.booleans())
def test_an_object_becomes_a_resource_or_an_error_of_ours(view, body, dialect, kind, replaces):
    with suppress(GatewayError):
        view = read_document(view, dialect, kind, replaces=False)
        document = read_document(body, dialect, kind, replaces=replaces)
        result = replacement(view, document)
        assert isinstance(identity(result, kind), tuple)
        assert isinstance(is_active(result), bool)
        assert all(isinstance(urn, str) for urn in schemas_of(result, kind))


@given(OBJECTS, MESSAGES, DIALECT, KINDS)
@settings(max_examples=100, deadline=None)
def test_an_object_becomes_a_patch_or_an_error_of_ours(view, message, dialect, kind):
    with suppress(GatewayError):
        view = read_document(view, dialect, kind, replaces=False)
        message = dialect.patch(message, kind)
        if kind == "Group":
            message, edits = take_member_operations(message)
            assert needs_present(edits) or delta_of(edits) == delta_of(list(edits))
            assert isinstance(edited({}, edits), dict)
        assert isinstance(apply_patch(view, message, kind), dict)


@given(GRAMMAR, DIALECT, OBJECTS, KINDS)
@settings(max_examples=100, deadline=None)
def test_text_becomes_a_filter_or_an_error_of_ours(text, dialect, document, kind):
    with suppress(GatewayError):
        tree = parse_filter(dialect.filter(text))
        assert isinstance(predicate(tree, kind)(document), bool)
        assert isinstance(attributes_named(tree), tuple)


@given(GRAMMAR)
@settings(max_examples=100, deadline=None)
def test_text_becomes_a_path_or_an_error_of_ours(text):
    with suppress(GatewayError):
        assert str(parse_path(text))
