"""The set-up page of each target, as `guide` prints it, for whichever provider."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web
from markupsafe import Markup, escape

from gateway.audit.query import AuditQuery
from gateway.console.rendering import SESSION, visible
from gateway.errors import InvalidValue, NotFound
from gateway.guide.data import ProviderKind
from gateway.guide.page import TITLES, guide
from gateway.settings.compiled import subject_of

if TYPE_CHECKING:
    from gateway.console.house import Desk

FENCE: Final = "```"
ITEM: Final = re.compile(r"(?:(-)|\d+\.) +(.*)")
INLINE: Final = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*\s][^*]*)\*"
)
CELL: Final = re.compile(r"(?<!\\)\|")
TAGS: Final = {"code": "code", "strong": "strong", "em": "em"}


class Guides:
    """Shows them."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the page of a target or a route, the first unless the address names one."""
        desk = self._desk
        settings = desk.settings()
        address = request.query.get("target") or next(iter(settings.addresses), "")
        if address not in settings.addresses:
            raise NotFound(desk.pages.say(request)("error.no_target"))
        kind = _kind(request.query.get("provider") or ProviderKind.OKTA)
        await desk.readings.note(desk.access.caller(request, request[SESSION]), AuditQuery())
        return desk.pages.answer(
            request,
            "guide",
            targets=tuple(settings.addresses),
            target=address,
            providers={one.value: TITLES[one] for one in ProviderKind},
            provider=kind.value,
            text=rendered(guide(subject_of(settings, address), kind)),
        )


def _kind(name: str) -> ProviderKind:
    try:
        return ProviderKind(name)
    except ValueError as error:
        raise InvalidValue(f"provider: must be one of {', '.join(ProviderKind)}") from error


def rendered(markdown: str) -> Markup:
    """Return as HTML what of Markdown the set-up pages have; whatever else it holds is text."""
    return Markup("\n").join(_block(lines) for lines in _blocks(markdown))


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Yield the lines of each block: blank lines part them, but not within a fence."""
    block, is_fenced = list[str](), False
    for line in markdown.splitlines():
        is_fenced ^= line.startswith(FENCE)
        if line.strip() or is_fenced:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _block(lines: Sequence[str]) -> Markup:
    first = lines[0]
    marks, _, title = first.partition(" ")
    if marks and set(marks) == {"#"}:
        level = min(len(marks) + 1, 6)  # the page has a heading of its own above them
        return Markup("<h{0}>{1}</h{0}>").format(level, _inline(title)) + _rest(lines[1:])
    if first.startswith(FENCE):
        inside = "\n".join(line for line in lines if not line.startswith(FENCE))
        return Markup('<pre tabindex="0"><code>{}</code></pre>').format(visible(inside))
    if first.startswith("|"):
        return _table(lines)
    if item := ITEM.match(first):
        tag = "ul" if item[1] else "ol"
        return Markup("<{0}>{1}</{0}>").format(tag, Markup().join(_items(lines)))
    return Markup("<p>{}</p>").format(_inline(" ".join(lines)))


def _rest(lines: Sequence[str]) -> Markup:
    return _block(lines) if lines else Markup()


def _items(lines: Sequence[str]) -> Iterator[Markup]:
    items = list[str]()
    for line in lines:
        if item := ITEM.match(line):
            items.append(item[2])
        else:
            items[-1] += f" {line.strip()}"
    return (Markup("<li>{}</li>").format(_inline(item)) for item in items)


def _table(lines: Sequence[str]) -> Markup:
    head, *rows = (_cells(line) for line in lines if set(line) - set("|-: "))
    top = Markup().join(Markup('<th scope="col">{}</th>').format(_inline(cell)) for cell in head)
    body = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(Markup('<td class="value">{}</td>').format(_inline(cell)) for cell in row)
        )
        for row in rows
    )
    table = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(top, body)
    name = visible(" / ".join(head))
    return Markup('<div class="wide" role="group" aria-label="{}" tabindex="0">{}</div>').format(name, table)


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in CELL.split(line.strip().strip("|"))]


def _inline(text: str) -> Markup:
    parts, end = list[Markup](), 0
    for found in INLINE.finditer(text):
        name = found.lastgroup or "code"
        parts.append(escape(visible(text[end : found.start()])))
        inner = escape(visible(found[name].strip())) if name == "code" else _inline(found[name])
        parts.append(Markup("<{0}>{1}</{0}>").format(TAGS[name], inner))
        end = found.end()
    return Markup().join((*parts, escape(visible(text[end:]))))
