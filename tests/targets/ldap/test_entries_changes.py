"""What is written for a person."""

import re

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Refused
from gateway.targets.ldap.entries import changed, made, named_anew, new, written

PLAIN = Directory("dc=example")
WINDOWS = Directory("dc=example", makes=("sAMAccountName", "password"), password="unicodePwd")
ANN = {"userName": "ann@example.com", "id": "1", "meta": {}, "schemas": ["x"], "active": True}


def test_a_new_person_has_what_names_them_and_what_must_be_there():
    attributes = new(ANN | {"externalId": "00u", "title": ""}, PLAIN, ("uid", "ann@example.com"))

    name = [b"ann@example.com"]
    assert attributes == {"cn": name, "sn": name, "uid": name, "employeeNumber": [b"00u"]}


def test_the_name_of_an_entry_is_among_its_values():
    attributes = new(ANN | {"cn": "Ann"}, PLAIN, ("CN", "Lee, Ann"))

    assert attributes["cn"] == [b"Lee, Ann", b"Ann"]


@pytest.mark.parametrize(
    ("attribute", "form", "expected"),
    [
        pytest.param("cn", {"displayName": "Ann Lee", "sn": "Lee"}, "Ann Lee", id="cn of displayName"),
        pytest.param(
            "cn", {"givenName": "Ann", "sn": "Lee", "userName": "a"}, "Ann Lee", id="cn of both names"
        ),
        pytest.param("cn", {"sn": ["Lee", "Li"], "userName": "a"}, "a", id="cn of userName"),
        pytest.param("sn", {"displayName": "Ann Lee", "userName": "a"}, "Ann Lee", id="sn of displayName"),
        pytest.param("sn", {"userName": "a"}, "a", id="sn of userName"),
        pytest.param("sAMAccountName", {"userName": "ann.lee@x.com"}, "ann.lee", id="the part before the @"),
        pytest.param("sAMAccountName", {"userName": "ann.lee.@x.com"}, "ann.lee", id="no dot at the end"),
        pytest.param("sAMAccountName", {"userName": 19 * "a" + ".b"}, 19 * "a", id="nor where it is cut"),
        pytest.param(
            "sAMAccountName", {"userName": "a+b [c]" + 30 * "d"}, "abc" + 17 * "d", id="20 characters"
        ),
    ],
)
def test_an_attribute_is_made_of_the_others(attribute, form, expected):
    assert made(attribute, form) == expected


def test_a_made_password_is_long_mixed_and_never_the_same():
    one, other = (written({"password": made("password", {})}, WINDOWS)["unicodePwd"][0] for _ in range(2))

    assert re.fullmatch(r'"Aa1-[\w-]{32}"', one.decode("utf-16-le"))
    assert one != other


@pytest.mark.parametrize(
    ("directory", "expected"),
    [(PLAIN, {"userPassword": ["pä".encode()]}), (WINDOWS, {"unicodePwd": ['"pä"'.encode("utf-16-le")]})],
    ids=["userPassword", "unicodePwd"],
)
def test_a_password_is_written_as_the_directory_takes_it(directory, expected):
    assert written({"password": "pä"}, directory) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"title": "Agent"}, {"title": [b"Agent"]}, id="added"),
        pytest.param({"l": None}, {"l": []}, id="removed"),
        pytest.param({"l": ""}, {"l": []}, id="an empty text removes"),
        pytest.param({"sn": None}, {"sn": [b"ann"]}, id="what must be there is made again"),
        pytest.param({"userName": "anna"}, {"uid": [b"anna"]}, id="userName"),
        pytest.param({"externalId": "x"}, {"employeeNumber": [b"x"]}, id="externalId"),
        pytest.param({"password": "p"}, {"userPassword": [b"p"]}, id="password"),
        pytest.param(
            {"meta": {"a": 1}, "active": False, "objectClass": ["x"]}, {}, id="what is no attribute"
        ),
    ],
)
def test_only_what_differs_is_written(more, expected):
    present = {"userName": "ann", "sn": "Lee", "l": ["Bonn", "Rome"], "id": "1"}

    assert changed(present, present | more, PLAIN) == expected


def test_no_new_password_is_made_for_somebody_who_has_one():
    assert changed({"userName": "ann"}, {"userName": "ann", "l": "x"}, WINDOWS) == {"l": [b"x"]}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param({"title": [b"x"]}, "ann", id="untouched"),
        pytest.param({"UID": [b"anna"]}, "anna", id="changed"),
        pytest.param({"uid": [b"b", b"ann"]}, "ann", id="still one of several"),
    ],
)
def test_an_entry_is_named_by_its_attribute(attributes, expected):
    assert named_anew(("uid", "ann"), attributes) == expected


def test_what_names_an_entry_cannot_be_removed():
    with pytest.raises(Refused, match=r"uid: .*cannot be removed"):
        named_anew(("uid", "ann"), {"uid": []})
