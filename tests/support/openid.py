"""An OpenID provider as a process of its own, on loopback: `python -m tests.support.openid`.

It signs in whoever comes, as its control says: POST /control sets what is true of the next person.
"""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus, urlencode
from urllib.request import Request, urlopen

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "scim-console", "canary secret of the client"


class Provider:
    """What it knows."""

    def __init__(self) -> None:
        self.url = ""
        self.key = self.made()
        self.stranger = self.made()
        self.codes: dict[str, dict[str, str]] = {}
        self.says: dict[str, Any] = {}

    def made(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})

    async def control(self, request: web.Request) -> web.Response:
        """Take what is true from now on; `rotate` gives it another key."""
        self.says = await request.json()
        if self.says.get("rotate"):
            self.key = self.made()
        return web.Response()

    async def discovery(self, request: web.Request) -> web.Response:
        names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        document = {f"{name}_endpoint": f"{self.url}/{path}" for name, path in names.items()}
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **document})

    async def keys(self, request: web.Request) -> web.Response:
        odd = {"kty": "unheard-of", "kid": "odd"}
        return web.json_response({"keys": [odd, self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        if "error" in self.says:
            answer = {"error": self.says["error"], "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            answer = {"code": code, "state": self.says.get("state", asked["state"]), "iss": self.url}
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(answer)}"})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        user, _, password = (
            base64.b64decode(request.headers["Authorization"].split()[1]).decode().partition(":")
        )
        asked = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_right = (
            asked is not None
            and (unquote_plus(user), unquote_plus(password)) == (CLIENT, SECRET)
            and asked["code_challenge"] == challenge
            and asked["redirect_uri"] == form["redirect_uri"]
        )
        if not is_right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert asked is not None
        return web.json_response(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": self.signed(asked)}
        )

    def signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "0001",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": "olga@example.com",
            "groups": ["everybody", "scim-operators"],
            **self.says.get("claims", {}),
        }
        key = self.stranger if self.says.get("forged") else self.key
        header = {"alg": "RS256", "kid": self.key.kid, **self.says.get("header", {})}
        return jwt.encode(header, {name: value for name, value in claims.items() if value is not None}, key)

    async def userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer opaque"
        return web.json_response({"sub": "0001", "groups": ["scim-readers"], **self.says.get("userinfo", {})})


@contextmanager
def openid_provider() -> Iterator[str]:
    """Start one; yield its issuer."""
    command = [sys.executable, "-m", "tests.support.openid"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def tell(issuer: str, **says: Any) -> None:
    """Have it say this of the next person."""
    body = json.dumps(says).encode()
    urlopen(Request(f"{issuer}/control", body, {"Content-Type": "application/json"})).close()


async def _serve(provider: Provider) -> web.Application:
    application = web.Application()
    application.add_routes(
        [
            web.post("/control", provider.control),
            web.get("/.well-known/openid-configuration", provider.discovery),
            web.get("/keys", provider.keys),
            web.get("/authorize", provider.authorize),
            web.post("/token", provider.token),
            web.get("/userinfo", provider.userinfo),
        ]
    )
    return application


async def _main() -> None:
    provider = Provider()
    runner = web.AppRunner(await _serve(provider), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sys.stdout.write(f"{provider.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(_main())
