"""The playground: rules that are tried on a person and on many, by those who may, and nothing comes of it."""

import asyncio
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.console import trial
from tests.console.test_pages import HOSTILE
from tests.support.served import ANN, CANARY, OTHER, PHONEBOOK, USERS, Serve, Served
from tests.support.visitor import CONSOLE, Page, Visitor, visitor

HOME = "/console/playground"
NAME = ANN["userName"]
PHONE = "020 7946 0123"
RULE = '[[targets.phonebook.rules]]\nto = "name.familyName"\nvia = ["upper"]\n'
OWN = """[targets.phonebook]
region = "GB"

[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
"""
BOTH = '[[targets.phonebook.rules]]\nto = "phoneNumbers.value"\nvia = ["phone"]\n' + RULE
PASTED = (
    '{"userName": "bob", "name": {"familyName": "Moss"}, "phoneNumbers": [{"type": "work", "value": "x"}]}'
)


@pytest.fixture
async def served(served: Served) -> Served:
    """A gateway that knows Ann."""
    await served.ask("POST", USERS, ANN | {"phoneNumbers": [{"type": "work", "value": PHONE}]})
    return served


async def attempt(browser: Visitor, **fields: str) -> Page:
    """Send the form of the playground."""
    form = {"target": "phonebook", "person": "", "pasted": "", "toml": "", "do": "try"}
    page = await browser.get(HOME)
    return await browser.post(HOME, {**page.fields, **form, **fields})


def said(page: Page) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(page.body())).split())


async def test_it_begins_with_the_rules_in_force_and_nothing_of_them_is_a_secret(served, visit) -> None:
    page = await (await visit("alice")).get(f"{HOME}?target=phonebook&person={NAME}")

    toml = unescape(page.text.partition('name="toml"')[2].partition(">")[2].partition("</textarea>")[0])
    assert toml == "\n" + OWN
    assert "Nothing: this person becomes the same." in said(page)
    assert "sqlite" not in page.text


async def test_what_somebody_would_become_is_told_rule_by_rule_beside_what_they_are(served, visit) -> None:
    page = said(await attempt(await visit("alice"), person=NAME, toml=RULE))

    assert (
        "What differs from the rules in force Attribute Before After name.familyName Lee LEE phoneNumbers"
        in page
    )
    assert f"+442079460123 {PHONE}" in page
    assert "Pushed by these rules change" in page
    assert "name.familyName name.familyName upper Lee LEE" in page
    assert '"familyName": "LEE"' in page


TRIED = {  # rules, and a person -> what is said of them
    (BOTH, PASTED): "rejected Problems phoneNumbers",
    (RULE + "when = 'userName eq \"ann\"'\n" + RULE, PASTED): "Rules that did not run",
    ('targets.phonebook.unlisted = "hold"', PASTED): "Not sent",
    ("targets.phonebook.scope.people = 'active eq false'", PASTED): "out of scope",
    ("", "{"): "body is not",
    ("", '{"userName": 5}'): "Problems userName",
    ("", "x" * 20_000): "longer than",
    ("targets.phonebook.region = 'GB'\n" * 2, PASTED): "TOML: Cannot overwrite a value",
}


async def test_somebody_pasted_is_tried_as_a_provider_would_send_them(visit) -> None:
    browser = await visit("alice")

    for (toml, pasted), says in TRIED.items():
        assert says in said(await attempt(browser, pasted=pasted, toml=toml))


async def test_a_fault_stands_under_its_line(visit) -> None:
    page = await attempt(await visit("alice"), pasted=PASTED, toml=RULE.replace("upper", "uper"))

    assert re.search(
        r'<li value="3"><code><bdi>via = \[&#34;uper&#34;\]</bdi></code><p class="alert">', page.text
    )
    assert 'aria-invalid="true"' in page.text
    assert "What the target gets" not in said(page)


async def test_what_would_become_of_the_last_is_counted_beside_what_the_rules_in_force_do(
    served, visit, monkeypatch
) -> None:
    monkeypatch.setattr(trial, "MOST", 2)
    for n in range(3):
        await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}{n}", "externalId": f"{n}"})
    browser = await visit("alice")

    page = await attempt(browser, toml=BOTH, do="count")
    while "data-count" in page.text:
        page = await attempt(browser, toml=BOTH)

    assert "The last 2 people" in said(page)
    assert "change 0 2" in said(page)
    assert "unchanged 2 0" in said(page)
    assert f"2 change name.familyName config:name.familyName {CANARY}2 , {CANARY}1" in said(page)
    assert "The last 2 people" not in said(await attempt(browser, toml=""))  # other rules, not counted


async def test_one_count_at_a_time_and_the_gateway_stops_without_waiting_for_its_end(
    served, visit, monkeypatch
) -> None:
    waits, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def rest(seconds: float) -> None:
        loop.call_soon_threadsafe(waits.set)
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result(timeout=30)

    monkeypatch.setattr(trial, "STEP", 1)
    monkeypatch.setattr(trial.time, "sleep", rest)
    alice, olga = await visit("alice"), await visit("olga")

    first = await attempt(alice, toml=RULE, do="count")
    await waits.wait()
    second = await attempt(olga, toml="", do="count")

    assert "data-count" in first.text
    assert "Somebody&#39;s count is under way" in second.text
    monkeypatch.setattr(trial.time, "sleep", lambda seconds: None)
    ended.set()


async def test_the_help_desk_cannot_ask_by_rules_for_what_is_masked(visit) -> None:
    browser = await visit("henry")
    home = await browser.get("/console")

    pages = [await browser.get(HOME), await browser.post(HOME, {**home.fields, "target": "phonebook"})]

    assert [page.status for page in pages] == [403, 403]
    assert HOME not in home.text


async def test_where_the_trail_covers_values_only_operators_pick_people_and_see_them_covered(
    serve: Serve,
) -> None:
    masked = PHONEBOOK.replace("region", 'audit = "masked"\nregion', 1)
    served = await serve(masked, OTHER, config=CONSOLE)
    await served.ask("POST", USERS, ANN)

    async with visitor(served.port) as alice, visitor(served.port) as olga:
        await alice.sign_in("alice")
        await olga.sign_in("olga")
        refused, counted = await attempt(alice, person=NAME), await attempt(alice, do="count")
        pasted, picked = (
            await attempt(alice, pasted=PASTED, toml=RULE),
            await attempt(olga, person=NAME, toml=RULE),
        )

    assert "covered" in said(refused)
    assert "What the target gets" not in said(refused)
    assert "data-count" not in counted.text
    assert "MOSS" in said(pasted)
    assert "What the target gets" in said(picked)
    assert '"familyName": "*** (3)"' in said(picked)
    assert CANARY not in picked.text.replace(NAME, "")


async def test_what_is_no_target_or_no_form_of_ours_is_refused(visit) -> None:
    browser = await visit("alice")

    pages = [await attempt(browser, target="none"), await attempt(browser, csrf="x")]

    assert [page.status for page in pages] == [404, 403]


async def test_what_would_not_be_seen_is_written_so_that_it_can_be_sent_back(visit) -> None:
    browser, toml = await visit("alice"), 'targets.phonebook.offices.x = {{ name = "a{}b" }}'

    page = await attempt(browser, toml=toml.format("\u202e"), pasted='{"userName": "\U000e0001"}')

    assert toml.format("\\U0000202E") in unescape(page.text)
    assert '{"userName": "\\udb40\\udc01"}' in unescape(page.text)


async def test_nothing_is_sent_written_or_kept(served: Served, visit, tmp_path: Path) -> None:
    config = (tmp_path / "config.toml").read_bytes()
    before = (await served.ask("GET", USERS)).body

    await attempt(await visit("olga"), person=NAME, toml=RULE)

    assert (tmp_path / "config.toml").read_bytes() == config
    assert (await served.ask("GET", USERS)).body == before
    assert [event["event"] for event in await served.events()].count("user.create") == 1


async def test_whatever_is_tried_or_asked_is_shown_as_text(visit) -> None:
    browser = await visit("olga")

    for row in HOSTILE:
        text = str(row.values[0])
        person = json.dumps({"userName": text, "name": {"familyName": text}, text: text})
        rule = f"{RULE}default = {json.dumps(text)}\n"
        pages = [
            await attempt(browser, pasted=person, toml=rule),
            await attempt(browser, person=text[:300], toml=text),
            await attempt(browser, pasted=text, toml=f"{rule}colour = {json.dumps(text)}"),
            await browser.get(f"/console/people?q={quote(text)}"),
            await browser.get(f"/console/groups?q={quote(text)}"),
        ]
        for page in pages:
            assert page.status in (200, 400)
            for raw in ("<script>alert", "<img", "<h1>gone", "onfocus='alert", "\u202e", "\x1b", "\x00"):
                assert raw not in page.text
