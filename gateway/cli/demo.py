"""`demo`: an Okta day on a temporary directory: what came in, what the target got, what the trail says."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.demo_day import CONFIG, DAY, Step, filled
from gateway.cli.tables import text

if TYPE_CHECKING:
    import aiohttp

    from gateway.app import Gateway

TARGET: Final = "phonebook"
UNSEEN: Final = frozenset({"schemas", "id", "meta", "externalId", "emails", "name", "userName"})
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
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
