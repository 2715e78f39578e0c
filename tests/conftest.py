"""Servers that users have, as real processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

TOKEN = "a-token-for-tests-only"


@pytest.fixture(scope="session", autouse=True)
def _readable_without_python_ldap() -> Iterator[None]:
    """Where python-ldap is not installed, what only reads configurations is tested all the same."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("ldap") is None and "CI" not in os.environ:
            patch.setattr("gateway.settings.targets.missing_library", lambda: None)
        yield


@pytest.fixture(scope="session")
def scim2_server() -> Iterator[tuple[str, str]]:
    """Start a scim2-server that makes a tenant of every path; yield its URL and token."""
    program = Path(sys.executable).parent / "scim2-server"
    if not program.exists():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("scim2-server is not installed: pip install scim2-server")
    port = free_port()
    arguments = ["--port", str(port), "--bearer-token", TOKEN, "--dynamic-tenants"]
    with subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Serving SCIM")
        yield f"http://127.0.0.1:{port}", TOKEN
        process.terminate()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
