"""docs/deploy.md: its commands, numbers and drills are those of the program."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from gateway.app import open_gateway
from gateway.cli import main
from gateway.cli.commands import application
from gateway.server.request import MAX_GROUP_BODY
from gateway.settings import TargetSettings, load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line.strip().removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
GATEWAY = re.compile(r"(?:^|[/ ])scim-gateway (?!.*\.yaml)([a-z]+ .*|[a-z]+)$")
FILE = re.compile(r"\b(?:deploy|requirements)/[\w.-]+(?:/[\w.-]+)?")
CONFIG = """
[server]
listen = "127.0.0.1:0"
[journal]
url = "sqlite:var/gateway.db"
"""


def command(start: str) -> str:
    """Return the one line of the page that begins so."""
    (found,) = (line for line in LINES if line.startswith(start))
    return found


def gateway_commands() -> list[str]:
    found = (
        GATEWAY.search(line) for line in LINES if "systemctl" not in line and "kubectl create" not in line
    )
    return [match[1] for match in found if match]


@pytest.mark.parametrize("text", gateway_commands())
def test_a_command_of_the_page_is_one_of_the_program(text):
    name, *arguments = shlex.split(text)

    get_command(application()).commands[name].make_context(name, arguments)


def test_the_page_shows_commands():
    assert {text.split()[0] for text in gateway_commands()} >= {"check", "status"}


@pytest.mark.parametrize("name", sorted(set(FILE.findall("\n".join(LINES)))))
def test_a_file_that_the_page_names_is_there(name):
    assert (ROOT / name).exists() or name.startswith("deploy/secrets")


def test_the_images_are_those_of_the_manifest():
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    (pod,) = (each["spec"]["template"]["spec"] for each in documents if each["kind"] == "StatefulSet")

    built = {
        words[words.index("--tag") + 1] for words in map(str.split, LINES) if words[:2] == ["docker", "build"]
    }
    assert built == {container["image"] for container in pod["containers"]}


def test_the_secret_has_the_keys_that_the_manifest_mounts():
    keys = re.findall(r"--from-file=(\S+)", command("kubectl create secret generic"))
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text()

    assert set(keys) == set(re.findall(r"/run/secrets/scim-gateway/([\w.]+)", text))


def test_the_proxy_lets_through_what_the_gateway_takes():
    size = int(re.search(r"client_max_body_size (\d+)m;", PAGE)[1])
    patience = float(re.search(r"proxy_read_timeout (\d+)s;", PAGE)[1])

    assert size * 1024 * 1024 == MAX_GROUP_BODY
    assert patience > TargetSettings("any", "scim", "https://example.com").deadline


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return load_settings(tmp_path / "config.toml", CONNECTORS)


@pytest.fixture
async def copy(settings, tmp_path):
    """A copy made by the page's own command while the gateway ran; the journal has gone on since."""
    async with open_gateway(settings):
        words = shlex.split(command("python3 -c 'import sqlite3; sqlite3.connect("))
        subprocess.run([sys.executable, *words[1:]], check=True)
    async with open_gateway(settings):
        pass
    return tmp_path / "copy.db"


def put_back(copy, folder):
    """Do as the page says: move what is left of the journal away, put the copy in its place."""
    for file in folder.glob("gateway.db*"):
        if file.name != "gateway.db.head":
            file.unlink()
    copy.rename(folder / "gateway.db")


async def newest(gateway):
    return [event["event"] for event in await gateway.services.trail.page(None, 2, None, None)]


async def test_a_copy_of_a_running_gateway_is_noticed_when_it_comes_back(settings, copy):
    put_back(copy, settings.journal.path.parent)

    async with open_gateway(settings) as gateway:
        assert gateway.services.looks_first
        assert await newest(gateway) == ["journal.restored", "config.loaded"]


async def test_on_a_new_volume_the_gateway_is_told_that_it_is_behind(settings, copy):
    put_back(copy, settings.journal.path.parent)
    (settings.journal.path.parent / "gateway.db.head").unlink()
    subprocess.run(["sh", "-c", command("printf '{")], check=True)

    async with open_gateway(settings) as gateway:
        assert gateway.services.looks_first
    async with open_gateway(settings) as gateway:
        assert await newest(gateway) == ["config.loaded", "journal.restored"]


async def test_a_copy_is_whole(settings, copy, capsys):
    put_back(copy, settings.journal.path.parent)

    assert main(["audit", "verify"]) == 12  # the note beside it knows of more
    async with open_gateway(settings):
        pass
    assert main(["audit", "verify"]) == 0
