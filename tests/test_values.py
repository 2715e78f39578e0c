"""Values are equal by what they hold, and the type checker knows that they are frozen."""

from dataclasses import field, replace

import pytest

from gateway.values import frozen


@frozen
class Point:
    """Two numbers, and some names."""

    x: int
    y: int = 0
    names: list[str] = field(default_factory=list, hash=False)


def test_values_are_equal_and_hashed_by_what_they_hold():
    assert Point(1) == Point(1, 0) != Point(1, 2)
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_a_value_has_the_fields_it_was_given_and_no_others():
    with pytest.raises(AttributeError):
        Point(1).z = 3


def test_another_value_is_made_of_one_and_leaves_it_as_it_was():
    one = Point(1, names=["a"])

    assert replace(one, y=2) == Point(1, 2, ["a"])
    assert one == Point(1, names=["a"])
