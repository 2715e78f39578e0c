"""`GET /audit/v1/events`: pages of the trail for auditors, and for nobody else."""

import asyncio
import csv
import io
import json
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.audit.event import Event, Personal
from gateway.journal.journal import SqliteTrail
from tests.support.waiting import until

PATH = "/audit/v1/events"


def event(n: int) -> Event:
    target = {"name": "phonebook", "type": "User", "id": str(n), "user_name": Personal(f"canary-{n % 7}")}
    name = "user.create" if n % 2 else "user.delete"
    outcome = {"result": "applied" if n % 5 else "rejected", "status": 201, "reason": None}
    fields = {"event": name, "target": target, "outcome": outcome, "correlation_id": f"c-{n}"}
    return Event(f"e-{n}", fields)


@pytest.fixture
async def served(serve) -> Any:
    """A gateway whose trail has its own start, and 250 events."""
    gateway = await serve()
    await gateway.gateway.journal.trail.append([event(n) for n in range(2, 252)])
    return gateway


async def asked(served: Any, query: str = "", **headers: str) -> Any:
    answer = await served.ask("GET", f"{PATH}{query}", token="alice", **headers)
    assert answer.status == 200, answer.body
    return answer


def seqs(answer: Any) -> list[int]:
    return [told["seq"] for told in answer.body]


def following(answer: Any) -> str | None:
    """Return the query of the next page."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    address, rel = link.split("; ")
    assert rel == 'rel="next"'
    assert address.startswith(f"<https://gateway.example.com{PATH}?")
    return f"?{urlsplit(address[1:-1]).query}"


async def test_a_page_is_an_array_of_the_newest_hundred(served) -> None:
    answer = await asked(served)

    assert seqs(answer) == list(range(251, 151, -1))
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert parse_qs((following(answer) or "")[1:]) == {"limit": ["100"], "after": ["152"]}
    assert answer.body[0]["target"]["user_name"] == "canary-6"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("?limit=2", [251, 250], id="limit"),
        pytest.param("?limit=9999&sort=asc", list(range(1, 252)), id="more than the most"),
        pytest.param("?sort=asc&limit=1", [1], id="oldest first"),
        pytest.param("?after=3", [2, 1], id="after"),
        pytest.param("?filter=seq%20le%202", [2, 1], id="filter"),
        pytest.param("?filter=target.user_name+eq+%22CANARY-0%22+and+seq+gt+240", [245], id="person"),
        pytest.param("?q=e-249", [249], id="text"),
        pytest.param("?until=2000-01-01", [], id="until"),
        pytest.param("?since=2h&limit=1", [251], id="since"),
    ],
)
async def test_a_question_is_answered(served, query: str, found: list[int]) -> None:
    assert seqs(await asked(served, query)) == found


@pytest.mark.parametrize("first", ["?limit=30&sort=desc", "?limit=30&sort=asc", "?limit=7&q=user.del"])
async def test_pages_follow_each_other_while_events_arrive(served, first: str) -> None:
    pages, query = [], first

    while query is not None and len(pages) < 60:
        answer = await asked(served, query)
        pages.append(seqs(answer))
        query = following(answer)
        if len(pages) < 4:
            await served.gateway.journal.trail.append([event(1000 + 2 * len(pages))])

    found = [seq for page in pages for seq in page]
    newer = "asc" not in first
    assert all(one > other if newer else one < other for one, other in pairwise(found))
    wanted = {"q": 125, "asc": 255}.get("q" if "q=" in first else first[-3:], 251)
    assert len(found) == wanted


async def test_the_next_page_asks_the_same(served) -> None:
    answer = await asked(served, "?since=2h&filter=seq%20gt%202&q=E-&limit=1&sort=asc")

    given = parse_qs((following(answer) or "")[1:])
    assert given.pop("since")[0].endswith("+00:00")
    assert given == {"filter": ["seq gt 2"], "q": ["E-"], "limit": ["1"], "sort": ["asc"], "after": ["3"]}


async def test_the_last_page_has_no_next(served) -> None:
    assert following(await asked(served, "?filter=seq%20le%202&limit=2")) is None


@pytest.mark.parametrize(
    "accept",
    ["application/x-ndjson", "text/html, Application/X-NDJSON;q=0.9", "application/x-ndjson, text/csv"],
)
async def test_events_are_objects_on_lines_for_who_asks(served, accept: str) -> None:
    text = await raw(served, "?limit=2", accept)

    assert text.startswith("application/x-ndjson; charset=utf-8\n")
    assert [json.loads(line)["seq"] for line in text.splitlines()[1:]] == [251, 250]


async def test_events_are_a_sheet_for_who_asks(served) -> None:
    text = await raw(served, "?limit=1", "text/csv")

    media, _, sheet = text.partition("\n")
    title, row = csv.reader(io.StringIO(sheet, newline=""))
    assert media == "text/csv; charset=utf-8"
    assert dict(zip(title, row, strict=True))["target.user_name"] == "canary-6"


@pytest.mark.parametrize("accept", ["*/*", "", "text/html"])
async def test_whoever_accepts_anything_else_gets_json(served, accept: str) -> None:
    assert (await raw(served, "?limit=1", accept)).startswith("application/json; charset=utf-8\n[{")


async def raw(served: Any, query: str, accept: str) -> str:
    """Return the media type and the text of an answer."""
    url = f"http://127.0.0.1:{served.port}{PATH}{query}"
    headers = {"Authorization": "Bearer canary-token-of-alice", "Accept": accept}
    async with served.session.get(url, headers=headers) as answer:
        return f"{answer.headers['Content-Type']}\n{(await answer.read()).decode()}"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param("?fitler=seq%20eq%201", "known: since, until, filter", id="unknown name"),
        pytest.param("?q=a&q=b", "q is there more than once", id="twice"),
        pytest.param("?limit=0", "limit: must be a number", id="no events"),
        pytest.param("?limit=ten", "limit: must be a number", id="no number"),
        pytest.param("?since=canary", "since: must be a time", id="no time"),
        pytest.param("?filter=nothing%20pr", 'an event has no "nothing"', id="no field"),
        pytest.param("?sort=up", "sort: must be desc or asc", id="no order"),
    ],
)
async def test_a_wrong_question_is_refused(served, refused, query: str, says: str) -> None:
    refused(await served.ask("GET", f"{PATH}{query}", token="alice"), 400, says)


@pytest.mark.parametrize(
    ("token", "status", "says", "actor"),
    [
        pytest.param(None, 401, "no Authorization header", ("unknown", None), id="nobody"),
        pytest.param(
            "okta", 403, "this token of provider okta is no auditor's", ("provider", "okta"), id="okta"
        ),
    ],
)
async def test_who_is_no_auditor_is_refused_and_the_trail_says_so(
    serve, refused, token: str | None, status: int, says: str, actor: tuple[str, str | None]
) -> None:
    served = await serve()

    refused(await served.ask("GET", f"{PATH}?limit=0", token=token), status, says)

    (event,) = await served.events()
    assert (event["event"], event["outcome"]["status"]) == ("auth.refused", status)
    assert (event["actor"]["type"], event["actor"]["name"]) == actor


async def test_an_unknown_token_is_refused(serve, refused) -> None:
    answer = await (await serve()).ask("GET", PATH, token=None, Authorization="Bearer canary")

    refused(answer, 401, "unknown, expired or revoked")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_the_trail_is_only_read(served, refused, method: str) -> None:
    answer = await served.ask(method, PATH, token="alice")

    refused(answer, 405, f"{method} is not possible")
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_no_page_holds_more_than_a_thousand_whatever_is_asked_for(served) -> None:
    await served.gateway.journal.trail.append([event(n) for n in range(252, 1102)])

    answer = await asked(served, "?limit=9999")

    assert seqs(answer) == list(range(1101, 101, -1))
    assert parse_qs((following(answer) or "")[1:]) == {"limit": ["1000"], "after": ["102"]}


class Held:
    """Holds every look at the trail until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        self.free = asyncio.Event()
        find = SqliteTrail.find

        async def looked(trail: Any, question: Any) -> Any:
            self.asked.append(question)
            await self.free.wait()
            return await find(trail, question)

        monkeypatch.setattr(SqliteTrail, "find", looked)


@pytest.fixture
async def held(served, monkeypatch) -> Held:
    return Held(monkeypatch)


async def test_an_auditor_asks_for_one_text_at_a_time(served, refused, held) -> None:
    first = asyncio.create_task(asked(served, "?q=nothing-like-it"))
    await until(lambda: held.asked)

    more = [await served.ask("GET", f"{PATH}?q=text", token="alice") for _ in range(7)]
    other = asyncio.create_task(asked(served, "?limit=1"))

    for answer in more:
        refused(answer, 429, "a question of yours for a text is under way")
        assert answer.headers["Retry-After"] == "1"
    held.free.set()
    assert seqs(await first) == []
    assert len(seqs(await other)) == 1
    assert seqs(await asked(served, "?q=nothing-like-it")) == []


async def test_changes_go_on_while_the_whole_trail_is_searched(served) -> None:
    searches = [
        asyncio.create_task(asked(served, "?q=nothing-like-it")),
        *(asyncio.create_task(asked(served, "?filter=event%20co%20%22nothing%22")) for _ in range(7)),
    ]

    answer = await served.ask("POST", "/scim/phonebook/v2/Users", {"userName": "canary.new"})

    assert answer.status == 201
    assert [seqs(await search) for search in searches] == [[]] * 8


async def test_a_journal_that_cannot_be_read_is_said(served, refused) -> None:
    await served.gateway.journal.database.close()

    answer = await served.ask("GET", PATH, token="alice")

    refused(answer, 503, "the journal cannot be used now")
    assert answer.headers["Retry-After"] == "30"
