"""Sign-in by OpenID Connect: code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636)."""

import hashlib
import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode

import orjson
from aiohttp import web
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from gateway.console.access import WINDOW, Access, local
from gateway.console.rendering import HEADERS, Pages
from gateway.console.session import highest
from gateway.errors import BadTarget, Forbidden, GatewayError, InvalidSyntax, Unauthorized
from gateway.flow.target_port import TargetError
from gateway.targets.transport import Call, Transport
from gateway.values import frozen

if TYPE_CHECKING:
    from gateway.settings.model import OidcSettings

DISCOVERY: Final = "/.well-known/openid-configuration"
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
)
LEEWAY: Final = 60  # seconds by which clocks may differ
AGAIN: Final = 10.0  # seconds between two readings of the provider's keys
KEPT: Final = 3600.0  # seconds for which its discovery document is not read again
JSON: Final = "application/json"
LONGEST_NAME: Final = 256


@frozen
class OpenIdEndpoints:
    """Where the provider is asked, as its discovery document says."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None


class OpenIdProvider:
    """Speaks to the provider: its addresses and keys, a code for the claims of a person."""

    def __init__(
        self,
        settings: "OidcSettings",
        transport: Transport,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._monotonic = monotonic
        self._endpoints: tuple[float, OpenIdEndpoints] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def endpoints(self) -> OpenIdEndpoints:
        """Return where to ask; raises BadTarget."""
        now = self._monotonic()
        if self._endpoints is not None and now - self._endpoints[0] < KEPT:
            return self._endpoints[1]
        said = await self._json(Call("GET", f"{self._settings.issuer.rstrip('/')}{DISCOVERY}", accepts=JSON))
        if said.get("issuer") != self._settings.issuer:
            raise BadTarget("the OpenID provider calls itself another issuer than console.oidc.issuer")
        try:
            found = OpenIdEndpoints(
                said["authorization_endpoint"],
                said["token_endpoint"],
                said["jwks_uri"],
                said.get("userinfo_endpoint"),
            )
        except KeyError as error:
            raise BadTarget(f"the discovery document of the OpenID provider has no {error}") from error
        self._endpoints = now, found
        return found

    async def claims(self, code: str, verifier: str, nonce: str, back: str) -> Mapping[str, Any]:
        """Return what the provider says of a person, all of it proved; raises Unauthorized, BadTarget."""
        endpoints, settings = await self.endpoints(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
            "client_id": settings.client_id,
        }
        headers: tuple[tuple[str, str], ...] = ()
        if settings.client_secret is not None:
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret.reveal())}"
            headers = (("Authorization", f"Basic {b64encode(pair.encode()).decode()}"),)
        sends, body = "application/x-www-form-urlencoded", urlencode(form).encode()
        said = await self._json(Call("POST", endpoints.token, body, JSON, sends, headers))
        claims = await self._proved(str(said.get("id_token", "")), nonce)
        if settings.claim not in claims and endpoints.userinfo is not None:
            token = ("Authorization", f"Bearer {said.get('access_token', '')}")
            more = await self._json(Call("GET", endpoints.userinfo, accepts=JSON, headers=(token,)))
            if more.get("sub") == claims["sub"]:  # section 5.3.2: else it is about somebody else
                claims = {**more, **claims}
        return claims

    async def _proved(self, text: str, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token (section 3.1.3.7)."""
        settings = self._settings
        try:
            token = await self._decoded(text)
            jwt.JWTClaimsRegistry(
                now=int(self._clock()),
                leeway=LEEWAY,
                iss={"essential": True, "value": settings.issuer},
                aud={"essential": True, "value": settings.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise Unauthorized(f"the OpenID provider's token is not good: {type(error).__name__}") from error
        claims: dict[str, Any] = token.claims
        azp = claims.get("azp", settings.client_id)
        if azp != settings.client_id or (
            isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims
        ):
            raise Unauthorized("the OpenID provider's token is for another client")
        return claims

    async def _decoded(self, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, await self._key_set(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            # the provider may have changed its keys since they were read
            return jwt.decode(text, await self._key_set(anew=True), algorithms=ALGORITHMS)

    async def _key_set(self, *, anew: bool = False) -> KeySet:
        now = self._monotonic()
        if self._keys is not None and (not anew or now - self._keys[0] < AGAIN):
            return self._keys[1]
        said = await self._json(Call("GET", (await self.endpoints()).keys, accepts=JSON))
        keys = []
        for key in said.get("keys", ()):
            with suppress(JoseError, ValueError, TypeError):  # of a kind that is not known here
                keys += KeySet.import_key_set({"keys": [key]}).keys
        self._keys = now, KeySet(keys)
        return self._keys[1]

    async def _json(self, call: Call) -> dict[str, Any]:
        """Return the JSON object that the provider answers; raises BadTarget."""
        try:
            reply = await self._transport.send(call)
        except TargetError as error:
            raise BadTarget(f"the OpenID provider cannot be reached: {error.reason}") from error
        try:
            said = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            said = None
        if reply.status != 200 or not isinstance(said, dict):
            code = said.get("error") if isinstance(said, dict) else None
            word = f" ({code[:40]})" if isinstance(code, str) and code.isidentifier() else ""
            raise BadTarget(f"the OpenID provider answered {reply.status}{word}")
        return said


class OidcSignIn:
    """Leads people to the provider, and takes them in as they come back."""

    def __init__(self, access: Access, provider: OpenIdProvider, settings: "OidcSettings", url: str) -> None:
        self._access = access
        self._provider = provider
        self._settings = settings
        self._back = f"{url}/oidc/back"

    @property
    def pages(self) -> Pages:
        return self._access.pages

    async def go(self, request: web.Request) -> web.Response:
        """Lead somebody to the provider; what they have to come back with is in a cookie."""
        endpoints = await self._provider.endpoints()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": self._settings.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        response = web.Response(
            status=303, headers={**HEADERS, "Location": f"{endpoints.authorization}{joint}{urlencode(asked)}"}
        )
        kept = {"state": state, "nonce": nonce, "verifier": verifier}
        where = local(request.query.get("next"))
        self._access.set_door(response, self._access.sessions.sealed({**kept, "next": where}))
        return response

    async def back(self, request: web.Request) -> web.Response:
        """Take somebody in who comes from the provider; raises the GatewayError that refuses them."""
        try:
            return await self._taken_in(request)
        except GatewayError as error:
            await self._access.refuse(request, error)
            raise

    async def _taken_in(self, request: web.Request) -> web.Response:
        kept = self._access.sessions.unsealed(request.cookies.get(self._access.door), WINDOW)
        state = request.query.get("state", "")
        if not kept or not hmac.compare_digest(state.encode(), kept.get("state", "").encode()):
            raise InvalidSyntax("this sign-in was not begun in this browser, or too long ago: begin again")
        if (issuer := request.query.get("iss")) not in (None, self._settings.issuer):  # RFC 9207
            raise Unauthorized(f"the answer is of another OpenID provider{'' if issuer else ', unnamed'}")
        if "code" not in request.query:
            raise Unauthorized("the OpenID provider did not sign you in")
        claims = await self._provider.claims(
            request.query["code"], kept["verifier"], kept["nonce"], self._back
        )
        held = claims.get(self._settings.claim, ())
        values = [held] if isinstance(held, str) else held if isinstance(held, list) else ()
        grants = [value for value in values if isinstance(value, str) and value in self._settings.roles]
        role = highest([self._settings.roles[grant] for grant in grants])
        if role is None:
            raise Forbidden("you are signed in there, but nothing in console.oidc.roles lets you in here")
        session = self._access.sessions.begin(self._name(claims), role, "oidc", "", grants)
        return await self._access.welcome(request, session, kept["next"])

    def _name(self, claims: Mapping[str, Any]) -> str:
        found = (claims.get(name) for name in (self._settings.name, "email", "sub"))
        name = next(text for text in found if isinstance(text, str) and text)
        return name[:LONGEST_NAME]
