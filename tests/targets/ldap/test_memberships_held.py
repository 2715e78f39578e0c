"""How groups hold their members."""

import pytest

from gateway.address import Directory
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.memberships import MEMBERSHIPS, PLACEHOLDER, names_of, part_of


def test_the_placeholder_is_nobody_and_a_unique_name_has_no_number():
    values = [PLACEHOLDER, "CN=Nobody", "uid=a,dc=y#'0101'B", "uid=b,dc=y"]

    assert names_of(values) == ["uid=a,dc=y", "uid=b,dc=y"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"member": [b"a", b"b"]}, (["a", "b"], None), id="all at once"),
        pytest.param({}, ([], None), id="none"),
        pytest.param(
            {"member": [], "member;range=0-1499": [b"a"]},
            (["a"], "member;range=1500-*"),
            id="the first of a range",
        ),
        pytest.param({"Member;Range=1500-*": [b"b"]}, (["b"], None), id="the last of a range"),
    ],
)
def test_members_come_whole_or_in_ranges(values, expected):
    assert part_of(Raw("cn=g", values), "member") == expected


def test_members_are_named_by_their_entry_or_by_their_name():
    raw = Raw("uid=a,dc=y", {"uid": [b"a"]})
    named = {name: way.value_of(raw, Directory("dc=y")) for name, way in MEMBERSHIPS.items()}

    by_dn = dict.fromkeys(("groupOfNames", "groupOfUniqueNames", "group"), "uid=a,dc=y")
    assert named == by_dn | {"posixGroup": "a"}


def test_a_group_of_windows_has_a_short_name():
    assert MEMBERSHIPS["group"].extras("Sales [EU] *") == {"sAMAccountName": "Sales EU"}
    assert MEMBERSHIPS["group"].extras("***") == {}
    assert MEMBERSHIPS["groupOfNames"].extras("Sales") == {}
