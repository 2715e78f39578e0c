"""`demo`: an Okta day on a temporary directory: what came in, what the target got, what the trail says."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.output import text
from gateway.values import frozen

if TYPE_CHECKING:
    import aiohttp

    from gateway.app import Gateway
from dataclasses import field

CONFIG: Final = """
[server]
listen = "127.0.0.1:0"

[journal]
url = "sqlite:gateway.db"

[providers.okta]
dialect = "okta"
token = { file = "okta.token" }

[targets.phonebook]
connector = "embedded"
url = "sqlite:phonebook.db"
region = "GB"

[targets.phonebook.offices]
LDN = { name = "London", country = "GB" }
TYO = { name = "Tokyo", country = "JP" }

[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["strip_spaces", "phone"]

[[targets.phonebook.rules]]
to = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:officeName"
via = ["office"]
on_invalid = "keep"

[[targets.phonebook.rules]]
to = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:licenseType"
via = [{ name = "map", table = { "Agent" = "contact_centre", "Back office" = "basic" }, ignore_case = true }]
"""

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

Ids = Mapping[str, str]  # what the answers called whom


@frozen
class Step:
    """One thing that Okta does; `{ann}` in path and body is the id that ann was given."""

    title: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    whom: str | None = None  # whose entry on the target to show
    names: str | None = None  # what the answer's id is called from now on
    shown: tuple[str, ...] = field(default=())  # of the body; all of it where empty


def person(name: str, given: str, family: str, number: str, licence: str, **more: Any) -> dict[str, Any]:
    """Return somebody as Okta sends them."""
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{name}@example.com",
        "externalId": f"00u-{name}",
        "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": True, "type": "work", "value": f"{name}@example.com"}],
        "phoneNumbers": [{"primary": True, "type": "work", "value": number}],
        "active": True,
        ENTERPRISE: {"licenseType": licence, **more},
    }


ANN: Final = person("ann", "Ann", "Lee", "020 7946 0123", "agent", officeName="LDN")
KEN: Final = person("ken", "Ken", "Sato", "090-1234-5678", "Back office", officeName="TYO")
BAD: Final = person("bob", "Bob", "Ray", "ext. 12", "Agent", officeName="LDN")
BOB: Final = person("bob", "Bob", "Ray", "+44 (0)161 496 0000", "Agent", officeName="LDN")
WORK: Final = ("phoneNumbers", ENTERPRISE)


def members(*ids: str) -> list[dict[str, str]]:
    """Return members as Okta names them."""
    return [{"value": id} for id in ids]


def patch(*operations: Mapping[str, Any]) -> dict[str, Any]:
    """Return a PATCH message."""
    return {"schemas": [PATCH], "Operations": list(operations)}


DAY: Final = (
    Step("Okta looks for Ann", "GET", '/Users?filter=userName eq "ann@example.com"'),
    Step("Ann is hired in London", "POST", "/Users", ANN, "ann", "ann", WORK),
    Step("Ken is hired in Tokyo", "POST", "/Users", KEN, "ken", "ken", WORK),
    Step("Bob is hired, with a number that is none", "POST", "/Users", BAD, None, None, WORK),
    Step("Bob again, with the number put right", "POST", "/Users", BOB, "bob", "bob", WORK),
    Step("Okta sends Ann once more: nothing new", "PUT", "/Users/{ann}", ANN, "ann", None, WORK),
    Step(
        "A group is pushed",
        "POST",
        "/Groups",
        {"schemas": [GROUP], "displayName": "Support", "members": members("{ann}", "{bob}")},
        "support",
        "support",
        ("displayName", "members"),
    ),
    Step(
        "Ken joins it, Bob leaves it",
        "PATCH",
        "/Groups/{support}",
        patch(
            {"op": "remove", "path": 'members[value eq "{bob}"]'},
            {"op": "add", "path": "members", "value": members("{ken}")},
        ),
        "support",
        None,
        ("Operations",),
    ),
    Step("Bob leaves the company", "PUT", "/Users/{bob}", {**BOB, "active": False}, "bob", None, ("active",)),
    Step("Okta reads Ann back, as it sent her", "GET", "/Users/{ann}"),
)


def filled(value: Any, ids: Ids) -> Any:
    """Return a value with the ids that its `{name}` stand for."""
    if isinstance(value, str):
        for name, id in ids.items():
            value = value.replace(f"{{{name}}}", id)
        return value
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    if isinstance(value, Mapping):
        return {name: filled(inner, ids) for name, inner in value.items()}
    return value


TARGET: Final = "phonebook"
UNSEEN: Final = frozenset({"schemas", "id", "meta", "externalId", "emails", "name", "userName"})
Document = Mapping[str, Any]


@frozen
class Scene:
    """One step, and what came of it."""

    step: Step
    sent: Any
    status: int
    answer: Document
    entry: Document | None
    event: Document | None
    ids: Mapping[str, str]  # name -> id


def demo() -> None:
    """Play an Okta day on a temporary directory, show it side by side, and leave nothing behind."""
    from gateway.log import set_up_logging

    set_up_logging(StringIO())  # the day is told by its table
    with TemporaryDirectory(prefix="scim-gateway-demo-") as folder:
        asyncio.run(_play(Path(folder)))


async def _play(folder: Path) -> None:
    import aiohttp

    from gateway.app import open_gateway, serving
    from gateway.settings import load_settings
    from gateway.targets.registry import CONNECTORS

    (folder / "config.toml").write_text(CONFIG)
    settings = load_settings(folder / "config.toml", CONNECTORS, make_tokens=True)
    headers = {"Authorization": f"Bearer {(folder / 'okta.token').read_text().strip()}"}
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(settings))
        port = await stack.enter_async_context(serving(gateway))
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        day = _Day(gateway, session, f"http://127.0.0.1:{port}/scim/{TARGET}/v2")
        for step in DAY:
            _show(await day.play(step))
    _verify(settings.journal.path)


class _Day:
    """Sends what Okta sends, one step after the other."""

    def __init__(self, gateway: "Gateway", session: "aiohttp.ClientSession", base: str) -> None:
        self._gateway = gateway
        self._session = session
        self._base = base
        self._ids: dict[str, str] = {}

    async def play(self, step: Step) -> Scene:
        before, _ = await self._gateway.journal.trail.head()
        sent = filled(step.body, self._ids) if step.body is not None else None
        url = self._base + filled(step.path, self._ids)
        async with self._session.request(step.method, url, json=sent) as response:
            answer = await response.json(content_type=None) if response.status != 204 else {}
            status = response.status
        if step.names is not None:
            self._ids[step.names] = answer["id"]
        return Scene(
            step, sent, status, answer, await self._entry(step), await self._event(before), self._ids
        )

    async def _entry(self, step: Step) -> Document | None:
        if step.whom is None:
            return None
        from gateway.flow.target_port import ResourceType

        kind = ResourceType.GROUP if "/Groups" in step.path else ResourceType.USER
        connector = self._gateway.targets[TARGET].connector
        return await connector.get(kind, self._ids[step.whom], members=True)

    async def _event(self, before: int) -> Document | None:
        newest = await self._gateway.journal.trail.page(None, 1, None, None)
        return newest[0] if newest and newest[0]["seq"] > before else None


def _show(scene: Scene) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=scene.step.title, title_justify="left", expand=True, show_lines=False)
    sides = {
        f"Okta: {scene.step.method} → {scene.status}": _came_in(scene),
        "what the target got": _got(scene),
        "what the trail says": _said(scene),
    }
    for title in sides:
        table.add_column(title, ratio=1, overflow="fold")
    named = {id: f"({name})" for name, id in scene.ids.items()}
    cells = ("\n".join(text(_replaced(line, named)) for line in lines) for lines in sides.values())
    table.add_row(*map(Text, cells))
    Console(file=sys.stdout).print(table)


def _came_in(scene: Scene) -> Iterator[str]:
    if scene.sent is None:
        yield filled(scene.step.path, {})
        if "totalResults" in scene.answer:
            yield f"totalResults: {scene.answer['totalResults']}"
        yield from _lines({name: scene.answer[name] for name in ("phoneNumbers",) if name in scene.answer})
        return
    yield from _lines({name: scene.sent[name] for name in scene.step.shown or scene.sent})
    if scene.status >= 400:
        yield f"→ {scene.answer.get('detail')}"


def _got(scene: Scene) -> Iterator[str]:
    if scene.entry is None:
        yield "nothing"
        return
    if scene.event is not None and scene.event["outcome"]["result"] == "unchanged":
        yield "nothing: it has all of that"
        return
    yield from _lines({name: value for name, value in scene.entry.items() if name not in UNSEEN})


def _said(scene: Scene) -> Iterator[str]:
    event = scene.event
    if event is None:
        yield "nothing: reads leave no event"
        return
    yield f"{event['event']}: {event['outcome']['result']}"
    if event["outcome"]["reason"]:
        yield event["outcome"]["reason"]
    for line in event.get("diff", ()):
        name = line["path"].rpartition(":")[2]
        if line.get("rule"):
            yield f"{name} = {_item(line['after'])}, by rule {line['rule'].rpartition(':')[2]}"
        elif line["path"] in ("members", "active"):
            yield f"{line['op']} {name}: {_item(line['after'] if line['op'] != 'remove' else line['before'])}"


def _lines(document: Document) -> Iterator[str]:
    """Yield what a document holds, a line each, under short names."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _lines(value)
        elif isinstance(value, list):
            yield from (f"{name.rpartition(':')[2]}: {_item(item)}" for item in value)
        else:
            yield f"{name.rpartition(':')[2]}: {_item(value)}"


def _replaced(line: str, named: Mapping[str, str]) -> str:
    for id, name in named.items():
        line = line.replace(id, name)
    return line


def _item(item: Any) -> Any:
    if isinstance(item, list):
        return " ".join(map(str, item))
    if isinstance(item, bool):
        return str(item).lower()
    if not isinstance(item, Mapping):
        return item
    if "op" in item:
        return f"{item['op']} {item.get('path', '')} {' '.join(_item(one) for one in item.get('value', ()))}"
    return item.get("value")


def _verify(journal: Path) -> None:
    from gateway.journal.reader import reading

    with reading(journal) as reader:
        verdict = reader.verify()
    print(f"audit verify: {verdict.state}: {verdict.reason}")
