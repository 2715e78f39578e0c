"""What probes are told."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.served import OTHER, USERS, falls_sick


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_gateway_that_is_well_says_so_to_anybody(serve, path: str) -> None:
    served = await serve()

    answer = await served.ask("GET", path, token=None)

    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert await served.events() == []


def set_to(pragma: str) -> Callable[[sqlite3.Connection], None]:
    """Return what changes the journal's file under the gateway."""
    return lambda connection: connection.execute(f"PRAGMA {pragma}").fetchall() and None


async def stuffed(served: Any) -> list[Any]:
    """Create people until the journal's file, which may grow no more, takes none."""
    database = served.gateway.journal.database
    pages = await database.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await database.write(set_to(f"max_page_count = {pages}"))
    return [
        await served.ask("POST", USERS, {"userName": f"{n}" + "canary" * 2000, "externalId": str(n)})
        for n in range(3)
    ]


async def test_a_journal_without_room_is_busy_and_nothing_is_sent(serve, refused) -> None:
    served = await serve()

    answers = await stuffed(served)

    refused(answers[-1], 429, "the journal cannot be used now: the disk is full")
    assert answers[-1].headers["Retry-After"] == "30"
    assert len(await served.entries()) == sum(answer.status == 201 for answer in answers)


async def test_a_journal_that_has_room_again_takes_changes_again(serve) -> None:
    served = await serve()
    await stuffed(served)
    assert served.gateway.journal.database.failure == "the disk is full"

    await served.gateway.journal.database.write(set_to("max_page_count = 1073741823"))

    assert (await served.ask("POST", USERS, {"userName": "canary"})).status == 201


async def test_a_journal_that_cannot_be_written_is_not_ready_until_it_can(serve, refused) -> None:
    served = await serve()
    database = served.gateway.journal.database
    id = (await served.ask("POST", USERS, {"userName": "canary"})).body["id"]

    await database.write(set_to("query_only = ON"))
    answers = [await served.ask("DELETE", f"{USERS}/{id}"), await served.ask("GET", f"{USERS}/{id}")]
    ready, live = [await served.ask("GET", path, token=None) for path in ("/readyz", "/healthz")]
    await database._writer.execute("PRAGMA query_only = OFF")  # no write gets that far
    again = await served.ask("GET", "/readyz", token=None)

    refused(answers[0], 429, "the journal cannot be used now: the file is read-only")
    assert (ready.status, ready.body["checks"]) == (503, {"journal": "the file is read-only"})
    assert [answers[1].status, live.status, again.status] == [200, 200, 200]
    assert len(await served.entries()) == 1


async def test_a_gateway_that_drains_is_not_ready_and_still_alive(serve) -> None:
    served = await serve()
    served.gateway.health.draining = True

    ready, live = [await served.ask("GET", path, token=None) for path in ("/readyz", "/healthz")]

    assert (ready.status, ready.body) == (
        503,
        {"status": "unavailable", "checks": {"journal": "ok", "process": "draining"}},
    )
    assert live.status == 200


async def test_a_sick_target_leaves_the_gateway_ready_and_is_shown_to_who_asks_for_more(
    serve, scripted
) -> None:
    served = await serve(scripted.toml(), OTHER)
    await falls_sick(served, scripted)

    plain, verbose = [await served.ask("GET", f"/readyz{more}", token=None) for more in ("", "?verbose")]

    assert (plain.status, plain.body) == (200, {"status": "ok", "checks": {"journal": "ok"}})
    targets = verbose.body.pop("targets")
    assert (verbose.status, verbose.body) == (200, plain.body)
    phonebook, other = targets["phonebook"], targets["other"]
    assert (phonebook["state"], other["state"], other["until"]) == ("open", "closed", None)
    assert other["since"] < phonebook["since"] < phonebook["until"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_nobody_changes_anything_there(serve, refused, path: str) -> None:
    served = await serve()

    refused(await served.ask("POST", path, b"canary"), 404, "the base URL ends in /scim/{target}/v2")
