"""Whatever a file holds is read as resources, or refused in a sentence."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.cli.output import Stop
from gateway.cli.resources import read_resources

PIECES = [
    "{",
    "}",
    '"a"b',
    "[",
    "\n",
    ",",
    '"',
    ";",
    "userName",
    "emails.value",
    'emails[type eq "x"]',
    "a b",
    "\0",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join)
JSON = st.none() | st.integers() | TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=2)
LINES = st.lists(st.dictionaries(TEXTS, JSON, max_size=3).map(json.dumps), max_size=3).map("\n".join)
SHEETS = TEXTS.map("userName\n{}".format)
FILES = st.binary(max_size=60) | (TEXTS | LINES | SHEETS).map(lambda text: text.encode(errors="replace"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random") / "people"


@given(content=FILES)
@example(content=b'userName\n"a"b')
@example(content=b"userName\na,b")
@settings(deadline=None, max_examples=60)
def test_a_file_holds_resources_or_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    found, stop = [], None
    try:
        found.extend(one.document for one in read_resources(str(file)))
    except Stop as raised:
        stop = raised

    assert all(isinstance(resource, dict) for resource in found)
    assert stop is None or str(stop).startswith(f"{file}: ")
