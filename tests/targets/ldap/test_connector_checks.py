"""What a look at a directory finds."""

from dataclasses import dataclass, field

import pytest

from gateway.address import Directory
from gateway.flow.target_port import Refused
from gateway.targets.ldap.connector import PAGING, checked
from gateway.targets.ldap.entries import Raw
from tests.support.ldap import room


async def found(here):
    return {finding.about: (finding.says, bool(finding.fix)) for finding in await here.connector.check()}


async def test_a_directory_that_is_as_it_is_configured_has_nothing_to_mend(slapd_server):
    async with room(slapd_server, attributes=("sn", "Telephonenumber", "gn", "password")) as here:
        await here.person("ann")

        assert await found(here) == {
            "entry": (f"ou=groups,{here.directory.base} can be read", False),
            "id": ("people are known by entryUUID", False),
            "schema": ("it has every attribute that a rule writes", False),
            "inactive": ("is said by move", False),
        }


@pytest.mark.parametrize(
    ("habits", "about", "says"),
    [
        pytest.param(
            {"group_base": "ou=no,dc=example"}, "entry", "ou=no,dc=example is not there", id="groups"
        ),
        pytest.param(
            {"dn": "uid={userName},ou=no,{base}"}, "entry", "ou=no,{base} is not there", id="people"
        ),
        pytest.param(
            {"inactive_base": "ou=no,dc=example"}, "entry", "ou=no,dc=example is not there", id="inactive"
        ),
        pytest.param({"id": "ou"}, "id", "people show no ou", id="id"),
        pytest.param(
            {"attributes": ("sn", "department", "company")},
            "schema",
            "it has no attribute department, company",
            id="schema",
        ),
        pytest.param(
            {"external_id": "employeeID", "group_external_id": "info2"},
            "schema",
            "it has no attribute employeeID, info2",
            id="what the gateway itself looks at",
        ),
        pytest.param(
            {"object_classes": ("person", "phoneUser")},
            "schema",
            "it has no object class phoneUser",
            id="classes",
        ),
    ],
)
async def test_what_is_to_be_mended_is_said(slapd_server, habits, about, says):
    async with room(slapd_server, **habits) as here:
        here.server.add(f"uid=bob,{here.people}", ["inetOrgPerson"], cn="x", sn="x")
        wrong = {(f.about, f.says) for f in await here.connector.check() if f.fix}

        assert wrong == {(about, says.format(base=here.directory.base))}


async def test_who_leaves_is_removed_where_nothing_says_that_they_are_inactive(slapd_server):
    async with room(
        slapd_server, inactive=None, inactive_base=None, dn="uid={userName},ou={l},{base}"
    ) as here:
        assert (await found(here))["inactive"] == ("cannot be said: who leaves is removed", False)


@dataclass
class Poor:
    """A session with a directory that shows little of itself."""

    root: Raw | None
    people: list[Raw] = field(default_factory=list)

    def read(self, dn, names, text=""):
        return self.root if not dn else Raw(dn, {})

    def pages(self, base, text, names):
        yield self.people

    def go_on(self):
        """Have as much time as that takes."""


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        pytest.param(None, "does not show what it can do", id="no root entry"),
        pytest.param(Raw("", {"supportedControl": [b"1.2"]}), "page by page", id="no paged results"),
    ],
)
def test_a_directory_that_cannot_be_used_is_refused(root, reason):
    with pytest.raises(Refused, match=reason):
        checked(Poor(root), Directory("dc=example"))


def test_of_a_schema_that_is_not_shown_nothing_is_promised_and_nothing_demanded():
    root = Raw("", {"supportedControl": [PAGING.encode()]})

    findings = checked(Poor(root), Directory("dc=example", attributes=("sn",)))
    assert [finding for finding in findings if finding.fix] == []
    assert "it is not shown" in next(finding.says for finding in findings if finding.about == "schema")


async def test_a_base_that_is_not_there_is_named_with_its_key(slapd_server):
    async with room(slapd_server) as here:
        gone = f"ou=nowhere,{here.directory.base}"
    async with room(slapd_server, base=gone) as here:
        with pytest.raises(Refused, match=f"{gone}.*ldap.base"):
            await here.connector.check()
