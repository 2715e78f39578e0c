"""One externalId, two people, as providers of each dialect send them: at once, too."""

import asyncio
from typing import Any

import pytest

from tests.support.served import CANARY, Served

USERS = {"rfc": "/scim/other/v2/Users", "okta": "/scim/phonebook/v2/Users"}
SHARED = f"{CANARY}-jsmith"


def person(number: int) -> dict[str, Any]:
    return {"userName": f"{CANARY}.{number}@example.com", "externalId": SHARED, "active": True}


async def found(served: Served, by: str) -> list[str]:
    page = await served.ask("GET", f"{USERS[by]}?filter=externalId%20eq%20%22{SHARED}%22", token=by)
    return sorted(resource["id"] for resource in page.body["Resources"])


async def test_people_of_one_external_id_who_come_at_once_are_each_somebody(serve) -> None:
    served = await serve()

    answers = await asyncio.gather(
        *(served.ask("POST", USERS["rfc"], person(number), "rfc") for number in range(8))
    )

    ids = {answer.body["id"]: answer.body["userName"] for answer in answers}
    assert [answer.status for answer in answers] == [201] * 8
    assert sorted(ids) == await found(served, "rfc")
    assert ids == {entry["id"]: entry["userName"] for entry in await served.entries("other")}


@pytest.mark.parametrize(("by", "people"), [("rfc", 2), ("okta", 1)])
async def test_the_dialect_says_whether_an_external_id_that_comes_again_is_a_rename(
    serve, by, people
) -> None:
    served = await serve()

    answers = [await served.ask("POST", USERS[by], person(number), by) for number in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert len(await found(served, by)) == len({answer.body["id"] for answer in answers}) == people
    assert served.gateway.services.answering == {}
