"""Ids are in order of time, and UUIDs."""

import time
from uuid import RFC_4122, UUID

import pytest

from gateway import ids
from gateway.ids import new_id


def test_ids_are_in_the_order_in_which_they_were_made():
    made = [new_id() for _ in range(20_000)]

    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7_that_tells_its_time():
    before = time.time_ns() // 1_000_000
    made = UUID(new_id())

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= (made.int >> 80) <= time.time_ns() // 1_000_000 + 1


def test_an_id_is_32_hexadecimal_digits():
    assert {len(new_id()) for _ in range(100)} == {32}
    assert set("".join(new_id() for _ in range(100))) <= set("0123456789abcdef")


@pytest.mark.parametrize("seconds", [-86400, 0], ids=["set back", "standing still"])
def test_a_clock_that_does_not_go_on_keeps_the_order(monkeypatch, seconds):
    first = new_id()
    now = time.time_ns() + seconds * 1_000_000_000
    monkeypatch.setattr(ids.time, "time_ns", lambda: now)
    made = [first, *(new_id() for _ in range(9000))]

    assert made == sorted(set(made))
    assert {UUID(id).version for id in made} == {7}
