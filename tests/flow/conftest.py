"""A gateway's flow on a memory journal and a target that does as it is told."""

from collections.abc import Callable

import pytest

from tests.support.house import House, make_house


@pytest.fixture
def house() -> Callable[..., House]:
    return make_house
