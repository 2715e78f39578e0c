"""What the project ships beside its code: lock files, change log, no trace of one machine."""

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gateway

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LOCKS = [pytest.param("run", id="run"), pytest.param("dev", id="dev"), pytest.param("ldap", id="ldap")]
ADDRESS = re.compile(r"https?://|file:|--index-url|--extra-index-url|--find-links| @ ")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|$)")
THIS_MACHINE = re.compile(rb"(?<!\w)/wor[k]/")
RELEASE = re.compile(r"^## \[?v?(\d+\.\d+\.\d+)", re.MULTILINE)


class Pin(NamedTuple):
    """One locked package."""

    version: str
    hashes: frozenset[str]


def read_lock(name: str) -> dict[str, Pin]:
    """Return what a lock file pins, by canonical package name."""
    text = (REQUIREMENTS / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    parsed = [(Requirement(line.partition("--hash")[0]), frozenset(HASH.findall(line))) for line in lines]
    return {
        canonicalize_name(requirement.name): Pin(str(requirement.specifier), hashes)
        for requirement, hashes in parsed
    }


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.iterdir()), ids=lambda path: path.name)
def test_a_requirements_file_names_no_index_and_no_folder(path):
    assert ADDRESS.findall(path.read_text()) == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_one_version_of_everything(name):
    loose = {
        package for package, pin in read_lock(name).items() if not re.fullmatch(r"==[^,*]+", pin.version)
    }

    assert loose == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_hashes_of_everything(name):
    bare = {package for package, pin in read_lock(name).items() if not pin.hashes}

    assert bare == set()


@pytest.mark.parametrize("name", ["run", "dev"])
@pytest.mark.parametrize("package", ["aiohttp", "google-re2", "orjson", "pydantic-core", "uvloop"])
def test_a_compiled_package_is_locked_for_every_platform(name, package):
    assert len(read_lock(name)[package].hashes) > 20


def test_development_stands_on_what_runs():
    run, dev = read_lock("run"), read_lock("dev")

    assert {package: dev.get(package) for package in run} == run


@pytest.mark.parametrize("line", PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"])
def test_what_the_project_asks_for_is_locked(line):
    asked, locked = Requirement(line), read_lock("run")

    assert asked.specifier.contains(locked[canonicalize_name(asked.name)].version.removeprefix("=="))


def test_the_image_has_a_python_that_the_tests_run_on_and_the_oldest_of_them_is_the_oldest_taken():
    proved = [line.rpartition(" :: ")[2] for line in PROJECT["project"]["classifiers"]]
    bases = re.findall(r"^FROM python:(\d+\.\d+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert set(bases) <= set(proved)
    assert PROJECT["project"]["requires-python"] == f">={proved[0]}"


def test_no_file_names_a_folder_of_one_machine():
    if not (ROOT / ".git").exists():
        pytest.skip("only a git checkout knows which files are the project's")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = [path for name in names if name and (path := ROOT / name).is_file()]

    assert [path for path in files if THIS_MACHINE.search(path.read_bytes())] == []


def test_package_project_and_change_log_tell_one_version():
    releases = RELEASE.findall((ROOT / "CHANGELOG.md").read_text())

    assert releases[:1] == [gateway.__version__]
    assert PROJECT["project"]["version"] == gateway.__version__


def test_a_public_class_name_is_defined_once_in_the_package():
    defined = defaultdict(list)
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined[node.name].append(str(path.relative_to(ROOT)))

    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}
