"""A database over TLS: only a server whose certificate and name are right is told a password."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.support.sql_tables import Tables

pytestmark = pytest.mark.long

PROVIDER = """
[providers.okta]
dialect = "okta"
token = { file = "okta.token" }
targets = ["directory"]
"""
SIGNS = "-addext keyUsage=critical,keyCertSign,cRLSign"
MADE = f"""
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout ca.key -out ca.pem {SIGNS}
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=other -keyout another.key -out another.pem {SIGNS}
openssl req -newkey rsa:2048 -nodes -subj /CN=db -keyout db.key -out csr
openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -days 1 -extfile signed -out db.pem
"""
SIGNED = "subjectAltName = IP:127.0.0.1\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, another one, and what the first has signed for 127.0.0.1."""
    if shutil.which("openssl") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("openssl is not installed: apt-get install openssl")
    folder = tmp_path_factory.mktemp("authority")
    (folder / "signed").write_text(SIGNED)
    for command in MADE.strip().splitlines():
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


def owned(folder: Path, authority: Path, like: Path) -> Path:
    """Copy what a server shows to where its user may read it, and nobody else."""
    for name in ("db.pem", "db.key"):
        shutil.copy(authority / name, folder / name)
        os.chown(folder / name, like.stat().st_uid, like.stat().st_gid)
        (folder / name).chmod(0o600)
    return folder


SHOWN = {  # server -> what has it show a certificate
    "postgres": lambda at: {"ssl": "on", "ssl_key_file": f"{at}/db.key", "ssl_cert_file": f"{at}/db.pem"},
    "mariadb": lambda at: (f"--ssl-key={at}/db.key", f"--ssl-cert={at}/db.pem"),
}


@pytest.fixture(scope="module", params=[("postgres", "postgresql_room"), ("mariadb", "mariadb_room")])
def secured(request: pytest.FixtureRequest, authority: Path) -> Iterator[Tables]:
    """Tables on a server that speaks TLS as long as these tests run."""
    name, room = request.param
    tables = request.getfixturevalue(room).empty()
    server: Any = request.getfixturevalue(name)
    before, folder = server.settings, owned(server.folder, authority, server.folder / "data")
    for settings in (SHOWN[name](folder), None):
        server.stop()
        server.settings = before if settings is None else settings
        server.start()
        if settings is not None:
            yield tables


WRONG = {  # dialect -> how a certificate of another authority is told, and one of another name
    "postgresql": ("certificate verify failed", 'does not match host name "localhost"'),
    "mysql": ("unable to get local issuer certificate", "certificate is not valid for 'localhost'"),
}


@pytest.mark.parametrize(
    ("host", "ca", "wrong"),
    [
        pytest.param("127.0.0.1", "ca.pem", None, id="the right one"),
        pytest.param("127.0.0.1", "another.pem", 0, id="another authority"),
        pytest.param("localhost", "ca.pem", 1, id="another name"),
    ],
)
async def test_only_a_server_with_the_right_certificate_and_name_is_signed_in_to(
    secured, authority, tmp_path, capsys, host, ca, wrong
):
    keys = f'[targets.directory.sql]\ntls = true\nca = "{authority / ca}"\n'
    table = secured.table(tmp_path, url=secured.url.replace("127.0.0.1", host))
    (tmp_path / "config.toml").write_text(PROVIDER + table + keys)
    (tmp_path / "okta.token").touch(0o600)
    (tmp_path / "okta.token").write_text("a-token-of-thirty-two-characters")

    status = await asyncio.to_thread(main, ["check", "--online", "--config", str(tmp_path / "config.toml")])

    first, *rest = capsys.readouterr().out.splitlines()
    if wrong is None:
        assert (status, first) == (0, "directory: reachable, credentials accepted")
    else:
        assert first.startswith("directory: cannot be reached: ")
        assert WRONG[secured.dialect][wrong] in first
        assert (status, len(rest)) == (3, 1), rest
