"""What the pages show, to whom, and what they hand out."""

import asyncio
import csv
import io
import json
import re
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from html import unescape
from urllib.parse import quote

import pytest

from gateway.audit.event import Event, Personal, Remark
from gateway.console.events import FIELDS, PAGE, Events
from gateway.console.rendering import visible
from gateway.console.targets.problems import Problems
from tests.support.served import ANN, CANARY, USERS, Served
from tests.support.visitor import Visitor

HOSTILE = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param('"><img src=x onerror=alert(1)>', id="attribute"),
    pytest.param("' onfocus='alert(1)' autofocus='", id="quote"),
    pytest.param("{{ 7 * 7 }}{% raw %}", id="template"),
    pytest.param("</td></table></main><h1>gone", id="end tags"),
    pytest.param("javascript:alert(1)", id="address"),
    pytest.param("\u202egnp.exe\u202c \u2066x\u2069", id="bidi"),
    pytest.param("a\x1b[31m\x00\x07\r\nb", id="controls"),
    pytest.param("M" * 10_000, id="long"),
    pytest.param("&lt;b&gt;&amp;", id="entities"),
]


def hostile_event(text: str) -> Event:
    return Event(
        "e-hostile",
        {
            "event": text,
            "outcome": {"result": text, "status": 400, "reason": Remark(text)},
            "actor": {"type": text, "name": text, "token": text},
            "client": {"ip": text, "user_agent": text},
            "target": {"name": text, "type": text, "id": text, "user_name": Personal(text)},
            "diff": [
                {
                    "path": text,
                    "op": "replace",
                    "before": Personal(text),
                    "after": Personal([text]),
                    "rule": text,
                }
            ],
            "held": [text],
            "dropped": [text],
            "attempts": [{"n": 1, "status": 500, "ms": 12, "reason": Remark(text)}],
            "timing": {"total_ms": 12},
            "level": text,
            "something": {text: text},
            "correlation_id": "c-hostile",
        },
    )


def plain(page: str) -> str:
    return unescape(page)


@pytest.mark.parametrize("name", ["olga", "henry"])
@pytest.mark.parametrize("text", HOSTILE)
async def test_whatever_an_event_holds_is_shown_as_text(served: Served, visit, text: str, name: str) -> None:
    await served.gateway.journal.trail.append([hostile_event(text)])
    browser = await visit(name)

    for path in ("/console", "/console/events", "/console/events/e-hostile"):
        page = await browser.get(path)
        assert page.status == 200
        for raw in ("<script>alert", "<img", "<h1>gone", "onfocus='alert", "\u202e", "\x1b", "\x00"):
            assert raw not in page.text
    if name == "olga":
        assert visible(text).replace("\r", "") in plain(page.text)


@pytest.mark.parametrize("text", HOSTILE[:7])
async def test_whatever_is_asked_is_shown_as_text(visit, text: str) -> None:
    browser = await visit("olga")

    for field in FIELDS:
        page = await browser.get(f"/console/events?{field}={quote(text)}")

        assert page.status in (200, 400)
        for raw in ("<script>alert", "<img", "<h1>gone", "onfocus='alert", "\u202e"):
            assert raw not in page.text


def numbered(n: int) -> Event:
    outcome = {"result": "applied" if n % 5 else "rejected", "status": 201 if n % 5 else 400, "reason": None}
    fields = {
        "event": "user.create" if n % 2 else "user.delete",
        "target": {
            "name": "phonebook",
            "type": "User",
            "id": f"r-{n}",
            "user_name": Personal(f"{CANARY}-{n % 7}"),
        },
        "outcome": outcome,
        "actor": {"type": "provider", "name": "okta", "token": None},
        "timing": {"total_ms": n},
        "correlation_id": f"c-{n}",
    }
    return Event(f"e-{n}", fields)


@pytest.fixture
async def filled(served: Served) -> Served:
    await served.gateway.journal.trail.append([numbered(n) for n in range(2, 202)])
    return served


def rows(page) -> list[str]:
    """Return the ids of the events in a page's table."""
    return re.findall(r'<a href="/console/events/([\w-]+)"><time', page.text)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("id=e-7", ["e-7"], id="event's id"),
        pytest.param("id=r-7", ["e-7"], id="resource's id"),
        pytest.param("correlation=c-7", ["e-7"], id="correlation id"),
        pytest.param(
            f"person={CANARY.upper()}-3&duration=190", ["e-199", "e-192"], id="person, and duration"
        ),
        pytest.param(
            "outcome=rejected&event=user.delete&duration=185", ["e-200", "e-190"], id="outcome and event"
        ),
        pytest.param("status=400&method=POST&duration=185", ["e-195", "e-185"], id="status and method"),
        pytest.param("target=phonebook&provider=okta&filter=seq+le+3", ["e-3", "e-2"], id="target, filter"),
        pytest.param("q=c-77", ["e-77"], id="text"),
        pytest.param("until=2000-01-01", [], id="until"),
        pytest.param("since=1h&filter=seq+eq+9+or+seq+eq+8", ["e-9", "e-8"], id="since"),
    ],
)
async def test_the_form_asks_what_the_filter_language_can(
    filled, visit, asked: str, found: list[str]
) -> None:
    page = await (await visit("alice")).get(f"/console/events?{asked}")

    assert rows(page) == found


@pytest.mark.parametrize(
    "asked",
    [
        "filter=nonsense",
        "since=yesterday",
        "status=x",
        "method=GET",
        "duration=-1",
        "filter=colour+eq+1",
        "after=x",
    ],
)
async def test_what_cannot_be_asked_is_said_above_the_form(filled, visit, asked: str) -> None:
    page = await (await visit("alice")).get(f"/console/events?{asked}")

    assert page.status == 400
    assert 'role="alert"' in page.text
    assert rows(page) == []


async def test_pages_follow_each_other_and_a_link_finds_the_same_for_somebody_else(filled, visit) -> None:
    alice, olga = await visit("alice"), await visit("olga")
    path, found = "/console/events?target=phonebook&outcome=applied", []
    while path:
        page = await alice.get(path)
        assert rows(await olga.get(path)) == rows(page)
        found += rows(page)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = unescape(following[1]) if following else ""

    assert found == [f"e-{n}" for n in range(201, 1, -1) if n % 5]
    assert len(found) > 2 * PAGE


async def test_a_search_that_takes_long_shows_how_far_it_came_and_goes_on(filled, visit, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.events.PATIENCE", -1.0)
    await filled.gateway.journal.trail.append([numbered(n) for n in range(1000, 1600)])
    browser = await visit("alice")

    page = await browser.get("/console/events?q=c-77")
    steps = 0
    while not rows(page):
        assert "Looked back to event" in page.text
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        assert following is not None
        page, steps = await browser.get(unescape(following[1])), steps + 1

    assert rows(page) == ["e-77"]
    assert steps > 1


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_exactly_what_is_asked_is_handed_out_and_the_trail_says_so(filled, visit, form: str) -> None:
    browser = await visit("olga")

    page = await browser.get(f"/console/events/export/{form}?outcome=rejected&person={CANARY}-4")

    if form == "csv":
        found = [row["id"] for row in csv.DictReader(io.StringIO(page.text, newline=""))]
    else:
        found = [json.loads(line)["id"] for line in page.text.splitlines()]
    assert found == [f"e-{n}" for n in range(2, 202) if n % 5 == 0 and n % 7 == 4]
    assert page.headers["Content-Disposition"] == f'attachment; filename="events.{form}"'
    taken = (await filled.events())[-1]
    assert (taken["event"], taken["actor"]["type"], taken["actor"]["name"]) == ("export", "operator", "olga")
    assert taken["export"]["filter"] == f'outcome.result eq "rejected" and target.user_name eq "{CANARY}-4"'


@pytest.mark.parametrize(
    ("whose", "path"),
    [(Events, "events/export/ndjson"), (Events, "events/export/csv"), (Problems, "problems/export")],
)
async def test_whoever_goes_away_in_the_middle_of_a_file_leaves_no_crash_behind(
    served: Served, visit, monkeypatch: pytest.MonkeyPatch, log: io.StringIO, whose: type, path: str
) -> None:
    gone, ended = asyncio.Event(), asyncio.Event()

    async def parts(*_: object) -> AsyncGenerator[bytes, None]:
        try:
            yield b"x"
            await gone.wait()
            for _ in range(10_000):  # until the server knows that nobody listens any more
                yield b"x"
                await asyncio.sleep(0)
        finally:
            ended.set()

    monkeypatch.setattr(whose, "_parts", parts)
    browser = await visit("olga")
    async with browser.session.get(f"{browser.base}/console/{path}") as answer:
        assert await answer.content.readany() == b"x"
        answer.close()
    gone.set()
    async with asyncio.timeout(10):
        await ended.wait()

    assert (await browser.get("/console/verify")).status == 200
    assert "crashed" not in log.getvalue()


async def test_an_event_shows_what_came_of_it_rule_by_rule(served: Served, visit) -> None:
    await served.ask("POST", USERS, ANN | {"phoneNumbers": [{"type": "work", "value": "020 7946 0123"}]})
    (event,) = await served.events()
    browser = await visit("alice")

    page = plain((await browser.get(f"/console/events/{event['id']}")).text)

    for said in (
        "user.create",
        "POST",
        "okta",
        "applied",
        "+442079460123",
        "phoneNumbers.value",
        event["hash"],
    ):
        assert said in page
    assert "Its hash covers what stands here." in page
    assert plain((await browser.get(f"/console/events/{event['seq']}")).text).count(event["id"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET body = replace(body, 'User', 'Robot') WHERE id = 'e-2'",
        "UPDATE event SET hash = 'no hash' WHERE id = 'e-1'",
        "DELETE FROM event WHERE id = 'e-1'",
    ],
)
async def test_an_event_that_was_changed_says_so(served: Served, visit, change: str) -> None:
    await served.gateway.journal.trail.append([numbered(1), numbered(2)])
    with closing(sqlite3.connect(served.gateway.settings.journal.path)) as file, file:
        file.execute(change)

    page = await (await visit("alice")).get("/console/events/e-2")

    assert "is not what its hash covers" in page.text


async def test_the_id_of_a_request_leads_to_all_of_its_events(served: Served, visit) -> None:
    await served.gateway.journal.trail.append(
        [Event(id, {"event": "user.patch", "correlation_id": "c"}) for id in "ab"]
    )

    page = await (await visit("alice")).get("/console/events/c")

    assert (page.status, page.where) == (303, "/console/events?correlation=c")


async def test_there_is_a_page_for_what_is_not_there(visit) -> None:
    browser = await visit("alice")
    for path in ("/console/events/none", "/console/nothing", "/console/events/999"):
        page = await browser.get(path)
        assert page.status == 404
        assert "<h1>That did not work</h1>" in page.text


async def test_the_help_desk_sees_masked_values_everywhere(served: Served, visit) -> None:
    await served.ask("POST", USERS, ANN)
    (event,) = await served.events()
    browser = await visit("henry")

    for path in (
        "/console",
        "/console/events",
        f"/console/events?person={ANN['userName']}",
        f"/console/events/{event['id']}",
        "/console/events/export/ndjson",
        "/console/events/export/csv",
    ):
        page = await browser.get(path)
        assert page.status == 200
        assert "canary Ann" not in page.text
        assert "c***@example.com" in page.text
        if "person=" not in path:
            assert ANN["userName"] not in page.text
    assert rows(await browser.get(f"/console/events?person={ANN['userName']}")) == [event["id"]]


@pytest.mark.parametrize(
    "asked",
    [
        f"q={CANARY}",
        "filter=target.user_name+sw+%22c%22",
        "filter=target%5Buser_name+sw+%22c%22%5D",
        "filter=diff.after+co+%22a%22",
        "filter=diff%5Bafter+sw+%22c%22%5D",
        "filter=outcome.reason+co+%22a%22",
        "filter=not+(TARGET.USER_NAME+sw+%22c%22)",
    ],
)
async def test_the_help_desk_cannot_find_values_out_by_asking(served: Served, visit, asked: str) -> None:
    await served.ask("POST", USERS, ANN)
    browser = await visit("henry")

    page = await browser.get(f"/console/events?{asked}")
    export = await browser.get(f"/console/events/export/csv?{asked}")

    assert (page.status, export.status) == (400, 403)
    assert rows(page) == []


async def test_readings_are_in_the_trail_under_the_readers_name(served: Served, visit) -> None:
    await (await visit("henry")).get("/console/events?status=404")

    read = (await served.events())[-1]
    assert (read["event"], read["actor"]) == (
        "audit.read",
        {"type": "helpdesk", "name": "henry", "token": "config:1"},
    )
    assert read["read"]["fields"] == ["outcome.status"]


async def test_operators_pause_and_resume_in_their_name_and_others_cannot(served: Served, visit) -> None:
    alice, olga = await visit("alice"), await visit("olga")
    path = "/console/acts/pause/phonebook"

    assert "/acts/" not in (await alice.get("/console")).text
    assert (await alice.get(path)).status == 403
    assert (await alice.post(path, (await alice.get("/console")).fields)).status == 403
    form = await olga.get(path)
    assert "Nothing more is sent to phonebook" in form.text
    done = await olga.post(path, form.fields)
    assert (done.status, done.where) == (303, "/console?done=pause")
    assert served.gateway.oversight.pauses.since("phonebook") is not None
    assert "Paused since" in (await olga.get(done.where)).text
    (paused,) = (event for event in await served.events() if event["event"] == "target.paused")
    assert (paused["actor"]["type"], paused["actor"]["name"]) == ("operator", "olga")
    await olga.post("/console/acts/resume/phonebook", form.fields)
    assert served.gateway.oversight.pauses.since("phonebook") is None


@pytest.mark.parametrize("act", ["retry/none", "drop/none", "release/none", "pause/none", "resume/phonebook"])
async def test_an_act_that_is_over_says_so(visit, act: str) -> None:
    browser: Visitor = await visit("olga")
    form = (await browser.get(f"/console/acts/{act}")).fields

    page = await browser.post(f"/console/acts/{act}", form)

    assert page.status == 404
    assert "nothing left to do" in page.text


async def test_the_first_page_says_how_targets_are_and_what_became_of_everything(
    served: Served, visit
) -> None:
    for n in range(3):
        await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}{n}@example.com", "externalId": str(n)})
    await served.ask("POST", USERS, ANN | {"userName": f"{CANARY}0@example.com", "externalId": "9"})
    await served.ask("POST", USERS, {"userName": 5})

    page = await (await visit("alice")).get("/console")

    assert "<bdi>phonebook</bdi>" in page.text
    assert "<dd>3 / 0</dd>" in page.text
    assert "0 / 0 / 0 / 0 / 0" in page.text
    assert page.text.count("fill-done") >= 2
    assert page.text.count('class="fill-refused" x=') == 2
    assert "Nothing: no removals are held" in page.text


async def test_verification_runs_aside_and_says_what_it_found(served: Served, visit) -> None:
    browser = await visit("alice")
    form = (await browser.get("/console/verify")).fields

    begun = await browser.post("/console/verify", form)
    page = await browser.get("/console/verify")
    while "<strong>" not in page.text:
        page = await browser.get("/console/verify")

    assert begun.where == "/console/verify"
    assert "<strong>whole</strong>" in page.text
    told = [event for event in await served.events() if event["event"] == "audit.verified"]
    assert [event["actor"]["name"] for event in told] == ["alice"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("de-CH,de;q=0.9,en;q=0.8", "de"), ("fr,en", "en"), ("", "en"), ("ja", "en"), ("en,de", "en")],
)
async def test_pages_are_in_the_browsers_language(visit, accepted: str, language: str) -> None:
    page = await (await visit()).get("/console/sign-in", **{"Accept-Language": accepted})

    assert f'<html lang="{language}">' in page.text
    assert {"de": "Anmelden", "en": "Sign in"}[language] in page.text


@pytest.mark.parametrize("name", ["console.css", "console.js", "icon.svg"])
async def test_files_of_its_own_are_kept_by_browsers(visit, name: str) -> None:
    browser = await visit()
    page = await browser.get("/console/sign-in")
    path = next(part for part in page.text.split('"') if name in part)

    named, plain_ = await browser.get(path), await browser.get(path.partition("?")[0])

    assert "immutable" in named.headers["Cache-Control"]
    assert plain_.headers["Cache-Control"] == "no-cache"
    assert (await browser.get("/console/static/none.js")).status == 404


async def test_the_first_load_is_small(filled: Served, visit) -> None:
    browser = await visit("olga")
    pages = [await browser.get(f"/console/{name}") for name in ("events", "playground")]
    sizes = [max(len(page.text.encode()) for page in pages)]
    for name in ("console.css", "console.js", "playground.js", "icon.svg"):
        sizes.append(len((await browser.get(f"/console/static/{name}")).text.encode()))

    assert sum(sizes) < 100_000
