"""What the files in `deploy` say, read once."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import Settings, load_settings
from gateway.targets.registry import CONNECTORS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def _instructions(file: Path) -> Mapping[str, str]:
    """Return the last instruction of each name in a Dockerfile, on one line."""
    text = re.sub(r"\\\n\s*", "", file.read_text())
    return dict(line.split(" ", 1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line))


@pytest.fixture(scope="session")
def deploy() -> Path:
    return DEPLOY


@pytest.fixture(scope="session")
def image() -> Mapping[str, str]:
    """What the gateway's image says of itself."""
    return _instructions(DEPLOY.parent / "Dockerfile")


@pytest.fixture(scope="session")
def directory_image() -> Mapping[str, str]:
    return _instructions(DEPLOY / "openldap" / "Dockerfile")


@pytest.fixture(scope="session")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="session")
def manifests() -> Mapping[str, Any]:
    """The documents for Kubernetes by kind."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Settings]:
    """Read a configuration, whose secrets are elsewhere; it must have no fault."""

    def read_text(text: str) -> Settings:
        (tmp_path / "config.toml").write_text(text)
        return load_settings(tmp_path / "config.toml", CONNECTORS, read_secrets=False)

    return read_text
