"""HTTP/1.1 as both helpers need it: messages with a head and a counted body. Pure."""

from dataclasses import dataclass
from typing import Final

END: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length:"
NEVER: Final = b"\r\ntransfer-encoding:"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer."""

    first_line: bytes
    body: bytes


class Buffer:
    """Bytes of a connection, taken out message by message."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._needed = 0  # bytes of the message that is not whole yet, where its head is

    def feed(self, data: bytes) -> None:
        """Add what came in."""
        self._bytes += data

    def take(self) -> Message | None:
        """Return the next message once it is whole; raises ValueError where its body is not counted."""
        if len(self._bytes) < self._needed:
            return None
        end = self._bytes.find(END)
        if end < 0:
            return None
        head = bytes(self._bytes[:end])
        start = end + len(END)
        self._needed = start + _length(head.lower())
        if len(self._bytes) < self._needed:
            return None
        message = Message(head.partition(b"\r\n")[0], bytes(self._bytes[start : self._needed]))
        del self._bytes[: self._needed]
        self._needed = 0
        return message


def request(method: str, path: str, body: bytes, token: str) -> bytes:
    """Return a request as a provider sends it."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"User-Agent: Okta SCIM Client 1.0.0\r\nAccept: application/scim+json\r\n"
    )
    if body:
        head += f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def answer(status: bytes, body: bytes) -> bytes:
    """Return an answer; `status` with its phrase."""
    head = b"HTTP/1.1 %s\r\nContent-Type: application/scim+json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body if body else b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status


def status_of(message: Message) -> int:
    """Return the status of an answer."""
    return int(message.first_line.split(b" ", 2)[1])


def _length(head: bytes) -> int:
    if NEVER in head:
        raise ValueError("a body is chunked")
    at = head.find(LENGTH)
    if at < 0:
        return 0
    return int(head[at + len(LENGTH) :].partition(b"\r\n")[0])
