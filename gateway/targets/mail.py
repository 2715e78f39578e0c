"""Sends alerts by e-mail: one attempt, bounded in time. The extra `smtp` has the library."""

import asyncio
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Final

from gateway.address import MailServer
from gateway.admin.alerts import Undelivered, text_of, title_of
from gateway.version import VERSION

TIMEOUT: Final = 10.0  # seconds for each step,
LONGEST: Final = 30.0  # and for all of them: other alerts wait meanwhile


class Mail:
    """Hands messages to one server, which takes them to whom they are for."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, message: Mapping[str, Any]) -> None:
        """Try once; raises `Undelivered` where not everybody they are for gets it."""
        import aiosmtplib  # a gateway may never have one to send, and not everybody has it

        server = self._server
        try:
            async with asyncio.timeout(LONGEST):
                refused, _ = await aiosmtplib.send(
                    letter(server, message),
                    hostname=server.host,
                    port=server.port,
                    username=server.user,
                    password=None if server.password is None else server.password.reveal(),
                    use_tls=server.tls == "tls",
                    start_tls=server.tls == "starttls",
                    tls_context=None if server.tls == "none" else ssl.create_default_context(),
                    local_hostname=_domain(server),
                    timeout=TIMEOUT,
                )
        except aiosmtplib.SMTPResponseException as error:  # its text may quote what was sent
            raise Undelivered(f"it answered {error.code}") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Undelivered(type(error).__name__) from error
        if refused:
            raise Undelivered(f"{len(refused)} of {len(server.to)} recipients were refused")


def letter(server: MailServer, message: Mapping[str, Any]) -> EmailMessage:
    """Return a message as an e-mail."""
    made = EmailMessage()
    made["From"] = server.sender
    made["To"] = ", ".join(server.to)
    made["Subject"] = f"[scim-gateway] {title_of(message)}"
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=_domain(server))
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: nobody's absence answers it
    made["User-Agent"] = f"scim-gateway/{VERSION}"
    made.set_content(text_of(message))
    return made


def _domain(server: MailServer) -> str:
    """Return what the gateway calls itself: to look up its own name could take long."""
    return server.sender.rpartition("@")[2]
