"""Who may read what the gateway knows: auditors, by a token of their own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from gateway.errors import Forbidden, GatewayError, Unauthorized
from gateway.flow.model import Caller
from gateway.server.auth import Credential, authenticate
from gateway.server.inbound import Networks
from gateway.server.refusals import Refusals
from gateway.server.scim_api import stranger

NEEDED: Final = (
    "{reason}. Only auditors read this: with `Authorization: Bearer TOKEN`, the token of an "
    "`[auditors.NAME]` in the gateway's configuration"
)


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
            credential = self._signed_in(request)
            caller = replace(caller, provider=credential.name, token=credential.token, kind=credential.kind)
            if caller.kind != "auditor":
                reason = f"this token of {caller.kind} {caller.provider} is no auditor's"
                raise Forbidden(NEEDED.format(reason=reason))
        except GatewayError as error:
            await self.refusals.remember(caller, None, error)
            raise
        return caller

    def _signed_in(self, request: web.Request) -> Credential:
        try:
            return authenticate(request.headers.getall("Authorization", []), self.credentials())
        except Unauthorized as error:
            raise Unauthorized(NEEDED.format(reason=error.detail)) from error
