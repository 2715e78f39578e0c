"""Every format as its vendor describes it: one golden file each, and what no name can break.

Sources, seen 2026-11:
- yealink: `YealinkIPPhoneDirectory`, several `Telephone` in an entry, as the remote phone books of Yealink's
  administrator's guides for SIP-T2/T4/T5 have it.
- cisco: "Cisco Unified IP Phone Services Application Development Notes" OL-20949-01, pages 3-6 and 3-7:
  `CiscoIPPhoneDirectory` with `Title` and `Prompt`, 32 entries at most, the next ones by a `Refresh` header.
- snom: `SnomIPPhoneDirectory`, "Show a phone book", of the XML Minibrowser (service.snom.com, docs.snom.io).
- grandstream: "GXP Series - XML Phonebook Guide" (documentation.grandstream.com) and the guide of the GXP17
  series, page 13: `AddressBook`, `Contact`, `Phone type="Work/Home/Mobile/Fax/Other"`, `accountindex` from 0;
  `Department` as the library mrcnpdlk/grandstream-xmlapp writes it for the GXP21xx.
- vcard: RFC 2426 (version 3.0), media type of RFC 6350. csv: RFC 4180.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.phonebook.formats import FORMATS
from gateway.phonebook.people import Contact, contact_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "phonebooks"
PEOPLE = (
    Contact("Ann Lee", "Ann", "Lee", "Sales & Service", (("work", "+442079460123"),)),
    Contact(
        'Ørsted, "Bo" <Bo>', "Bo", "Ørsted", "", (("work", "+4532123456"), ("mobile", "+4520123456;ext=7"))
    ),
    Contact("Reception", "", "", "Front; desk", (("other", "1234"), ("home", "020 7946 0018"))),
    Contact("=山田, 太郎", "太郎", "山田", "営業部", (("work", "+81332249999"),)),
)
XML = [name for name, form in FORMATS.items() if form.media == "text/xml"]


def written(form: str, people: tuple[Contact, ...] = PEOPLE, title: str = "Desk & more") -> str:
    shape = FORMATS[form]
    entries = [entry for contact in people for entry in shape.entries(contact)]
    return shape.head(title, "1 - 4") + "".join(entries) + shape.tail


@pytest.mark.parametrize("form", FORMATS)
def test_a_phone_book_is_written_as_the_vendor_says(form: str) -> None:
    assert written(form).encode() == (GOLDEN / f"{form}.golden").read_bytes()


def numbers_in(form: str, text: str) -> list[str]:
    """Read the numbers back as a phone does."""
    if form in XML:
        return [
            e.text or "" for e in ElementTree.fromstring(text).iter() if e.tag in ("Telephone", "phonenumber")
        ]
    if form == "csv":
        return [row[-1] for row in list(csv.reader(io.StringIO(text)))[1:]]
    lines = text.replace("\r\n ", "").split("\r\n")
    return [re.sub(r"\\(.)", r"\1", line.partition(":")[2]) for line in lines if line.startswith("TEL")]


@pytest.mark.parametrize("form", FORMATS)
def test_every_number_is_read_back_as_the_target_holds_it(form: str) -> None:
    assert numbers_in(form, written(form)) == [number for contact in PEOPLE for _, number in contact.numbers]


@pytest.mark.parametrize("form", FORMATS)
def test_a_phone_book_without_anybody_is_one_all_the_same(form: str) -> None:
    assert numbers_in(form, written(form, ())) == []


def documents() -> st.SearchStrategy[dict[str, object]]:
    text = st.text(st.characters(codec=None), max_size=300)
    return st.fixed_dictionaries(
        {
            "userName": text,
            "displayName": text | st.none() | st.integers(),
            "name": st.fixed_dictionaries({"givenName": text, "familyName": text}) | st.none() | text,
            "phoneNumbers": st.lists(
                st.fixed_dictionaries({"value": text.map(lambda t: f"{t}1"), "type": text | st.none()})
                | text,
                max_size=5,
            ),
        }
    )


@pytest.mark.parametrize("form", FORMATS)
@given(document=documents())
def test_whatever_a_target_holds_is_read_back_as_it_is_listed(form: str, document: dict[str, object]) -> None:
    contact = contact_of(document)
    people = () if contact is None else (contact,)

    text = written(form, people)

    text.encode()
    told = [number for one in people for _, number in one.numbers]
    assert [number.lstrip("'") for number in numbers_in(form, text)] == [n.lstrip("'") for n in told]


@pytest.mark.parametrize("value", ["=cmd|' /C calc'!A0", "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3"])
def test_no_spreadsheet_runs_a_name_or_a_number(value: str) -> None:
    (_, row) = csv.reader(io.StringIO(written("csv", (Contact(value, "", "", "", (("work", value),)),))))

    assert (row[0], row[-1]) == (f"'{value}", f"'{value}")


def lines_of(card: str) -> Iterator[bytes]:
    yield from card.encode().split(b"\r\n")


def test_no_line_of_a_card_is_longer_than_75_bytes_and_no_character_is_parted() -> None:
    text = written("vcard", (Contact("営業部" * 60, "", "", "", (("work", "1234"),)),))

    assert max(map(len, lines_of(text))) == 75
    assert f"FN:{'営業部' * 60}" in text.replace("\r\n ", "")
