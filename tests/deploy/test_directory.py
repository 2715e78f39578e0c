"""The directory that stands beside the gateway: as its own `start` runs it, on loopback."""

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.app import open_gateway
from gateway.build import try_target
from gateway.flow.target_port import ResourceType
from gateway.settings import Settings, load_settings
from gateway.targets.registry import CONNECTORS
from tests.support.slapd import free_port, needed

SUFFIX = "dc=example,dc=com"
GATEWAY = f"cn=gateway,{SUFFIX}"
PATIENCE = 10.0  # seconds to start
AVA = {
    "userName": "ava@example.com",
    "externalId": "00uAva",
    "name": {"givenName": "Ava", "familyName": "Phone"},
    "phoneNumbers": [{"type": "work", "value": "020 7946 0018"}],
}


@dataclass
class Beside:
    """A directory with its own data and password, that can be started again."""

    start: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def password(self) -> Path:
        return self.folder / "ldap.password"

    def run(self) -> None:
        """Start it anew and wait until it answers."""
        self.stop()
        data, password = str(self.folder / "data"), str(self.password)
        told = {
            "DIRECTORY_DATA": data,
            "DIRECTORY_PASSWORD_FILE": password,
            "DIRECTORY_LISTEN": f"{self.url}/",
        }
        self.process = subprocess.Popen([self.start], env=os.environ | told)
        end = time.monotonic() + PATIENCE
        while not self.lets_in():
            assert self.process.poll() is None
            assert time.monotonic() < end, "the directory does not answer"
            time.sleep(0.02)  # a process of its own, which cannot tell us

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def lose(self) -> None:
        """Stop it and lose its data."""
        self.stop()
        (self.folder / "data" / "data.mdb").unlink()

    def ids(self) -> dict[str, Any]:
        """Return what the gateway knows entries by."""
        connection = self.lets_in(GATEWAY, self.password.read_text().strip())
        return dict(connection.search_s(SUFFIX, 2, attrlist=["entryUUID"]))

    def lets_in(self, user: str = "", password: str = "") -> Any:
        """Return a connection, None where nobody answers or the password is wrong."""
        import ldap

        connection = ldap.initialize(self.url)
        try:
            connection.simple_bind_s(user, password)
        except (ldap.SERVER_DOWN, ldap.INVALID_CREDENTIALS):
            return None
        return connection


@pytest.fixture(scope="module")
def directory(deploy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    needed()
    folder = tmp_path_factory.mktemp("directory")
    (folder / "data").mkdir()
    (folder / "ldap.password").touch(0o600)
    (folder / "ldap.password").write_text("the first password\n")
    beside = Beside(deploy / "openldap" / "start", folder, free_port())
    try:
        beside.run()
        yield beside
    finally:
        beside.stop()


@pytest.fixture
def settings(deploy: Path, directory: Beside, tmp_path: Path) -> Settings:
    """The configuration of Compose, with this directory's address and password."""
    text = (deploy / "config.compose.toml").read_text().replace("ldap://127.0.0.1:1389", directory.url)
    text = text.replace("/run/secrets/ldap.password", str(directory.password))
    (tmp_path / "config.toml").write_text(text.replace("0.0.0.0:8080", "127.0.0.1:0"))
    return load_settings(tmp_path / "config.toml", CONNECTORS, make_tokens=True)


async def test_the_gateway_of_compose_finds_nothing_to_mend_there(settings):
    found = await try_target(settings, settings.targets["directory"])

    assert [finding for finding in found if finding.fix] == []


async def test_a_phone_finds_who_calls_and_nothing_else_of_them(settings, directory):
    async with open_gateway(settings) as gateway:
        target = gateway.targets["directory"]
        await target.connector.create(ResourceType.USER, target.mapping.forward(AVA).form)

    phone = directory.lets_in()
    ((_, shown),) = phone.search_s(SUFFIX, 2, "(telephoneNumber=+442079460018)")
    assert (shown["displayName"] if "displayName" in shown else shown["cn"]) == [b"Ava Phone"]
    assert {"employeeNumber", "userPassword"}.isdisjoint(shown)
    assert phone.search_s(SUFFIX, 2, "(employeeNumber=00uAva)") == []


def test_a_changed_password_holds_from_the_next_start_and_the_tree_stays(directory):
    assert directory.lets_in(GATEWAY, "the first password") is not None
    directory.password.write_text("the second password")
    directory.run()

    assert directory.lets_in(GATEWAY, "the first password") is None
    found = directory.lets_in(GATEWAY, "the second password").search_s(SUFFIX, 2, attrlist=["1.1"])
    assert {dn for dn, _ in found} >= {f"ou={name},{SUFFIX}" for name in ("people", "groups")}


def test_it_opens_no_more_files_than_its_memory_is_meant_for(directory):
    assert resource.prlimit(directory.process.pid, resource.RLIMIT_NOFILE)[0] <= 4096


def test_a_tree_that_was_cut_off_while_it_was_made_is_made_anew(directory):
    directory.lose()
    half = directory.folder / "data" / "new"
    half.mkdir()
    (half / "data.mdb").write_bytes(b"half")
    directory.run()

    assert (len(directory.ids()), half.exists()) == (3, False)


def test_a_copy_comes_back_with_the_ids_by_which_the_gateway_knows_its_people(
    directory, tmp_path, monkeypatch
):
    program = shutil.which("slapcat") or "/usr/sbin/slapcat"
    tree = tmp_path / "directory.ldif"
    before = directory.ids()
    subprocess.run([program, "-f", directory.folder / "data" / "slapd.conf", "-l", tree], check=True)
    monkeypatch.setenv("DIRECTORY_TREE", str(tree))
    directory.lose()
    directory.run()

    assert directory.ids() == before


@pytest.mark.parametrize("content", [None, ""], ids=["no file", "an empty file"])
def test_without_a_password_nothing_starts(deploy, tmp_path, content):
    if content is not None:
        (tmp_path / "ldap.password").write_text(content)
    told = {"DIRECTORY_DATA": str(tmp_path), "DIRECTORY_PASSWORD_FILE": str(tmp_path / "ldap.password")}

    ended = subprocess.run(
        [deploy / "openldap" / "start"], env=os.environ | told, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no password in it" in ended.stderr


def test_the_image_has_what_the_start_needs(deploy, directory_image):
    *sources, folder = directory_image["COPY"].split()
    start = (deploy / "openldap" / "start").read_text()

    assert {f"$here/{name}" for name in sources if name != "start"} == set(
        re.findall(r"\$here/[\w.]+", start)
    )
    assert directory_image["ENTRYPOINT"] == f'["{folder}start"]'
    assert f"${{DIRECTORY_DATA:-{directory_image['VOLUME']}}}" in start
    assert f"ldap://127.0.0.1:{directory_image['EXPOSE']}/" in start
    assert os.access(deploy / "openldap" / "start", os.X_OK)


def test_the_start_has_no_fault_of_the_shell(deploy):
    shell = shutil.which("dash") or "sh"

    subprocess.run([shell, "-n", deploy / "openldap" / "start"], check=True)
