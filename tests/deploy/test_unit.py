"""gateway.service against the gateway, its configuration, and systemd itself."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
from typer.main import get_command

from gateway.app import DRAIN
from gateway.cli.commands import application
from gateway.cli.output import ExitStatus
from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

INSTALLED = "scim-gateway.service"
ENGLISH = os.environ | {"LC_ALL": "C"}
EXPOSED = 20  # tenths; systemd calls up to 2.0 OK, and 10.0 is everything


@pytest.fixture(scope="module")
def text(deploy):
    return (deploy / "gateway.service").read_text()


@pytest.fixture(scope="module")
def unit(text):
    """Every setting, the last one where there are several."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


@pytest.fixture
def settings(deploy):
    return load_settings(deploy / "config.service.toml", CONNECTORS, read_secrets=False)


@pytest.fixture(scope="module")
def analyze(tmp_path_factory, text):
    """Have systemd read the unit, with programs that are there, and return how that ended."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: install systemd (Debian, Ubuntu, Fedora)")
    file = tmp_path_factory.mktemp("units") / INSTALLED
    file.write_text(re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", text, flags=re.MULTILINE))

    def run(*arguments):
        command = ["systemd-analyze", "--no-pager", *arguments, str(file)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=ENGLISH)
        return done.returncode, done.stdout, done.stderr

    return run


def test_systemd_has_nothing_against_the_unit(analyze):
    assert analyze("verify") == (0, "", "")


def test_systemd_finds_little_that_the_gateway_could_still_do(analyze):
    status, said, _ = analyze("security", "--offline=true", f"--threshold={EXPOSED}")

    assert status == 0, said


def test_what_is_started_is_a_command_of_the_program(unit):
    _, name, *arguments = shlex.split(unit["ExecStart"])

    get_command(application()).commands[name].make_context(name, arguments)


def test_the_configuration_is_where_the_unit_says(unit, text):
    assert unit["ExecStart"].endswith("--config /etc/scim-gateway/config.toml")
    assert f"/etc/systemd/system/{INSTALLED}" in text


def test_the_configuration_has_no_fault_and_nothing_to_warn_of(settings):
    assert settings.warnings == ()


def test_the_journal_is_in_the_folder_that_the_unit_makes(unit, settings):
    assert str(settings.journal.path.parent) == f"/var/lib/{unit['StateDirectory']}"
    assert unit["StateDirectoryMode"] == "0700"
    assert unit["Environment"] == f"SQLITE_TMPDIR=%S/{unit['StateDirectory']}"


def test_secrets_of_the_configuration_are_credentials_of_the_unit(unit, deploy):
    name, _, folder = unit["LoadCredential"].partition(":")
    files = re.findall(r'bearer = \{ file = "([^"]+)"', (deploy / "config.service.toml").read_text())

    assert folder == "/etc/scim-gateway/secrets"
    assert files == [f"/run/credentials/{INSTALLED}/{name}_dialpad.token"]


def test_requests_under_way_have_the_time_that_the_gateway_gives_them(unit):
    assert float(unit["TimeoutStopSec"]) > DRAIN


def test_a_faulty_configuration_is_not_tried_again(unit):
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == str(int(ExitStatus.WRONG))
