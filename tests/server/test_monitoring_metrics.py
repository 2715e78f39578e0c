"""`/metrics` of a gateway that works."""

import re
from typing import Any

import pytest

from gateway.metrics import CONTENT_TYPE
from tests.support.served import ANN, OTHER, PHONEBOOK, USERS, falls_sick

LINE = re.compile(r"scim_gateway_(\w+?)(?:\{(.*)\})? (\S+)")


async def numbers(served: Any) -> dict[str, float]:
    """Return what /metrics tells: name{labels} -> number, without quotes."""
    async with served.session.get(f"http://127.0.0.1:{served.port}/metrics") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, CONTENT_TYPE)
        text = await answer.text()
    found = filter(None, map(LINE.fullmatch, text.splitlines()))
    return {
        f"{name} {(labels or '').replace(chr(34), '')}".strip(): float(n)
        for name, labels, n in (match.groups() for match in found)
    }


async def test_a_request_is_counted_all_the_way(serve) -> None:
    served = await serve()

    await served.ask("POST", USERS, ANN)

    found = await numbers(served)
    labels = "operation=create,provider=okta,status=201,target=phonebook"
    assert found[f"requests_total {labels}"] == 1
    assert found["request_seconds_count operation=create,target=phonebook"] == 1
    assert found["attempts_total outcome=ok,target=phonebook"] >= 1
    assert found["changes_total outcome=applied,target=phonebook"] == 1
    assert found["journal_batches_total"] > 0
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("method", "path", "token", "labels"),
    [
        pytest.param("GET", USERS, "okta", "query,provider=okta,status=200,target=phonebook", id="query"),
        pytest.param(
            "POST", f"{USERS}/.search", "okta", "query,provider=okta,status=400,target=phonebook", id="search"
        ),
        pytest.param("HEAD", f"{USERS}/1", "okta", "get,provider=okta,status=404,target=phonebook", id="get"),
        pytest.param("GET", USERS, None, "query,provider=,status=401,target=phonebook", id="no token"),
        pytest.param("GET", USERS, "rfc", "query,provider=rfc,status=403,target=phonebook", id="not theirs"),
        pytest.param("GET", USERS, "alice", "query,provider=,status=403,target=phonebook", id="an auditor"),
        pytest.param("PUT", USERS, "okta", ",provider=okta,status=405,target=phonebook", id="no such method"),
        pytest.param(
            "GET",
            "/scim/phonebook/v2/Schemas",
            "okta",
            "discovery,provider=okta,status=200,target=phonebook",
            id="discovery",
        ),
        pytest.param(
            "GET",
            "/scim/phonebook/v2/canary",
            "okta",
            ",provider=okta,status=404,target=phonebook",
            id="no such name",
        ),
        pytest.param(
            "GET",
            "/scim/canary/v2/Users",
            "okta",
            "query,provider=okta,status=404,target=",
            id="no such target",
        ),
        pytest.param("GET", "/canary", "okta", ",provider=okta,status=404,target=", id="no such path"),
        pytest.param("GET", "/healthz", None, ",provider=,status=200,target=", id="a probe"),
    ],
)
async def test_a_request_is_counted_by_known_names_only(serve, method, path, token, labels: str) -> None:
    served = await serve()

    await served.ask(method, path, token=token)

    assert (await numbers(served))[f"requests_total operation={labels}"] == 1


async def test_what_waits_is_looked_up_at_each_reading(serve, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    before = await numbers(served)
    scripted.says(500)
    await served.ask("POST", USERS, {"userName": "canary"})
    await served.gateway.oversight.pauses.pause("phonebook")

    after = await numbers(served)

    names = ("operations standing=doubt,target=phonebook", "target_paused target=phonebook")
    assert [before[name] for name in names] == [0, 0]
    assert [after[name] for name in names] == [1, 1]
    assert after["attempts_total outcome=broken,target=phonebook"] >= 1
    assert after["changes_total outcome=pending,target=phonebook"] == 1


async def test_what_is_kept_from_a_sick_target_is_told(serve, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    before = await numbers(served)
    await falls_sick(served, scripted)
    asked = len(scripted.asked)

    for _ in range(3):
        assert (await served.ask("GET", USERS)).status == 429

    after = await numbers(served)
    names = ("closed", "open", "half-open")
    for found, states in ((before, [1, 0, 0]), (after, [0, 1, 0])):
        assert [found[f"target_breaker state={name},target=phonebook"] for name in names] == states
    assert (after["calls_refused_total reason=sick,target=phonebook"], len(scripted.asked)) == (3, asked)
    assert after["target_breaker state=open,target=other"] == 0
    assert [after[f"calls_{name} target=phonebook"] for name in ("under_way", "waiting")] == [0, 0]
    assert after["retries_total target=phonebook"] >= 0


async def test_a_journal_that_cannot_be_written_is_told(serve) -> None:
    served = await serve(PHONEBOOK, OTHER)
    database = served.gateway.journal.database
    await database.write(lambda connection: connection.execute("PRAGMA query_only = ON").fetchall())
    await served.ask("POST", USERS, ANN)

    before = (await numbers(served))["journal_writable"]
    await database._writer.execute("PRAGMA query_only = OFF")  # no write gets that far

    assert (before, (await numbers(served))["journal_writable"]) == (0, 1)


async def test_without_its_journal_the_gateway_still_tells_the_rest(serve, monkeypatch) -> None:
    served = await serve()
    monkeypatch.setattr(served.gateway.journal.database, "_over", "the file is damaged")

    found = await numbers(served)
    monkeypatch.undo()

    assert found["journal_writable"] == 0
    assert not [name for name in found if name.startswith("operations ")]
