"""Short names of Active Directory, where others have them."""

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Conflict, Refused
from gateway.targets.ldap import short_names
from gateway.targets.ldap.entries import Raw

DIRECTORY = Directory("OU=people,DC=example,DC=test")


class Domain:
    """A session with a domain that has these short names; `sudden` comes while somebody else is made."""

    def __init__(self, *names: str, sudden: str | None = None) -> None:
        self.names, self.sudden, self.asked = {name.casefold() for name in names}, sudden, set[str]()

    def find(self, base, text, names):
        self.asked.add(base)
        name = text.removeprefix("(sAMAccountName=").removesuffix(")")
        return [Raw("CN=x", {})] if name.casefold() in self.names else []

    def add(self, dn, attributes):
        name = dict(attributes).get("sAMAccountName", [b""])[0].decode()
        if name == self.sudden or name.casefold() in self.names:
            self.names.add(name.casefold())
            raise Conflict("there is an entry of that name")
        self.made = name


def added(domain: Domain, name: str, kind: bytes = b"user") -> str:
    short_names.add(domain, DIRECTORY, "CN=x", [("objectClass", [kind]), ("sAMAccountName", [name.encode()])])
    return domain.made


@pytest.mark.parametrize(
    ("taken", "name", "made"),
    [
        pytest.param([], "jo", "jo", id="free"),
        pytest.param(["JO"], "jo", "jo2", id="taken in another case"),
        pytest.param(["jo", "jo2", "jo3"], "jo", "jo4", id="several"),
        pytest.param(["x" * 20], "x" * 20, "x" * 19 + "2", id="no room for a number"),
    ],
)
def test_a_short_name_that_is_taken_gets_the_next_number(taken, name, made):
    domain = Domain(*taken)

    assert added(domain, name) == made
    assert domain.asked == {"DC=example,DC=test"}


def test_a_group_has_room_for_more():
    assert added(Domain("x" * 20), "x" * 20, b"group") == "x" * 20 + "2"


def test_somebody_quicker_is_seen():
    assert added(Domain(sudden="jo"), "jo") == "jo2"


def test_another_conflict_is_one():
    domain = Domain()
    domain.add = lambda dn, attributes: (_ for _ in ()).throw(Conflict("no"))  # type: ignore[method-assign]

    with pytest.raises(Conflict):
        added(domain, "jo")


def test_a_name_that_a_thousand_have_is_refused():
    with pytest.raises(Refused, match="every name that begins so is taken"):
        added(Domain("jo", *(f"jo{n}" for n in range(1000))), "jo")


def test_an_entry_without_a_short_name_is_made_as_it_is():
    domain = Domain("jo")

    short_names.add(domain, DIRECTORY, "CN=x", [("objectClass", [b"person"])])

    assert (domain.made, domain.asked) == ("", set())
