"""The people that a bench sends."""

from bench.people import original, person, phone, sent, user_name

MANY = range(0, 2_000_000, 1_000)


def test_no_two_people_have_a_name_or_a_number_in_common():
    assert len({user_name(number) for number in MANY}) == len(MANY)
    assert len({phone(number) for number in MANY}) == len(MANY)


def test_what_the_gateway_keeps_lacks_what_is_empty():
    assert person(1).keys() - original(1).keys() == {"groups"}


def test_what_is_sent_has_the_number_in_its_international_form():
    assert sent(12)["phoneNumbers"] == [{"value": "+442070000012", "type": "work"}]
