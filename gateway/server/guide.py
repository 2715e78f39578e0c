"""`/guide/{target}`: the set-up page of a target, for auditors."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.errors import InvalidValue, MethodNotAllowed, NotFound
from gateway.mapping.guide import guide
from gateway.mapping.guide_data import ProviderKind, Subject
from gateway.server.auditors import Auditors

READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class GuidePage:
    """Prints what `guide` prints; `?provider=` says for whom, Okta unless it does."""

    subjects: Mapping[str, Subject]
    auditors: Auditors

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with the page; raises a GatewayError for what it refuses."""
        await self.auditors.auditor_of(request)
        if request.method not in READS:
            raise MethodNotAllowed("a guide can only be read", READS)
        subject = self.subjects.get(request.match_info["target"])
        if subject is None:
            raise NotFound("no target of that name: the page is /guide/{target}")
        return web.Response(
            text=guide(subject, _kind(request)), content_type="text/markdown", charset="utf-8"
        )


def _kind(request: web.Request) -> ProviderKind:
    try:
        return ProviderKind(request.query.get("provider", ProviderKind.OKTA))
    except ValueError as error:
        raise InvalidValue(f"provider must be one of: {', '.join(ProviderKind)}") from error
