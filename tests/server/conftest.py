"""Gateways in this process, and their log: no line of it has a secret or a person's value."""

from collections.abc import AsyncIterator, Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from gateway.log import set_up_logging
from tests.support.served import CANARY, Answer, Scripted, Serve, check_refused, gateways, scripted_target


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[StringIO]:
    """The log of the gateway; that nobody's values are in it, every test proves."""
    stream = StringIO()
    set_up_logging(stream)
    yield stream
    assert CANARY not in stream.getvalue()
    assert caplog.text == ""


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """What starts a gateway before these targets."""
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    """A target that answers as it is told."""
    async with scripted_target() as target:
        yield target


@pytest.fixture
def refused() -> Callable[[Answer, int, str], None]:
    """Assert that an answer is a SCIM Error of this status which says this."""
    return check_refused
