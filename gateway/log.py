"""JSON logs on standard error, with the correlation id and without people's values."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import extract_tb
from typing import IO, Any, Final, TextIO

import orjson


@contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Let packages seem not to be installed."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


with _hidden("rich", "greenlet", "twisted"):  # 60 modules in every process, of which no line of ours has need
    import structlog
    from structlog.typing import EventDict, WrappedLogger

get_logger = structlog.get_logger

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


LIBRARIES: Final = ("asyncio", "aiohttp")  # whose own log is heard


def set_up_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send every log line of this process to `stream` as one JSON object, those of libraries too."""
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=True,
    )
    for name in LIBRARIES:
        logging.getLogger(name).handlers = [_Heard(logging.WARNING)]


def _line(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """Return an event as a line, with level, correlation id and time."""
    event["level"] = method
    if found := correlation_id.get():
        event.setdefault("correlation_id", found)
    event["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # such as half of a surrogate pair, or a number of more than 64 bits
        return f"{json.dumps(event, default=repr)}\n".encode()


class _Lines:
    """Writes lines to a stream whose reader may be gone and whose disk may be full.

    A line that cannot be written is lost: nothing that the gateway promises waits for its log.
    """

    def __init__(self, stream: TextIO) -> None:
        self._sink: IO[Any] = getattr(stream, "buffer", stream)  # bytes: UTF-8 in any locale
        self._is_text = self._sink is stream

    def msg(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._sink.write(line.decode() if self._is_text else line)
            self._sink.flush()

    log = debug = info = warning = error = critical = msg


class _Heard(logging.Handler):
    """Tells what a library warns of by its place and its error, without its text: that may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        kind, _, trace = record.exc_info or (None, None, None)
        get_logger().log(
            record.levelno,
            "library.warned",
            library=record.name,
            at=f"{record.module}.{record.funcName}:{record.lineno}",
            error=kind.__name__ if kind else None,
            frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(trace)],
        )
