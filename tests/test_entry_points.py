"""The three doors (checkout, module, console script) lead to one `main`."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import gateway
from gateway.cli import main

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "gateway.py"
IN_CI = "CI" in os.environ

MODULE_DOOR = [sys.executable, "-m", "gateway"]
SCRIPT_DOOR = [sys.executable, "gateway.py"]


def enter(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}  # of the make that runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    environment |= {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def installed_door() -> str:
    door = shutil.which("scim-gateway", path=str(Path(sys.executable).parent))
    if door is None and not IN_CI:
        pytest.skip("the project is not installed beside this Python")
    assert door is not None
    return door


def statements(path: Path) -> str:
    """Return the syntax of a script without its docstring."""
    return ast.dump(ast.Module(ast.parse(path.read_text()).body[1:], type_ignores=[]))


@pytest.mark.parametrize(
    "door", [pytest.param(SCRIPT_DOOR, id="checkout"), pytest.param(MODULE_DOOR, id="module")]
)
def test_a_door_lists_the_commands(door):
    entered = enter(*door, "--help")

    assert entered.returncode == 0, entered.stderr
    assert {"serve", "check", "explain", "audit", "token"} <= set(entered.stdout.split())


@pytest.mark.parametrize(
    "door", [pytest.param(SCRIPT_DOOR, id="checkout"), pytest.param(MODULE_DOOR, id="module")]
)
def test_a_door_passes_the_exit_status_on(door):
    assert enter(*door, "no-such-command").returncode == 2


def test_the_checkout_s_door_opens_from_any_directory(tmp_path):
    entered = enter(sys.executable, str(SCRIPT), "--help", cwd=tmp_path)

    assert entered.returncode == 0, entered.stderr


def test_the_console_script_lists_the_commands_from_any_directory(installed_door, tmp_path):
    entered = enter(installed_door, "--help", cwd=tmp_path)

    assert entered.returncode == 0, entered.stderr
    assert {"serve", "check", "explain", "audit", "token"} <= set(entered.stdout.split())


def test_the_console_script_is_the_same_main():
    try:
        scripts = distribution("scim-gateway").entry_points.select(group="console_scripts")
    except PackageNotFoundError:
        if IN_CI:
            raise
        pytest.skip("the project is not installed beside this Python")

    assert scripts["scim-gateway"].load() is main


def test_the_two_scripts_hold_nothing_but_a_call_of_main():
    door = 'from gateway.cli import main\nif __name__ == "__main__":\n    raise SystemExit(main())'

    assert statements(SCRIPT) == ast.dump(ast.parse(door))
    assert statements(ROOT / "gateway" / "__main__.py") == ast.dump(ast.parse(door))


def test_the_package_is_found_before_the_script():
    assert Path(str(gateway.__file__)) == ROOT / "gateway" / "__init__.py"
    assert gateway.__version__


@pytest.mark.parametrize("arguments", [["--help"], ["check"]], ids=" ".join)
def test_a_python_without_the_libraries_is_told_which_one_has_them(tmp_path, arguments):
    bare = [sys.executable, "-S", "-E", str(SCRIPT)]  # as one outside of .venv: no packages but its own

    entered = enter(*bare, *arguments, cwd=tmp_path)

    assert (entered.returncode, entered.stdout) == (2, "")
    assert entered.stderr == (
        f"this Python ({sys.executable}) has no typer: `make setup` once, then .venv/bin/python gateway.py\n"
    )


def test_a_python_that_is_too_old_is_told_which_one_is_not(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))

    assert main(["check"]) == 2
    assert "is older than 3.11: `make setup` once" in capsys.readouterr().err


def test_a_part_of_the_gateway_that_is_missing_is_not_taken_for_a_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "gateway.cli.commands", None)

    with pytest.raises(ModuleNotFoundError):
        main(["check"])


PYTHON = f"""#!/bin/sh
case "$1 $2" in
"-m compileall") exec "{sys.executable}" "$@" ;;
"-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """Return what runs make in a checkout whose Python installs nothing."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return lambda *what: enter("make", *what, f"PYTHON={python}", cwd=tmp_path)


def test_a_setup_with_ldap_says_nothing_of_errors_where_all_is_well(checkout):
    entered = checkout("setup", "LDAP=1")

    assert (entered.returncode, entered.stderr) == (0, "")
    assert "requirements/ldap.txt" in entered.stdout
    assert "install a C compiler" not in entered.stdout


def test_a_setup_compiles_the_gateway_so_that_no_start_has_to(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "gateway").mkdir()
    for name in ("gateway.py", "gateway/part.py"):
        (tmp_path / name).write_text("FINE = True\n")

    assert [checkout("setup").returncode, checkout("setup").stdout] == [0, ""]

    for name in ("gateway.py", "gateway/part.py"):
        assert Path(importlib.util.cache_from_source(str(tmp_path / name))).exists(), name


def test_a_setup_where_nothing_can_be_compiled_is_well_all_the_same(checkout, tmp_path):
    (tmp_path / "gateway").write_text("no folder")

    assert checkout("setup").returncode == 0
