"""Who comes in: sign-in by token, sign-out, the forms' tokens, and the limits of guessing."""

import hmac
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web

from gateway.audit.event import act_event
from gateway.console.rendering import HEADERS, PREFIX, SESSION, Pages, path_of
from gateway.console.session import ROLES, Sessions, SignedIn, highest
from gateway.errors import Busy, Forbidden, GatewayError, InvalidSyntax, NotFound, Unauthorized
from gateway.flow.change_event import caller_fields
from gateway.flow.model import Caller, Services
from gateway.log import correlation_id
from gateway.server.auth import Authentication, Credential, authenticate
from gateway.server.request import read_body
from gateway.server.response import Handler, answerable
from gateway.users import acting, acting_as

OPEN: Final = ("/sign-in", "/oidc", "/oidc/back")  # to who is not signed in; and /static/
MOST_FORM: Final = 64 * 1024  # bytes, of who is not signed in
MOST_TYPED: Final = 512 * 1024  # of who is
TRIES: Final = 10  # wrong tokens of one address
WINDOW: Final = 600.0  # seconds in which these are counted
MOST_ADDRESSES: Final = 10_000
FORM: Final = "csrf"  # the field of every form
LIVE: Final = "X-Live"  # a page asks for its own news: nobody has done anything
FIELDS: web.RequestKey[Mapping[str, str]] = web.RequestKey("fields", Mapping)


class Throttle:
    """Counts wrong tokens by address; where too many are counted at once, the oldest is forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failed: dict[str, tuple[float, int]] = {}  # address -> since when, and how many

    def check(self, address: str) -> None:
        """Raise Busy for who has guessed too often."""
        since, count = self._failed.get(address, (0.0, 0))
        left = since + WINDOW - self._monotonic()
        if count >= TRIES and left > 0:
            raise Busy("too many wrong tokens came from your address: try again later", left, 429)

    def failed(self, address: str) -> None:
        """Count one."""
        now = self._monotonic()
        since, count = self._failed.get(address, (now, 0))
        if now - since >= WINDOW:
            since, count = now, 0
        if address not in self._failed and len(self._failed) >= MOST_ADDRESSES:
            del self._failed[next(iter(self._failed))]
        self._failed[address] = since, count + 1


class Access:
    """Lets people in, and knows on whose word a request comes."""

    def __init__(
        self,
        pages: Pages,
        sessions: Sessions,
        authentication: Authentication,
        services: Services,
        url: str,
        roles: Mapping[str, str],
    ) -> None:
        """`url`: of the console; `roles`: what a claim of OpenID Connect may hold, and what that lets do."""
        self.pages = pages
        self.sessions = sessions
        self._authentication = authentication
        self._services = services
        self._roles = roles
        self.is_secure = url.startswith("https:")
        # a browser takes a __Host- cookie only over https: then no other host can have set it
        self._cookie = "__Host-scim-console" if self.is_secure else "scim-console"
        self._throttle = Throttle(services.monotonic)

    @property
    def door(self) -> str:
        """The cookie of who is about to sign in."""
        return f"{self._cookie}-door"

    def caller(self, request: web.Request, session: SignedIn | None = None) -> Caller:
        """Return who asks, as the trail names them."""
        known = None if session is None else Credential(session.role, session.name, session.token, b"")
        return self._authentication.caller(request, known)

    @web.middleware
    async def bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer errors with a page, and give every answer the headers that keep a browser safe."""
        try:
            response = await handler(request)
        except GatewayError as error:
            response = self.refusal(request, error)
        except web.HTTPNotFound:
            response = self.refusal(request, NotFound(self.pages.say(request)("error.no_page")))
        except web.HTTPMethodNotAllowed as error:
            response = self.refusal(request, GatewayError(error.reason), 405)
        except Exception as error:  # noqa: BLE001 - a person reads the answer, and no provider
            response = self.refusal(request, answerable(error))
        if not response.prepared:
            self.harden(response)
        return response

    def harden(self, response: web.StreamResponse) -> None:
        """Give an answer the headers that keep a browser safe."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if self.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def hand_out(
        self, request: web.Request, name: str, media: str, parts: AsyncGenerator[bytes, None]
    ) -> web.StreamResponse:
        """Send a file in parts, as they are made; for who goes away in the middle none further is made."""
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{media}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        self.harden(response)
        async with aclosing(parts):
            with suppress(ConnectionError):
                await response.prepare(request)
                async for part in parts:
                    await response.write(part)
        return response

    def refusal(self, request: web.Request, error: GatewayError, status: int | None = None) -> web.Response:
        """Return the page of an error."""
        answer = self.pages.answer(
            request, "error", status or error.status_for(503), detail=error.detail, back=None
        )
        if isinstance(error, Busy):
            answer.headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return answer

    @web.middleware
    async def signed_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let nobody further who is not signed in, and no form that is not of a page of theirs."""
        place = request.path.removeprefix(PREFIX)
        session = self.session_of(request)
        if session is not None:
            request[SESSION] = session
        if place in OPEN or place.startswith("/static/"):
            return await handler(request)
        if session is None:
            return self._turned_away(request)
        if request.method == "POST":
            await self.form(request)
        name, kind = acting.set(session.name), acting_as.set(session.role)
        try:
            response = await handler(request)
        finally:
            acting.reset(name)
            acting_as.reset(kind)
        is_alive = not response.prepared and request.headers.get(LIVE) is None and SESSION in request
        if is_alive and (renewed := self.sessions.renewed(session)) is not None:
            self._keep(response, renewed)
        return response

    def session_of(self, request: web.Request) -> SignedIn | None:
        """Return who is signed in; None where their token, or what gave them their role, is no more."""
        session = self.sessions.read(request.cookies.get(self._cookie))
        if session is None:
            return None
        if session.digest:
            digest = bytes.fromhex(session.digest)
            found = self._authentication.credentials().get(digest)
            is_same = found is not None and (found.kind, found.name) == (session.role, session.name)
            return session if is_same else None
        is_granted = session.role == highest([self._roles.get(grant, "") for grant in session.grants])
        return session if is_granted else None

    def refuse_readers(self, request: web.Request) -> None:
        """Raise Forbidden for who may only read."""
        if not request[SESSION].may_act:
            raise Forbidden(self.pages.say(request)("error.only_operators"))

    async def form(self, request: web.Request) -> Mapping[str, str]:
        """Return the fields of a form of ours; raises Forbidden for one that another page has sent."""
        known: Mapping[str, str] | None = request.get(FIELDS)
        if known is not None:
            return known
        if request.content_type != "application/x-www-form-urlencoded":
            raise InvalidSyntax("a form is sent as application/x-www-form-urlencoded")
        session = request.get(SESSION)
        body = await read_body(request, MOST_FORM if session is None else MOST_TYPED)
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        said = fields.get(FORM, "")
        expected = session.csrf if session else self._mark_of(request)
        is_ours = bool(expected) and hmac.compare_digest(said.encode(), expected.encode())
        if not is_ours or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Forbidden(self.pages.say(request)("error.foreign_form"))
        request[FIELDS] = fields
        return fields

    async def ask(self, request: web.Request) -> web.Response:
        """Show the form of the sign-in."""
        if request.get(SESSION) is not None:
            return _to(local(request.query.get("next")))
        return self._door(request, local(request.query.get("next")))

    async def enter(self, request: web.Request) -> web.Response:
        """Sign somebody in by a token of an auditor or an operator."""
        fields = await self.form(request)
        where, caller = local(fields.get("next")), self.caller(request)
        self._throttle.check(caller.ip)
        try:
            credential = authenticate(
                (f"Bearer {fields.get('token', '').strip()}",), self._authentication.credentials()
            )
            if credential.kind not in ROLES:
                raise Forbidden(
                    f"this token of {credential.kind} {credential.name} does not open the console"
                )
        except GatewayError as error:
            self._throttle.failed(caller.ip)
            await self._authentication.refusals.remember(caller, None, error)
            wrong = "wrong_token" if isinstance(error, Unauthorized) else "other_token"
            return self._door(request, where, error=wrong, status=error.status)
        session = self.sessions.begin(
            credential.name, credential.kind, credential.token, credential.digest.hex()
        )
        return await self.welcome(request, session, where)

    async def welcome(self, request: web.Request, session: SignedIn, where: str) -> web.Response:
        """Have the trail say who came, give them their cookie, and lead them on."""
        await self._note("console.signed_in", request, session)
        response = _to(where)
        self._keep(response, session)
        response.del_cookie(self.door, path="/", secure=self.is_secure, httponly=True, samesite="Lax")
        return response

    async def refuse(self, request: web.Request, error: GatewayError) -> None:
        """Have the trail say who was not let in."""
        await self._authentication.refusals.remember(self.caller(request), None, error)

    async def leave(self, request: web.Request) -> web.Response:
        """Sign somebody out."""
        session = request[SESSION]
        self.sessions.end(session)
        await self._note("console.signed_out", request, session)
        del request[SESSION]
        response = _to(path_of("sign-in"))
        response.del_cookie(self._cookie, path="/", secure=self.is_secure, httponly=True, samesite="Lax")
        return response

    def set_door(self, response: web.Response, value: str) -> None:
        """Give a browser what a sign-in is to be known by when it comes back."""
        response.set_cookie(
            self.door,
            value,
            path="/",
            httponly=True,
            secure=self.is_secure,
            samesite="Lax",
            max_age=int(WINDOW),
        )

    def _turned_away(self, request: web.Request) -> web.Response:
        if request.method != "GET" or request.headers.get(LIVE) or request.path.endswith("/live"):
            return self.pages.answer(request, "error", 401, detail=self.pages.say(request)("error.ended"))
        where = request.rel_url.raw_path_qs
        return _to(path_of("sign-in", next=None if where in (PREFIX, f"{PREFIX}/") else where))

    def _door(
        self, request: web.Request, where: str, *, error: str | None = None, status: int = 200
    ) -> web.Response:
        nonce = secrets.token_hex(16)
        mark = self.sessions.mark(nonce)
        answer = self.pages.answer(request, "sign_in", status, mark=mark, where=where, error=error)
        self.set_door(answer, nonce)
        return answer

    def _mark_of(self, request: web.Request) -> str:
        nonce = request.cookies.get(self.door)
        return self.sessions.mark(nonce) if nonce else ""

    def _keep(self, response: web.StreamResponse, session: SignedIn) -> None:
        # Lax: a link that somebody was sent leads to the page, and not to a sign-in; forms have their tokens
        response.set_cookie(
            self._cookie,
            self.sessions.cookie(session),
            path="/",
            httponly=True,
            secure=self.is_secure,
            samesite="Lax",
        )

    async def _note(self, name: str, request: web.Request, session: SignedIn) -> None:
        event, who = act_event(self._services.new_id(), name), caller_fields(self.caller(request, session))
        fields = {**event.fields, **who, "correlation_id": correlation_id.get()}
        await self._services.trail.append([replace(event, fields=fields)])


def local(where: str | None) -> str:
    """Return an address of the console to lead to; anything else would lead elsewhere."""
    parts = urlsplit(where or "")
    is_ours = not parts.scheme and not parts.netloc and f"{parts.path}/".startswith(f"{PREFIX}/")
    return quote(where or "", safe="/?&=%+:~,;@-._") if is_ours and "\\" not in (where or "") else PREFIX


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
