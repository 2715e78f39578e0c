"""Exports of the audit trail, told to the running gateway over the Unix socket."""

from typing import Any, Final

from aiohttp import web

from gateway.errors import InvalidValue
from gateway.flow.exports import Export, ExportDesk
from gateway.scim.jsontext import parse_json

FORMATS: Final = ("ndjson", "csv")
TEXTS: Final = ("since", "until", "filter", "q")


class ExportControl:
    """Has exports noted before they are made."""

    def __init__(self, desk: ExportDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Return the route, for the application of the socket."""
        return [web.post("/exports", self.note)]

    async def note(self, request: web.Request) -> web.Response:
        """Note one export."""
        await self._desk.note(_export(parse_json(await request.read(), refuse_duplicates=True)))
        return web.Response(status=204)


def _export(fields: dict[str, Any]) -> Export:
    texts = {name: fields.get(name) for name in TEXTS}
    format, last = fields.get("format"), fields.get("last")
    are_texts = all(text is None or isinstance(text, str) for text in texts.values())
    if format not in FORMATS or type(last) is not int or not are_texts:
        raise InvalidValue("the export is not as a command writes it")
    return Export(format=format, last=last, **texts)
