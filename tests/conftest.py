"""Servers that users have, as real processes."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import hypothesis
import pytest

from gateway.log import get_logger
from tests.support.foreign import TOKEN, scim2_servers

hypothesis.settings.register_profile("gateway", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("gateway")


@pytest.fixture(scope="session", autouse=True)
def _readable_without_python_ldap() -> Iterator[None]:
    """Where python-ldap is not installed, what only reads configurations is tested all the same."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("ldap") is None and "CI" not in os.environ:
            patch.setattr("gateway.settings.targets.missing_library", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    yield
    get_logger().set_up(sys.stderr, "info")


@pytest.fixture(scope="session")
def scim2_server() -> Iterator[tuple[str, str]]:
    """Start a scim2-server that makes a tenant of every path; yield its URL and token."""
    with scim2_servers() as url:
        yield url, TOKEN
