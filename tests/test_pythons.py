"""Which other Pythons the tests are run on: those that start and can, the newest of each minor version."""

import sys
from pathlib import Path

import pytest

from tools.pythons import Python, candidates, chosen, main, probed


def command(path: Path, script: str) -> Path:
    """Write a command that is no Python, or is one in disguise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_of_each_minor_version_the_newest_patch_is_chosen():
    old, new, other = Python((3, 12, 9), "/a"), Python((3, 12, 10), "/b"), Python((3, 13, 0), "/c")

    assert chosen([old, other, new], [])[0] == [other, new]


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        pytest.param(Python((3, 12, 0), "/a"), "3.12 is tested anyway", id="tested anyway"),
        pytest.param(Python((3, 13, 0), "/a"), "/b is newer or the same", id="an older patch"),
        pytest.param(Python((3, 14, 0), "/a", "not released yet"), "not released yet", id="unfit"),
    ],
)
def test_what_is_left_out_has_a_reason(python, reason):
    assert chosen([python, Python((3, 13, 1), "/b")], ["3.12"]) == (
        [Python((3, 13, 1), "/b")],
        {python: reason},
    )


def test_one_that_cannot_run_the_tests_does_not_stand_before_an_older_one_that_can():
    able = Python((3, 13, 0), "/b")

    assert chosen([Python((3, 13, 1), "/a", "not the usual build"), able], [])[0] == [able]


def test_what_the_project_does_not_take_is_passed_over():
    assert chosen([Python((3, 10, 13), "/a")], []) == ([], {})


def test_every_folder_of_the_path_is_searched_and_all_that_pyenv_built(tmp_path):
    built = tmp_path / "versions" / "3.12.1" / "bin" / "python3"
    command(built, "")
    found = list(candidates("/one::/two", tmp_path))

    assert {Path("/one/python3.12"), Path("/two/python3.12"), built} <= set(found)
    assert Path("python3.12") not in found


def test_the_python_that_runs_is_seen_as_it_is():
    found = probed(Path(sys.executable))

    assert found is not None
    assert (found.version, found.path) == (sys.version_info[:3], sys.executable)


@pytest.mark.parametrize("script", ["exit 127", "no-such-command"])
def test_a_command_that_does_not_start_is_no_python(tmp_path, script):
    assert probed(command(tmp_path / "python3.12", script)) is None


def test_a_python_is_printed_and_what_is_left_out_is_told(tmp_path, monkeypatch, capsys):
    good = command(tmp_path / "path" / "python3.12", "echo 3.12.1; echo /opt/python3.12")
    shim = command(tmp_path / "path" / "python3.13", "exit 127")
    poor = command(
        tmp_path / "pyenv" / "versions" / "3.14.0" / "bin" / "python3", "echo 3.14.0; echo /p; echo poor"
    )
    monkeypatch.setenv("PATH", str(good.parent))
    monkeypatch.setenv("PYENV_ROOT", str(poor.parents[3]))

    main("3.11")

    said = capsys.readouterr()
    assert said.out == "3.12 /opt/python3.12\n"
    assert said.err == f"left out: {shim} does not start\nleft out: /p: poor\n"
