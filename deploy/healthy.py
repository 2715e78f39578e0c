"""Says whether the gateway of a container serves: 0 or 1. Any answer will do, recovery included.

It asks over the socket beside the journal, so it holds for every port, with TLS or without; the configuration
is the file named as argument, else config.toml. Python alone is enough for it: it is run every few seconds.
"""

import socket
import sys
import tomllib
from http.client import HTTPConnection, HTTPException
from pathlib import Path

PATIENCE = 4.0  # seconds
JOURNAL = "sqlite:var/gateway.db"  # where the configuration does not say


class Line(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def socket_of(config: Path) -> Path:
    """Return where the gateway with this configuration listens for commands."""
    url = tomllib.loads(config.read_text()).get("journal", {}).get("url", JOURNAL)
    return config.parent / f"{url.removeprefix('sqlite:')}.sock"


def main(config: str = "config.toml") -> int:
    """Ask once, and return the exit status."""
    line = Line(socket_of(Path(config)))
    try:
        line.request("GET", "/status")
        line.getresponse().read()
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"the gateway does not answer: {error}\n")
        return 1
    finally:
        line.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
