"""What the directory finds is what the filter matches."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.target_port import Attributes, Query, ResourceType
from gateway.scim.documents import identity
from gateway.scim.filters import parse_sort, rank
from gateway.scim.grammar import Filter, parse_filter
from gateway.scim.predicate import predicate
from gateway.targets.embedded import directory
from gateway.targets.embedded.directory import Entry, Refusal

USER = ResourceType.USER
FOLDER = resources.files("gateway.targets.embedded")
SCHEMA = "".join((FOLDER / name).read_text() for name in ("001.sql", "002.sql"))

TEXTS = st.sampled_from(["a", "A", "b", "ß", "SS", "é", "e\u0301", "a b", ""])
ELEMENTS = st.lists(
    st.fixed_dictionaries({}, optional={"value": TEXTS, "type": st.sampled_from(["work", "home"])}) | TEXTS,
    max_size=2,
)
PEOPLE = st.fixed_dictionaries(
    {"userName": TEXTS.filter(bool)},
    optional={
        "externalId": TEXTS,
        "DISPLAYNAME": TEXTS,
        "emails": ELEMENTS,
        "phoneNumbers": ELEMENTS,
        "active": st.booleans(),
    },
)
PATHS = st.sampled_from(
    [
        "userName",
        "externalId",
        "id",
        "displayName",
        "emails",
        "emails.value",
        "PHONENUMBERS.value",
        "emails.type",
    ]
)
TERMS = st.builds('{} {} "{}"'.format, PATHS, st.sampled_from(["eq", "eq", "ne", "sw"]), TEXTS)
PICKS = st.builds('emails[value eq "{}" and type eq "{}"]'.format, TEXTS, st.sampled_from(["work", "home"]))
FILTERS = st.recursive(
    TERMS | PICKS | st.just("active eq true"),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=4,
).map(parse_filter)


def stored(connection: sqlite3.Connection, people: Sequence[Attributes]) -> list[Attributes]:
    """Store people and return those whose names were free, as they are stored."""
    connection.executescript(SCHEMA)
    results = []
    for number, person in enumerate(people):
        entry = Entry(USER, f"id-{number}", *identity(person), person, "2026-01-01T00:00:00.000Z")
        results.append(directory.insert(connection, entry))
    return [result for result in results if not isinstance(result, Refusal)]


@given(people=st.lists(PEOPLE, max_size=5), filter=FILTERS)
def test_the_directory_finds_what_the_filter_matches(people: list[Attributes], filter: Filter):
    with closing(sqlite3.connect(":memory:")) as connection:
        matching = [person for person in stored(connection, people) if predicate(filter)(person)]

        page = directory.page(connection, USER, Query(filter), predicate(filter))

        assert list(page.entries) == matching
        assert page.total == len(matching)


@pytest.mark.parametrize("start", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_page_is_a_slice_of_all_that_is_found(start, count):
    everybody = parse_filter("userName pr")
    with closing(sqlite3.connect(":memory:")) as connection:
        people = stored(connection, [{"userName": name} for name in "abc"])

        for filter, matches in ((None, None), (everybody, predicate(everybody))):
            page = directory.page(connection, USER, Query(filter, start, count), matches)

            assert list(page.entries) == people[start - 1 :][:count]
            assert page.total == 3


SORTED = st.sampled_from(["userName", "externalId", "id", "displayName", "emails", "emails.type", "active"])
SORTS = st.builds(parse_sort, SORTED, st.sampled_from(["ascending", "descending"]))


@given(people=st.lists(PEOPLE, max_size=5), sort=SORTS, filter=st.none() | FILTERS, start=st.integers(1, 3))
def test_a_page_is_a_slice_of_all_in_the_order_asked_for(people, sort, filter, start):
    matches = None if filter is None else predicate(filter)
    with closing(sqlite3.connect(":memory:")) as connection:
        found = [person for person in stored(connection, people) if matches is None or matches(person)]
        ordered = sorted(found, key=rank(sort, USER), reverse=sort.descending)

        page = directory.page(connection, USER, Query(filter, start, 2, sort=sort), matches)

        assert list(page.entries) == ordered[start - 1 :][:2]
        assert page.total == len(found)


def test_nothing_of_an_old_document_stays():
    old = {"userName": "ann", "emails": [{"value": "old@x"}, {"value": "kept@x"}]}
    new = {"userName": "ann", "emails": [{"value": "kept@x"}, {"value": "new@x"}]}
    with closing(sqlite3.connect(":memory:")) as connection:
        stored(connection, [old])

        directory.replace(connection, Entry(USER, "id-0", *identity(new), new, "2026-01-02T00:00:00.000Z"))

        rows = connection.execute("SELECT folded FROM value ORDER BY folded").fetchall()
    assert rows == [("kept@x",), ("new@x",)]


def test_nothing_of_a_deleted_entry_stays():
    person = {"userName": "ann", "emails": [{"value": "ann@x"}]}
    with closing(sqlite3.connect(":memory:")) as connection:
        stored(connection, [person])

        assert directory.delete(connection, USER, "id-0") is None

        assert connection.execute("SELECT count(*) FROM value").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (0,)
