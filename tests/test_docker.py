"""The image: what its recipe says, what goes into it, and that the parts it is made of are whole."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.settings import load_settings
from gateway.targets.registry import CONNECTORS

ROOT = Path(__file__).resolve().parents[1]
CONTAINER = ROOT / "deploy" / "config.container.toml"
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
SECRET = re.compile(r"(?i)token|secret|password|api_?key|credential")


class Instruction(NamedTuple):
    """One instruction of the recipe; `stage` counts from 0."""

    stage: int
    name: str
    text: str


def recipe() -> list[Instruction]:
    """Return the Dockerfile without comments, each instruction on one line."""
    kept = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    lines = re.sub(r"\\\n\s*", "", "\n".join(kept)).splitlines()
    split = [line.partition(" ") for line in lines if line]
    stages = [[name for name, _, _ in split[: n + 1]].count("FROM") - 1 for n in range(len(split))]
    return [Instruction(stage, name, text) for stage, (name, _, text) in zip(stages, split, strict=True)]


RECIPE = recipe()
LAST = RECIPE[-1].stage


def last(name: str) -> str:
    """Return the one instruction of that name of the image itself."""
    (found,) = (step.text for step in RECIPE if (step.stage, step.name) == (LAST, name))
    return found


def copied() -> list[str]:
    """Return what the recipe takes out of the checkout."""
    steps = [step.text.split() for step in RECIPE if step.name == "COPY" and "--from=" not in step.text]
    return [source.rstrip("/") for words in steps for source in words[:-1]]


def data_files(folder: Path) -> set[str]:
    """Return every file of the package but what Python leaves."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder.parent)) for path in files}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from what the recipe copies, and return the names in it."""
    if "CI" not in os.environ:
        pytest.importorskip("setuptools", "80", reason="the project is built by a newer setuptools")
    context = tmp_path_factory.mktemp("context")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, context)
    shutil.copytree(ROOT / "gateway", context / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-c", BUILD, "dist"], cwd=context, capture_output=True, check=True)
    (built,) = (context / "dist").glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_has_every_file_of_the_package(wheel):
    assert data_files(ROOT / "gateway") <= wheel
    assert {name for name in wheel if not name.startswith("gateway/")} == {
        name for name in wheel if ".dist-info/" in name
    }


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_is_there_and_let_in(source):
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]

    assert (ROOT / source).exists()
    assert "*" in ignored
    assert any(fnmatch(source, pattern) for pattern in allowed)


def test_what_is_let_in_is_copied():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}

    assert allowed == set(copied())


def test_everything_is_installed_as_it_is_locked():
    installed = [step.text for step in RECIPE if step.name == "RUN" and step.text.startswith("pip ")]

    assert len(installed) == 2
    assert all(
        text.count("--no-deps") == text.count("install ") + text.count(" wheel ") for text in installed
    )
    assert "--require-hashes -r requirements/run.txt" in installed[0]
    assert "--no-index wheels/*.whl" in installed[1]


def test_the_image_is_slim_and_has_only_what_was_built():
    bases = [step.text.split()[0] for step in RECIPE if step.name == "FROM"]
    (built,) = (step.text for step in RECIPE if step.stage == LAST and "--from=" in step.text)

    assert len(bases) == 2
    assert bases[0] == bases[1]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0])
    assert built == "--from=build /app/venv /app/venv"


def test_the_gateway_runs_as_nobody_special_with_a_fixed_number():
    uid, gid = map(int, last("USER").split(":"))

    assert min(uid, gid) >= 10_000
    assert f"--uid {uid} --gid {gid}" in last("RUN")
    assert f"--owner={uid} --group={gid}" in last("RUN")


def test_what_must_survive_is_in_the_volume():
    settings = load_settings(CONTAINER, CONNECTORS, read_secrets=False)

    assert (last("WORKDIR"), last("VOLUME")) == ("/app", "/app/var")
    assert settings.journal.path.parent == CONTAINER.parent / "var"
    assert settings.targets["phonebook"].url.startswith(f"sqlite:{CONTAINER.parent}/var/")


def test_the_configuration_of_the_image_listens_where_the_port_is_exposed():
    settings = load_settings(CONTAINER, CONNECTORS, read_secrets=False)

    assert (settings.server.host, str(settings.server.port)) == ("0.0.0.0", last("EXPOSE"))
    assert settings.warnings == ()


def test_signals_reach_the_gateway_and_not_a_shell():
    assert json.loads(last("ENTRYPOINT")) == ["scim-gateway"]
    assert json.loads(last("CMD")) == ["serve"]


def test_no_secret_is_in_a_layer():
    assert [step for step in RECIPE if step.name in ("ARG", "ENV") and SECRET.search(step.text)] == []
    assert not any("token" in source for source in copied())
