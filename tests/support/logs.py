"""What is logged, for tests to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.log import Log


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Yield a list that takes every line in place of the stream."""
    lines: list[dict[str, Any]] = []

    def tell(log: Log, level: str, event: str, fields: dict[str, Any]) -> None:
        lines.append({"event": event, **fields, "log_level": level})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "tell", tell)
        yield lines
