"""healthy.py as the image runs it: a gateway that serves is well, on whatever port and with TLS."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys

import pytest

from gateway.app import open_gateway, serving
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

CONFIG = """
[server]
listen = "127.0.0.1:0"
{tls}
[journal]
url = "sqlite:elsewhere/journal.db"
"""
TLS = 'tls = {{ cert = "{0}", key = "{0}" }}'


@pytest.fixture
def certificate(tmp_path):
    """One file with a certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    file, command = tmp_path / "tls.pem", "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout"
    made = subprocess.run([*command.split(), file], check=True, capture_output=True).stdout
    file.write_bytes(made + file.read_bytes())
    return file


async def asked(deploy, folder):
    """Run it in a folder; return its exit status and what it said."""
    command = [sys.executable, str(deploy / "healthy.py")]
    run = await asyncio.create_subprocess_exec(*command, cwd=folder, stderr=asyncio.subprocess.PIPE)
    _, said = await run.communicate()
    return run.returncode, said.decode()


@pytest.mark.parametrize("is_secured", [False, True], ids=["plain", "with TLS"])
async def test_a_gateway_that_serves_is_well(deploy, tmp_path, certificate, is_secured):
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(tls=TLS.format(certificate) if is_secured else ""))

    async with open_gateway(load_settings(config, CONNECTORS)) as gateway, serving(gateway):
        assert await asked(deploy, tmp_path) == (0, "")
    assert await asked(deploy, tmp_path) == (
        1,
        "the gateway does not answer: [Errno 2] No such file or directory\n",
    )


async def test_a_gateway_that_was_killed_is_not_well(deploy, tmp_path):
    (tmp_path / "config.toml").touch()
    (tmp_path / "var").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "var" / "gateway.db.sock"))

    assert await asked(deploy, tmp_path) == (
        1,
        "the gateway does not answer: [Errno 111] Connection refused\n",
    )


async def test_who_listens_there_and_says_nothing_of_sense_is_not_well(deploy, tmp_path):
    (tmp_path / "config.toml").touch()
    (tmp_path / "var").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "var" / "gateway.db.sock"))
        listening.listen()
        asking = asyncio.ensure_future(asked(deploy, tmp_path))
        connection, _ = await asyncio.to_thread(listening.accept)
        connection.close()

        assert (await asking)[0] == 1


def test_the_image_runs_the_file_that_it_has(image, deploy):
    program, path = json.loads(image["HEALTHCHECK"].partition("CMD ")[2])

    assert (program, path) == ("python", f"{image['WORKDIR']}/healthy.py")
    assert f"COPY deploy/healthy.py {path}" in (deploy.parent / "Dockerfile").read_text()
