"""Chance is the system's, and nobody gets the same of it twice."""

import os

from gateway.build import FETCHED, Chance


def test_random_bytes_are_fetched_once_for_many_and_given_to_one_alone():
    asked = []

    def source(size):
        asked.append(size)
        return os.urandom(size)

    chance = Chance(source)
    made = [chance(288) for _ in range(FETCHED // 288)]

    assert len(asked) == 1
    assert {len(each) for each in made} == {288}
    assert len(set(made)) == len(made)


def test_more_random_bytes_than_are_fetched_at_once_come_whole():
    chance = Chance()

    assert [len(chance(size)) for size in (10, 3 * FETCHED, 0, FETCHED, FETCHED)] == [
        10,
        3 * FETCHED,
        0,
        FETCHED,
        FETCHED,
    ]
