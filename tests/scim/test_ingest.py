"""One walk reads what six walks, each a function of its own, read before it; and in time."""

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError, InvalidSyntax, InvalidValue
from gateway.scim.dialects import DIALECTS, Dialect
from gateway.scim.documents import (
    ABSENT_IS_UNCHANGED,
    canonical,
    check,
    identity,
    is_active,
    resolved,
    take_password,
)
from gateway.scim.ingest import Document, ingest
from gateway.scim.jsontext import MAX_ELEMENTS, MAX_NAMES, dump, may_hide, parse_json
from gateway.scim.members import Added, Emptied
from gateway.scim.names import CORE_GROUP, CORE_USER, ENTERPRISE_USER, ERROR, PATCH_OP
from tests.support.grouped import take_members
from tests.support.spelled import ANY, BODIES, CORE_1, ENTERPRISE_1

LONG = [{"value": str(number)} for number in range(MAX_ELEMENTS + 1)]

OWN = "urn:example:schemas:space"
RFC, OKTA = DIALECTS["rfc"], DIALECTS["okta"]
EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
KINDS = st.sampled_from(["User", "Group"])
MIB = 1024 * 1024


def in_steps(body: bytes, kind: str, dialect: Dialect, replaces: bool) -> Document:
    """Return what the functions say that are there for each step alone."""
    sent = dialect.document(parse_json(body, refuse_duplicates=True), kind)
    sent = dialect.document(resolved(sent, kind), kind)
    document = canonical(sent, kind, keep=ABSENT_IS_UNCHANGED if replaces else ())
    check({name: value for name, value in document.items() if value is not None}, kind)
    rest, password = take_password(document)
    rest, members = take_members(rest, replaces=replaces) if kind == "Group" else (rest, ())
    name, external_id = identity(rest, kind)
    active = is_active(rest) if kind == "User" and "active" in rest else None
    return Document(rest, password, members, name or "", external_id, active)


def outcome(read: Callable[..., Document], *asked: Any) -> Any:
    """Return all that is read, in its order, or the error."""
    try:
        found = read(*asked)
    except GatewayError as error:
        return type(error), str(error)
    members = [list(edit.elements.items()) if isinstance(edit, Added) else edit for edit in found.members]
    return found, found.password, dump(found.attributes), repr(members)


@EVERY
@given(BODIES, KINDS, st.booleans())
@example(b'{"userName":"a","active":"TRUE","A":"\\u0022:","x":{"b" :1,"b" :2}}', "User", False)
@example(f'{{"userName":"a","{ENTERPRISE_USER}":{{"manager":"7"}},"x":1,"x":2}}'.encode(), "User", False)
@example(f'{{"userName":"a","{ENTERPRISE_USER}":[{{"manager":"7"}}]}}'.encode(), "User", False)
@settings(max_examples=200)
def test_one_walk_reads_what_every_step_alone_would(dialect, body, kind, replaces):
    one = outcome(lambda: ingest(body, kind, dialect, replaces=replaces))

    assert one == outcome(in_steps, body, kind, dialect, replaces)


@given(st.binary(max_size=20) | st.text(max_size=20).map(str.encode) | ANY.map(str.encode), KINDS)
def test_what_is_no_document_is_refused_as_ever(body, kind):
    assert outcome(ingest, body, kind, RFC) == outcome(in_steps, body, kind, RFC, False)


def met(value: Any) -> int:
    """Return how many names the objects in a value have together."""
    if isinstance(value, dict):
        return len(value) + sum(map(met, value.values()))
    return sum(map(met, value)) if isinstance(value, list) else 0


def has_name_twice(body: bytes) -> bool:
    found: list[bool] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        found.append(len({name for name, _ in pairs}) < len(pairs))

    json.loads(body, object_pairs_hook=note)
    return any(found)


@given(BODIES)
@example(b'{"a" :1,"a" :2,"b":"x\\":"}')
@example(b'{"a":1,"\\u0061":2}')
@settings(max_examples=200)
def test_no_name_given_twice_is_missed_by_counting(body):
    counted_alike = not may_hide(body, met(orjson.loads(body)))

    assert not (counted_alike and has_name_twice(body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":1,"b":{"a":[{"c":"d"}]}}', id="without white space"),
        pytest.param(
            b'{ "a" : 1,\r\n\t"b"\t\n:\r{"a":"urn:x: y : z"} }', id="with white space, and colons in text"
        ),
        pytest.param(b'{"a\\"":"\\"","\\u0061:":[]}', id="with quotes in names and texts"),
    ],
)
def test_what_most_send_need_not_be_read_twice(body):
    assert not may_hide(body, met(orjson.loads(body)))


ANN = {"userName": "Ann"}
EMAIL = {"value": "a@example.com", "type": "work"}


def deep(levels: int) -> Any:
    return {"x": deep(levels - 1)} if levels else 1


@EVERY
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param({"Active": "False"}, {"active": False}, id="a boolean as text"),
        pytest.param({"active": "maybe"}, "active must be true or false", id="no boolean"),
        pytest.param({"active": ["True", "True"]}, "active must be true or false", id="a list of booleans"),
        pytest.param({"active": ["True"]}, {"active": True}, id="a list of one boolean"),
        pytest.param(
            {"ACTIVE": [{"value": "False"}]}, {"active": False}, id="a boolean in an object in a list"
        ),
        pytest.param({"title": {"value": "Boss"}}, {"title": "Boss"}, id="an object for a text"),
        pytest.param({"title": [{"value": "Boss"}]}, {"title": "Boss"}, id="an object in a list for a text"),
        pytest.param(
            {"Title": [{"$ref": None, "Value": "Boss", "primary": True}]},
            {"title": "Boss"},
            id="both for a text",
        ),
        pytest.param({"title": [{"value": ""}]}, {}, id="an empty text within"),
        pytest.param({"title": [], "nickName": {}}, {}, id="nothing within"),
        pytest.param(
            {ENTERPRISE_USER: {"department": [{"value": "Sales"}]}},
            {ENTERPRISE_USER: {"department": "Sales"}},
            id="an object for a text of an extension",
        ),
        pytest.param({"name": [{"givenName": "A"}]}, {"name": {"givenName": "A"}}, id="a list of a name"),
        pytest.param(
            {ENTERPRISE_USER: [{"manager": "7"}]},
            {ENTERPRISE_USER: {"manager": {"value": "7"}}},
            id="of an extension",
        ),
        pytest.param(
            {ENTERPRISE_USER: [{"a": 1}, {"b": 2}]},
            f"{ENTERPRISE_USER} must be an object of attributes",
            id="two",
        ),
        pytest.param({"title": ["a", "b"]}, "title must be text", id="two texts for one"),
        pytest.param({"title": ["a"]}, "title must be text", id="a list of texts for one"),
        pytest.param(
            {"name": {"givenName": ["A"]}}, "name must be an object of texts", id="a list for a part"
        ),
        pytest.param({"title": {"value": "a", "x": "b"}}, "title must be text", id="an object of more"),
        pytest.param({"title": {"value": {"value": "a"}}}, "title must be text", id="an object in an object"),
        pytest.param({"title": 5}, "title must be text", id="a number for a text"),
        pytest.param({"LOCALE": True}, "locale must be text", id="a boolean for a text"),
        pytest.param({"password": 5}, "password must be text", id="a number for a password"),
        pytest.param({"id": 5, "title": "x"}, {"id": 5, "title": "x"}, id="what is ignored anyway"),
        pytest.param(
            {ENTERPRISE_USER.upper(): {"employeeNumber": 7}},
            "employeeNumber must be text",
            id="in an extension",
        ),
        pytest.param(
            {f"{ENTERPRISE_USER}:employeeNumber": 7}, "employeeNumber must be text", id="by its URN"
        ),
        pytest.param({"shoeSize": 43, OWN: {"a": [1]}}, {"shoeSize": 43, OWN: {"a": [1]}}, id="of nobody's"),
        pytest.param({"roles": [{"value": 3}]}, {"roles": [{"value": 3}]}, id="a number in an element"),
        pytest.param(
            {"roles": ["a", {"value": "b"}, "", {}]}, {"roles": [{"value": "a"}, {"value": "b"}]}, id="mixed"
        ),
        pytest.param({"roles": ["a", {"value": ""}]}, {"roles": ["a"]}, id="texts alone"),
        pytest.param({"accounts": ["a", {"b": 1}]}, {"accounts": ["a", {"b": 1}]}, id="mixed, of nobody's"),
        pytest.param({"title": "True"}, {"title": "True"}, id="text that looks like a boolean"),
        pytest.param(
            {"EMAILS": {**EMAIL, "Primary": "true"}}, {"emails": [{**EMAIL, "primary": True}]}, id="one"
        ),
        pytest.param({"emails": [{"VALUE": "", "type": "work"}, EMAIL]}, {"emails": [EMAIL]}, id="emptied"),
        pytest.param({"emails": [{"type": "work"}]}, {"emails": [{"type": "work"}]}, id="never had a value"),
        pytest.param(
            {"x": {"y": [None, "", [], {}, {"z": ""}]}, "title": ""}, {}, id="nothing but emptiness"
        ),
        pytest.param({"x": [0, False]}, {"x": [0, False]}, id="zero and false are something"),
        pytest.param(
            {"groups": ["g"], "id": "1"}, {"groups": ["g"], "id": "1"}, id="read-only, for whoever asks"
        ),
        pytest.param({OWN: {"manager": "42"}}, {OWN: {"manager": "42"}}, id="another extension"),
        pytest.param({ENTERPRISE_USER: None}, {}, id="an empty extension"),
        pytest.param({f"{CORE_USER}:title": "x"}, {"title": "x"}, id="a qualified name"),
        pytest.param({CORE_USER.upper(): {"title": "x"}}, {"title": "x"}, id="an object of the core"),
        pytest.param(
            {f"{ENTERPRISE_USER}:x": "y"}, {ENTERPRISE_USER: {"x": "y"}}, id="a qualified extension"
        ),
        pytest.param({f"{CORE_USER}.active": False}, {"active": False}, id="a dot for a colon"),
        pytest.param({"User.active": False}, {"active": False}, id="a type for a URN"),
        pytest.param({"User.name": {"givenName": "A"}}, {"name": {"givenName": "A"}}, id="an object of it"),
        pytest.param(
            {f"{ENTERPRISE_USER.upper()}.department": "y"},
            {ENTERPRISE_USER: {"department": "y"}},
            id="enterprise",
        ),
        pytest.param({"urn:x:own:User.a": 1}, {"urn:x:own:User": {"a": 1}}, id="an extension of people"),
        pytest.param(
            {"urn:x:own:User:a": 1, "urn:x:own:User": {"b": 2}},
            {"urn:x:own:User": {"a": 1, "b": 2}},
            id="both",
        ),
        pytest.param(
            {"schemas": [CORE_USER, OWN], f"{OWN}.a": 1},
            {"schemas": [CORE_USER, OWN], OWN: {"a": 1}},
            id="in schemas",
        ),
        pytest.param({OWN: {"b": 2}, f"{OWN}.a": 1}, {OWN: {"b": 2, "a": 1}}, id="beside its object"),
        pytest.param({f"{OWN}:a": 1}, {OWN: {"a": 1}}, id="an extension that nobody knows"),
        pytest.param({f"{OWN}.a": 1}, f"{OWN}.a: nobody knows .*", id="a dot behind what nobody knows"),
        pytest.param({"urn:x:my.own": {"a": 1}}, {"urn:x:my.own": {"a": 1}}, id="a dot in the name of one"),
        pytest.param({"title": "x", f"{CORE_USER}:TITLE": "y"}, "TITLE is given twice", id="in another case"),
        pytest.param(
            {f"{CORE_USER}.active": False, f"{CORE_USER}:active": True}, "active is given twice", id="twice"
        ),
        pytest.param({CORE_USER: {"active": "True"}}, {"active": True}, id="forgiven inside"),
        pytest.param({f"{CORE_USER}:active": "True"}, {"active": True}, id="forgiven by its URN"),
        pytest.param(
            {"title": "x", f"{CORE_USER}:title": "y"}, "title is given twice", id="qualified and not"
        ),
        pytest.param(
            {"emails": {"x": deep(30)}}, {"emails": [{"x": deep(30)}]}, id="32 levels, and one put in"
        ),
    ],
)
def test_each_deviation_is_read_as_the_standard_has_it(dialect, sent, read):
    body = dump(ANN | sent)

    if isinstance(read, str):
        with pytest.raises(GatewayError, match=f"^{read}$"):
            ingest(body, "User", dialect)
    else:
        assert ingest(body, "User", dialect).attributes == ANN | read


def test_entra_s_manager_and_roles_are_meant_in_a_document_too():
    role = json.dumps({"id": "1", "value": "Admin", "displayName": "The Admin"})
    body = dump(ANN | {"Manager": "7", "roles": [{"value": role}], ENTERPRISE_USER: {"department": "a"}})

    assert ingest(body, "User", DIALECTS["entra"]).attributes == ANN | {
        ENTERPRISE_USER: {"department": "a", "manager": {"value": "7"}},
        "roles": [{"value": "Admin", "display": "The Admin"}],
    }
    assert ingest(body, "User", OKTA).attributes["Manager"] == "7"


@pytest.mark.parametrize(
    ("kind", "schemas", "fits"),
    [
        ("User", [CORE_USER, ENTERPRISE_USER], True),
        ("User", [CORE_USER, OWN], True),
        ("User", [], True),
        ("User", ["urn:scim:schemas:core:1.0"], True),
        ("User", [CORE_GROUP.upper()], False),
        ("User", [CORE_USER, CORE_GROUP], False),
        ("User", [PATCH_OP], False),
        ("Group", [CORE_GROUP, OWN], True),
        ("Group", [CORE_USER], False),
        ("Group", [CORE_GROUP, ENTERPRISE_USER], False),
        ("Group", [ERROR], False),
    ],
)
@pytest.mark.parametrize("replaces", [True, False])
def test_schemas_of_something_else_are_refused(kind, schemas, fits, replaces):
    body = dump({"schemas": schemas, "userName": "a", "displayName": "b"})

    if fits:
        assert ingest(body, kind, OKTA, replaces=replaces).attributes.get("schemas", []) == schemas
    else:
        with pytest.raises(InvalidSyntax, match=f"^schemas names one that no {kind} has$"):
            ingest(body, kind, OKTA, replaces=replaces)


TWO = [{"value": "a", "Primary": "True"}, {"value": "b", "primary": True}, {"value": "c", "primary": False}]


@pytest.mark.parametrize("name", ["emails", "PhoneNumbers", "roles", "addresses", f"{CORE_USER}:ims"])
def test_no_more_than_one_value_is_primary_unless_a_dialect_means_the_last(name):
    bare = name.removeprefix(f"{CORE_USER}:")
    body = dump(ANN | {name: TWO})

    for dialect in (RFC, OKTA):
        with pytest.raises(InvalidValue, match=rf"(?i)^{bare}: no more than one value can be primary$"):
            ingest(body, "User", dialect)
    read = ingest(body, "User", DIALECTS["entra"]).attributes
    (found,) = [value for own, value in read.items() if own.casefold() == bare.casefold()]
    assert [element["primary"] for element in found] == [False, True, False]


def test_what_the_standard_has_not_may_have_two_that_are_primary():
    assert ingest(dump(ANN | {"accounts": TWO}), "User", OKTA).attributes["accounts"] == TWO


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        pytest.param("42", {"value": "42"}, id="text"),
        pytest.param(["42"], {"value": "42"}, id="list of one text"),
        pytest.param(
            [{"$ref": "../42", "value": "42"}], {"$ref": "../42", "value": "42"}, id="list of one object"
        ),
        pytest.param({"ManagerId": "42", "x": 1}, {"value": "42", "x": 1}, id="managerId"),
        pytest.param({"managerId": "42", "value": "43"}, {"managerId": "42", "value": "43"}, id="both"),
        pytest.param(["1", "2"], ["1", "2"], id="two of them"),
        pytest.param([""], None, id="nobody"),
    ],
)
def test_a_manager_becomes_the_object_that_is_meant(sent, read):
    extension = {"department": "a", "manager": sent}

    found = ingest(dump(ANN | {ENTERPRISE_USER: extension}), "User", OKTA)

    assert found.attributes[ENTERPRISE_USER].get("manager") == read


def test_urns_of_scim_1_are_known_to_who_says_nothing_of_itself():
    body = dump({f"{CORE_1}:userName": "Ann", ENTERPRISE_1: {"manager": {"managerId": "7"}}})

    assert ingest(body, "User", RFC).attributes == ANN | {ENTERPRISE_USER: {"manager": {"value": "7"}}}
    with pytest.raises(InvalidValue, match="userName is missing"):
        ingest(body, "User", OKTA)


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        pytest.param(b'{"active":1,"a":1,"a":2}', InvalidSyntax, "'a' twice", id="a name twice"),
        pytest.param(b'{"active":1,"x":[{"a":1,"A":2}]}', InvalidSyntax, "'A' twice", id="in another case"),
        pytest.param(
            b'{"active":1,"title":"a","TITLE":""}', InvalidSyntax, "'TITLE' twice", id="of the standard"
        ),
        pytest.param(b'{"a":1,"\\u0061":2}', InvalidSyntax, "'a' twice", id="escaped"),
        pytest.param(
            b'{"a" :1,"a"\n:2,"b":"\\":"}', InvalidSyntax, "'a' twice", id="as many as seem to be there"
        ),
        pytest.param(b'{"x":[18446744073709551616]}', InvalidValue, "64 bits", id="a long number"),
        pytest.param(b'{"x":-9223372036854775809}', InvalidValue, "64 bits", id="a long number below zero"),
        pytest.param(b'{"x":["\\u0000"]}', InvalidValue, "'x' contains a NUL", id="NUL"),
        pytest.param(dump({"roles": LONG}), InvalidValue, "roles has more than 1000 elements", id="roles"),
        pytest.param(dump({"ROLES": LONG}), InvalidValue, "roles has more than 1000", id="ROLES"),
        pytest.param(dump({"x": LONG}), InvalidValue, "a list has more than 1000", id="unknown list"),
        pytest.param(
            dump({"x": {"members": LONG}}), InvalidValue, "a list has more", id="no group's members"
        ),
        pytest.param(
            dump({f"{CORE_USER}:roles": LONG}), InvalidValue, "roles has more", id="of a qualified name"
        ),
        pytest.param(dump({"a": deep(32)}), InvalidSyntax, "deeper than 32", id="33 levels"),
        pytest.param(
            b'{"a":' + b"[" * 32 + b"1" + b"]" * 32 + b"}", InvalidSyntax, "deeper", id="33 of lists"
        ),
        pytest.param(
            dump({ENTERPRISE_USER: {"manager": [deep(30)]}}),
            InvalidSyntax,
            "deeper than 32",
            id="33, one taken out",
        ),
        pytest.param(b'{"a":' * 900 + b"1" + b"}" * 900, InvalidSyntax, "deeper than 32", id="900 levels"),
        pytest.param(
            dump({"x": dict.fromkeys(map(str, range(MAX_NAMES + 1)))}),
            InvalidSyntax,
            "more than 1000",
            id="wide",
        ),
        pytest.param(b'{"emails":"a"}', InvalidValue, "userName is missing", id="the first of two faults"),
    ],
)
def test_what_is_wrong_with_the_text_is_said_before_what_is_wrong_with_the_person(body, error, detail):
    with pytest.raises(error, match=detail):
        ingest(body, "User", OKTA)


def test_a_person_is_taken_apart():
    sent = {"userName": "Straße", "externalId": "0A", "active": "no", "PassWord": "s3cret"} | {"active": True}

    found = ingest(dump(sent), "User", OKTA)

    assert (found.name, found.external_id, found.active, found.password) == ("strasse", "0A", True, "s3cret")
    assert found.attributes == {"userName": "Straße", "externalId": "0A", "active": True}
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("sent", "created", "replaced"),
    [
        pytest.param({}, (), (), id="absent"),
        pytest.param({"Members": None}, (), (Emptied(),), id="emptied"),
        pytest.param({"members": [{"value": ""}]}, (), (Emptied(),), id="none who has a value"),
        pytest.param(
            {"members": [{"display": "a", "value": "1"}, {"VALUE": "2"}, {"value": "1", "type": "User"}]},
            (Added({"1": {"value": "1", "type": "User"}, "2": {"value": "2"}}),),
            (Emptied(), Added({"1": {"value": "1", "type": "User"}, "2": {"value": "2"}})),
            id="some",
        ),
        pytest.param(
            {"members": {"value": "1"}},
            *[(*e, Added({"1": {"value": "1"}})) for e in ((), (Emptied(),))],
            id="one",
        ),
    ],
)
def test_members_are_taken_out_of_a_group(sent, created, replaced):
    body = dump({"displayName": "G", "PASSWORD": "x"} | sent)

    assert ingest(body, "Group", OKTA) == Document({"displayName": "G"}, "x", created, "g", None, None)
    assert ingest(body, "Group", OKTA, replaces=True).members == replaced


def test_a_member_is_named_before_anything_else_is_said_of_it():
    body = dump({"displayName": "G", "members": [{"display": "a", "Value": "1"}]})

    (added,) = ingest(body, "Group", OKTA).members

    assert dump(added.elements) == b'{"1":{"value":"1","display":"a"}}'


def test_a_replacement_says_what_it_empties_of_what_it_may_leave_out():
    body = dump(ANN | {"EXTERNALID": "", "title": None})

    assert ingest(body, "User", OKTA, replaces=True).attributes == ANN | {"externalId": None}
    assert ingest(body, "User", OKTA).attributes == ANN


def cpu(read: Callable[[], Any]) -> float:
    """Return the least CPU seconds of three tries."""

    def one() -> float:
        start = process_time()
        read()
        return process_time() - start

    return min(one() for _ in range(3))


def group(members: int, **own: str) -> bytes:
    return dump(
        {"displayName": "g", "members": [{"value": f"{number:036x}"} | own for number in range(members)]}
    )


@pytest.mark.no_cover
def test_a_group_of_the_largest_size_is_read_in_the_time_that_its_size_takes():
    small, large = group(30_000), group(300_000)
    assert 14 * MIB < len(large) <= 16 * MIB

    parsed, few, many = (
        cpu(lambda: orjson.loads(large)),
        cpu(lambda: ingest(small, "Group", OKTA)),
        cpu(lambda: ingest(large, "Group", OKTA)),
    )

    assert many < 20 * parsed
    assert many < 30 * few
