"""An SMTP server on loopback that takes e-mail as it is told, and keeps it."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

DONE = "250 done"


@dataclass
class SmtpServer:
    """One server; `answers` are said to a command instead of what is usual."""

    tls: ssl.SSLContext | None = None  # for STARTTLS
    answers: dict[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()  # recipients
    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # commands, without their arguments
    signed_in: list[str] = field(default_factory=list)
    secure: list[bool] = field(default_factory=list)  # of each letter
    greeted: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            """The other side has gone."""
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _say(writer, "220 here")
        while line := (await reader.readline()).decode().strip():
            name, _, rest = line.partition(" ")
            self.said.append(name.upper())
            answer = self.answers.get(name.upper()) or self._answer(name.upper(), rest, writer)
            await _say(writer, answer)
            if name.upper() == "STARTTLS" and answer.startswith("220"):
                assert self.tls is not None
                await writer.start_tls(self.tls)
            elif name.upper() == "DATA" and answer.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(cast(EmailMessage, message_from_bytes(content[:-5], policy=default)))
                self.secure.append(writer.get_extra_info("ssl_object") is not None)
                await _say(writer, DONE)
            elif name.upper() == "QUIT":
                return

    def _answer(self, name: str, rest: str, writer: asyncio.StreamWriter) -> str:
        if name == "EHLO":
            self.greeted.append(rest)
            is_secure = writer.get_extra_info("ssl_object") is not None
            offers = ["STARTTLS"] if self.tls is not None and not is_secure else ["AUTH PLAIN"]
            return "\r\n".join(("250-here", *(f"250-{offer}" for offer in offers), "250 8BITMIME"))
        if name == "AUTH":
            self.signed_in.append(b64decode(rest.rsplit(maxsplit=1)[-1]).decode())
            return "235 welcome"
        if name == "RCPT" and any(address in rest for address in self.refused):
            return "550 nobody of that name"
        return {"STARTTLS": "220 go on", "DATA": "354 go on", "QUIT": "221 bye"}.get(name, DONE)


async def _say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode())
    await writer.drain()


@asynccontextmanager
async def smtp_server(
    server: SmtpServer, *, secure: ssl.SSLContext | None = None
) -> AsyncIterator[SmtpServer]:
    """Serve on a free port, with TLS from the start where `secure` is given."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=secure)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
