"""What others wrote is text on every page: of people, of groups, and of targets that refuse them."""

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import web

from gateway.console.rendering import UNSEEN, visible
from gateway.flow.journal_port import Transition
from tests.console.test_pages import HOSTILE
from tests.console.test_targets import shown
from tests.support.served import ANN, OTHER, USERS, Scripted, Serve, Served, scripted_target
from tests.support.visitor import CONSOLE, Visitor, visitor

GROUPS = USERS.replace("Users", "Groups")
HARMLESS = "nothing but words"
PLACES = (
    *("", "/events", "/events/{event}", "/operations", "/people/{person}", "/people/{person}/history"),
    *("/groups/{group}", "/groups/{group}/belongings/phonebook", "/people/{person}/belongings/phonebook"),
    *("/problems", "/simulate", "/guide"),
)
ADDRESSES = ("href", "src", "action", "formaction")


class Shape(HTMLParser):
    """What a page is made of: its elements by the names of their attributes, its addresses, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements = set[tuple[str, str]]()
        self.addresses = set[str]()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.addresses |= {value or "" for name, value in attrs if name in ADDRESSES}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
async def target() -> AsyncIterator[Scripted]:
    """A target that refuses a title in the words of that title, and shows everybody with another."""
    entries: dict[str, Any] = {}
    async with scripted_target() as target:

        async def reply(request: web.Request) -> web.StreamResponse:
            body = await request.json() if request.can_read_body else None
            if body is None:
                return web.json_response(entries.get(request.path.rpartition("/")[2], {"totalResults": 0}))
            if "title" in body:
                return web.json_response({"detail": body["title"]}, status=400)
            entry = body | {"id": body.get("id") or f"t-{len(entries)}"}
            entries[entry["id"]] = entry | {"title": body.get("displayName")}
            return web.json_response(entry, status=201 if request.method == "POST" else 200)

        target.reply = reply
        yield target


@pytest.fixture
async def served(serve: Serve, target: Scripted) -> Served:
    """A gateway that holds all removals but the first."""
    toml = target.toml(timeout='"20s"', deadline='"30s"', max_removals='{ count = 1, per = "1h" }')
    return await serve(toml, OTHER, config=CONSOLE)


async def written(served: Served, n: int, text: str) -> dict[str, str]:
    """Have one who is removed, one who is refused and a group with the text in all they hold; name them."""
    name = f"{text[:1000]}{n}"  # targets are asked for names by addresses
    body = ANN | {"userName": name, "externalId": name, "displayName": text, "nickName": text}
    person = (await served.ask("POST", USERS, body)).body["id"]
    desk = {"displayName": name, "members": [{"value": person}]}
    group = (await served.ask("POST", GROUPS, desk)).body["id"]
    refused = await served.ask("PUT", f"{USERS}/{person}", body | {"title": text})
    assert refused.status == 400
    event = (await served.events())[-1]["id"]
    await served.ask("PUT", f"{USERS}/{person}", body | {"active": False})
    operations = served.gateway.services.operations
    for one in await operations.open("phonebook", ()):
        await operations.mark(one, Transition(one.standing, text, refused=one.refused))
    return {"person": person, "group": group, "event": event}


async def shapes(browser: Visitor, names: dict[str, str]) -> dict[str, Shape]:
    form = (await browser.get("/console/simulate")).fields
    await browser.post("/console/simulate", form | {"target": "phonebook"})
    pages = {place: await shown(browser, f"/console{place.format(**names)}") for place in PLACES}
    assert {place: page.status for place, page in pages.items() if page.status != 200} == {}
    return {place: Shape(page.text) for place, page in pages.items()}


async def test_whatever_is_stored_or_answered_makes_no_element_and_no_attribute(served: Served) -> None:
    async with visitor(served.port) as browser:
        await browser.sign_in("olga")
        for n in range(2):  # the first is removed, the second held
            known = await shapes(browser, await written(served, n, HARMLESS))
        following = {("a", "rel")}  # a second page comes with the number of events
        expected = {place: shape.elements | following for place, shape in known.items()}
        for n, row in enumerate(HOSTILE, start=2):
            text = str(row.values[0]).replace("\0", "")  # no name has such a sign
            found = await shapes(browser, await written(served, n, text))
            for place, shape in found.items():
                assert shape.elements - expected[place] == set(), (row.id, place)
                assert all(one.startswith(("/console", "#")) for one in shape.addresses), (row.id, place)
                assert UNSEEN.search(shape.text) is None, (row.id, place)
            assert visible(text[:1000]) in found["/groups/{group}"].text, row.id
            for place in ("/people/{person}", "/events/{event}"):
                assert visible(text) in found[place].text, (row.id, place)


@pytest.mark.long
async def test_nothing_of_it_runs_in_a_browser(served: Served) -> None:
    from tests.console.test_browser import opened  # says what to install where there is no browser

    text = "".join(str(row.values[0]) for row in HOSTILE).replace("\0", "")
    for n in range(2):  # the first is removed, the second held
        names = await written(served, n, text)
    async with opened(served) as browser:
        await browser.sign_in("olga")
        await browser.go("/simulate")
        await browser.page.locator("main form button").click()
        await browser.page.get_by_text("Nothing was sent.").wait_for()
        for place in PLACES:
            await browser.go(place.format(**names))
            assert await browser.page.locator("h1").count() == 1
            assert await browser.page.locator("main script, main img, [onfocus]").count() == 0
