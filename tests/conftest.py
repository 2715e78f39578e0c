"""Servers that users have, as real processes."""

import os
import sys
import threading
from collections.abc import Generator, Iterator
from importlib.util import find_spec

import hypothesis
import pytest
import structlog

from tests.support.foreign import TOKEN, scim2_servers
from tests.support.real_postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]  # one server for all the tests of a process

# The same examples every time; a busy machine is no fault. `make test-random` draws others, and more of them.
hypothesis.settings.register_profile("gateway", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile(
    "random", deadline=None, derandomize=False, max_examples=300, print_blob=True
)
hypothesis.settings.register_profile("short", deadline=None, derandomize=True, database=None, max_examples=25)
hypothesis.settings.load_profile("gateway")

REAL = {"active directory", "389", "domain", "directory_389", "ldap", "slapd_server", "postgres", "mariadb"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take for long what needs a server that is large and says nothing of this Python."""
    for item in items:
        rows = getattr(item, "callspec", None)
        named = {value for value in rows.params.values() if isinstance(value, str)} if rows else set[str]()
        if not REAL.isdisjoint(named.union(getattr(item, "fixturenames", ()))):
            item.add_marker("long")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Count no lines where a test says `no_cover` or tries many examples: counting takes as long as running.

    A worker has a counter beside the one that pytest-cov pauses.
    """
    if all(item.get_closest_marker(marker) is None for marker in ("no_cover", "hypothesis")):
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)


@pytest.fixture(scope="session", autouse=True)
def _readable_without_python_ldap() -> Iterator[None]:
    """Where python-ldap is not installed, what only reads configurations is tested all the same."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("ldap") is None and "CI" not in os.environ:
            patch.setattr("gateway.settings.ldap.missing_library", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_logger_keeps_its_first_settings() -> Iterator[None]:
    """A logger that keeps those of an earlier test would not be heard by a later one."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False})
        )
        yield


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def scim2_server() -> Iterator[tuple[str, str]]:
    """Start a scim2-server that makes a tenant of every path; yield its URL and token."""
    with scim2_servers() as url:
        yield url, TOKEN
