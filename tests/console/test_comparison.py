"""A whole target compared and repaired, as `reconcile` does it: by operators, one at a time, with an end."""

import asyncio
from collections.abc import AsyncGenerator
from html import unescape
from typing import Any

import pytest

from gateway.flow.target_port import ResourceType, Update
from gateway.scim.difference import compare
from gateway.server.admin import Runs
from tests.console.conftest import BRAKED
from tests.console.test_targets import rows, shown
from tests.support.served import ANN, CANARY, OTHER, USERS, Serve, Served
from tests.support.visitor import CONSOLE, Page, Visitor, visitor

PATH = "/console/compare"


async def begun(browser: Visitor, target: str = "phonebook", repair: str = "") -> Page:
    form = {"csrf": (await browser.get("/console/verify")).fields["csrf"]}
    return await browser.post(PATH, form | {"target": target, "repair": repair})


async def compared(browser: Visitor, repair: str = "") -> Page:
    page = await begun(browser, repair=repair)
    assert page.where == PATH
    return await shown(browser, PATH)


async def activate_behind(served: Served) -> None:
    """Let everybody be active at the target again, so that the gateway does not know."""
    for entry in await served.entries():
        whole = {**entry, "active": True}
        update = Update(entry, whole, compare(entry, whole))
        await served.gateway.targets["phonebook"].connector.change(ResourceType.USER, entry["id"], update)


async def active(served: Served) -> int:
    return [entry["active"] for entry in await served.entries()].count(True)


async def test_a_target_is_compared_and_repaired_within_its_brake_in_the_operators_name(serve: Serve) -> None:
    served = await serve(BRAKED, OTHER, config=CONSOLE)
    for n in range(3):
        body = ANN | {"userName": f"{CANARY}{n}@example.com", "externalId": str(n), "active": False}
        await served.ask("POST", USERS, body)
    await activate_behind(served)
    async with visitor(served.port) as olga:
        await olga.sign_in("olga")
        found = await compared(olga)
        untouched = await active(served)
        repaired = await compared(olga, repair="yes")

    assert "Compared at phonebook" in found.text
    assert "Done; this is left:" in found.text
    whose = {f"{CANARY}{n}@example.com" for n in range(3)}
    assert {(row[0], row[1], row[5]) for row in rows(found)} == {
        (name, "inactive here, active there", "") for name in whose
    }
    assert (untouched, await active(served)) == (3, 2)
    assert "Repaired at phonebook" in repaired.text
    assert sorted(row[5] for row in rows(repaired)) == ["applied", "pending", "pending"]
    assert "operations release" in unescape(repaired.text)
    events = await served.events()
    runs = [event for event in events if event["event"] == "reconcile"]
    assert [event["people"] for event in runs] == [3, 3]
    repairs = [event for event in events if event["event"] == "repair"]
    assert len(repairs) == 3
    for event in (*runs, *repairs):
        assert (event["actor"]["type"], event["actor"]["name"]) == ("operator", "olga")


async def test_one_comparison_goes_on_at_a_time_and_what_it_found_is_shown_when_it_is_ended(
    served: Served, visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_on, closed, asked = asyncio.Event(), asyncio.Event(), list[tuple[str, bool]]()

    async def told(_: Runs, run: str, target: Any, *, option: bool) -> AsyncGenerator[dict[str, Any], None]:
        asked.append((target.name, option))
        finding = {"finding": "changed", "user_name": f"{CANARY}<b>", "ours": ["a"], "theirs": "<i>"}
        rest = dict.fromkeys(("id", "target_id", "path", "outcome", "reason"))
        try:
            for _ in range(201):
                yield {"row": rest | finding}
            yield {"progress": {"people": 70, "seconds": 1.0}}
            await let_on.wait()
            for _ in range(100):
                yield {"progress": {"people": 71, "seconds": 1.0}}
        finally:
            closed.set()

    monkeypatch.setattr(Runs, "told", told)
    olga = await visit("olga")
    await begun(olga, repair="yes")
    await begun(olga, "other")
    running = await olga.get(PATH)
    await olga.post(f"{PATH}/end", running.fields)
    let_on.set()
    ended = await shown(olga, PATH)

    assert asked == [("phonebook", True)]
    assert "phonebook is being repaired since" in running.text
    assert "70 people looked at" in running.text
    assert closed.is_set()
    assert "it was ended before it was through" in ended.text
    assert "The first 200 of 201; the command has all of them." in ended.text
    assert rows(ended)[0][:5] == [f"{CANARY}<b>", "changed there", "", '[ "a" ]', "<i>"]


@pytest.mark.parametrize("name", ["alice", "henry", "olga"])
async def test_only_operators_compare_and_only_by_a_form_of_theirs(served: Served, visit, name: str) -> None:
    browser = await visit(name)
    page = await browser.get("/console/verify")
    may = name == "olga"
    form = {"target": "phonebook"} | ({} if may else {"csrf": page.fields["csrf"]})
    before = len(await served.events())

    assert (f'href="{PATH}"' in page.text) == may
    assert (await browser.get(PATH)).status == (200 if may else 403)
    for path in (PATH, f"{PATH}/end"):
        assert (await browser.post(path, form)).status == 403
    assert len([e for e in await served.events() if e["event"] != "audit.read"]) == before
    if may:
        assert (await begun(browser, "none")).status == 404
