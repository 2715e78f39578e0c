"""JSON logs on standard error, with the correlation id and without people's values."""

import logging
import sys
from contextvars import ContextVar
from typing import TextIO

import structlog

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


def set_up_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send every log line of this process to `stream` as one JSON object."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_correlation_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )


def _add_correlation_id(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if found := correlation_id.get():
        event.setdefault("correlation_id", found)
    return event
