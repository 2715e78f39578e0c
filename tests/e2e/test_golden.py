"""Golden files: what a provider sends, what the target gets, what the provider hears.

A new JSON file in `golden/<provider>/<preset>/` is a new test. It holds
- `says`: one sentence; `source`: what justifies it;
- `config`: a file of `golden/targets/`, or TOML of a target with `{url}` in it;
- `entries`, `groups` (optional): what the target held before, in its own form;
- `authorization` (optional): what it was shown;
and one exchange, or a list of them as `exchanges`:
- `request`: `method`, `path` below the base URL, `body`;
- `target`: null for nothing, a change (`method`, `path`, `body`, all exact), or a list of changes;
- `answer`: `status`; in `body` attributes, each exact; `without`: those not there; `detail`: fragments of it;
- `event` (optional): `event`, `result`, `held`, `dropped`, and `diff` as rows of path, op and rule.
Nothing is said of `meta` in answers.
"""

import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway, open_gateway, serving
from gateway.scim.dialects import DIALECTS
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS
from tests.support.dialpad import OPENAPI, Dialpad, dialpad
from tests.support.scim_target import ScimTarget, scim_target

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FILES = sorted(GOLDEN.glob("*/*/*.json"))
PROVIDER_TOKEN = "what-the-provider-shows"
TARGET_TOKEN = "what-the-target-is-shown"
CASE = {"says", "source", "config", "entries", "groups", "authorization", "exchanges"}
EXCHANGE = {"request", "target", "answer", "event"}
JSON_TYPE = {"Content-Type": "application/scim+json; charset=utf-8"}


@dataclass
class Stage:
    """A gateway between a provider and a target."""

    gateway: Gateway
    target: ScimTarget | Dialpad
    session: aiohttp.ClientSession
    base_url: str

    async def ask(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        body = request.get("body")
        data = None if body is None else json.dumps(body)
        url = self.base_url + request["path"]
        async with self.session.request(request["method"], url, data=data, headers=JSON_TYPE) as answer:
            text = await answer.text()
        return answer.status, without_meta(json.loads(text) if text else {})

    async def last_event(self) -> Mapping[str, Any]:
        (event,) = await self.gateway.services.trail.page(None, 1, None, None)
        return event


def config_of(case: Mapping[str, Any], provider: str, url: str) -> str:
    named = GOLDEN / "targets" / f"{case['config']}.toml"
    target = case["config"] if "\n" in case["config"] else named.read_text()
    dialect = provider if provider in DIALECTS else "rfc"
    return (
        f'[server]\nlisten = "127.0.0.1:0"\n[journal]\nurl = "sqlite:gateway.db"\n'
        f'[providers.{provider}]\ndialect = "{dialect}"\ntoken = {{ file = "provider.token" }}\n'
        f"{target.replace('{url}', url)}"
    )


@asynccontextmanager
async def opened(case: Mapping[str, Any]) -> AsyncIterator[ScimTarget | Dialpad]:
    """Serve a target that holds what it did before."""
    if case["config"] == "dialpad_api":
        if not OPENAPI.exists():
            pytest.skip(f"there is no {OPENAPI.name}")
        users = {int(user["id"]): user for user in case.get("entries", ())}
        async with dialpad(Dialpad(offices={124: "London", 125: "Oslo"}, users=users)) as company:
            yield company
        return
    async with scim_target() as target:
        target.entries |= {entry["id"]: entry for entry in case.get("entries", ())}
        target.groups |= {group["id"]: group for group in case.get("groups", ())}
        yield target


@asynccontextmanager
async def stage(folder: Path, case: Mapping[str, Any], provider: str) -> AsyncIterator[Stage]:
    for name, token in (("provider.token", PROVIDER_TOKEN), ("target.token", TARGET_TOKEN)):
        (folder / name).write_text(token)
        (folder / name).chmod(0o600)
    async with opened(case) as target:
        (folder / "config.toml").write_text(config_of(case, provider, target.url))
        settings = load_settings(folder / "config.toml", CONNECTORS)
        signed = {"Authorization": f"Bearer {PROVIDER_TOKEN}"}
        async with (
            open_gateway(settings) as gateway,
            serving(gateway) as port,
            aiohttp.ClientSession(headers=signed) as session,
        ):
            (name,) = settings.targets
            yield Stage(gateway, target, session, f"http://127.0.0.1:{port}/scim/{name}/v2")


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(GOLDEN).with_suffix("")) for file in FILES])
async def test_a_golden_file_comes_true(file: Path, tmp_path: Path) -> None:
    case = json.loads(file.read_text())
    exchanges = case.get("exchanges") or [{name: case[name] for name in EXCHANGE & case.keys()}]

    assert case.keys() <= CASE | (set() if "exchanges" in case else EXCHANGE)
    assert case["says"]
    assert case["source"]
    async with stage(tmp_path, case, provider=file.parts[-3]) as here:
        for exchange in exchanges:
            await check_exchange(here, exchange)
        if "authorization" in case:
            assert here.target.authorizations == {case["authorization"]}


async def check_exchange(here: Stage, exchange: Mapping[str, Any]) -> None:
    here.target.changes.clear()

    status, body = await here.ask(exchange["request"])

    assert (status, here.target.changes) == (exchange["answer"]["status"], as_list(exchange["target"])), body
    check_answer(body, exchange["answer"])
    if "event" in exchange:
        shown = event_rows(await here.last_event())
        assert {name: shown[name] for name in exchange["event"]} == exchange["event"]
    assert exchange.keys() <= EXCHANGE


def without_meta(body: dict[str, Any]) -> dict[str, Any]:
    people = [without_meta(person) for person in body.get("Resources", ())]
    listed = {"Resources": people} if "Resources" in body else {}
    return {name: value for name, value in body.items() if name != "meta"} | listed


def as_list(changes: Any) -> list[Any]:
    if changes is None:
        return []
    return changes if isinstance(changes, list) else [changes]


def check_answer(body: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    wanted = expected.get("body", {})
    assert {name: body.get(name) for name in wanted} == wanted
    assert not set(expected.get("without", ())) & body.keys()
    for fragment in expected.get("detail", ()):
        assert fragment in body["detail"]
    assert expected.keys() <= {"status", "body", "without", "detail"}


def event_rows(event: Mapping[str, Any]) -> dict[str, Any]:
    diff = [[line["path"], line["op"], line["rule"]] for line in event.get("diff", ())]
    named = {name: event.get(name) for name in ("event", "held", "dropped")}
    return named | {"result": event["outcome"]["result"], "diff": diff}


def test_there_are_golden_files_for_every_preset() -> None:
    files = (GOLDEN.parents[1] / "gateway" / "presets").glob("*.toml")
    # what a directory gets is shown on a real one, in tests/targets/ldap
    presets = {file.stem for file in files if tomllib.loads(file.read_text())["connector"] != "ldap"}

    assert presets <= {file.parent.name for file in FILES if file.parts[-3] == "okta"}
