"""A directory that is full when the gateway first sees it: listed and adopted, at one price for each."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from gateway.cli import main
from tests.support.ldap_scene import USERS, config_of, person
from tests.support.slapd import Slapd, slapd

ROOT: Final = Path(__file__).resolve().parents[3]
LONG: Final = bool(os.environ.get("FAULTS"))
PEOPLE: Final = 100_000 if LONG else 620  # more than a directory gives at once
PAGE: Final = 100
SAMPLE: Final = 1_000 if LONG else 30  # people adopted first, and last
SIZE: Final = (
    80 * 1024 * 1024
)  # bytes that the gateway may grow by: what it keeps is bounded, see docs/ldap.md
CONFIG: Final = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
durability = "normal"
[providers.okta]
dialect = "okta"
token = { file = "var/okta.token" }
"""
ENTRY: Final = """\
dn: uid=p{n:06},ou=people,{base}
objectClass: inetOrgPerson
uid: p{n:06}
cn: Person {n}
sn: Lee
employeeNumber: 00u-p{n:06}
telephoneNumber: +44 20 7946 {last:04}
title: Agent

"""


class Process:
    """A running gateway, and what it has used."""

    def __init__(self, folder: Path, port: int, pid: int) -> None:
        self.folder, self._pid = folder, pid
        self.line = HTTPConnection("127.0.0.1", port, timeout=120)
        self._token = (folder / "var" / "okta.token").read_text().strip()

    def ask(self, method: str, path: str, body: object = None) -> str:
        data = None if body is None else json.dumps(body)
        self.line.request(method, path, data, {"Authorization": f"Bearer {self._token}"})
        answer = self.line.getresponse()
        text = answer.read().decode()
        assert answer.status in (200, 201), text
        return text

    def page(self, start: int) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.ask("GET", f"{USERS}?startIndex={start}&count={PAGE}"))
        return found

    def adopted(self) -> int:
        """Return how many `/metrics` says there are."""
        found = re.search(
            r'changes_total\{outcome="adopted",target="phonebook"\} (\S+)', self.ask("GET", "/metrics")
        )
        return int(float(found[1])) if found else 0

    def seconds(self) -> float:
        """Return the processor time used."""
        used = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")

    def size(self) -> int:
        """Return the most memory that it had, in bytes."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Slapd, str]]:
    """A directory with many people."""
    folder = tmp_path_factory.mktemp("full")
    with slapd(folder) as running:
        base = running.room().base
        with (folder / "people.ldif").open("w") as ldif:
            ldif.writelines(ENTRY.format(n=n, last=n % 10_000, base=base) for n in range(PEOPLE))
        running.stop()
        running.fill(folder / "people.ldif")
        running.start()
        yield running, base


@pytest.fixture(scope="module")
def gateway(server: tuple[Slapd, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "config.toml").write_text(CONFIG + config_of(*server, folder))
    command = [sys.executable, ROOT / "gateway.py", "serve"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while (found := re.search(r"http://127.0.0.1:(\d+)/", text)) is None:
            text = process.stdout.readline()
            assert text
        running = Process(folder, int(found[1]), process.pid)
        with closing(running.line):
            yield running
        process.kill()


def adopt(gateway: Process, numbers: range) -> float:
    """Push people who are there, and return the processor time for each."""
    begun = gateway.seconds()
    for n in numbers:
        name = f"p{n:06}"
        gateway.ask("POST", USERS, person(name, name={"familyName": "Lee"}, title="Agent"))
    return (gateway.seconds() - begun) / len(numbers)


def test_everybody_is_listed_and_adopted_at_one_price_and_in_bounded_memory(gateway: Process) -> None:
    gateway.ask("GET", f"{USERS}?filter=userName%20eq%20%22p000000%22")
    idle, names, prices = gateway.size(), set(), []
    for start in range(1, PEOPLE + 1, PAGE):
        begun = gateway.seconds()
        page = gateway.page(start)
        prices.append(gateway.seconds() - begun)
        assert page["totalResults"] == PEOPLE
        names |= {found["userName"] for found in page["Resources"]}
    first = adopt(gateway, range(SAMPLE))
    last = adopt(gateway, range(PEOPLE - SAMPLE, PEOPLE))

    some = max(2, len(prices) // 10)
    early, late = sum(prices[1 : 1 + some]), sum(prices[-some:])
    sys.stdout.write(
        f"a page: {early / some:.3f} s early, {late / some:.3f} s late, the first {prices[0]:.3f} s; "
        f"a person: {first:.4f} s first, {last:.4f} s last; {idle} bytes idle, {gateway.size()} at most\n"
    )
    assert len(names) == PEOPLE
    assert late < 2 * early
    assert last < 2 * first
    assert gateway.size() - idle < SIZE
    assert gateway.adopted() == 2 * SAMPLE


def test_who_is_still_to_be_adopted_is_told_and_how_far_the_look_is(
    gateway: Process, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = PEOPLE - gateway.adopted()
    monkeypatch.chdir(gateway.folder)

    status = main(["reconcile", "phonebook", "--progress", "--format", "csv"])

    said = capsys.readouterr().err
    assert status == 1
    assert f"reconcile phonebook: {PEOPLE} people, {left} unknown\n" in said
    assert re.search(r"^\d+ people, \d+/s$", said, re.MULTILINE) or not LONG
