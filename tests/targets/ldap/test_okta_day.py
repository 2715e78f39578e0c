"""Okta's day before real directories: as before any target."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_presets import (  # noqa: F401 - the same is expected of these targets
    audit,
    test_a_group_has_the_members_that_okta_says,
    test_a_leaver_leaves_and_returns_to_their_group,
    test_a_new_profile_arrives_as_well,
    test_a_person_arrives_as_the_document_says,
    test_an_import_shows_people_as_okta_sent_them,
    test_the_connection_test_finds_nobody_and_no_group,
    test_the_history_of_a_group_tells_who_came_and_who_went,
    test_the_history_of_a_person_explains_each_step,
    test_the_id_in_a_refusal_leads_to_its_event_and_the_record_is_whole,
    test_what_the_target_could_not_use_is_refused_and_nothing_is_sent,
    test_who_is_deleted_is_gone_and_who_is_left_can_leave,
)
from tests.support.okta_day import Day, play
from tests.support.real_directory import RealDirectory
from tests.support.real_scene import config_of

KEPT = ("displayName", "title", "mail", "telephoneNumber", "mobile", "department", "departmentNumber")
SERVERS = {"active_directory": "domain_controller", "389ds": "ns_slapd_server"}


def people_of(server: RealDirectory, base: str) -> list[Any]:
    """Return the people of a room as the day speaks of them."""
    found = server.there(base, "(&(objectClass=person)(employeeNumber=*))", "nsAccountLock")
    return [
        _spelled(f"{dn},{base}", {name: values[0].decode() for name, values in texts.items()})
        for dn, entry in found.items()
        for texts in [{name: values for name, values in entry.items() if name not in BINARY}]
    ]


BINARY = ("objectGUID", "objectSid", "nsUniqueId")


def _spelled(dn: str, entry: dict[str, str]) -> dict[str, Any]:
    is_disabled = int(entry.get("userAccountControl", "512")) & 2 or entry.get("nsAccountLock") == "true"
    return {
        "id": dn.casefold(),
        "userName": entry.get("userPrincipalName") or entry["uid"],
        "externalId": entry["employeeNumber"],
        "name": {"givenName": entry["givenName"], "familyName": entry["sn"]},
        "active": not is_disabled,
        **{name: entry[name] for name in KEPT if name in entry},
    }


def groups_of(server: RealDirectory, base: str) -> list[Any]:
    """Return its groups."""
    found = server.there(base, "(|(objectClass=group)(objectClass=groupOfUniqueNames))")
    return [
        {
            "displayName": entry["cn"][0].decode(),
            "members": [
                {"value": dn.decode().casefold()}
                for dn in entry.get("member") or entry.get("uniqueMember") or ()
            ],
        }
        for entry in found.values()
    ]


@pytest.fixture(scope="module", params=SERVERS)
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over."""
    server: RealDirectory = request.getfixturevalue(SERVERS[request.param])
    server.empty()
    folder: Path = tmp_path_factory.mktemp("day")
    config, directory = config_of(server, folder, keys='on_deactivate = "send"')

    async def look(kind: str) -> list[Any]:
        return (people_of if kind == "Users" else groups_of)(server, directory.base)

    return asyncio.run(play(folder, request.param, server.url, look, config))
