"""However long a journal is, it is verified and copied in the same memory."""

import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journal import copied
from gateway.journal.copy import copy, destination_of, source_of
from gateway.journal.postgresql import session
from gateway.journal.reader import reading
from gateway.settings.model import JournalSettings, Secret
from tests.support.trails import append, empty_trail

SHORT, LONG = 300, 1_800  # events: both many times what is read and written at once
AT_ONCE = 50
ROOM = 60_000  # bytes: 40 for each event that the longer one has more, of which each is a thousand


def peak(work: Callable[[], object]) -> int:
    """Return how many bytes were taken at once, at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def look(seq: int) -> None:
    """See how far it is."""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copied, "MOST_ROWS", AT_ONCE)
    monkeypatch.setattr(copied, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(session, "SLICE", AT_ONCE)


@pytest.fixture
def files(tmp_path: Path, event) -> list[JournalSettings]:
    """A short journal and a long one."""
    places = [JournalSettings(tmp_path / f"{length}.db") for length in (SHORT, LONG)]
    for place, length in zip(places, (SHORT, LONG), strict=True):
        with closing(empty_trail(place.path)) as connection:
            connection.execute("CREATE TABLE schema_version AS SELECT 9 AS version")
            append(connection, [event(f"e-{n}", f"person{n}") for n in range(length)])
    return places


@pytest.fixture
def databases(tmp_path: Path, database_url: str, postgres_url: str) -> list[JournalSettings]:
    urls = (database_url, postgres_url)
    return [JournalSettings(tmp_path / f"{n}.beside", database=Secret(url)) for n, url in enumerate(urls)]


def bring(one: JournalSettings, other: JournalSettings) -> None:
    with source_of(one) as source, destination_of(other) as destination:
        copy(source, destination, look, look)


def check(place: JournalSettings) -> None:
    with reading(place) as reader:
        assert str(reader.verify(see=look).state) == "whole"


def test_a_long_journal_takes_no_more_memory_than_a_short_one(tmp_path, files, databases):
    back = [JournalSettings(tmp_path / f"{n}.back") for n in range(2)]
    steps = {
        "verified in a file": [lambda place=place: check(place) for place in files],
        "to a database": [lambda pair=pair: bring(*pair) for pair in zip(files, databases, strict=True)],
        "verified in a database": [lambda place=place: check(place) for place in databases],
        "to a file": [lambda pair=pair: bring(*pair) for pair in zip(databases, back, strict=True)],
    }

    check(files[0])  # what is imported and kept once is there
    peaks = {name: [peak(work) for work in works] for name, works in steps.items()}

    assert {name: found for name, found in peaks.items() if found[1] - found[0] > ROOM} == {}
