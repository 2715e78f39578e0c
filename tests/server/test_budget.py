"""What one request may cost: Python calls of our own on the event loop, and turns at the journal."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import gateway
from gateway import sqlite
from tests.support.scim_target import scim_target
from tests.support.served import CONFIG, Serve, Served

HOME = str(Path(gateway.__file__).parent)
TARGET = """
[targets.phonebook]
connector = "scim"
url = "{url}"
auth = {{ bearer = {{ file = "token" }} }}
region = "GB"
shared = true
settle = "7200s"
[targets.phonebook.offices]
LDN = {{ name = "London", country = "GB" }}
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
on_invalid = "drop"
[[targets.phonebook.rules]]
to = "licenseType"
via = [{{ name = "map", table = {{ "Talk" = "dialpad_talk" }}, otherwise = "keep" }}]
[[targets.phonebook.rules]]
to = "officeName"
via = ["office"]
[[targets.phonebook.rules]]
to = "roles"
via = ["split", "objects"]
"""
PAUSES = ("LOOK", "JOURNAL_LOOK", "STEP_PAUSE")  # between the looks of the watch
USERS = "/scim/phonebook/v2/Users"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def person(number: int, **more: Any) -> dict[str, Any]:
    """Return a person of 15 attributes, with a phone number of their own."""
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": f"ann{number}@example.com",
        "externalId": f"00u{number}",
        "name": {"givenName": "Ann", "familyName": f"Lee {number}"},
        "emails": [{"primary": True, "value": f"ann{number}@example.com", "type": "work"}],
        "phoneNumbers": [{"value": f"+44 20 7946 {number:04d}", "type": "work"}],
        "displayName": f"Ann Lee {number}",
        "locale": "en-US",
        "title": "Agent",
        "licenseType": "Talk",
        "officeName": "LDN",
        "roles": "admin, general",
        "groups": [],
        "active": True,
        ENTERPRISE: {"department": "Sales", "employeeNumber": str(number)},
        **more,
    }


@contextmanager
def counted(calls: Counter[str]) -> Iterator[None]:
    """Count the calls of the gateway's own functions on this thread, a resumed coroutine once each time.

    What the gateway does by itself, once a second or so, is no part of a request.
    """
    beside = {task for task in asyncio.all_tasks() if _is_ours(task)}

    def count(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOME) and asyncio.current_task() not in beside:
            calls[f"{code.co_filename[len(HOME) + 1 :]}:{code.co_qualname}"] += 1

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(HOME)


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what the journal's threads are given to do, and what is only noted for their next turn."""
    found: Counter[str] = Counter()

    def noted(name: str) -> None:
        inner = getattr(sqlite.Database, name)

        def note(self: Any, *work: Any) -> Any:
            found[name] += 1
            return inner(self, *work)

        monkeypatch.setattr(sqlite.Database, name, note)

    for name in ("read", "write"):
        noted(name)
    return found


@pytest.fixture
async def served(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    for name in (
        "app.SWEEP",
        "keeping.SWEEP",
        "sqlite.SOON",
        "reload.LOOK",
        "admin.watch.LOOK",
        "admin.watch.JOURNAL_LOOK",
        "admin.watch.STEP_PAUSE",
    ):
        # on a slow machine a look of the gateway's own would fall into a request
        monkeypatch.setattr(f"gateway.{name}", 3600.0)
    async with scim_target() as target:
        (tmp_path / "token").write_text("token-of-the-target")
        (tmp_path / "token").chmod(0o600)
        served = await serve(TARGET.format(url=target.url), config=CONFIG.replace('"other"', '"phonebook"'))
        for number in range(3):  # what is found out once, and imported once
            assert (await served.ask("POST", USERS, person(number))).status == 201
        yield served


async def created(served: Served) -> str:
    """Create somebody, and return their id once all that is written for them is on disk."""
    id = (await served.ask("POST", USERS, person(7))).body["id"]
    database, replied = served.gateway.journal.database, "SELECT replied FROM resource WHERE id = ?"
    async with asyncio.timeout(10):
        while (await database.read(lambda file: file.execute(replied, (id,)).fetchone())) != (1,):
            await database.flush()
    return id


Request = Callable[[Served, str], Awaitable[Any]]

# what is asked, calls at most (a tenth above today's), hops at most
REQUESTS: dict[str, tuple[Request, int, int]] = {
    "create": (lambda served, id: served.ask("POST", USERS, person(8)), 372, 2),
    "changed PUT": (lambda served, id: served.ask("PUT", f"{USERS}/{id}", person(7, title="Boss")), 514, 3),
    "unchanged PUT": (lambda served, id: served.ask("PUT", f"{USERS}/{id}", person(7)), 301, 1),
    "GET": (lambda served, id: served.ask("GET", f"{USERS}/{id}"), 120, 1),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_stays_within_its_budget_of_calls(served, name):
    request, most, _ = REQUESTS[name]
    id = await created(served)
    calls: Counter[str] = Counter()

    with counted(calls):
        answer = await request(served, id)

    assert answer.status in (200, 201)
    assert sum(calls.values()) <= most, calls.most_common(400)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_stays_within_its_turns_at_the_journal(served, hops, name):
    request, _, most = REQUESTS[name]
    id = await created(served)
    hops.clear()

    assert (await request(served, id)).status in (200, 201)

    assert hops.total() <= most, hops


async def test_a_create_takes_little_room_in_the_journal(served):
    async def pages() -> int:
        database = served.gateway.journal.database
        return await database.read(lambda file: file.execute("PRAGMA page_count").fetchone()[0])

    for number in range(100):
        await served.ask("POST", USERS, person(number))
    before = await pages()
    for number in range(100, 400):
        await served.ask("POST", USERS, person(number))

    assert (await pages() - before) * 4096 <= 5000 * 300
