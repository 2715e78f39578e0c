"""JSON logs on standard error, with the correlation id and without people's values."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import extract_tb
from typing import IO, Any, Final, TextIO

import orjson

LEVELS: Final = {"info": 20, "warning": 30, "error": 40, "critical": 50}  # as `logging` has them
LIBRARIES: Final = ("asyncio", "aiohttp")  # whose own log is heard

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


class Log:
    """Writes events as lines of JSON to a stream whose reader may be gone and whose disk may be full.

    A line that cannot be written is lost: nothing that the gateway promises waits for its log.
    """

    def __init__(self) -> None:
        self.set_up(sys.stderr, "info")

    def set_up(self, stream: TextIO, level: str) -> None:
        """Write to this stream from now on, what has this level or a higher one."""
        self._sink: IO[Any] = getattr(stream, "buffer", stream)  # bytes: UTF-8 in any locale
        self._is_text = self._sink is stream
        self._least = LEVELS[level]

    def info(self, event: str, **fields: Any) -> None:
        self.tell("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.tell("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self.tell("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        self.tell("critical", event, fields)

    def tell(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one line, with the time and the correlation id."""
        if LEVELS[level] < self._least:
            return
        line = {**fields, "event": event, "level": level}
        if found := correlation_id.get():
            line.setdefault("correlation_id", found)
        line["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        text = _rendered(line)
        try:
            self._sink.write(text.decode() if self._is_text else text)
            self._sink.flush()
        except (OSError, ValueError):
            return


_log: Final = Log()


def get_logger() -> Log:
    """Return the log of this process."""
    return _log


def set_up_logging(stream: TextIO = sys.stderr, level: str = "info") -> None:
    """Send every log line of this process to `stream` as one JSON object, those of libraries too."""
    _log.set_up(stream, level)
    for name in LIBRARIES:
        logging.getLogger(name).handlers = [_Heard(logging.WARNING)]


def _rendered(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, default=repr, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # such as half of a surrogate pair, or a number of more than 64 bits
        return f"{json.dumps(line, default=repr)}\n".encode()


class _Heard(logging.Handler):
    """Tells what a library warns of by its place and its error, without its text: that may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        kind, _, trace = record.exc_info or (None, None, None)
        fields = {
            "library": record.name,
            "at": f"{record.module}.{record.funcName}:{record.lineno}",
            "error": kind.__name__ if kind else None,
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(trace)],
        }
        _log.tell(record.levelname.lower(), "library.warned", fields)
