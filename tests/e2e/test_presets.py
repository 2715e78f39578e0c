"""Okta's day through each preset of the four documents, onto a target that writes down and a live server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.cli import main
from tests.support.foreign import TOKEN, furnish, scim2_servers
from tests.support.okta_day import ALWAYS, Day, Look, play
from tests.support.scim_target import scim_target

PRESETS = ("acall", "condeco", "dialpad", "cx")
AVA, BEN = "ava@example.com", "ben@example.com"


@asynccontextmanager
async def recording(server: str) -> AsyncIterator[tuple[str, Look]]:
    """Yield a target that takes everything, as PUT."""
    async with scim_target() as target:

        async def look(kind: str) -> list[Any]:
            return list((target.entries if kind == "Users" else target.groups).values())

        yield target.url, look


@asynccontextmanager
async def judging(server: str) -> AsyncIterator[tuple[str, Look]]:
    """Yield a tenant of the live server: it takes PATCH, and refuses what its schemas do not know."""
    url = f"{server}/{uuid4().hex}/v2"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def look(kind: str) -> list[Any]:
            async with session.get(f"{url}/{kind}") as answer:
                return list((await answer.json()).get("Resources", []))

        yield url, look


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with scim2_servers(*furnish(tmp_path_factory.mktemp("schemas"))) as url:
        yield url


@pytest.fixture(scope="module", params=[recording, judging], ids=["recording", "scim2-server"])
def target(request: pytest.FixtureRequest) -> tuple[Any, str]:
    server = request.getfixturevalue("server") if request.param is judging else ""
    return request.param, server


@pytest.fixture(scope="module", params=PRESETS)
def day(request: pytest.FixtureRequest, target: Any, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A day that is over."""

    async def played() -> Day:
        opened, server = target
        async with opened(server) as (url, look):
            return await play(tmp_path_factory.mktemp(request.param), request.param, url, look)

    return asyncio.run(played())


@pytest.fixture
def audit(day: Day, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Ask the day's trail as people do."""

    def asked(*argv: str) -> Any:
        status = main(["audit", *argv, "--config", str(day.folder / "config.toml")])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return json.loads(out) if "json" in argv else out

    return asked


def test_the_connection_test_finds_nobody_and_no_group(day: Day) -> None:
    users, groups = day.steps["tested"].answers

    assert (users.status, groups.status) == (200, 200)
    assert (users.body["totalResults"], groups.body["totalResults"]) == (0, 0)
    assert day.steps["looked up"].answer.body["totalResults"] == 0


def test_a_person_arrives_as_the_document_says(day: Day) -> None:
    created = day.steps["created"]

    assert created.answer.status == 201
    assert created.people == {AVA: day.person()}


def test_an_import_shows_people_as_okta_sent_them(day: Day) -> None:
    page = day.steps["imported"].answer.body

    (ava,) = [person for person in page["Resources"] if person["userName"] == AVA]
    sent = {name: value for name, value in (ALWAYS | day.case["sent"]).items() if name != "groups"}
    assert page["totalResults"] == 2
    assert {name: value for name, value in ava.items() if name not in ("id", "meta")} == sent


def test_a_new_profile_arrives_as_well(day: Day) -> None:
    updated = day.steps["updated"]

    assert updated.answer.status == 200
    assert updated.people[AVA] == day.person("then")


def test_what_the_target_could_not_use_is_refused_and_nothing_is_sent(day: Day) -> None:
    refused = day.steps["refused"]

    assert refused.answer.status == 400
    assert refused.answer.body["detail"].startswith(f"{day.case['refused']}: ")
    assert "canary" not in refused.answer.body["detail"]
    assert refused.people == day.steps["updated"].people


def test_a_group_has_the_members_that_okta_says(day: Day) -> None:
    names = ("group pushed", "members pushed", "member left", "member joined", "renamed", "group deleted")

    statuses = [answer.status for name in names for answer in day.steps[name].answers]
    assert statuses == [200, 201, 204, 204, 204, 204, 204]
    assert [day.steps[name].groups for name in names] == [
        {"Sales": []},
        {"Sales": [AVA, BEN]},
        {"Sales": [AVA]},
        {"Sales": [AVA, BEN]},
        {"Agents": [AVA, BEN]},
        {},
    ]


def test_a_leaver_leaves_and_returns_to_their_group(day: Day) -> None:
    left, returned, again = (day.steps[name] for name in ("deactivated", "returned", "pushed again"))
    is_removed = day.case.get("leaves") == "delete"

    assert left.people.get(AVA) == (None if is_removed else day.person("then", active=False))
    assert returned.answers[0].body["Resources"][0]["active"] is False
    assert returned.people[AVA] == again.people[AVA] == day.person("then")
    assert again.groups == {"Agents": [AVA, BEN]}


def test_who_is_deleted_is_gone_and_who_is_left_can_leave(day: Day) -> None:
    deleted, left = day.steps["deleted"], day.steps["second left"]

    assert [answer.status for answer in deleted.answers] == [204, 404]
    assert list(deleted.people) == [BEN]
    assert left.answer.status == 200
    assert [person["active"] for person in left.people.values()] in ([False], [])


DONE = [  # what the trail says of Ava's day
    ("user.create", "applied"),
    ("user.replace", "applied"),
    ("user.replace", "rejected"),
    ("user.patch", "applied"),
    ("user.patch", "applied"),
    ("user.replace", "unchanged"),
    ("user.delete", "applied"),
]


def test_the_history_of_a_person_explains_each_step(day: Day, audit: Callable[..., Any]) -> None:
    events = audit("history", AVA, "--format", "json")

    assert [(event["event"], event["outcome"]["result"]) for event in events] == DONE
    assert sorted({line["rule"] for line in events[0]["diff"] if line["rule"]}) == day.case["rules"]
    assert events[2]["outcome"]["reason"].startswith(day.case["refused"])
    assert {event["actor"]["name"] for event in events} == {"okta"}
    assert "canary" not in str(events)


def test_the_history_of_a_group_tells_who_came_and_who_went(day: Day, audit: Callable[..., Any]) -> None:
    events = audit("history", "Sales", "--format", "json")

    as_sales = [event for event in events if event["target"]["user_name"] == "Sales"]
    later = [event for event in events[len(as_sales) :] if event["event"] != "group.deliver"]
    lines = [(line["op"], len(line["before"] or line["after"])) for e in as_sales for line in e["diff"][-1:]]
    assert [event["event"] for event in as_sales] == ["group.create", *["group.patch"] * 3]
    assert lines[1:] == [("add", 2), ("remove", 1), ("add", 1)]
    assert [(event["event"], event["target"]["user_name"]) for event in later] == [
        ("group.patch", "Agents"),
        ("group.delete", "Agents"),
    ]


def test_the_id_in_a_refusal_leads_to_its_event_and_the_record_is_whole(
    day: Day, audit: Callable[..., Any]
) -> None:
    id = day.steps["refused"].answer.body["detail"].rpartition("[")[2].rstrip("]")

    shown = audit("show", id)

    assert "outcome.result      rejected" in shown
    assert audit("verify").startswith("whole: ")
