"""How long a read may stand for the next one."""

from typing import Any

import pytest

from gateway.flow import entry_cache
from gateway.flow.entry_cache import Sights
from gateway.flow.target_port import ResourceType

USER, GROUP = ResourceType.USER, ResourceType.GROUP
ANN: dict[str, Any] = {"id": "1", "userName": "ann"}


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def sights(clock: list[float]) -> Sights:
    return Sights(lambda: clock[0])


@pytest.mark.parametrize(
    ("age", "trust", "expected"),
    [
        pytest.param(0.0, 5.0, ANN, id="just now"),
        pytest.param(4.9, 5.0, ANN, id="young enough"),
        pytest.param(5.0, 5.0, None, id="too old"),
        pytest.param(0.0, 0.0, None, id="nothing is trusted"),
    ],
)
def test_a_sight_is_trusted_for_a_while(sights, clock, age: float, trust: float, expected: Any) -> None:
    sights.note("phonebook", USER, ANN)
    clock[0] += age

    assert sights.recall("phonebook", USER, "1", trust) == expected


def test_a_newer_sight_takes_the_place_of_an_older_one(sights, clock) -> None:
    sights.note("phonebook", USER, ANN)
    clock[0] += 4
    sights.note("phonebook", USER, ANN | {"title": "Boss"})
    clock[0] += 4

    assert sights.recall("phonebook", USER, "1", 5)["title"] == "Boss"


@pytest.mark.parametrize(
    "place", [("other", USER, "1"), ("phonebook", GROUP, "1"), ("phonebook", USER, "2")], ids=str
)
def test_each_target_type_and_id_has_its_own_sight(sights, place: tuple[str, ResourceType, str]) -> None:
    sights.note("phonebook", USER, ANN)

    assert sights.recall(*place, 5) is None


def test_what_is_forgotten_is_not_recalled_and_may_be_forgotten_again(sights) -> None:
    sights.note("phonebook", USER, ANN)

    sights.forget("phonebook", USER, "1")
    sights.forget("phonebook", USER, "1")

    assert sights.recall("phonebook", USER, "1", 5) is None


def test_only_so_many_are_remembered_the_newest(sights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_cache, "MOST", 2)
    for id in ("1", "2", "1", "3"):
        sights.note("phonebook", USER, ANN | {"id": id})

    assert [id for id in ("1", "2", "3") if sights.recall("phonebook", USER, id, 5)] == ["1", "3"]


def test_an_answer_counts_from_when_its_read_was_sent(sights, clock) -> None:
    asked = sights.moment()
    clock[0] += 4
    sights.note("phonebook", USER, ANN, asked)
    clock[0] += 1

    assert sights.recall("phonebook", USER, "1", 5) is None


def test_an_older_read_does_not_take_the_place_of_newer_knowledge(sights) -> None:
    asked = sights.moment()
    sights.note("phonebook", USER, ANN | {"title": "Boss"})

    sights.note("phonebook", USER, ANN, asked)

    assert sights.recall("phonebook", USER, "1", 5)["title"] == "Boss"


def test_an_older_read_does_not_bring_back_what_was_forgotten(sights) -> None:
    asked = sights.moment()
    sights.forget("phonebook", USER, "1")

    sights.note("phonebook", USER, ANN, asked)
    stale = sights.recall("phonebook", USER, "1", 5)
    sights.note("phonebook", USER, ANN, sights.moment())

    assert (stale, sights.recall("phonebook", USER, "1", 5)) == (None, ANN)


def test_an_older_read_does_not_bring_back_what_there_was_no_room_for(sights, monkeypatch) -> None:
    monkeypatch.setattr(entry_cache, "MOST", 1)
    asked = sights.moment()
    sights.forget("phonebook", USER, "1")
    sights.note("phonebook", USER, ANN | {"id": "2"})

    sights.note("phonebook", USER, ANN, asked)

    assert sights.recall("phonebook", USER, "1", 5) is None
