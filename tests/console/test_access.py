"""Who comes into the console: tokens, cookies, forms, and what the trail says of it."""

import asyncio
from dataclasses import replace

import pytest

from gateway.console.access import TRIES, WINDOW, Throttle, local
from gateway.console.session import Sessions
from gateway.errors import Busy
from tests.support.served import CANARY, TOKENS
from tests.support.visitor import CONSOLE, visitor

GUARDED = ["/console", "/console/", "/console/events", "/console/events/1", "/console/verify"]


@pytest.mark.parametrize("path", GUARDED)
async def test_who_is_not_signed_in_is_led_to_the_sign_in(visit, path) -> None:
    browser = await visit()

    page = await browser.get(path)

    assert (page.status, page.where.partition("?")[0]) == (303, "/console/sign-in")


async def test_the_sign_in_leads_on_to_where_somebody_wanted(visit) -> None:
    browser = await visit()
    door = await browser.get("/console/events?person=ava%40example.com&since=2h")

    page = await browser.sign_in("alice", path=door.where)

    assert page.where == "/console/events?person=ava%40example.com&since=2h"
    assert (await browser.get(page.where)).status == 200


@pytest.mark.parametrize("name", ["olga", "alice", "henry"])
async def test_tokens_of_people_open_it(visit, name) -> None:
    browser = await visit(name)

    page = await browser.get("/console")

    assert page.status == 200
    assert f"{name}, " in page.text


async def test_the_root_leads_there(visit) -> None:
    assert (await (await visit()).get("/")).where == "/console"


@pytest.mark.parametrize(
    ("token", "status", "says"),
    [
        pytest.param("nothing", 401, "unknown, expired or revoked", id="unknown"),
        pytest.param("", 401, "unknown, expired or revoked", id="empty"),
        pytest.param(TOKENS["okta"], 403, "not for the console", id="a provider's"),
    ],
)
async def test_other_tokens_do_not_and_the_trail_says_who_tried(served, visit, token, status, says) -> None:
    browser = await visit()

    page = await browser.sign_in(None, token)

    assert (page.status, says in page.text) == (status, True)
    assert (await browser.get("/console")).status == 303
    assert [event["event"] for event in await served.events()] == ["auth.refused"]


async def test_who_guesses_too_often_has_to_wait(visit) -> None:
    browser = await visit()
    for n in range(TRIES):
        await browser.sign_in(None, f"guess {n}")

    page = await browser.sign_in("olga")

    assert page.status == 429
    assert 0 < int(page.headers["Retry-After"]) <= WINDOW


def test_guesses_are_forgotten_in_time_and_counted_for_each_address() -> None:
    clock = [0.0]
    throttle = Throttle(lambda: clock[0])
    for _ in range(TRIES):
        throttle.check("10.0.0.1")
        throttle.failed("10.0.0.1")

    throttle.check("10.0.0.2")
    with pytest.raises(Busy):
        throttle.check("10.0.0.1")
    clock[0] = WINDOW
    throttle.check("10.0.0.1")


async def test_sign_in_and_sign_out_are_in_the_trail_under_their_name(served, visit) -> None:
    browser = await visit("olga")
    page = await browser.get("/console")

    await browser.post("/console/sign-out", page.fields)

    told = [event for event in await served.events() if event["event"].startswith("console.")]
    assert [event["event"] for event in told] == ["console.signed_in", "console.signed_out"]
    assert told[0]["actor"] == {"type": "operator", "name": "olga", "token": "config:1"}
    assert told[0]["client"]["ip"] == "127.0.0.1"


async def test_a_copy_of_the_cookie_is_of_no_use_after_the_sign_out(served, visit) -> None:
    browser = await visit("olga")
    kept = browser.cookies()
    await browser.post("/console/sign-out", (await browser.get("/console")).fields)

    async with visitor(served.port) as thief:
        thief.session.cookie_jar.update_cookies(kept)
        assert (await thief.get("/console")).status == 303


async def test_the_cookie_is_for_this_browser_alone_and_says_nothing(served) -> None:
    async with visitor(served.port) as browser:
        page = await browser.sign_in("olga")

    (cookie,) = (line for line in page.headers.getall("Set-Cookie") if "-door" not in line)
    assert cookie.startswith("scim-console=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert CANARY not in cookie
    assert "olga" not in cookie


async def test_over_https_the_cookie_can_be_set_by_no_other_host(serve) -> None:
    served = await serve(config=CONSOLE.replace('public_url = "http://127.0.0.1"\n', ""))
    async with visitor(served.port) as browser:
        door = await browser.get("/console/sign-in")

    cookie = door.headers["Set-Cookie"]
    assert cookie.startswith("__Host-scim-console-door=")
    assert {"Secure", "Path=/", "HttpOnly"} <= set(cookie.split("; "))
    assert "max-age=31536000" in door.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        pytest.param({}, {}, id="no token"),
        pytest.param({"csrf": "guess"}, {}, id="another token"),
        pytest.param(None, {"Sec-Fetch-Site": "cross-site"}, id="from another site"),
    ],
)
async def test_a_form_of_another_page_is_refused(served, visit, fields, headers) -> None:
    browser = await visit("olga")
    own = (await browser.get("/console/acts/pause/phonebook")).fields

    page = await browser.post("/console/acts/pause/phonebook", own if fields is None else fields, **headers)

    assert page.status == 403
    assert served.gateway.oversight.pauses.since("phonebook") is None


async def test_the_form_of_the_sign_in_needs_its_cookie(served) -> None:
    async with visitor(served.port) as one, visitor(served.port) as other:
        form = (await one.get("/console/sign-in")).fields

        page = await other.post("/console/sign-in", {**form, "token": TOKENS["olga"]})

    assert page.status == 403


async def test_what_is_no_form_is_refused(visit) -> None:
    browser = await visit("olga")

    page = await browser.post("/console/verify", {}, **{"Content-Type": "text/plain"})

    assert page.status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/console/sign-in",
        "/console",
        "/console/events",
        "/console/events/none",
        "/console/nothing",
        "/console/static/console.css",
        "/console/events/export/csv",
    ],
)
async def test_every_answer_keeps_a_browser_from_loading_anything_else(visit, path) -> None:
    browser = await visit("olga")

    page = await browser.get(path)

    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "style=" not in page.text
    assert "http" not in page.text.replace("http://www.w3.org/", "") or path.endswith(("csv", "css"))


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/console/events?q=a%20b", "/console/events?q=a%20b"),
        ("/console", "/console"),
        ("//evil.example/console", "/console"),
        ("https://evil.example/console/", "/console"),
        ("/\\evil.example", "/console"),
        ("/console/\\..\\evil", "/console"),
        ("/consoles", "/console"),
        ("javascript:alert(1)", "/console"),
        ("/console/\r\nSet-Cookie: a=b", "/console/%0D%0ASet-Cookie:%20a=b"),
        (None, "/console"),
    ],
)
def test_a_sign_in_leads_nowhere_else(asked, leads) -> None:
    assert local(asked) in (leads, leads.replace("%0D%0A", ""))


def sessions(clock: list[float], key: bytes = b"key") -> Sessions:
    return Sessions(key, 1800.0, 36_000.0, lambda: clock[0])


def test_a_sign_in_ends_when_nothing_is_done_and_at_the_latest_after_its_lifetime() -> None:
    clock = [1000.0]
    kept = sessions(clock)
    session = kept.begin("olga", "operator", "config:1", "ab")

    assert kept.read(kept.cookie(session)) == session
    clock[0] += 1799.0
    session = kept.renewed(session) or session
    clock[0] += 1799.0
    assert kept.read(kept.cookie(session)) is not None
    clock[0] += 1.0
    assert kept.read(kept.cookie(session)) is None
    late = replace(session, seen=36_999.0)
    clock[0] = 37_000.0
    assert kept.read(kept.cookie(late)) is None


@pytest.mark.parametrize("cookie", [None, "", "nonsense", "gAAAA\N{SNOWMAN}", "gAAAAA=="])
def test_a_cookie_that_is_none_of_ours_is_nobody(cookie) -> None:
    assert sessions([0.0]).read(cookie) is None


def test_a_cookie_of_another_gateway_is_nobody() -> None:
    clock = [0.0]
    other = sessions(clock, b"other")

    assert sessions(clock).read(other.cookie(other.begin("olga", "operator", "", ""))) is None


async def test_who_is_signed_in_stays_so_when_the_gateway_starts_again(serve) -> None:
    served = await serve(config=CONSOLE)
    async with visitor(served.port) as browser:
        await browser.sign_in("olga")
        await served.end()
        again = await serve(config=CONSOLE)
        browser.base = f"http://127.0.0.1:{again.port}"

        assert (await browser.get("/console")).status == 200


async def test_a_sign_in_ends_with_its_token(serve) -> None:
    served = await serve(config=CONSOLE)
    async with visitor(served.port) as browser:
        await browser.sign_in("olga")
        await served.end()
        without = CONSOLE.replace("{olga}", "0" * 64)
        again = await serve(config=without)
        browser.base = f"http://127.0.0.1:{again.port}"

        assert (await browser.get("/console")).status == 303
        live = await browser.get("/console/live")
        assert live.status == 401


async def test_asking_for_news_keeps_nobody_signed_in(visit) -> None:
    browser = await visit("olga")
    before = browser.cookies()

    page = await browser.get("/console", **{"X-Live": "1"})
    await asyncio.sleep(0)

    assert page.status == 200
    assert browser.cookies() == before


async def test_without_its_table_there_is_no_console(serve) -> None:
    served = await serve(config=CONSOLE.partition("[console]")[0])
    for path in ("/", "/console", "/console/sign-in"):
        assert (await served.ask("GET", path)).status == 404


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [("olga", "/audit/v1/events", 200), ("henry", "/audit/v1/events", 403)],
)
async def test_operators_may_what_auditors_may_and_the_help_desk_nothing_but_the_console(
    served, name, path, status
) -> None:
    assert (await served.ask("GET", path, token=name)).status == status
