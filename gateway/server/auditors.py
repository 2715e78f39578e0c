"""Who may read what the gateway knows: auditors, by a token of their own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.errors import Forbidden, GatewayError
from gateway.flow.model import Caller
from gateway.server.auth import Credential, authenticate
from gateway.server.inbound import Networks
from gateway.server.refusals import Refusals
from gateway.server.scim_api import stranger


@dataclass(frozen=True, slots=True)
class Auditors:
    """Lets auditors in; whom it refuses, the trail remembers."""

    credentials: Callable[[], tuple[Credential, ...]]
    refusals: Refusals
    proxies: Networks = ()

    async def auditor_of(self, request: web.Request) -> Caller:
        """Return whose token a request shows; raises Unauthorized, and Forbidden for a provider's."""
        caller = stranger(request, self.proxies)
        try:
            credential = authenticate(request.headers.getall("Authorization", []), self.credentials())
            caller = replace(caller, provider=credential.name, token=credential.token, kind=credential.kind)
            if caller.kind != "auditor":
                raise Forbidden(f"this token of {caller.kind} {caller.provider} is no auditor's")
        except GatewayError as error:
            await self.refusals.remember(caller, None, error)
            raise
        return caller
