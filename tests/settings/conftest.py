"""Configurations in a folder of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.settings import Settings, load_settings

CONNECTORS = ("embedded", "scim", "ldap", "rest", "dialpad", "sql")

Load = Callable[..., Settings]
FaultsOf = Callable[..., Mapping[str, str]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a configuration's text; DIALPAD_TOKEN is in the environment."""
    monkeypatch.setenv("DIALPAD_TOKEN", "dp-secret-1")

    def load_text(text: str | bytes, *, make_tokens: bool = False, read_secrets: bool = True) -> Settings:
        file = tmp_path / "config.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_settings(file, CONNECTORS, make_tokens=make_tokens, read_secrets=read_secrets)

    return load_text


@pytest.fixture
def faults_of(load: Load) -> FaultsOf:
    """Load a configuration that has faults, and return them by path."""

    def faults(text: str | bytes, **how: bool) -> Mapping[str, str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **how)
        return {fault.path: fault.reason for fault in caught.value.faults}

    return faults
