"""Values are equal by what they hold, and the type checker knows that they are frozen."""

import copy
import pickle
from dataclasses import FrozenInstanceError, field, replace

import pytest

from gateway.values import frozen, sealed


@frozen
class Point:
    """Two numbers, and some names."""

    x: int
    y: int = 0
    names: list[str] = field(default_factory=list, hash=False)


@frozen
class Sign:
    """What is compared and shown in part."""

    place: Point
    secret: str = field(default="", repr=False)
    seen: int = field(default=0, compare=False)


@frozen
class Loud(Sign):
    """Says itself how it is shown."""

    def __repr__(self) -> str:
        return "LOUD"


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


def test_a_value_is_compared_and_shown_by_the_fields_that_say_so():
    sign = Sign(Point(1), "s3cret", seen=1)

    assert sign == Sign(Point(1), "s3cret", seen=2)
    assert hash(sign) == hash(Sign(Point(1), "s3cret", seen=2))
    assert sign != Sign(Point(1), "other")
    assert repr(sign) == "Sign(place=Point(x=1, y=0, names=[]), seen=1)"


def test_values_of_two_kinds_differ_and_what_a_class_says_itself_stays():
    assert Loud(Point(1)) != Sign(Point(1))
    assert Point(1) != (1, 0, [])
    assert repr(Loud(Point(1))) == "LOUD"


def test_a_value_that_holds_itself_can_be_shown():
    point = Point(1)
    point.names.append(point)

    assert repr(point) == "Point(x=1, y=0, names=[...])"


@sealed
class Place:
    """What nobody changes, with a field that is made of the others."""

    host: str
    port: int = 80
    names: list[str] = field(default_factory=list, hash=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@frozen
class Square:
    """A value that makes a field of another."""

    side: int
    area: int = field(init=False)

    def __post_init__(self) -> None:
        self.area = self.side**2


def test_a_sealed_value_is_made_and_compared_as_others_and_refuses_every_change():
    place = Place("here", names=["a"])

    assert place == Place("here", 80, ["a"]) != Place("there", names=["a"])
    assert replace(place, port=1).address == "here:1"
    with pytest.raises(FrozenInstanceError):
        place.port = 1
    with pytest.raises(FrozenInstanceError):
        del place.port
    assert place == Place("here", names=["a"])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
@pytest.mark.parametrize("value", [Place("here", names=["a"]), Point(1, names=["a"]), Square(2)], ids=repr)
def test_a_copy_of_a_value_is_equal_to_it(value, copied):
    assert copied(value) == value


def test_the_first_value_of_a_class_is_made_like_all_others():
    first, second = Square(2), Square(side=2)

    assert (first, first.area) == (second, 4)
    with pytest.raises(TypeError):
        Square()
    with pytest.raises(TypeError):
        Square(2, area=4)
