"""How each kind of phone reads a phone book: who is in it, as text. Pure.

Only what a vendor says of a format is written. Sources: the golden files of the tests name them.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape  # it only writes

from gateway.audit.fields import cell
from gateway.phonebook.people import Contact
from gateway.values import frozen

XML: Final = "text/xml"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


@frozen
class BookFormat:
    """One way to write a phone book, in UTF-8: what comes first, each entry, and what comes last."""

    media: str
    head: Callable[[str, str], str]  # of the title, and a prompt
    entries: Callable[[Contact], Iterator[str]]  # of one person
    tail: str
    page: int | None = None  # entries that a phone takes in one answer; None: any number


def _directory(vendor: str, *titles: str) -> Callable[[str, str], str]:
    """Return the beginning of an `IPPhoneDirectory`, with those of a title and a prompt that it has."""

    def head(*texts: str) -> str:
        said = (f"<{tag}>{escape(text)}</{tag}>\n" for tag, text in zip(titles, texts, strict=False))
        return f"{DECLARATION}<{vendor}IPPhoneDirectory>\n{''.join(said)}"

    return head


def _entry(name: str, *numbers: str) -> str:
    telephones = "".join(f"<Telephone>{escape(number)}</Telephone>" for number in numbers)
    return f"<DirectoryEntry><Name>{escape(name)}</Name>{telephones}</DirectoryEntry>\n"


def _together(contact: Contact) -> Iterator[str]:
    """Yield one entry with all numbers."""
    yield _entry(contact.name, *(number for _, number in contact.numbers))


def _apart(contact: Contact) -> Iterator[str]:
    """Yield an entry for each number; where there are several, the name says of which kind each is."""
    if len(contact.numbers) == 1:
        yield from _together(contact)
        return
    for kind, number in contact.numbers:
        yield _entry(f"{contact.name} ({kind})", number)


_GRANDSTREAM: Final = {"work": "Work", "home": "Home", "mobile": "Mobile", "other": "Other"}


def _address(contact: Contact) -> Iterator[str]:
    first, last = contact.given, contact.family
    if not first and not last:
        first = contact.name
    department = f"<Department>{escape(contact.department)}</Department>" if contact.department else ""
    phones = "".join(
        f'<Phone type="{_GRANDSTREAM[kind]}"><phonenumber>{escape(number)}</phonenumber>'
        "<accountindex>0</accountindex></Phone>"  # the first account
        for kind, number in contact.numbers
    )
    yield (
        f"<Contact><FirstName>{escape(first)}</FirstName><LastName>{escape(last)}</LastName>"
        f"<Frequent>0</Frequent>{department}{phones}</Contact>\n"
    )


_TEL: Final = {"work": "WORK,VOICE", "home": "HOME,VOICE", "mobile": "CELL,VOICE", "other": "VOICE"}
_VCARD_SPECIAL: Final = re.compile(r"[\\;,]")
FOLD: Final = 75  # bytes of a line (RFC 2426 section 2.6)


def _card(contact: Contact) -> Iterator[str]:
    def text(value: str) -> str:
        return _VCARD_SPECIAL.sub(r"\\\g<0>", value)

    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"FN:{text(contact.name)}",
        f"N:{text(contact.family)};{text(contact.given)};;;",
        *([f"ORG:;{text(contact.department)}"] if contact.department else []),
        *(f"TEL;TYPE={_TEL[kind]}:{text(number)}" for kind, number in contact.numbers),
        "END:VCARD",
    ]
    yield "".join(f"{_folded(line)}\r\n" for line in lines)


def _folded(line: str) -> str:
    """Return a line in pieces of 75 bytes; no character is parted."""
    pieces, size = [""], 0
    for char in line:
        length = len(char.encode())
        if size + length > FOLD:
            pieces.append(" ")
            size = 1
        pieces[-1] += char
        size += length
    return "\r\n".join(pieces)


COLUMNS: Final = ("name", "given_name", "family_name", "department", "type", "number")
_NUMBER: Final = re.compile(r"\+?[\d ().-]+(?:(?:;ext=| x)\d+)?")  # no formula, though it begins with +


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(cells)
    return out.getvalue()


def _lines(contact: Contact) -> Iterator[str]:
    about = [cell(value) for value in contact[:4]]
    for kind, number in contact.numbers:
        yield _line([*about, kind, number if _NUMBER.fullmatch(number) else cell(number)])


FORMATS: Final[Mapping[str, BookFormat]] = {
    "yealink": BookFormat(XML, _directory("Yealink"), _together, "</YealinkIPPhoneDirectory>\n"),
    "cisco": BookFormat(
        XML, _directory("Cisco", "Title", "Prompt"), _apart, "</CiscoIPPhoneDirectory>\n", page=32
    ),
    "snom": BookFormat(XML, _directory("Snom", "Title"), _apart, "</SnomIPPhoneDirectory>\n"),
    "grandstream": BookFormat(
        XML,
        lambda title, prompt: f"{DECLARATION}<AddressBook>\n<version>1</version>\n",
        _address,
        "</AddressBook>\n",
    ),
    "vcard": BookFormat("text/vcard", lambda title, prompt: "", _card, ""),  # RFC 2426, which all read
    "csv": BookFormat("text/csv", lambda title, prompt: _line(COLUMNS), _lines, ""),
}
