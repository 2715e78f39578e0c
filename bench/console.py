"""How long the console's pages take the gateway, whatever the length of the trail."""

import http.cookiejar
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.events import correlation_id, event_id
from bench.fill import Filling
from bench.growth import SMALL as PEOPLE
from bench.growth import put_journal
from bench.people import user_name
from bench.stats import middle, rounded
from bench.trail import KNOWN, SMALL
from bench.world import AUDITOR, Build, World, make_world

TABLE: Final = "[console]\n"
TOKEN: Final = re.compile(r'name="csrf" value="([^"]+)"')
PAGES: Final[Mapping[str, str]] = {  # name -> path; a search for what is nowhere is the longest there is
    "Overview": "",
    "Events": "/events",
    "Events of a target": "/events?target=scim",
    "Events by outcome": "/events?outcome=rejected",
    "Events of a person": f"/events?{urlencode({'person': user_name(KNOWN)})}",
    "Events of 7 days": "/events?since=7d&target=scim",
    "Events of a request": f"/events?{urlencode({'correlation': correlation_id(KNOWN)})}",
    "Events with a text": "/events?q=nowhere-in-the-trail",
    "Event": f"/events/{event_id(KNOWN)}",
    "Playground": f"/playground?{urlencode({'person': user_name(1)})}",
    "Verify": "/verify",
}


def shown(build: Build, events: int, kept: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Open every page on a short trail and on a long one."""
    for count in (SMALL, events):
        with make_world("scim", build, {"": ""}) as world:
            put_journal(world, Filling("scim", PEOPLE, count), kept)
            world.config.write_text(world.config.read_text() + TABLE)
            world.serve()
            browser = signed_in(world)
            for name, path in PAGES.items():
                first, _ = opened(browser, world, path)
                each, cpu = zip(*(opened(browser, world, path) for _ in range(rounds)), strict=True)
                figures = {"page_ms": middle(each), "cpu_ms": middle(cpu)}
                yield {"events": count, "page": name, "first_ms": rounded(first), **figures}


def signed_in(world: World) -> urllib.request.OpenerDirector:
    """Return a browser in which an auditor is signed in."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies)
    place = f"http://127.0.0.1:{world.port}/console/sign-in"
    with browser.open(place, timeout=60) as answer:
        found = TOKEN.search(answer.read().decode())
    assert found is not None
    form = urlencode({"csrf": found[1], "token": AUDITOR}).encode()
    with browser.open(place, form, timeout=60) as answer:
        assert "Overview" in answer.read().decode()
    return browser


def opened(browser: urllib.request.OpenerDirector, world: World, path: str) -> tuple[float, float]:
    """Return after how many milliseconds a page is there, and how many of the processor's it took."""
    begun, before = time.perf_counter(), world.gateway.cpu()
    with browser.open(f"http://127.0.0.1:{world.port}/console{path}", timeout=60) as answer:
        answer.read()
    return (time.perf_counter() - begun) * 1e3, (world.gateway.cpu() - before) * 1e3
