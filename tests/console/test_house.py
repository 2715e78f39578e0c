"""The console in its house: its table, its packages, a port of its own, and what follows a reload."""

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings import load_settings
from gateway.settings.console import NEEDED
from gateway.targets.registry import CONNECTORS
from tests.support.served import TOKENS, Serve
from tests.support.visitor import CONSOLE, visitor


def settings_of(folder: Path, text: str):
    file = folder / "config.toml"
    file.write_text(text)
    return load_settings(file, CONNECTORS)


def faults_of(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as error:
        settings_of(folder, text)
    return {fault.path: fault.reason for fault in error.value.faults}


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ('[console]\nlisten = "127.0.0.1:0"', "console.listen", "must name a port"),
        ('[console]\nlanguage = "xx"', "console.language", "must be"),
        ("[console]\nidle = 0", "console.idle", "longer than 0 seconds"),
        ("[console]\ncolour = 1", "console.colour", "unknown key"),
        ("[console.oidc]\nissuer = 'http://login.example.com'", "console.oidc.issuer", "https"),
        (
            "[console.oidc]\nissuer = 'https://login.example.com/?a=b'",
            "console.oidc.issuer",
            "without a query",
        ),
        ("[console.oidc]\nscope = 'email'", "console.oidc.scope", '"openid"'),
        ("[console.oidc]\nroles = { a = 'king' }", "console.oidc.roles.a", "must be"),
        ("[console.oidc]\nroles = {}", "console.oidc.roles", ""),
        (
            "[console.oidc]\nclient_secret = 'x'",
            "console.oidc.client_secret",
            "secrets never stand in this file",
        ),
        ("[auditors.a]\nrole = 'operator'", "auditors.a.role", "must be"),
        ("[operators.a]\nrole = 'operator'", "operators.a.role", "unknown key"),
    ],
)
def test_a_fault_of_the_console_names_its_key(tmp_path: Path, text: str, path: str, says: str) -> None:
    rest = {"issuer": '"https://login.example.com"', "client_id": '"c"', "roles": '{ a = "operator" }'}
    if "[console.oidc]" in text:
        text += "".join(f"\n{name} = {value}" for name, value in rest.items() if f"{name} =" not in text)

    found = faults_of(tmp_path, text)

    assert says in found[path]


def test_without_its_packages_the_table_is_a_fault_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.settings.console.find_spec", lambda name: None)

    assert faults_of(tmp_path, "[console]")["console"] == NEEDED
    assert settings_of(tmp_path, "").console is None


def test_in_the_clear_it_is_warned_of_where_others_may_listen(tmp_path: Path) -> None:
    found = settings_of(tmp_path, '[console]\n[server]\npublic_url = "http://gateway.example.com"')
    on_loopback = settings_of(tmp_path, "[console]")

    assert any(warning.startswith("console: is served in the clear") for warning in found.warnings)
    assert not any(warning.startswith("console") for warning in on_loopback.warnings)


def test_who_has_no_console_loads_nothing_of_it() -> None:
    code = (
        "import sys, gateway.app, gateway.settings.load, gateway.cli.serve\n"
        "print([name for name in sys.modules if name.partition('.')[0] in"
        " ('jinja2', 'aiohttp_jinja2', 'cryptography', 'joserfc') or name.startswith('gateway.console')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


async def test_on_a_port_of_its_own_it_is_there_alone(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    own = CONSOLE.replace("[console]\n", f'[console]\nlisten = "127.0.0.1:{port}"\n')
    served = await serve(config=own)

    async with visitor(port) as browser:
        assert (await browser.get("/")).where == "/console"
        await browser.sign_in("olga")
        assert (await browser.get("/console")).status == 200
        assert (await browser.get("/scim/phonebook/v2/Users")).status == 404
    assert (await served.ask("GET", "/console")).status == 404


async def test_a_sign_in_ends_when_a_reload_takes_its_token_away(serve: Serve, tmp_path: Path) -> None:
    served = await serve(config=CONSOLE)
    async with visitor(served.port) as browser:
        await browser.sign_in("olga")
        config = tmp_path / "config.toml"
        before = (await browser.get("/console/events")).status
        digest = hashlib.sha256(TOKENS["olga"].encode()).hexdigest()
        config.write_text(config.read_text().replace(digest, "0" * 64))
        await served.gateway.reloading.reload()

        assert (before, (await browser.get("/console/events")).status) == (200, 303)
