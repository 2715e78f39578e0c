"""The log of a process: one JSON object a line, libraries' lines too, and nobody's values."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.log import LIBRARIES, correlation_id, set_up_logging


@pytest.fixture
def stream() -> Iterator[StringIO]:
    stream = StringIO()
    before = {name: logging.getLogger(name).handlers for name in LIBRARIES}
    set_up_logging(stream)
    yield stream
    for name, handlers in before.items():
        logging.getLogger(name).handlers = handlers


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_the_correlation_id(stream):
    token = correlation_id.set("c-1")
    structlog.get_logger().info("thing.happened", n=1)
    correlation_id.reset(token)

    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "thing.happened", "level": "info", "n": 1, "correlation_id": "c-1"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("Jürgen", "Jürgen", id="more than ASCII"),
        pytest.param("\ud800", "\ud800", id="half of a surrogate pair"),
        pytest.param(2**80, 2**80, id="more than 64 bits"),
        pytest.param({1: Path("a")}, {"1": "PosixPath('a')"}, id="what JSON has no word for"),
    ],
)
def test_whatever_a_line_holds_it_is_json(stream, value: object, shown: object):
    structlog.get_logger().info("thing.happened", value=value)

    assert lines(stream)[0]["value"] == shown


def test_a_line_is_utf_8_in_any_locale():
    stream = TextIOWrapper(BytesIO(), encoding="latin-1")
    set_up_logging(stream)

    structlog.get_logger().info("thing.happened", value="Jürgen")

    assert json.loads(stream.buffer.getvalue())["value"] == "Jürgen"


@pytest.mark.parametrize("name", ["asyncio", "aiohttp.client", "aiohttp.server"])
def test_what_a_library_warns_of_is_a_line_without_its_text(stream, name):
    logging.getLogger(name).warning("unclosed: %s", "ann@example.com")

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["library"]) == ("library.warned", "warning", name)
    assert line["at"].startswith("test_log.test_what_a_library_warns_of")
    assert (line["error"], line["frames"]) == (None, [])
    assert "ann" not in stream.getvalue()


def test_what_a_library_only_mentions_is_not_a_line(stream):
    logging.getLogger("asyncio").info("using a selector")

    assert lines(stream) == []


async def test_a_task_that_nobody_waits_for_is_a_line_with_its_error_and_where_it_was_raised(stream):
    async def fail() -> None:
        raise KeyError("ann@example.com")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    del task
    gc.collect()

    (line,) = lines(stream)
    assert (line["level"], line["library"], line["error"]) == ("error", "asyncio", "KeyError")
    assert line["frames"][-1].endswith(" fail")
    assert "ann" not in stream.getvalue()


def test_a_log_set_up_twice_says_everything_once(stream):
    again = StringIO()
    set_up_logging(again)

    logging.getLogger("asyncio").warning("x")

    assert (len(lines(stream)), len(lines(again))) == (0, 1)
