"""Okta's day before tables of real databases: as before any target."""

import asyncio
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
from tests.support.sql_tables import PHONES, Tables, sqlite_tables

SERVERS = {"sqlite": "", "postgresql": "postgresql_room", "mariadb": "mariadb_room"}


def people_of(tables: Tables) -> list[dict[str, Any]]:
    """Return the people as the day speaks of them."""
    numbers: dict[Any, list[str]] = {}
    for owner, kind, number in tables.phones():
        numbers.setdefault(owner, []).append(f"{kind} {number}")
    rows = tables.run(
        "SELECT id, login, okta_id, first_name, last_name, title, department, enabled FROM person ORDER BY id"
    )
    return [
        {
            "id": id,
            "userName": login,
            "externalId": okta_id,
            "name": {"givenName": first, "familyName": last},
            "active": bool(enabled),
            "title": title,
            "department": department,
            "phones": numbers.get(id, []),
        }
        for id, login, okta_id, first, last, title, department, enabled in rows
    ]


def groups_of(tables: Tables) -> list[dict[str, Any]]:
    """Return the groups."""
    members = tables.run("SELECT team_id, person_id FROM membership ORDER BY person_id")
    return [
        {"displayName": name, "members": [{"value": person} for team, person in members if team == id]}
        for id, name in tables.run("SELECT id, name FROM team")
    ]


@pytest.fixture(
    scope="module",
    params=["sqlite", *(pytest.param(name, marks=pytest.mark.long) for name in SERVERS if name != "sqlite")],
)
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over."""
    folder = tmp_path_factory.mktemp("day")
    room = SERVERS[request.param]
    tables: Tables = request.getfixturevalue(room).empty() if room else sqlite_tables(folder)

    async def look(kind: str) -> list[Any]:
        return people_of(tables) if kind == "Users" else groups_of(tables)

    return asyncio.run(play(folder, "sql", tables.url, look, tables.table(folder, keys=PHONES)))
