"""How long a read may stand for the next one."""

from typing import Any

import pytest

from gateway.flow import services as module
from gateway.flow.services import EntryCache
from gateway.flow.target_port import ResourceType

USER, GROUP = ResourceType.USER, ResourceType.GROUP
ANN: dict[str, Any] = {"id": "1", "userName": "ann"}


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def entry_cache(clock: list[float]) -> EntryCache:
    return EntryCache(lambda: clock[0])


@pytest.mark.parametrize(
    ("age", "trust", "expected"),
    [
        pytest.param(0.0, 5.0, ANN, id="just now"),
        pytest.param(4.9, 5.0, ANN, id="young enough"),
        pytest.param(5.0, 5.0, None, id="too old"),
        pytest.param(0.0, 0.0, None, id="nothing is trusted"),
    ],
)
def test_an_entry_is_trusted_for_a_while(entry_cache, clock, age: float, trust: float, expected: Any) -> None:
    entry_cache.note("phonebook", USER, ANN)
    clock[0] += age

    assert entry_cache.recall("phonebook", USER, "1", trust) == expected


def test_a_newer_entry_takes_the_place_of_an_older_one(entry_cache, clock) -> None:
    entry_cache.note("phonebook", USER, ANN)
    clock[0] += 4
    entry_cache.note("phonebook", USER, ANN | {"title": "Boss"})
    clock[0] += 4

    assert entry_cache.recall("phonebook", USER, "1", 5)["title"] == "Boss"


@pytest.mark.parametrize(
    ("age", "title"),
    [
        pytest.param(4.9, "new", id="a replica that lags behind"),
        pytest.param(5.0, "old", id="changed back at the target"),
    ],
)
def test_a_read_that_shows_what_we_have_just_replaced_is_not_believed(
    entry_cache, clock, age: float, title: str
) -> None:
    for state in ("older", "old", "new"):
        entry_cache.note("phonebook", USER, ANN | {"title": state})
        if state != "new":
            entry_cache.forget("phonebook", USER, "1")
    clock[0] += age

    for state in ("older", "old"):
        shown = entry_cache.note("phonebook", USER, ANN | {"title": state}, entry_cache.tick(), 5.0)

    assert shown["title"] == title
    assert entry_cache.recall("phonebook", USER, "1", 5.0)["title"] == title


def test_a_read_that_shows_something_else_than_before_our_change_is_believed(entry_cache) -> None:
    entry_cache.note("phonebook", USER, ANN)
    entry_cache.forget("phonebook", USER, "1")
    entry_cache.note("phonebook", USER, ANN | {"title": "new"})

    entry_cache.note("phonebook", USER, ANN | {"title": "by hand"}, entry_cache.tick(), 5.0)

    assert entry_cache.recall("phonebook", USER, "1", 5.0)["title"] == "by hand"


def test_who_left_a_group_is_known_for_a_while_and_forgotten_once_they_are_back(entry_cache, clock) -> None:
    clock[0] += 60
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (False, frozenset())

    entry_cache.note_members("phonebook", "g", ["a"], ["b", "c"], 5.0)
    clock[0] += 3
    entry_cache.note_members("phonebook", "g", ["b"], [], 5.0)
    entry_cache.note_members("phonebook", "other", [], ["d"], 5.0)

    entry_cache.note_members("phonebook", "", [], ["e"], 5.0)
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (True, {"c", "e"})
    clock[0] += 3
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (True, {"e"})
    clock[0] += 3
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (False, frozenset())


@pytest.mark.parametrize(
    ("target", "trust"),
    [
        pytest.param("elsewhere", 1.0, id="a target that is trusted for less"),
        pytest.param("elsewhere", 0.0, id="a target that is trusted for nothing"),
        pytest.param("phonebook", 0.0, id="a repair, which looks at all anew"),
    ],
)
def test_what_is_changed_elsewhere_leaves_what_is_known_of_a_group(entry_cache, clock, target, trust) -> None:
    clock[0] += 60
    entry_cache.note_members("phonebook", "g", [], ["a"], 5.0)
    clock[0] += 3

    entry_cache.note_members(target, "other", [], ["b"], trust)

    assert entry_cache.left_lately("phonebook", "g", 5.0) == (True, {"a"})


def test_what_a_process_did_before_this_one_began_may_lag_behind_too(entry_cache, clock) -> None:
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (True, frozenset())
    clock[0] += 5
    assert entry_cache.left_lately("phonebook", "g", 5.0) == (False, frozenset())


@pytest.mark.parametrize(
    "place", [("other", USER, "1"), ("phonebook", GROUP, "1"), ("phonebook", USER, "2")], ids=str
)
def test_each_target_type_and_id_has_its_own_entry(entry_cache, place: tuple[str, ResourceType, str]) -> None:
    entry_cache.note("phonebook", USER, ANN)

    assert entry_cache.recall(*place, 5) is None


def test_what_is_forgotten_is_not_recalled_and_may_be_forgotten_again(entry_cache) -> None:
    entry_cache.note("phonebook", USER, ANN)

    entry_cache.forget("phonebook", USER, "1")
    entry_cache.forget("phonebook", USER, "1")

    assert entry_cache.recall("phonebook", USER, "1", 5) is None


def test_only_so_many_are_remembered_the_newest(entry_cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 2)
    for id in ("1", "2", "1", "3"):
        entry_cache.note("phonebook", USER, ANN | {"id": id})

    assert [id for id in ("1", "2", "3") if entry_cache.recall("phonebook", USER, id, 5)] == ["1", "3"]


def test_an_answer_counts_from_when_its_read_was_sent(entry_cache, clock) -> None:
    asked = entry_cache.tick()
    clock[0] += 4
    entry_cache.note("phonebook", USER, ANN, asked)
    clock[0] += 1

    assert entry_cache.recall("phonebook", USER, "1", 5) is None


def test_an_older_read_does_not_take_the_place_of_newer_knowledge(entry_cache) -> None:
    asked = entry_cache.tick()
    entry_cache.note("phonebook", USER, ANN | {"title": "Boss"})

    entry_cache.note("phonebook", USER, ANN, asked)

    assert entry_cache.recall("phonebook", USER, "1", 5)["title"] == "Boss"


def test_an_older_read_does_not_bring_back_what_was_forgotten(entry_cache) -> None:
    asked = entry_cache.tick()
    entry_cache.forget("phonebook", USER, "1")

    entry_cache.note("phonebook", USER, ANN, asked)
    stale = entry_cache.recall("phonebook", USER, "1", 5)
    entry_cache.note("phonebook", USER, ANN, entry_cache.tick())

    assert (stale, entry_cache.recall("phonebook", USER, "1", 5)) == (None, ANN)


def test_an_older_read_does_not_bring_back_what_there_was_no_room_for(entry_cache, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 1)
    asked = entry_cache.tick()
    entry_cache.forget("phonebook", USER, "1")
    entry_cache.note("phonebook", USER, ANN | {"id": "2"})

    entry_cache.note("phonebook", USER, ANN, asked)

    assert entry_cache.recall("phonebook", USER, "1", 5) is None
