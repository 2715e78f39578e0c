"""Okta's day before a JSON service, which takes changes and pages in several ways: as before any."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.e2e.test_presets import (  # noqa: F401 - the same is expected of this target
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
from tests.support.rest_service import RestLesser
from tests.support.scim_target import scim_target

RULE: Final = '[[targets.rest.rules]]\nto = "phoneNumbers.value"\nvia = ["phone"]\n'
SERVICES: Final[Mapping[str, Mapping[str, Any]]] = {
    "PUT, page numbers": {},
    "PATCH, a cursor, members one by one": {"change": "PATCH", "way": "cursor", "joins": True},
    "PUT, all at once, no look-ups": {"way": "all at once", "finds": False, "says_total": False},
}


@pytest.fixture(scope="module", params=SERVICES)
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over."""

    async def played() -> Day:
        async with scim_target(RestLesser(**SERVICES[request.param])) as service:

            async def look(kind: str) -> list[Any]:
                return list((service.entries if kind == "Users" else service.groups).values())

            table = service.toml(region='"GB"', page_size="100").replace("targets.phonebook", "targets.rest")
            return await play(tmp_path_factory.mktemp("rest"), "rest", service.url, look, table + RULE)

    return asyncio.run(played())
