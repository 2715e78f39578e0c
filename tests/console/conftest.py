"""Gateways with a console in this process, and people with browsers before them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path

import pytest

from gateway.log import set_up_logging
from tests.support.served import CANARY, Serve, Served, gateways
from tests.support.visitor import CONSOLE, Visitor, visitor

Visit = Callable[..., Awaitable[Visitor]]


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
    """What starts a gateway."""
    async with gateways(tmp_path) as run:
        yield run


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A gateway with a console."""
    return await serve(config=CONSOLE)


@pytest.fixture
async def visit(served: Served) -> AsyncIterator[Visit]:
    """What opens a browser, signed in where somebody is named."""
    async with AsyncExitStack() as stack:

        async def opened(name: str | None = None) -> Visitor:
            made = await stack.enter_async_context(visitor(served.port))
            if name is not None:
                assert (await made.sign_in(name)).status == 303
            return made

        yield opened
