"""The pages as people have them: in a real browser, by mouse and by keyboard, in both themes."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from gateway.flow.target_port import ResourceType
from tests.support.openid import CLIENT, SECRET, openid_provider
from tests.support.served import ANN, CANARY, TOKENS, USERS, Serve, Served
from tests.support.visitor import CONSOLE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
WIDTHS = (360, 1024, 1600)
PICTURES = os.environ.get("CONSOLE_PICTURES")  # a folder, where pictures of the pages are wanted
PAGES = (
    *("", "/events", "/events/1", "/events/{id}", "/operations", "/verify", "/acts/pause/phonebook", "/none"),
    *(f"/people?q={CANARY}", "/people/{person}", "/groups/{group}"),
    *("/problems", "/guide", "/simulate", "/compare"),
    "/groups/{group}/belongings/phonebook",
    f"/playground?person={CANARY}1@example.com",
)

if CHROMIUM is None and "CI" not in os.environ:
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)

pytestmark = pytest.mark.long


@dataclass
class Browser:
    """A page in a browser, and all that it complained of."""

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str = "") -> None:
        await self.page.goto(f"{self.base}/console{path}")

    async def sign_in(self, name: str) -> None:
        await self.go()
        await self.page.get_by_label("Token").fill(TOKENS[name])
        await self.page.keyboard.press("Enter")
        await self.page.get_by_role("heading", name="Overview").wait_for()

    async def judged(self) -> list[str]:
        """Return what axe finds against the page, by rule and place."""
        await self.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = await self.page.evaluate(
            "async (tags) => (await axe.run(document, {runOnly: tags})).violations", tags
        )
        return [
            f"{one['id']}: {node['target']} {node['html'][:120]}" for one in found for node in one["nodes"]
        ]


@asynccontextmanager
async def opened(served: Served, **how: Any) -> AsyncIterator[Browser]:
    """Open a page; at the end it has broken no policy, made no error, and asked nobody else."""
    from playwright.async_api import async_playwright

    base = f"http://127.0.0.1:{served.port}"
    async with async_playwright() as playwright:
        assert CHROMIUM is not None, "install chromium"
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(**how)
        browser = Browser(await context.new_page(), base)
        _listen(browser)
        yield browser
        await chromium.close()
    assert browser.complaints == []


def _listen(browser: Browser) -> None:
    page, complaints = browser.page, browser.complaints

    def console(message: Any) -> None:
        # what the browser says by itself of an answer that is a refusal is none
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith((browser.base, "data:", "blob:")):
            complaints.append(f"asked elsewhere: {request.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", asked)


@pytest.fixture
async def filled(served: Served) -> Served:
    """A gateway to which something has happened."""
    for n in range(3):
        await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}{n}@example.com", "externalId": str(n)})
    await served.ask("POST", USERS, {"userName": 5})
    return served


async def ids(served: Served) -> dict[str, str]:
    """Return the ids in the addresses of pages: of an event, a person and a group with that one in it."""
    event = next(event for event in await served.events() if event["event"] == "user.create")
    person = event["target"]["id"]
    desk = {"displayName": f"{CANARY} desk", "members": [{"value": person}]}
    group = (await served.ask("POST", USERS.replace("Users", "Groups"), desk)).body["id"]
    return {"id": event["id"], "person": person, "group": group}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_no_page_shuts_anybody_out(filled: Served, theme: str) -> None:
    known = await ids(filled)
    async with opened(filled, color_scheme=theme) as browser:
        await browser.go()
        assert await browser.judged() == []
        await browser.sign_in("olga")
        for path in (*PAGES, "/events?filter=nonsense", "/playground"):
            await browser.go(path.format(**known))
            await browser.page.evaluate(
                "document.querySelectorAll('details').forEach(d => { d.open = true })"
            )
            assert await browser.judged() == [], path


async def test_every_page_fits_its_window(filled: Served) -> None:
    known = await ids(filled)
    async with opened(filled) as browser:
        await browser.sign_in("olga")
        for width in WIDTHS:
            await browser.page.set_viewport_size({"width": width, "height": 900})
            for path in PAGES:
                await browser.go(path.format(**known))
                wide = await browser.page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (path, wide)
                if PICTURES is not None:
                    name = path.partition("?")[0].replace("{", "").replace("}", "").replace("/", "-")
                    for theme, end in (("dark", "-dark"), ("light", "")):
                        await browser.page.emulate_media(color_scheme=theme)
                        place = Path(PICTURES) / f"console{name}-{width}{end}.png"
                        await browser.page.screenshot(path=place, full_page=True)


async def test_the_way_from_the_sign_in_to_one_event_and_back(filled: Served) -> None:
    async with opened(filled) as browser:
        page = browser.page
        await browser.sign_in("alice")
        await page.get_by_role("navigation").get_by_role("link", name="Events").click()
        await page.get_by_label("Person or group").fill(f"{CANARY}1@example.com")
        await page.get_by_role("button", name="Ask").click()
        await page.wait_for_url("**/events?person=*")
        asked = page.url
        await page.locator("tbody a").first.click()
        await page.get_by_role("heading", name="What became of it").wait_for()
        assert await page.get_by_text("Its hash covers what stands here.").is_visible()
        await page.go_back()
        await page.wait_for_url(asked)
        assert await page.get_by_label("Person or group").input_value() == f"{CANARY}1@example.com"
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/console/sign-in")
        await page.go_back()
        await page.wait_for_url("**/console/sign-in*")


async def test_somebody_is_found_pushed_again_and_the_way_back_is_the_one_come(filled: Served) -> None:
    async with opened(filled) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await page.get_by_role("navigation").get_by_role("link", name="People").click()
        await page.get_by_label("Name, id").fill(CANARY)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/people?q=*")
        listed = page.url
        await page.get_by_role("link", name=f"{CANARY}1@example.com").click()
        await page.get_by_text("Nothing differs").wait_for()
        await page.get_by_role("button", name="Push again").click()
        await page.get_by_text("nothing is left to be done").wait_for()
        await page.get_by_role("region", name="History").get_by_role("link").first.click()
        await page.get_by_role("heading", name="What became of it").wait_for()
        await page.get_by_role("link", name=f"{CANARY}1@example.com").click()
        await page.get_by_text("Nothing differs").wait_for()
        while page.url != listed:
            await page.go_back()
        assert await page.get_by_label("Name, id").input_value() == CANARY


async def test_rules_are_tried_while_they_are_typed_and_taken_away(filled: Served) -> None:
    async with opened(filled, permissions=["clipboard-read", "clipboard-write"]) as browser:
        page, faults = browser.page, browser.page.locator("#faults li", has=browser.page.locator(".alert"))
        await browser.sign_in("alice")
        await page.get_by_role("navigation").get_by_role("link", name="Playground").click()
        await page.get_by_label("Person", exact=True).fill(f"{CANARY}1@example.com")
        await page.get_by_text("Nothing: this person becomes the same.").wait_for()
        rules = page.get_by_label("Rules of phonebook")
        await rules.press("Control+End")
        await page.keyboard.type('\n[[targets.phonebook.rules]]\nto = "name.familyName"\nvia = ["uper"]')
        await faults.get_by_text("uper").first.wait_for()
        line = (await rules.input_value()).split("\n")[int(await faults.get_attribute("value")) - 1]
        assert line == 'via = ["uper"]'
        assert await rules.get_attribute("aria-invalid") == "true"
        for key in (*["ArrowLeft"] * 4, "p"):
            await page.keyboard.press(key)
        await page.get_by_role("row", name="name.familyName Lee LEE", exact=True).first.wait_for()
        if PICTURES is not None:
            await page.screenshot(path=Path(PICTURES) / "console-playground.png", full_page=True)
        assert await faults.count() == 0
        assert await rules.get_attribute("aria-invalid") == "false"
        assert await page.evaluate("document.activeElement.id") == "toml"
        await page.get_by_role("button", name="Copy the rules").click()
        await page.get_by_role("status").get_by_text("Copied.").wait_for()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == await rules.input_value()
        assert 'via = ["upper"]' in copied
        await page.get_by_role("button", name="Count the last").click()
        await page.get_by_role("row", name="change 0 3", exact=True).wait_for()


async def test_everything_is_done_by_keyboard(filled: Served) -> None:
    async with opened(filled) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "content"
        while not (await page.evaluate("document.activeElement.textContent")).startswith("Pause"):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Pause").focus()
        await page.keyboard.press("Enter")
        await page.get_by_text("The target is paused").wait_for()
        assert filled.gateway.oversight.pauses.since("phonebook") is not None


async def test_what_was_given_up_is_tried_again_by_a_click_or_two(
    dead: Served, mended: asyncio.Event
) -> None:
    async with opened(dead) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await page.locator("#needing").get_by_role("link", name="Try again").click()
        mended.set()
        await page.get_by_role("button", name="Try again").dblclick()
        await page.get_by_text("It is tried again now.").wait_for()
    assert [e["event"] for e in await dead.events()].count("operation.retried") == 1


async def test_one_removal_is_let_go_and_the_target_paused_for_a_while(held: Served) -> None:
    async with opened(held) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await page.locator("#needing").get_by_role("link", name="Whose").click()
        row = page.get_by_role("row").filter(has_text=f"{CANARY}2@example.com")
        await row.get_by_role("link", name="Let the removals go").click()
        assert await page.get_by_label("Only").input_value() == f"{CANARY}2@example.com"
        await page.get_by_role("button", name="Let the removals go").click()
        await page.get_by_text("The removals are let go.").wait_for()
        await browser.go("/acts/pause/phonebook")
        await page.get_by_label("For how long").fill("2 moons")
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("alert").wait_for()
        assert await browser.judged() == []
        await page.get_by_label("For how long").fill("2h")
        await page.get_by_label("Why").fill("their release")
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_text("Paused until").first.wait_for()
        await browser.go("/operations")
        assert await browser.judged() == []


async def test_a_target_is_compared_and_repaired_and_what_became_of_it_appears(filled: Served) -> None:
    connector = filled.gateway.targets["phonebook"].connector
    (entry, *_) = await filled.entries()
    await connector.delete(ResourceType.USER, entry["id"])
    async with opened(filled) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await page.get_by_role("navigation").get_by_role("link", name="Compare").click()
        await page.get_by_role("button", name="Begin").click()
        await page.get_by_role("heading", name="Compared at phonebook").wait_for()
        await page.get_by_label("What to do").select_option("Compare and repair")
        await page.get_by_role("button", name="Begin").click()
        await page.get_by_role("heading", name="Repaired at phonebook").wait_for()
        assert await browser.judged() == []
    assert len(await filled.entries()) == 3


async def test_news_appear_by_themselves(filled: Served) -> None:
    async with opened(filled) as browser:
        await browser.sign_in("olga")
        async with browser.page.expect_response("**/console/live"):
            await browser.go()
        await filled.ask("POST", USERS, ANN | {"userName": f"{CANARY}-new@example.com", "externalId": "n"})

        await browser.page.get_by_text(f"{CANARY}-new@example.com").wait_for()


async def test_it_works_without_scripts(filled: Served) -> None:
    async with opened(filled, java_script_enabled=False) as browser:
        page = browser.page
        await browser.sign_in("olga")
        await browser.go("/events?target=phonebook")
        assert await page.locator("tbody tr").count() == 4
        await browser.go("/verify")
        await page.get_by_role("button", name="Verify now").click()
        while not await page.get_by_text("whole").count():
            await browser.go("/verify")


async def test_roles_see_what_they_may(filled: Served) -> None:
    async with opened(filled) as browser:
        await browser.sign_in("henry")
        assert await browser.page.get_by_role("link", name="Pause").count() == 0
        assert await browser.page.get_by_text(f"{CANARY}1@example.com").count() == 0
        assert await browser.page.get_by_text("c***@example.com").count() > 0


async def test_the_session_of_a_page_that_waits_ends_with_a_sign_in(filled: Served) -> None:
    async with opened(filled) as browser:
        await browser.sign_in("olga")
        await browser.page.context.clear_cookies()
        await filled.ask("POST", USERS, ANN | {"userName": f"{CANARY}-n@example.com", "externalId": "n"})

        await browser.page.wait_for_url("**/console/sign-in*")


async def test_sign_in_at_the_organisation(serve: Serve, tmp_path: Path) -> None:
    with openid_provider() as issuer:
        (tmp_path / "oidc.secret").write_text(SECRET)
        (tmp_path / "oidc.secret").chmod(0o600)
        oidc = (
            f'[console.oidc]\nissuer = "{issuer}"\nclient_id = "{CLIENT}"\n'
            'client_secret = {{ file = "oidc.secret" }}\nroles = {{ "scim-operators" = "operator" }}\n'
        )
        port = free_port()
        own = CONSOLE.replace("127.0.0.1:0", f"127.0.0.1:{port}").replace(
            'public_url = "http://127.0.0.1"', f'public_url = "http://127.0.0.1:{port}"'
        )
        served = await serve(config=own + oidc)
        async with opened(served) as browser:
            await browser.go()
            await browser.page.get_by_role("link", name="organisation").click()
            await browser.page.get_by_role("heading", name="Overview").wait_for()
            assert await browser.page.get_by_text("olga@example.com, operator").is_visible()
            browser.complaints[:] = [one for one in browser.complaints if issuer not in one]


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


async def test_whatever_a_value_holds_is_text_in_a_browser(served: Served) -> None:
    from tests.console.test_pages import HOSTILE, hostile_event

    async with opened(served) as browser:
        await browser.sign_in("olga")
        for n, row in enumerate(HOSTILE):
            event = hostile_event(str(row.values[0]))
            await served.gateway.journal.trail.append([type(event)(f"h-{n}", event.fields)])
            for path in ("", "/events", f"/events/h-{n}"):
                await browser.go(path)
                assert await browser.page.locator("h1").count() == 1
                assert await browser.page.locator("main script, main img").count() == 0
        await asyncio.sleep(0)
