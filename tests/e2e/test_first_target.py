"""`docs/first-target.md` is done line by line: what it types does what it shows."""

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first-target.md").read_text()
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.+(?:\n {4}.+)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)  # a command, and what it shows
STEPS = [found.groups() for block in CONSOLE.findall(PAGE) for found in STEP.finditer(block)]
END = "-- step ended with "


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def pattern(shown: str) -> re.Pattern[str]:
    """Return what the page shows, where … is anything: within a line, or any lines where it stands alone."""
    lines = (
        "(?:.*\n)*" if line == "…" else f"{'.*'.join(map(re.escape, line.split('…')))} *\n"
        for line in shown.splitlines()
    )
    return re.compile("".join(lines))


@pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="no curl: apt-get install curl"
)
def test_the_first_target_is_fed_in_ten_minutes_as_the_page_says(tmp_path):
    program = tmp_path / "bin" / "scim-gateway"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "gateway.py"}" "$@"\n')
    program.chmod(0o755)
    ports = dict(zip(("8080", "8081"), map(str, free_ports(2)), strict=True))

    def moved(text: str) -> str:
        return re.sub("|".join(ports), lambda port: ports[port[0]], text)

    script = "".join(f'{moved(command)}\necho "{END}$?"\n' for command, _ in STEPS)
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    environment.pop("SCIM_GATEWAY_CONFIG", None)

    ended = subprocess.run(
        ["bash", "-c", f"set -m; trap 'kill $(jobs -p) 2>/dev/null' EXIT\n{script}"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )

    told = re.split(rf"{END}(\d+)\n", ended.stdout)
    outcomes = list(zip(told[::2], told[1::2], strict=False))
    assert len(outcomes) == len(STEPS), ended.stdout
    wrong = [
        f"$ {command}\n{out}"
        for (command, shown), (out, status) in zip(STEPS, outcomes, strict=True)
        if status != "0" or (shown and not pattern(moved(shown)).fullmatch(out))
    ]
    assert wrong == [], "\n".join(wrong)
    assert not (tmp_path / "trial").exists()


def test_the_page_is_found_from_the_readme_and_the_list_of_pages():
    assert "docs/first-target.md" in (ROOT / "README.md").read_text()
    assert "(first-target.md)" in (ROOT / "docs" / "README.md").read_text()
