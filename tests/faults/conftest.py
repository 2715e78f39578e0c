"""What the tests with real processes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import lives


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a process that starts gateways and targets in no time; yield its socket."""
    with lives.nursery(tmp_path_factory.mktemp("nursery")) as path:
        yield path
