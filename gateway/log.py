"""JSON logs on standard error, with the correlation id and without people's values."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import TextIOBase
from traceback import extract_tb
from typing import Final, TextIO, cast


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let a package seem not to be installed."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _hidden("rich"):  # for tracebacks that no line of ours has it would bring 50 modules into every process
    import structlog

get_logger = structlog.get_logger

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


LIBRARIES: Final = ("asyncio", "aiohttp")  # whose own log is heard


def set_up_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send every log line of this process to `stream` as one JSON object, those of libraries too."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_correlation_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Lenient(stream))),
        cache_logger_on_first_use=True,
    )
    for name in LIBRARIES:
        logging.getLogger(name).handlers = [_Heard(logging.WARNING)]


class _Lenient(TextIOBase):
    """A stream whose reader may be gone and whose disk may be full: a line that cannot be written is lost.

    Nothing that the gateway promises waits for its log.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


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


def _add_correlation_id(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if found := correlation_id.get():
        event.setdefault("correlation_id", found)
    return event
