"""Who is listed, in whose alphabet, and whose a number is."""

from typing import Any

import pytest

from gateway.phonebook.people import (
    LONGEST_NAME,
    MOST_CALLERS,
    MOST_NUMBERS,
    Contact,
    NumberIndex,
    collation,
    contact_of,
    matching,
    plain,
    row_in,
    row_of,
    sortable,
    words_of,
)
from gateway.scim.names import ENTERPRISE_USER

WORK = {"type": "work", "value": "+442079460123"}
ANN = {"userName": "ann@example.com", "phoneNumbers": [WORK]}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({**ANN, "active": False}, id="inactive"),
        pytest.param({**ANN, "active": "False"}, id="inactive as text"),
        pytest.param({"userName": "ann@example.com"}, id="without numbers"),
        pytest.param({**ANN, "phoneNumbers": []}, id="with none"),
        pytest.param({**ANN, "phoneNumbers": [{"value": "n/a"}]}, id="with what is no number"),
        pytest.param({**ANN, "phoneNumbers": [{"value": "000"}]}, id="zeros"),
        pytest.param({**ANN, "phoneNumbers": [{**WORK, "type": "Fax"}]}, id="a fax"),
        pytest.param({**ANN, "phoneNumbers": [{"value": "1" * 65}]}, id="endless"),
        pytest.param({"phoneNumbers": [WORK]}, id="without any name"),
        pytest.param({**ANN, "phoneNumbers": {"value": 7}}, id="no text"),
    ],
)
def test_nobody_is_listed_who_cannot_be_called_or_has_left(document: dict[str, Any]) -> None:
    assert contact_of(document) is None


@pytest.mark.parametrize(
    ("more", "name"),
    [
        pytest.param({}, "ann@example.com", id="userName"),
        pytest.param({"name": {"givenName": "Ann", "familyName": "Lee"}}, "Ann Lee", id="parts"),
        pytest.param({"name": {"familyName": "Lee"}}, "Lee", id="one part"),
        pytest.param({"name": {"formatted": "Dr Lee", "givenName": "Ann"}}, "Dr Lee", id="formatted"),
        pytest.param({"displayName": "Annie", "name": {"formatted": "Dr Lee"}}, "Annie", id="displayName"),
        pytest.param({"displayname": "Annie"}, "Annie", id="in another case"),
        pytest.param({"displayName": " \t", "name": "x"}, "ann@example.com", id="empty"),
        pytest.param({"displayName": "A\x00n\nn\u00a0L\ud800ee"}, "A n n L ee", id="controls"),
        pytest.param({"displayName": "x" * 1000}, "x" * LONGEST_NAME, id="long"),
    ],
)
def test_somebody_is_listed_by_the_name_that_is_shown_of_them(more: dict[str, Any], name: str) -> None:
    contact = contact_of({**ANN, **more})

    assert contact is not None
    assert contact.name == name


@pytest.mark.parametrize(
    ("held", "numbers"),
    [
        pytest.param([WORK], [("work", "+442079460123")], id="as it is held"),
        pytest.param(WORK, [("work", "+442079460123")], id="no list"),
        pytest.param(["1234"], [("other", "1234")], id="a text"),
        pytest.param([{"value": "12 34", "type": "SMS"}], [("other", "12 34")], id="of a kind of its own"),
        pytest.param([WORK, {**WORK, "type": "home"}], [("work", "+442079460123")], id="twice"),
        pytest.param(
            [WORK, {"value": "77", "type": "Mobile", "primary": "True"}],
            [("mobile", "77"), ("work", "+442079460123")],
            id="the primary one first",
        ),
        pytest.param([{"value": "\u202a+44 20\u202c", "type": "work"}], [("work", "+44 20")], id="marks"),
        pytest.param([WORK, {**WORK, "type": "fax", "value": "9"}], [("work", "+442079460123")], id="a fax"),
        pytest.param(
            [{"value": str(n)} for n in range(1, 100)],
            [("other", str(n)) for n in range(1, MOST_NUMBERS + 1)],
            id="a hundred",
        ),
    ],
)
def test_numbers_are_listed_as_the_target_holds_them(held: Any, numbers: list[tuple[str, str]]) -> None:
    contact = contact_of({**ANN, "phoneNumbers": held})

    assert contact is not None
    assert list(contact.numbers) == numbers


@pytest.mark.parametrize(
    ("more", "department"),
    [
        pytest.param({ENTERPRISE_USER: {"department": "Sales"}}, "Sales", id="extension"),
        pytest.param({"department": "Sales"}, "Sales", id="core level"),
        pytest.param({ENTERPRISE_USER: "Sales"}, "", id="no object"),
    ],
)
def test_a_department_is_listed(more: dict[str, Any], department: str) -> None:
    contact = contact_of({**ANN, **more})

    assert contact is not None
    assert contact.department == department


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        pytest.param("en", "Aada Åke Ängström Bo Øre Özil Pia Zoe", id="accents beside their letters"),
        pytest.param("xx-Latn", "Aada Åke Ängström Bo Øre Özil Pia Zoe", id="an alphabet not known"),
        pytest.param("sv-SE", "Aada Bo Pia Zoe Åke Ängström Øre Özil", id="Swedish"),
        pytest.param("da", "Bo Pia Zoe Æbel Ängström Øre Özil Åke Aase", id="Danish"),
        pytest.param("NB", "Bo Pia Zoe Ängström Øre Åke", id="Norwegian, in capitals"),
        pytest.param("de", "Mucke Mueller Müller Mufti Straße Strauß", id="German phone book"),
        pytest.param("en", "Mucke Mueller Mufti Müller", id="not German"),
        pytest.param("es", "Núñez Nuria Nzo Ñíguez Oso", id="Spanish"),
        pytest.param("pl", "Lzy Łucja Maj Zyta Źdźbło Żak", id="Polish"),
        pytest.param("cs", "Cyril Čapek Hus Chalupa Ivo", id="Czech, with a letter of two"),
        pytest.param("tr", "Hz Ilgın Işık İzmir Jale", id="Turkish"),
        pytest.param("ja", "あべ アベリ いとう", id="kana of both kinds"),
        pytest.param("en", "ann ANNA Anne", id="whatever the case"),
    ],
)
def test_names_stand_in_the_alphabet_of_the_reader(locale: str, names: str) -> None:
    place = collation(locale)
    right = names.split()

    placed = sorted(right, key=place)

    assert list(map(place, placed)) == list(map(place, right))


LEE = Contact("Ann Lee", "Ann", "Lee", "Sales", [["work", "+442079460123"]])
ARI = Contact("Bo Ari", "Bo", "Ari", "Works", [["work", "+442079460124"]])
ZEN = Contact("Zen", "", "", "", [["work", "1234"]])


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        pytest.param("name", [LEE, ARI, ZEN], id="name"),
        pytest.param("family", [ARI, LEE, ZEN], id="family name, or the only one"),
        pytest.param("department", [ZEN, LEE, ARI], id="department"),
    ],
)
def test_people_are_ordered_as_is_asked(sort: str, order: list[Contact]) -> None:
    lines = sorted(sortable(contact, plain, sort) for contact in (ZEN, ARI, LEE))

    assert list(matching(map(row_in, lines), ())) == order


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("", True, id="nothing"),
        pytest.param("mull", True, id="a part, without its accent"),
        pytest.param("MUELLER", True, id="as German writes it without one"),
        pytest.param("Müller jörg", True, id="words in any order"),
        pytest.param("sales", True, id="department"),
        pytest.param("+44 20 7946", False, id="a number from its begin, taken apart"),
        pytest.param("7946", True, id="digits"),
        pytest.param("+44 30 7946", True, id="a number from its begin, with spaces"),
        pytest.param("(030) 79-46", True, id="a number as at home"),
        pytest.param("030 7946 sales", True, id="a number as at home, and a word"),
        pytest.param("jörg 44 79", True, id="digits beside one another that are no number"),
        pytest.param("030 7947", False, id="a number of somebody else"),
        pytest.param("007", False, id="digits that say too little without their zeros"),
        pytest.param("030x7946", False, id="no number"),
        pytest.param('"J"', True, id="quotes"),
        pytest.param("jörg berlin", False, id="one word is missing"),
        pytest.param("\ud800", True, id="no character at all"),
    ],
)
def test_somebody_is_found_by_words(asked: str, found: bool) -> None:
    who = Contact('Jörg "J" Müller', "", "", "Sales", [["work", "+44 30 7946"]])
    row = row_of(who, collation("de"))

    assert list(matching((row,), words_of(asked))) == ([who] if found else [])


HELD = {
    "full": "+442079460123",
    "spaced": "+44 (0)20 7946 0999",
    "uri": "tel:+44-20-7946-0018;ext=123",
    "national": "020 7946 0777",
    "local": "9460555",
    "short": "1234",
    "digits": "441632960001",
    "american": "+12079460321",
    "hungarian": "06 1 234 5678",
}


@pytest.mark.parametrize(
    ("asked", "region", "who"),
    [
        pytest.param("+442079460123", "GB", ["full"], id="E.164"),
        pytest.param("442079460123", "GB", ["full"], id="without a plus"),
        pytest.param("00442079460123", "GB", ["full"], id="from abroad"),
        pytest.param("020 7946 0123", "GB", ["full"], id="national"),
        pytest.param("020 7946 0123", None, ["full"], id="national, of no known country"),
        pytest.param("+44 20 7946 0123", None, ["full"], id="E.164 of no known country"),
        pytest.param("+442079460999", "GB", ["spaced"], id="held with spaces"),
        pytest.param("02079460018", "GB", ["uri"], id="held as a URI with an extension"),
        pytest.param("+442079460777", "GB", ["national"], id="held as at home"),
        pytest.param("02079460777", "GB", ["national"], id="both as at home"),
        pytest.param("+442079460555", "GB", ["local"], id="held as in town"),
        pytest.param("1234", "GB", ["short"], id="extension"),
        pytest.param("+441632960001", "GB", ["digits"], id="held without a plus"),
        pytest.param("+442079461234", "GB", [], id="an extension is no end of a number"),
        pytest.param("+12079460777", "GB", [], id="abroad, with the same end as one at home"),
        pytest.param("020 7946 0321", "GB", [], id="at home, with the same end as one abroad"),
        pytest.param("+36 1 234 5678", "HU", ["hungarian"], id="a prefix that is more than 0"),
        pytest.param("anonymous", "GB", [], id="nobody says who they are"),
        pytest.param("", "GB", [], id="nothing"),
        pytest.param("0", "GB", [], id="zero"),
        pytest.param("9" * 200, "GB", [], id="endless"),
    ],
)
def test_a_caller_is_found_by_their_number(asked: str, region: str | None, who: list[str]) -> None:
    index = NumberIndex()
    for row, number in enumerate(HELD.values()):
        index.add(Contact("x", "", "", "", [["work", number]]), row)
    assert not any(index.sorted())  # so few take one step

    assert [list(HELD)[row] for row in index.find(asked, region)] == who


def test_the_number_that_shares_most_is_taken_and_all_who_have_it() -> None:
    index = NumberIndex()
    for row, number in enumerate(["9460123", "79460123", "020 7946 0123", "2079460123", "0123"]):
        index.add(Contact("x", "", "", "", [["work", number]]), row)
    assert not any(index.sorted())  # so few take one step

    assert index.find("+442079460123", "GB") == [2, 3]


def test_of_a_number_that_everybody_has_some_are_told() -> None:
    index = NumberIndex()
    for row in range(1000):
        index.add(Contact("x", "", "", "", [["work", "+442079460000"]]), row)
    assert not any(index.sorted())  # so few take one step

    assert index.find("+442079460000", "GB") == list(range(MOST_CALLERS))
