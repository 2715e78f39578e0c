"""Alerts as JSON to somebody's web address: one attempt a call, and the address is never told."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from gateway.admin.alerts import Undelivered
from gateway.targets.http import certificates
from gateway.version import VERSION

TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"scim-gateway/{VERSION}"}


class Webhook:
    """Posts messages to one address, which may be a secret itself."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = URL(url)
        self._ssl = certificates() if self._url.scheme == "https" else True

    async def send(self, message: Mapping[str, Any]) -> None:
        """Try once; raises `Undelivered` for anything but 2xx."""
        body = orjson.dumps(message)
        try:
            async with self._session.post(
                self._url, data=body, headers=HEADERS, timeout=TIMEOUT, ssl=self._ssl, allow_redirects=False
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Undelivered(type(error).__name__) from error
        if not 200 <= status < 300:
            raise Undelivered(f"it answered {status}")
