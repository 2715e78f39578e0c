"""What the project ships beside its code: lock files, change log, no trace of one machine."""

import ast
import re
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gateway

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
GATEWAY = ROOT / "gateway"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

LOCKS = [pytest.param("run", id="run"), pytest.param("dev", id="dev"), pytest.param("ldap", id="ldap")]
LOCKS += [
    pytest.param("smtp", id="smtp"),
    pytest.param("sql", id="sql"),
    pytest.param("console", id="console"),
]
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


def test_what_mail_needs_is_developed_with():
    smtp, dev = read_lock("smtp"), read_lock("dev")

    assert {package: dev.get(package) for package in smtp} == smtp


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


MODULES = sorted(GATEWAY.rglob("*.py"))
MOST_LINES, MOST_MODULES, MOST_IN_A_FOLDER, MOST_LEVELS = 400, 280, 20, 16
MOST_LINES_OF_A_FUNCTION = 40


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield what a module imports, wherever that is written, but for its types alone."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                continue
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{name.name}" for name in names)
                yield module
            case _:
                yield from imports_of(node)


def levels() -> dict[str, int]:
    """Return how many modules stand below each, one on the other, itself counted."""
    trees = {module_of(path): ast.parse(path.read_text()) for path in MODULES}
    below = {
        name: {other for other in imports_of(tree) if other in trees} - {name, "gateway"}
        for name, tree in trees.items()
    }
    found: dict[str, int] = {}
    for name in TopologicalSorter(below).static_order():
        found[name] = 1 + max((found[other] for other in below[name]), default=0)
    return found


def lines_of_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how long a function is without its head and its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_who_reads_a_module_has_few_levels_below_it():
    assert {name: level for name, level in levels().items() if level > MOST_LEVELS} == {}


def test_the_house_has_few_rooms_and_no_large_ones():
    lines = {str(path.relative_to(GATEWAY)): len(path.read_text().splitlines()) for path in MODULES}

    assert len(MODULES) <= MOST_MODULES
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_a_folder_holds_few_modules():
    rooms = Counter(path.parent for path in MODULES if path.name != "__init__.py")

    assert {folder.name: n for folder, n in rooms.items() if n > MOST_IN_A_FOLDER} == {}


def test_a_function_is_seen_at_once():
    found = {
        f"{path.relative_to(GATEWAY)}: {node.name}": lines
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := lines_of_body(node)) > MOST_LINES_OF_A_FUNCTION
    }

    assert found == {}


def test_a_property_is_tried_with_the_same_examples_unless_others_are_asked_for() -> None:
    usual, random = map(hypothesis.settings.get_profile, ("gateway", "random"))

    assert (usual.derandomize, usual.database) == (True, None)
    assert (random.derandomize, random.max_examples) == (False, 3 * usual.max_examples)
    assert "--hypothesis-profile=random" in (ROOT / "Makefile").read_text()
