"""The event loop of the helpers: uvloop where there is one, as the gateway has it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, or somebody ends it."""
    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with suppress(KeyboardInterrupt), runner:
        runner.run(main)
