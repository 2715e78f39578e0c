"""How directories say that somebody is inactive."""

import pytest
from ldap import MOD_ADD, MOD_DELETE, MOD_REPLACE

from gateway.address import Directory
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.inactive import habit_of

UAC = "userAccountControl"


def habit(inactive):
    return habit_of(Directory("dc=y", inactive=inactive, inactive_base="ou=left,dc=y"))


@pytest.mark.parametrize(
    ("inactive", "dn", "values", "expected"),
    [
        pytest.param(None, "uid=a,dc=y", {}, True, id="nothing says it"),
        pytest.param("move", "uid=a,dc=y", {}, True, id="where the active are"),
        pytest.param("move", "uid=a,OU=Left,dc=y", {}, False, id="moved"),
        pytest.param("nsAccountLock", "uid=a,dc=y", {}, True, id="never locked"),
        pytest.param("nsAccountLock", "uid=a,dc=y", {"nsaccountlock": [b"TRUE"]}, False, id="locked"),
        pytest.param("nsAccountLock", "uid=a,dc=y", {"nsAccountLock": [b"false"]}, True, id="unlocked"),
        pytest.param(UAC, "uid=a,dc=y", {UAC: [b"512"]}, True, id="512"),
        pytest.param(UAC, "uid=a,dc=y", {UAC: [b"66050"]}, False, id="66050"),
        pytest.param(UAC, "uid=a,dc=y", {UAC: [b"-2147483646"]}, False, id="a negative number"),
        pytest.param(UAC, "uid=a,dc=y", {}, True, id="not shown"),
    ],
)
def test_an_entry_says_whether_it_is_active(inactive, dn, values, expected):
    directory = Directory("dc=y", inactive=inactive, inactive_base="ou=left,dc=y")

    assert habit_of(directory).is_active(Raw(dn, values), directory) is expected


@pytest.mark.parametrize(
    ("before", "active", "after"),
    [
        pytest.param(b"512", False, b"514", id="512 to 514"),
        pytest.param(b"66048", False, b"66050", id="66048 to 66050"),
        pytest.param(b"66050", True, b"66048", id="and back"),
        pytest.param(b"514", False, b"514", id="twice"),
    ],
)
def test_one_bit_is_changed_and_what_else_is_there_stays(before, active, after):
    changes = habit(UAC).changes(Raw("cn=a", {UAC: [before]}), active)

    assert changes == [(MOD_DELETE, UAC, [before]), (MOD_ADD, UAC, [after])]


def test_an_entry_without_flags_gets_those_of_a_normal_account():
    assert habit(UAC).changes(Raw("cn=a", {}), False) == [(MOD_REPLACE, UAC, [b"514"])]


@pytest.mark.parametrize(("active", "values"), [(False, [b"true"]), (True, None)])
def test_a_lock_is_set_and_taken_away(active, values):
    assert habit("nsAccountLock").changes(Raw("uid=a", {}), active) == [
        (MOD_REPLACE, "nsAccountLock", values)
    ]


@pytest.mark.parametrize(
    ("inactive", "born"),
    [
        pytest.param(None, [[], []], id="nothing says it"),
        pytest.param("move", [[], []], id="move"),
        pytest.param("nsAccountLock", [[], [("nsAccountLock", [b"true"])]], id="nsAccountLock"),
        pytest.param(UAC, [[(UAC, [b"512"])], [(UAC, [b"514"])]], id=UAC),
    ],
)
def test_people_are_made_active_or_not(inactive, born):
    assert [habit(inactive).at_birth(active) for active in (True, False)] == born


@pytest.mark.parametrize("inactive", [None, "move"])
def test_what_is_said_by_the_place_changes_no_attribute(inactive):
    assert habit(inactive).changes(Raw("uid=a", {}), False) == []
