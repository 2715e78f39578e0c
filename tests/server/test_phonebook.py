"""`/phonebook/{name}`: who may read it, what they get, and how it is made."""

import asyncio
import csv
import gzip
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gateway.errors import Busy
from gateway.flow.target_port import Page, Query, ResourceType, Unreachable
from gateway.phonebook.formats import FORMATS
from gateway.server import editions
from gateway.server.editions import Edition, Shelf
from tests.support.served import CANARY, OTHER, PHONEBOOK, TOKENS, Served, check_refused
from tests.support.waiting import until

DESK = f"{CANARY}-token-of-desk"
CISCO = f"{CANARY}-token-of-cisco"


def table(name: str, token: str, **keys: str) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    written = {"target": '"phonebook"', "format": '"yealink"', "trust": "0"} | keys
    lines = "".join(f"{key} = {value}\n" for key, value in written.items())
    return f'[phonebooks.{name}]\ntoken = {{ sha256 = "{digest}" }}\n{lines}'


BOOK = table("desk", DESK)
TARGETS = (PHONEBOOK, OTHER)


def person(name: str, *numbers: str, **more: Any) -> dict[str, Any]:
    phones = [{"type": "work", "value": number} for number in numbers]
    return {
        "userName": f"{name}@example.com",
        "displayName": f"{CANARY} {name}",
        "phoneNumbers": phones,
    } | more


PEOPLE = (
    person("Zoe", "+442079460003"),
    person("Ärno", "+442079460002", "1234"),
    person("Ann", "+442079460001"),
    person("Gone", "+442079460009", active=False),
    person("Silent"),
)


async def fill(served: Served, *people: dict[str, Any]) -> None:
    connector = served.gateway.targets["phonebook"].connector
    for one in people or PEOPLE:
        await connector.create(ResourceType.USER, one)


async def fetch(
    served: Served,
    path: str = "/phonebook/desk",
    token: str | None = DESK,
    method: str = "GET",
    **headers: str,
) -> tuple[int, CIMultiDict[str], bytes]:
    """Fetch as a phone does, its token as the password of Basic."""
    sent = {} if token is None else {"Authorization": f"Basic {b64encode(f'any:{token}'.encode()).decode()}"}
    url = URL(f"http://127.0.0.1:{served.port}{path}", encoded=True)
    sent = {"Accept-Encoding": "identity"} | sent | headers
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, headers=sent) as response,
    ):
        return response.status, CIMultiDict(response.headers), await response.read()


def names_in(body: bytes) -> list[str]:
    return [(e.text or "").removeprefix(f"{CANARY} ") for e in ElementTree.fromstring(body).iter("Name")]


async def test_a_phone_reads_who_can_be_called_in_order(serve) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    status, headers, body = await fetch(served)

    assert (status, headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert names_in(body) == ["Ann", "Ärno", "Zoe"]
    numbers = [e.text for e in ElementTree.fromstring(body).iter("Telephone")]
    assert numbers == ["+442079460001", "+442079460002", "1234", "+442079460003"]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/phonebook/desk/{DESK}", id="last part"),
        pytest.param(f"/phonebook//desk/{DESK}/", id="slashes"),
        pytest.param(f"/phonebook/desk/{DESK}/phonebook.xml", id="a Grandstream phone"),
        pytest.param(f"/phonebook/desk/{DESK}/gs_phonebook.xml?x=1", id="another one"),
        pytest.param(f"/phonebook/desk/{DESK.replace('-', '%2D')}", id="encoded"),
    ],
)
async def test_a_phone_that_sends_no_header_shows_its_token_in_the_address(serve, log, path: str) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    status, _, body = await fetch(served, path, token=None)

    assert (status, len(names_in(body))) == (200, 3)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["route"] for line in lines if line["event"] == "request.answered"] == ["/phonebook/{name}"]


@pytest.mark.parametrize(
    "header", [f"Bearer {DESK}", f"bearer {DESK}", DESK], ids=["Bearer", "bearer", "bare"]
)
async def test_a_token_may_be_shown_as_elsewhere(serve, header: str) -> None:
    served = await serve(*TARGETS, BOOK)

    status, _, _ = await fetch(served, token=None, Authorization=header)

    assert status == 200


@pytest.mark.parametrize(
    ("path", "token", "status", "says"),
    [
        pytest.param("/phonebook/desk", None, 401, "no Authorization header", id="no token"),
        pytest.param("/phonebook/desk", f"{CANARY}-x", 401, "unknown", id="an unknown one"),
        pytest.param(f"/phonebook/desk/{CANARY}-x", None, 401, "unknown", id="an unknown one in the address"),
        pytest.param(f"/phonebook/desk/{CANARY}-x", DESK, 401, "unknown", id="the address counts"),
        pytest.param("/phonebook/nobody", None, 401, "no Authorization header", id="an unknown name"),
        pytest.param("/phonebook/desk", TOKENS["okta"], 403, "of provider okta", id="a provider's"),
        pytest.param("/phonebook/desk", TOKENS["alice"], 403, "of auditor alice", id="an auditor's"),
        pytest.param("/phonebook/desk", CISCO, 403, "of phonebook cisco", id="another book's"),
        pytest.param("/phonebook/nobody", DESK, 404, "no phone book of that name", id="no such book"),
        pytest.param("/phonebook/desk/a/b", DESK, 404, "no such path", id="too long"),
        pytest.param("/phonebook/", DESK, 404, "no such path", id="too short"),
    ],
)
async def test_nobody_else_reads_it_and_the_trail_says_so(
    serve, path: str, token: str | None, status: int, says: str
) -> None:
    served = await serve(*TARGETS, BOOK, table("cisco", CISCO, format='"cisco"'))

    got, headers, body = await fetch(served, path, token)

    assert says in json.loads(body)["detail"]
    assert got == status
    asks = headers.get("WWW-Authenticate")
    assert asks == ('Basic realm="phonebook", charset="UTF-8"' if status == 401 else None)
    (event,) = await served.events()
    assert event["outcome"]["status"] == status
    assert CANARY not in json.dumps(event)


async def test_a_stranger_who_tries_tokens_leaves_one_event_a_minute(serve) -> None:
    served = await serve(*TARGETS, BOOK)

    for number in range(5):
        await fetch(served, f"/phonebook/desk/guess-{number}", None)

    assert len(await served.events()) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/scim/phonebook/v2/Users", id="SCIM"),
        pytest.param("GET", "/audit/v1/events", id="trail"),
        pytest.param("GET", "/guide/phonebook", id="guide"),
    ],
)
async def test_the_token_of_a_phone_book_opens_nothing_else(serve, method: str, path: str) -> None:
    served = await serve(*TARGETS, BOOK)

    answer = await served.ask(method, path, token=None, Authorization=f"Bearer {DESK}")

    check_refused(answer, 403, "this token of phonebook desk")


async def test_a_phone_book_can_only_be_read(serve) -> None:
    served = await serve(*TARGETS, BOOK)

    status, headers, _ = await fetch(served, method="POST")

    assert (status, headers["Allow"]) == (405, "GET, HEAD")


async def test_a_phone_that_has_it_gets_no_more_until_somebody_changes(serve) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    _, headers, _ = await fetch(served)
    tag = headers["ETag"]
    again, _, body = await fetch(served, **{"If-None-Match": f'"x", {tag}'})
    any_tag, _, _ = await fetch(served, **{"If-None-Match": "*"})
    await fill(served, person("New", "+442079460005"))
    changed, changed_headers, _ = await fetch(served, **{"If-None-Match": tag})
    now = changed_headers["ETag"]
    # last: it begins an edition for whoever comes next, and does not wait for it
    other, more, _ = await fetch(served, "/phonebook/desk?q=ann", **{"If-None-Match": now})

    assert (again, body, any_tag) == (304, b"", 304)
    assert (changed, now == tag) == (200, False)
    assert (other, more["ETag"] == now) == (200, False)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        pytest.param("gzip", True, id="gzip"),
        pytest.param("deflate, GZIP;q=0.5", True, id="among others"),
        pytest.param("gzip;q=0", False, id="not wanted"),
        pytest.param("gzip; q=0.00, br", False, id="not wanted, in other words"),
        pytest.param("deflate", False, id="others only"),
    ],
)
async def test_it_is_compressed_for_who_takes_that(serve, accepted: str, packed: bool) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    _, headers, body = await fetch(served, **{"Accept-Encoding": accepted})

    assert headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert len(names_in(gzip.decompress(body) if packed else body)) == 3


async def test_its_head_has_no_body(serve) -> None:
    served = await serve(*TARGETS, BOOK)

    status, headers, body = await fetch(served, method="HEAD")

    assert (status, "ETag" in headers, body) == (200, True, b"")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param("q=arno", ["Ärno"], id="name"),
        pytest.param("q=%C3%84RNO", ["Ärno"], id="name with its accent"),
        pytest.param("q=", ["Ann", "Ärno", "Zoe"], id="nothing"),
        pytest.param("q=020%207946%200003", ["Zoe"], id="a number as it is spelled at home"),
        pytest.param("q=nobody", [], id="nobody"),
        pytest.param("q=%ED%A0%80", [], id="no text"),
        pytest.param("number=%2B442079460003", ["Zoe"], id="number"),
        pytest.param("number=020%207946%200003", ["Zoe"], id="number as at home"),
        pytest.param("number=1234", ["Ärno"], id="extension"),
        pytest.param("number=+442079460009", [], id="somebody who has left"),
        pytest.param("number=", [], id="nobody says who calls"),
        pytest.param("number=anonymous", [], id="no number"),
        pytest.param("number=1234&q=zoe", [], id="both"),
        pytest.param("mac=00:11:22&q=zoe", ["Zoe"], id="what phones add"),
    ],
)
async def test_a_phone_looks_somebody_up(serve, query: str, names: list[str]) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    status, _, body = await fetch(served, f"/phonebook/desk?{query}")

    assert (status, names_in(body)) == (200, names)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param(f"q={'x' * 257}", "q: is longer", id="q"),
        pytest.param(f"number={'1' * 257}", "number: is longer", id="number"),
        pytest.param("start=0", "start: must be", id="start"),
        pytest.param("start=x", "start: must be", id="no number"),
    ],
)
async def test_a_question_has_bounds(serve, query: str, says: str) -> None:
    served = await serve(*TARGETS, BOOK)

    status, _, body = await fetch(served, f"/phonebook/desk?{query}")

    assert status == 400
    assert says in json.loads(body)["detail"]


async def test_a_cisco_phone_gets_32_entries_and_where_the_next_are(serve) -> None:
    served = await serve(*TARGETS, table("cisco", CISCO, format='"cisco"', title='"All & more"'))
    await fill(served, *(person(f"p{n:02}", f"+4420794600{n:02}") for n in range(40)))
    path = f"/phonebook/cisco/{CISCO}"

    _, headers, body = await fetch(served, f"{path}?q=p", None)
    _, last, rest = await fetch(served, f"{path}?q=p&start=33", None)

    assert headers["Refresh"] == f"0; url=https://gateway.example.com{path}?q=p&start=33"
    assert "Refresh" not in last
    assert names_in(body) + names_in(rest) == [f"p{n:02}" for n in range(40)]
    assert ElementTree.fromstring(rest).findtext("Title") == "All & more"
    assert ElementTree.fromstring(rest).findtext("Prompt") == "33 - 40"


@pytest.mark.parametrize("form", ["snom", "grandstream", "vcard", "csv"])
async def test_each_format_is_served(serve, form: str) -> None:
    served = await serve(*TARGETS, table("desk", DESK, format=f'"{form}"', locale='"sv"'))
    await fill(served)

    status, headers, body = await fetch(served)

    text = body.decode()
    assert status == 200
    assert headers["Content-Type"].endswith("; charset=utf-8")
    assert text.index("Ann") < text.index("Zoe") < text.index("Ärno")
    if form == "csv":
        assert [row[-1] for row in csv.reader(io.StringIO(text, newline=""))][1] == "+442079460001"


async def test_people_of_a_target_that_names_things_its_own_way_and_protects_some(serve, scripted) -> None:
    rules = (
        'protect = "userName eq \\"root\\""\n'
        '[[targets.phonebook.rules]]\nto = "nickName"\nfrom = "displayName"\n'
        "[[targets.phonebook.rules]]\nto = 'phoneNumbers[type eq \"sms\"].value'\n"
        "from = 'phoneNumbers[type eq \"mobile\"].value'\n"
    )
    ann = {
        "id": "1",
        "userName": "ann",
        "nickName": "Annie",
        "phoneNumbers": [{"type": "sms", "value": "+44"}],
    }
    root = {"id": "2", "userName": "root", "phoneNumbers": [{"type": "sms", "value": "+441"}]}
    scripted.says(200, json.dumps({"totalResults": 2, "Resources": [ann, root]}))
    served = await serve(scripted.toml() + rules, OTHER, table("desk", DESK, format='"csv"'))

    _, _, body = await fetch(served)

    (_, row) = csv.reader(io.StringIO(body.decode(), newline=""))
    assert row == ["Annie", "", "", "", "mobile", "+44"]


async def test_a_target_that_cannot_be_read_is_told_of_and_a_lookup_has_the_last_edition(serve) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)
    await fetch(served)
    connector = served.gateway.targets["phonebook"].connector
    asked = connector.query

    async def unreachable(kind: ResourceType, query: Query) -> Page:
        raise Unreachable("nobody there")

    connector.query = unreachable
    whole, headers, _ = await fetch(served)
    found, _, body = await fetch(served, "/phonebook/desk?q=ann")
    connector.query = asked

    assert (whole, headers["Retry-After"]) == (503, "30")
    assert (found, names_in(body)) == (200, ["Ann"])
    assert (await fetch(served))[0] == 200


SHOWN_TWICE = {"totalResults": 4, "Resources": [{"id": str(n), "userName": f"u{n}"} for n in range(2)]}


@pytest.mark.parametrize(
    ("status", "text", "told", "says"),
    [
        pytest.param(200, "<html>sign in</html>", 502, "does not understand", id="HTML"),
        pytest.param(200, '{"totalResults": 3', 502, "does not understand", id="half a JSON"),
        pytest.param(302, "", 502, "does not understand", id="a redirect"),
        pytest.param(401, "", 502, "does not accept the gateway's credentials", id="credentials"),
        pytest.param(503, "", 503, "phonebook", id="unavailable"),
        pytest.param(200, json.dumps(SHOWN_TWICE), 502, "contradicts itself", id="pages that repeat"),
    ],
)
async def test_a_target_that_answers_badly_is_told_of(
    serve, scripted, status: int, text: str, told: int, says: str
) -> None:
    scripted.says(status, text)
    served = await serve(scripted.toml(), OTHER, BOOK)

    got, _, body = await fetch(served)

    assert got == told
    assert says in json.loads(body)["detail"]


@pytest.fixture
async def shelf(serve, monkeypatch) -> AsyncIterator[tuple[Shelf, Served, list[float]]]:
    """A phone book that may be ten seconds old, and the clock it goes by."""
    clock = [1000.0]
    served = await serve(*TARGETS, BOOK)
    await fill(served)
    targets, services = served.gateway.targets, replace(served.gateway.services, monotonic=lambda: clock[0])
    book = editions.Book(
        "desk", targets["phonebook"], FORMATS["yealink"], "Desk", lambda text: text, "name", trust=10.0
    )
    shelf = Shelf(book, services, served.gateway.settings.journal.path.parent)
    yield shelf, served, clock
    await shelf.close()


async def test_phones_that_ask_at_once_read_the_target_once(shelf) -> None:
    books, _, clock = shelf

    first, second = await asyncio.gather(books.edition(soon=False), books.edition(soon=True))
    clock[0] += 9.9
    third = await books.edition(soon=False)
    clock[0] += 0.1
    fourth = await books.edition(soon=False)

    assert first is second is third
    assert fourth is not first
    assert fourth.digest == first.digest


async def test_a_lookup_never_waits_for_the_next_edition_unless_the_last_is_too_old(shelf) -> None:
    books, _, clock = shelf
    first = await books.edition(soon=False)
    clock[0] += 11

    early = await books.edition(soon=True)
    await until(lambda: books._latest is not first)
    clock[0] += editions.OLDEST
    late = await books.edition(soon=True)

    assert early is first
    assert late.begun == clock[0]


async def test_nobody_waits_beyond_the_deadline_for_a_slow_target_and_the_next_phone_is_served(shelf) -> None:
    books, served, _ = shelf
    connector, held = served.gateway.targets["phonebook"].connector, asyncio.Event()
    asked = connector.query

    async def slow(kind: ResourceType, query: Query) -> Page:
        await held.wait()
        return await asked(kind, query)

    connector.query = slow
    target = books.book.target
    hurried = replace(target, policy=replace(target.policy, deadline=0.01))
    books.book = replace(books.book, target=hurried)
    with pytest.raises(Busy, match="still being made: phonebook is slow"):
        await books.edition(soon=True)
    held.set()
    books.book = replace(books.book, target=target)

    assert len((await books.edition(soon=False)).block(0)[0]) == 3


async def test_an_edition_that_somebody_reads_stays_until_they_are_done(shelf) -> None:
    books, served, clock = shelf
    first = await books.edition(soon=False)
    await fill(served, person("New", "+442079460005"))
    clock[0] += 11

    second = await books.edition(soon=False)

    assert (len(first.block(0)[0]), len(second.block(0)[0])) == (3, 4)


async def test_lines_beyond_a_run_are_put_in_order_too(shelf, monkeypatch) -> None:
    books, served, _ = shelf
    monkeypatch.setattr(editions, "RUN", 2)
    monkeypatch.setattr(editions, "STEP", 2)
    await fill(served, *(person(f"p{n}", "+4420794601") for n in (5, 3, 4, 1)))

    edition = await books.edition(soon=False)

    rows, end = edition.block(0)
    assert len(rows) == 7
    assert end == edition.size
    assert [json.loads(row)[0] for row in rows] == sorted(json.loads(row)[0] for row in rows)


async def test_a_disk_without_room_is_told_of(serve, monkeypatch) -> None:
    served = await serve(*TARGETS, BOOK)

    def full(folder: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(editions, "_file", full)
    status, _, body = await fetch(served)

    assert status == 503
    assert "No space left on device" in json.loads(body)["detail"]


async def test_a_phone_that_hangs_up_is_sent_no_more(serve, log, monkeypatch) -> None:
    served = await serve(*TARGETS, BOOK)
    await fill(served)

    async def gone(self: web.StreamResponse, data: bytes) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(web.StreamResponse, "write", gone)
    status, _, body = await fetch(served)

    assert (status, body) == (200, b"")
    assert "request.crashed" not in log.getvalue()


def test_an_edition_closes_its_file_when_nobody_has_it(tmp_path) -> None:
    file = editions._file(tmp_path)
    edition = Edition(file, 0.0)

    del edition

    assert file.closed
    assert list(tmp_path.iterdir()) == []
