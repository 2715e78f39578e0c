"""Which DN a person has."""

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Refused, Update
from gateway.targets.ldap.entries import Raw
from gateway.targets.ldap.people import Naming

PLAIN = Directory("dc=y", inactive="move", inactive_base="ou=left,dc=y")
BY_PLACE = Directory("dc=y", dn="uid={userName},l={l},{base}", inactive="move", inactive_base="ou=left,dc=y")
WINDOWS = Directory("dc=y", dn="CN={userName},{base}", user_name="userPrincipalName")
ANN = {"userName": "ann", "active": True}
OFF = {"active": False}


@pytest.mark.parametrize(
    ("directory", "dn", "present", "wanted", "attributes", "expected"),
    [
        pytest.param(PLAIN, "uid=ann,dc=y", ANN, {}, {}, "uid=ann,dc=y", id="nothing"),
        pytest.param(
            PLAIN,
            "uid=ann,dc=y",
            ANN,
            {"userName": "bo, b"},
            {"uid": [b"bo, b"]},
            r"uid=bo\, b,dc=y",
            id="renamed",
        ),
        pytest.param(
            PLAIN,
            "uid=ann,ou=x,dc=y",
            ANN,
            {"userName": "b"},
            {"uid": [b"b"]},
            "uid=b,ou=x,dc=y",
            id="elsewhere",
        ),
        pytest.param(
            PLAIN, "cn=A,ou=x,dc=y", ANN, {"userName": "b"}, {"uid": [b"b"]}, "cn=A,ou=x,dc=y", id="by cn"
        ),
        pytest.param(PLAIN, "cn=A,dc=y", ANN, {"cn": "B"}, {"cn": [b"B"]}, "cn=B,dc=y", id="by cn, renamed"),
        pytest.param(PLAIN, "uid=ann,dc=y", ANN, OFF, {}, "uid=ann,ou=left,dc=y", id="leaves"),
        pytest.param(
            PLAIN, "uid=ann,ou=left,dc=y", ANN | OFF, {"active": True}, {}, "uid=ann,dc=y", id="is back"
        ),
        pytest.param(
            PLAIN, "uid=ann,ou=x,dc=y", ANN, OFF, {}, "uid=ann,ou=left,dc=y", id="leaves from elsewhere"
        ),
        pytest.param(WINDOWS, "CN=ann,dc=y", ANN, {"userName": "b"}, {}, "CN=b,dc=y", id="by the template"),
        pytest.param(WINDOWS, "CN=Ann Lee,dc=y", ANN, {"userName": "b"}, {}, "CN=Ann Lee,dc=y", id="by hand"),
        pytest.param(
            BY_PLACE, "uid=ann,l=a,dc=y", ANN | {"l": "a"}, {"l": "b"}, {}, "uid=ann,l=b,dc=y", id="moved"
        ),
        pytest.param(BY_PLACE, "uid=ann,dc=y", ANN, {"l": "b"}, {}, "uid=ann,dc=y", id="never placed so"),
        pytest.param(
            BY_PLACE, "uid=ann,dc=y", ANN, OFF, {}, "uid=ann,ou=left,dc=y", id="leaves all the same"
        ),
        pytest.param(PLAIN, "cn=a+uid=ann,dc=y", ANN, OFF, {}, "cn=a+uid=ann,dc=y", id="two names"),
    ],
)
def test_an_entry_is_named(directory, dn, present, wanted, attributes, expected):
    update = Update(present, present | wanted, ())

    assert Naming(directory).new_dn(Raw(dn, {}), update, attributes) == expected


def test_who_cannot_be_placed_is_refused_and_not_moved_to_nowhere():
    update = Update(ANN | {"l": "a"}, ANN, ())

    with pytest.raises(Refused, match="l: the name of the entry is made of it"):
        Naming(BY_PLACE).new_dn(Raw("uid=ann,l=a,dc=y", {}), update, {})


def test_new_people_stand_where_they_belong():
    naming = Naming(PLAIN)

    assert [naming.place(form) for form in (ANN, ANN | OFF)] == ["uid=ann,dc=y", "uid=ann,ou=left,dc=y"]
