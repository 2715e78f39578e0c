"""Another configuration in the place of the one in force, while requests are under way."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from gateway.errors import ConfigError
from gateway.flow.journal_port import Key
from tests.support.served import (
    CONFIG,
    OTHER,
    PHONEBOOK,
    TOKENS,
    Scripted,
    Serve,
    Served,
    falls_sick,
    gateways,
    scripted_target,
    written,
)
from tests.support.waiting import until

USERS = "/scim/phonebook/v2/Users"
OTHERS = "/scim/other/v2/Users"
PERSON = {"userName": "ann@example.com", "externalId": "1", "title": "Agent"}
ENTRY = json.dumps({"userName": "ann@example.com", "externalId": "1", "id": "t1", "active": True})
TITLE = '[[targets.phonebook.rules]]\nto = "title"\nvia = [{ name = "map", table = { Agent = "%s" } }]\n'
PATIENT = {"timeout": '"20s"', "deadline": '"20s"'}


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        yield target


@pytest.fixture
async def second() -> AsyncIterator[Scripted]:
    async with scripted_target() as target:
        yield target


@pytest.fixture
def reload(tmp_path: Path) -> Callable[..., Any]:
    """Write another configuration, and have it taken."""

    async def take(served: Served, *targets: str, config: str = CONFIG) -> Any:
        written(tmp_path, config, targets or (PHONEBOOK, OTHER))
        return await served.gateway.reloading.reload()

    return take


async def faults_of(taken: Any) -> dict[str, str]:
    """Return the faults for which a configuration is not taken."""
    with pytest.raises(ConfigError) as caught:
        await taken
    return {fault.path: fault.reason for fault in caught.value.faults}


async def newest(served: Served) -> Any:
    (event,) = await served.gateway.services.trail.page(None, 1, None, None)
    return event


async def test_rules_are_taken_between_two_requests(serve, reload) -> None:
    served = await serve()
    id = (await served.ask("POST", USERS, PERSON)).body["id"]

    await reload(served, PHONEBOOK + TITLE % "Boss", OTHER)
    await served.ask("PUT", f"{USERS}/{id}", PERSON | {"displayName": "Ann"})

    (entry,) = await served.entries()
    assert (entry["title"], entry["displayName"]) == ("Boss", "Ann")


async def test_a_request_ends_with_the_configuration_that_it_began_with(
    serve, reload, scripted, second
) -> None:
    scripted.holds(201, ENTRY)
    second.says(200, '{"totalResults": 0}')
    served = await serve(scripted.toml(**PATIENT) + TITLE % "old", OTHER)
    asking = asyncio.create_task(served.ask("POST", USERS, PERSON))
    await until(lambda: scripted.asked)

    await reload(served, second.toml(**PATIENT) + TITLE % "new", OTHER)
    listed = await served.ask("GET", USERS)
    scripted.held.set()

    assert (await asking).status == 201
    assert (listed.status, bool(second.asked)) == (200, True)
    assert not any(line.startswith("POST") for line in second.asked)


async def test_a_connector_is_closed_after_the_last_who_uses_it(
    serve, reload, scripted, second, monkeypatch
) -> None:
    monkeypatch.setattr("gateway.keeping.UNUSED", 0.01)
    closed: list[Any] = []
    scripted.holds(201, ENTRY)
    second.says(200, '{"totalResults": 0}')
    served = await serve(scripted.toml(**PATIENT), OTHER)
    gate = served.gateway.connectors["phonebook"]

    async def close() -> None:
        closed.append(gate)

    monkeypatch.setattr(gate.target, "close", close)
    asking = asyncio.create_task(served.ask("POST", USERS, PERSON))
    await until(lambda: scripted.asked)
    await reload(served, second.toml(), OTHER)
    await asyncio.sleep(0.1)
    too_early = list(closed)
    scripted.held.set()
    await asking

    await until(lambda: closed)
    assert (too_early, closed) == ([], [gate])


async def test_what_did_not_change_stays_as_it_is(serve, reload, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    await falls_sick(served, scripted)
    before = dict(served.gateway.connectors)

    done = await reload(served, scripted.toml() + TITLE % "Boss", OTHER)

    assert served.gateway.connectors == before
    assert served.gateway.oversight.health()["phonebook"].state == "open"
    assert (done.added, done.removed, done.reconnected) == ((), (), ())


async def test_a_target_that_is_reached_otherwise_is_well_until_it_is_not(serve, reload, scripted) -> None:
    served = await serve(scripted.toml(), OTHER)
    await falls_sick(served, scripted)
    scripted.says(200, '{"totalResults": 0}')

    done = await reload(served, scripted.toml(timeout='"300ms"'), OTHER)

    assert done.reconnected == ("phonebook",)
    assert (await served.ask("GET", USERS)).status == 200


async def test_a_configuration_with_faults_is_not_taken_and_the_trail_says_so(serve, reload) -> None:
    served = await serve()
    before = served.gateway.reloading.state()

    with capture_logs() as lines:
        faults = await faults_of(reload(served, PHONEBOOK, OTHER, 'regoin = "GB"\n'))

    event = await newest(served)
    assert list(faults) == ["targets.other.regoin"]
    assert served.gateway.reloading.state() == before
    assert (event["event"], event["outcome"]["result"]) == ("config.refused", "rejected")
    assert event["outcome"]["reason"].startswith("targets.other.regoin (line ")
    assert "unknown key" in event["outcome"]["reason"]
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["config.refused"]
    assert (await served.ask("POST", USERS, PERSON)).status == 201


async def test_the_trail_has_the_digests_of_both(serve, reload, tmp_path) -> None:
    served = await serve()
    before = served.gateway.settings.digest

    await reload(served, PHONEBOOK + TITLE % "Boss", OTHER)

    event, digest = await newest(served), hashlib.sha256((tmp_path / "config.toml").read_bytes()).hexdigest()
    assert event["event"] == "config.reloaded"
    assert event["config"] == {"digest": digest, "before": before, "restart": [], "presets": {}}
    assert event["actor"] == {"type": "gateway", "name": "serve", "token": None}
    assert served.gateway.reloading.state().digest == digest


async def test_targets_come_and_go(serve, reload) -> None:
    served = await serve()
    config = CONFIG.replace('targets = ["phonebook"]', 'targets = ["phonebook", "third"]')
    third = PHONEBOOK.replace("phonebook", "third")

    come = await reload(served, PHONEBOOK, OTHER, third, config=config)
    made = await served.ask("POST", "/scim/third/v2/Users", PERSON)
    gone = await reload(served)
    answer = await served.ask("GET", "/scim/third/v2/Users")

    assert (come.added, made.status) == (("third",), 201)
    assert (gone.removed, answer.status) == (("third",), 404)
    assert set(served.gateway.connectors) == set(served.gateway.targets) == {"phonebook", "other"}


async def test_a_new_target_has_rounds_of_its_own(serve, reload, monkeypatch) -> None:
    looked: list[str] = []

    async def noted(self: Any, target: Any) -> None:
        looked.append(target.name)

    monkeypatch.setattr("gateway.app.Recovery.sweep", noted)
    served = await serve()
    config = CONFIG.replace('targets = ["phonebook"]', 'targets = ["phonebook", "third"]')
    await reload(served, PHONEBOOK, OTHER, PHONEBOOK.replace("phonebook", "third"), config=config)

    await until(lambda: "third" in looked)


async def test_a_target_with_open_operations_does_not_go(serve, reload, scripted) -> None:
    scripted.says(500)
    served = await serve(scripted.toml(settle="0"), OTHER)
    await served.ask("POST", USERS, PERSON)

    faults = await faults_of(reload(served, OTHER, config=CONFIG.replace('["phonebook"]', "[]")))

    assert "1 of its operations are open" in faults["targets.phonebook"]
    assert "phonebook" in served.gateway.targets


async def test_what_was_under_way_when_its_target_went_is_settled_all_the_same(
    serve, reload, scripted, monkeypatch
) -> None:
    monkeypatch.setattr("gateway.keeping.SWEEP", 0.05)
    monkeypatch.setattr("gateway.keeping.UNUSED", 0.01)
    scripted.says(200, ENTRY)
    served = await serve(scripted.toml(timeout='"2s"', deadline='"4s"', settle="0", patch="true"), OTHER)
    made = await served.ask("POST", USERS, PERSON)
    scripted.holds(503, "")
    leaving = asyncio.create_task(served.ask("DELETE", f"{USERS}/{made.body['id']}"))
    await until(lambda: any(line.startswith(("DELETE", "PATCH")) for line in scripted.asked))
    before = dict(served.gateway.targets)

    await _without_operations(served, reload)
    scripted.says(204)
    scripted.held.set()
    await leaving

    async with asyncio.timeout(10):
        while await served.gateway.services.operations.open("phonebook", ()):
            await asyncio.sleep(0.01)
    assert "phonebook" in before
    assert before["phonebook"].name not in served.gateway.targets
    await until(lambda: not before["phonebook"].admission.users)


async def _without_operations(served: Served, reload: Any) -> None:
    """Take a target away as if its operation had begun a moment after the look for some."""
    operations = served.gateway.services.operations
    look = operations.open

    async def none(target: str, keys: tuple[Key, ...]) -> tuple[Any, ...]:
        return ()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(operations), "open", lambda self, target, keys: none(target, keys))
        await reload(served, OTHER, config=CONFIG.replace('["phonebook"]', "[]"))
    assert look


async def test_tokens_and_what_they_open_are_taken(serve, reload) -> None:
    served = await serve()
    config = CONFIG.replace("{okta}", "{rfc}x").replace('sha256 = "{rfc}"', 'sha256 = "{okta}"')
    config = config.replace("{rfc}x", "{rfc}")  # okta's is rfc's now, and the other way round

    before = [
        (await served.ask("GET", path, token=t)).status for path, t in ((USERS, "okta"), (OTHERS, "rfc"))
    ]
    await reload(served, config=config)
    after = [
        (await served.ask("GET", path, token=token)).status
        for path, token in ((USERS, "okta"), (USERS, "rfc"), (OTHERS, "okta"))
    ]

    assert (before, after) == ([200, 200], [403, 200, 200])


async def test_a_token_that_is_taken_out_opens_nothing_at_once(serve, reload) -> None:
    served = await serve()

    await reload(served, config=CONFIG.replace("{okta}", hashlib.sha256(b"another").hexdigest()))

    assert (await served.ask("GET", USERS)).status == 401


async def test_what_only_a_start_takes_is_told_and_the_rest_is_taken(serve, reload) -> None:
    served = await serve()
    before = served.gateway.settings
    config = CONFIG.replace("127.0.0.1:0", "127.0.0.1:9").replace("var/gateway.db", "var/other.journal")
    config = config.replace('durability = "normal"', 'durability = "full"\nretention = "30d"')

    done = await reload(served, PHONEBOOK + TITLE % "Boss", OTHER, config=config)
    await served.ask("POST", USERS, PERSON)

    now = served.gateway.settings
    assert done.restart == ("server.listen", "journal.url", "journal.durability", "journal.audit_key")
    assert served.gateway.reloading.state().restart == done.restart
    assert (now.server.port, now.journal.path) == (before.server.port, before.journal.path)
    assert (now.journal.durability, now.journal.retention) == ("normal", 30 * 86_400)
    assert (await served.entries())[0]["title"] == "Boss"


async def test_a_directory_in_a_file_is_open_once_whatever_changes(serve, reload) -> None:
    served = await serve()
    target = served.gateway.connectors["phonebook"].target

    done = await reload(served, PHONEBOOK.replace("region", "concurrency = 3\nregion"), OTHER)
    await served.gateway.keeping.close()

    assert done.reconnected == ("phonebook",)
    assert served.gateway.connectors["phonebook"].target is target


async def test_who_follows_whom_is_not_changed_while_it_runs(serve, reload) -> None:
    served = await serve()
    config = CONFIG.replace('["phonebook"]', '["all"]').replace('["other"]', "[]")

    faults = await faults_of(
        reload(served, '[routes.all]\ntargets = ["phonebook", "other"]\n', PHONEBOOK, OTHER, config=config)
    )

    assert "changes with a restart only" in faults["routes"]


async def test_an_address_for_one_target_alone_may_be_given(serve, reload) -> None:
    served = await serve()
    config = CONFIG.replace('["phonebook"]', '["staff"]')

    await reload(served, '[routes.staff]\ntargets = ["phonebook"]\n', PHONEBOOK, OTHER, config=config)

    assert (await served.ask("POST", "/scim/staff/v2/Users", PERSON)).status == 201
    assert (await served.ask("GET", USERS)).status == 404


async def test_limits_and_public_addresses_are_taken(serve, reload) -> None:
    served = await serve()
    config = CONFIG.replace("gateway.example.com", "other.example.com").replace(
        "[journal]", 'trusted_proxies = ["127.0.0.1"]\nmax_connections = 7\n[journal]'
    )

    await reload(served, config=config)
    made = await served.ask("POST", USERS, PERSON, **{"X-Forwarded-For": "192.0.2.7"})

    assert made.headers["Location"].startswith("https://other.example.com/")
    assert served.gateway.oversight.connections.most == 7
    assert (await newest(served))["client"]["ip"] == "192.0.2.7"


async def test_a_guide_is_of_the_configuration_in_force(serve, reload) -> None:
    served = await serve()
    await reload(served, config=CONFIG.replace("gateway.example.com", "other.example.com"))

    url = f"http://127.0.0.1:{served.port}/guide/phonebook"
    async with served.session.get(url, headers={"Authorization": f"Bearer {TOKENS['alice']}"}) as answer:
        assert "https://other.example.com/scim/phonebook/v2" in await answer.text()


async def test_values_are_covered_in_the_trail_from_then_on(serve, reload) -> None:
    served = await serve()

    await reload(served, PHONEBOOK.replace("region", 'audit = "hashed"\nregion'), OTHER)
    await served.ask("POST", USERS, PERSON)

    assert "ann@example.com" not in json.dumps(await newest(served))


DESK = """
[phonebooks.desk]
target = "phonebook"
format = "csv"
token = { sha256 = "%s" }
"""


async def phone(served: Served, name: str = "desk") -> tuple[int, str]:
    url = f"http://127.0.0.1:{served.port}/phonebook/{name}/desk-token"
    async with served.session.get(url) as answer:
        return answer.status, await answer.text()


async def test_phone_books_come_and_go_and_keep_what_they_have(serve, reload) -> None:
    desk = DESK % hashlib.sha256(b"desk-token").hexdigest()
    served = await serve()
    await served.ask(
        "POST", USERS, PERSON | {"phoneNumbers": [{"value": "+44 20 7946 0123", "type": "work"}]}
    )

    await reload(served, PHONEBOOK, OTHER, desk)
    there, text = await phone(served)
    await served.ask("POST", USERS, {"userName": "bob", "phoneNumbers": [{"value": "+442079460124"}]})
    await reload(served, PHONEBOOK + TITLE % "Boss", OTHER, desk)
    kept = await phone(served)
    await reload(served)

    assert (there, "+442079460123" in text) == (200, True)
    assert kept == (there, text)
    assert (await phone(served))[0] == 401


async def test_two_reloads_are_one_after_the_other(serve, tmp_path) -> None:
    served = await serve()
    written(tmp_path, CONFIG, (PHONEBOOK + TITLE % "Boss", OTHER))

    first, then = await asyncio.gather(served.gateway.reloading.reload(), served.gateway.reloading.reload())

    assert (first.digest, then.was, then.digest) == (then.was, first.digest, first.digest)


async def test_a_file_that_cannot_be_read_again_changes_nothing(serve, tmp_path) -> None:
    served = await serve()
    (tmp_path / "config.toml").unlink()
    (tmp_path / "config.toml").mkdir()

    assert "cannot be read again" in (await faults_of(served.gateway.reloading.reload()))["config"]


async def test_a_journal_that_cannot_be_written_keeps_the_configuration(serve, reload, monkeypatch) -> None:
    served = await serve()
    before = served.gateway.settings

    async def full(events: Any) -> None:
        raise web.HTTPInsufficientStorage

    monkeypatch.setattr(served.gateway.services.trail, "append", full)
    with pytest.raises(web.HTTPInsufficientStorage):
        await reload(served, PHONEBOOK + TITLE % "Boss", OTHER)

    assert served.gateway.settings is before
    assert served.gateway.targets["phonebook"].mapping.forward(PERSON).form["title"] == "Agent"


@pytest.mark.parametrize(
    ("content", "gone"),
    [("", {"providers", "targets"}), (CONFIG.partition("[providers")[0], {"providers", "targets"})],
    ids=["empty", "its beginning"],
)
async def test_a_file_that_is_not_written_yet_takes_nothing_away(serve, tmp_path, content, gone) -> None:
    served = await serve()
    (tmp_path / "config.toml").write_text(content.format())

    faults = await faults_of(served.gateway.reloading.reload())

    assert faults.keys() == gone
    assert "is the file whole?" in faults["targets"]
    assert (await served.ask("POST", USERS, PERSON)).status == 201


async def test_a_directory_in_a_file_that_comes_back_at_once_is_open_once(serve, reload) -> None:
    served = await serve()
    target = served.gateway.connectors["phonebook"].target

    await reload(served, OTHER, config=CONFIG.replace('["phonebook"]', "[]"))
    await reload(served)

    assert served.gateway.connectors["phonebook"].target is target
    assert (await served.ask("POST", USERS, PERSON)).status == 201


async def test_a_directory_in_a_file_is_closed_once_after_the_last_who_uses_it(
    serve, reload, monkeypatch
) -> None:
    monkeypatch.setattr("gateway.keeping.UNUSED", 0.01)
    closed: list[Any] = []
    served = await serve()
    target = served.gateway.connectors["phonebook"].target

    close = target.close

    async def noted() -> None:
        closed.append(target)
        await close()

    monkeypatch.setattr(target, "close", noted)
    with served.gateway.connectors["phonebook"].used():
        await reload(served, PHONEBOOK.replace("region", "concurrency = 3\nregion"), OTHER)
        with served.gateway.connectors["phonebook"].used():
            await reload(served, OTHER, config=CONFIG.replace('["phonebook"]', "[]"))
            await asyncio.sleep(0.1)
            too_early = list(closed)
        await asyncio.sleep(0.1)
        early = list(closed)

    await until(lambda: closed)
    assert (too_early, early, closed) == ([], [], [target])
