"""A process brings no library, and no part of the gateway, that its command has no use for."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]

# Prints on standard error what `main` has imported by its end; what measures the tests is there before.
PROGRAM = """
import atexit, json, sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
atexit.register(lambda: print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr))
from gateway.cli import main
raise SystemExit(main(sys.argv[2:]))
"""
JUDGES = ("email_validator", "lark", "scim2_models")  # of the tests alone
SELDOM = (
    "langcodes",
    "prometheus_client",
    "pycountry",
    "pygments",
    "re2",
)  # where a rule, a person or a monitor asks for them
SERVER = ("aiohttp", "gateway.app", "gateway.server", "uvloop")
UNASKED = (  # by a configuration of one target and a provider
    *("aiohttp_jinja2", "aiosmtplib", "cryptography", "greenlet", "jinja2", "joserfc", "ldap"),
    *("gateway.admin.reconcile", "gateway.admin.resync", "gateway.admin.simulate", "gateway.console"),
    *("gateway.guide.page", "gateway.mapping.templates", "gateway.phonebook", "gateway.server.editions"),
    *(
        "gateway.settings.console",
        "gateway.settings.ldap",
        "gateway.settings.rest",
        "gateway.targets.dialpad",
    ),
    *("gateway.targets.ldap", "gateway.targets.mail", "gateway.targets.oauth", "gateway.targets.rest"),
    *("gateway.targets.survey", "xml"),
)
JOURNAL = ("aiosqlite", "gateway.journal", "sqlite3")


def started(folder, *arguments):
    """Start a command of the gateway, whose imports are told at the end."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(ROOT), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def imported(process, status):
    """Return what was imported, once the process has ended with this status."""
    _, told = process.communicate(timeout=60)
    assert process.returncode == status, told
    return json.loads(told.splitlines()[-1])


def superfluous(modules, unwanted):
    """Return the modules that are unwanted, or lie in a package that is."""
    return [module for module in modules if any(f"{module}.".startswith(f"{name}.") for name in unwanted)]


@pytest.mark.parametrize(
    ("arguments", "status", "unwanted"),
    [
        pytest.param(
            ["--help"],
            0,
            [*SERVER, *JOURNAL, "gateway.settings", "phonenumbers", "pydantic", "rich", "structlog"],
            id="--help",
        ),
        pytest.param(["check"], 0, [*SERVER, *JOURNAL, *UNASKED, "asyncio", "rich", "structlog"], id="check"),
        pytest.param(
            ["explain", "phonebook", "person.json"],
            0,
            [*SERVER, *JOURNAL, "asyncio", "rich", "structlog"],
            id="explain",
        ),
        pytest.param(["status"], 1, [*SERVER, "gateway.flow.change", "gateway.admin.alerts"], id="status"),
    ],
)
@pytest.mark.usefixtures("journal")
def test_a_command_imports_only_what_it_needs(folder, arguments, status, unwanted):
    (folder / "person.json").write_text('{"userName": "ann@example.com", "active": true}')

    modules = imported(started(folder, *arguments), status)

    assert "gateway.cli.commands" in modules
    assert superfluous(modules, [*JUDGES, *SELDOM, *unwanted]) == []


PLAIN = """
[server]
listen = "127.0.0.1:0"
[providers.okta]
token = { file = "okta.token" }
[targets.cx]
connector = "scim"
url = "http://127.0.0.1:9/scim"
auth = { bearer = { file = "cx.token" } }
region = "GB"
[[targets.cx.rules]]
to = "title"
via = ["trim"]
[[targets.cx.rules]]
to = "phoneNumbers.value"
via = ["phone"]
"""


def test_a_gateway_that_listens_has_imported_only_what_it_needs(folder):
    (folder / "config.toml").write_text(PLAIN)
    with started(folder, "serve") as process:
        while not (line := process.stdout.readline()).startswith("listening"):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        modules = imported(process, 0)

    assert "gateway.app" in modules
    others = [f"gateway.cli.{name}" for name in ("audit", "check", "demo", "explain", "reconcile", "status")]
    unwanted = [*JUDGES, *SELDOM, *UNASKED, *others, "phonenumbers", "rich", "typer"]
    assert superfluous(modules, unwanted) == []
