"""What goes wrong between a gateway and a directory: a proxy that loses answers, a port that babbles."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

TAGS = {"modify": 0x66, "add": 0x68, "delete": 0x4A, "rename": 0x6C}  # RFC 4511 section 4.2 and on
CHUNK = 65536  # bytes


@dataclass
class Lossy:
    """A proxy; `loses` names the request whose answer is cut off after `keeps` bytes."""

    port: int  # of the directory
    url: str = ""
    loses: str | None = None
    keeps: int = 0
    lost: list[str] = field(default_factory=list)

    def serve(self, outside: socket.socket) -> None:
        """Carry one connection, and end it where an answer is lost."""
        with outside, socket.create_connection(("127.0.0.1", self.port)) as inside:
            answers = threading.Thread(target=self._answers, args=(inside, outside))
            answers.start()
            with suppress(OSError):
                while data := outside.recv(CHUNK):
                    if self.loses is not None and _tag(data) == TAGS[self.loses]:
                        self.lost.append(self.loses)
                    inside.sendall(data)
            with suppress(OSError):
                inside.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _answers(self, inside: socket.socket, outside: socket.socket) -> None:
        with suppress(OSError):
            while data := inside.recv(CHUNK):
                outside.sendall(data[: self.keeps] if self.lost else data)
                if self.lost:
                    break
            outside.shutdown(socket.SHUT_RDWR)


def _tag(message: bytes) -> int:
    """Return what kind of request a message is: SEQUENCE, its length, the id, then the tag."""
    start = 2 + (message[1] & 0x7F if message[1] & 0x80 else 0)
    return message[start + 2 + message[start + 1]]


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve every connection in a thread of its own; yield the port."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=serve, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()
    for thread in threads:
        thread.join()


@contextmanager
def lossy(port: int) -> Iterator[Lossy]:
    """Stand before the directory on this port; end after those who call."""
    proxy = Lossy(port)
    with listening(proxy.serve) as own:
        proxy.url = f"ldap://127.0.0.1:{own}"
        yield proxy


@contextmanager
def babbling(answer: bytes) -> Iterator[str]:
    """Answer whatever is said with these bytes, and hang up; yield the URL."""

    def babble(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(CHUNK)
            connection.sendall(answer)

    with listening(babble) as port:
        yield f"ldap://127.0.0.1:{port}"
