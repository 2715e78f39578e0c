"""Who is in a phone book, in the order of its readers, and whose a number is. Pure."""

import heapq
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import orjson
import phonenumbers

from gateway.mapping.phone import parse_phone
from gateway.mapping.specs import Unusable
from gateway.scim.documents import is_active, truth
from gateway.scim.names import ENTERPRISE_USER, get

MOST_NUMBERS: Final = 20  # of one person
LONGEST_NAME: Final = 256  # characters
LONGEST_NUMBER: Final = 64
KINDS: Final = ("work", "home", "mobile", "other")
NOT_CALLED: Final = frozenset({"fax", "pager"})  # nobody talks to these

# what is no character of XML 1.0 (section 2.2), or ends a line
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_UNSEEN: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")  # copied along with numbers


class Contact(NamedTuple):
    """Somebody as a phone book shows them; numbers are (kind, number as the target holds it)."""

    name: str
    given: str
    family: str
    department: str
    numbers: Sequence[Sequence[str]]


def contact_of(document: Mapping[str, Any]) -> Contact | None:
    """Return who is listed of an entry in the standard's form: nobody who is inactive or has no number."""
    numbers = tuple(_numbers(get(document, "phoneNumbers"))) if is_active(document) else ()
    if not numbers:
        return None
    name = get(document, "name")
    parts = name if isinstance(name, dict) else {}
    given, family = line_of(get(parts, "givenName")), line_of(get(parts, "familyName"))
    shown = (
        line_of(get(document, "displayName"))
        or line_of(get(parts, "formatted"))
        or f"{given} {family}".strip()
        or line_of(get(document, "userName"))
    )
    enterprise = get(document, ENTERPRISE_USER)
    extended = get(enterprise, "department") if isinstance(enterprise, dict) else None
    department = line_of(extended) or line_of(get(document, "department"))
    return Contact(shown, given, family, department, numbers) if shown else None


def line_of(value: Any) -> str:
    """Return a text as one line of characters that every format has; what is no text is empty."""
    return " ".join(_UNFIT.sub(" ", value).split())[:LONGEST_NAME] if isinstance(value, str) else ""


def _numbers(held: Any) -> Iterator[tuple[str, str]]:
    """Yield the numbers that can be called, each once, the primary one first."""
    elements = [element for element in (held if isinstance(held, list) else [held]) if element]
    seen = set[str]()
    for element in sorted(elements, key=_is_secondary)[:MOST_NUMBERS]:
        value, kind = element, None
        if isinstance(element, dict):
            value, kind = get(element, "value"), get(element, "type")
        number = _UNSEEN.sub("", line_of(value))
        kind = kind.casefold() if isinstance(kind, str) else ""
        if kind in NOT_CALLED or number in seen or len(number) > LONGEST_NUMBER or not _digits(number):
            continue
        seen.add(number)
        yield kind if kind in KINDS else "other", number


def _is_secondary(element: Any) -> bool:
    return not (isinstance(element, dict) and truth(get(element, "primary")) is True)


Collate = Callable[[str], str]

LAST: Final = "\U0010fffd"  # sorts behind every letter
# language -> letters that stand behind the first of their row, in the alphabets of CLDR
ALPHABETS: Final[Mapping[str, tuple[str, ...]]] = {
    "cs": ("c č", "h ch", "r ř", "s š", "z ž"),
    "da": ("z æ ø å",),
    "es": ("n ñ",),
    "fi": ("z å ä ö",),
    "hr": ("c č ć", "d dž đ", "l lj", "n nj", "s š", "z ž"),
    "hu": ("c cs", "d dz dzs", "g gy", "l ly", "n ny", "o ö", "s sz", "t ty", "u ü", "z zs"),
    "nb": ("z æ ø å",),
    "nn": ("z æ ø å",),
    "no": ("z æ ø å",),
    "pl": ("a ą", "c ć", "e ę", "l ł", "n ń", "o ó", "s ś", "z ź ż"),
    "sk": ("a ä", "c č", "h ch", "o ô", "s š", "z ž"),
    "sv": ("z å ä ö",),
    "tr": ("c ç", "g ğ", "h ı", "o ö", "s ş", "u ü"),
}
# language -> what is read as something else; German as phone books have it (DIN 5007-2)
READ_AS: Final[Mapping[str, Mapping[str, str]]] = {
    "da": {"aa": "å", "ä": "æ", "ö": "ø"},
    "de": {"ä": "ae", "ö": "oe", "ü": "ue"},
    "fi": {"æ": "ä", "ø": "ö"},
    "nb": {"aa": "å", "ä": "æ", "ö": "ø"},
    "nn": {"aa": "å", "ä": "æ", "ö": "ø"},
    "no": {"aa": "å", "ä": "æ", "ö": "ø"},
    "sv": {"æ": "ä", "ø": "ö"},
}
_CAPITALS: Final = {"tr": str.maketrans("Iİ", "ıi")}
_ELSEWHERE: Final = str.maketrans(  # letters that no accent is taken from, and katakana as hiragana
    {"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"}
    | {chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)}
)


def plain(text: str) -> str:
    """Return a text as it is looked for: case, width and accents do not count."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_ELSEWHERE)


@cache  # the same for the same readers
def collation(locale: str) -> Collate:
    """Return what makes of a text its place in the alphabet of a language tag's readers.

    A language whose alphabet is not known here has accents beside the letters that they are on.
    """
    language = locale.partition("-")[0].casefold()
    capitals, read_as = _CAPITALS.get(language, {}), READ_AS.get(language, {})
    places = {
        letter: f"{first}{LAST}{place}"
        for first, *others in (row.split() for row in ALPHABETS.get(language, ()))
        for place, letter in enumerate(others)
    }
    places |= {letter: places.get(other, other) for letter, other in read_as.items()}
    if not places:
        return plain
    longest_first = sorted(places, key=len, reverse=True)
    letters = re.compile("|".join(map(re.escape, longest_first)))

    def place(text: str) -> str:
        lower = unicodedata.normalize(
            "NFC", unicodedata.normalize("NFKC", text).translate(capitals).casefold()
        )
        return plain(letters.sub(lambda found: places[found[0]], lower))

    return place


SORTS: Final[Mapping[str, Callable[[Contact], tuple[str, ...]]]] = {  # `sort` -> what is compared, in turn
    "name": lambda contact: (contact.name, contact.department),
    "family": lambda contact: (contact.family or contact.name, contact.given, contact.name),
    "department": lambda contact: (contact.department, contact.name),
}
_NEXT, _ROW = "\x01", "\x02"  # part the keys of a line; none of them has such a character


def row_of(contact: Contact, collate: Collate) -> bytes:
    """Return somebody as a line of a phone book's file, with all by which they are looked for."""
    words = f"{contact.name} {contact.department}"
    digits = (_digits(number) for _, number in contact.numbers)
    looked_for = " ".join(dict.fromkeys((plain(words), collate(words), *digits)))
    return orjson.dumps([*contact, looked_for])


def sortable(contact: Contact, collate: Collate, sort: str) -> bytes:
    """Return a row behind its place, so that lines compare as bytes."""
    compared = SORTS[sort](contact)
    places = _NEXT.join((*map(collate, compared), *compared))
    return f"{places}{_ROW}".encode() + row_of(contact, collate) + b"\n"


def row_in(line: bytes) -> bytes:
    """Return the row of a sortable line, with its line end."""
    return line.partition(_ROW.encode())[2]


_SPELLED: Final = re.compile(r"(?<!\S)[+(]*[0-9][0-9 ()/.-]*(?!\S)")  # a number, maybe in pieces
SHORTEST: Final = 3  # digits of a number that is looked for whichever way it is spelled

Words = tuple[str, ...]


def words_of(asked: str) -> tuple[Words, ...]:
    """Return the words of a question, and those with its numbers as they are kept; nothing for none."""

    def kept(found: re.Match[str]) -> str:
        digits = _digits(found[0])
        return digits if len(digits) >= SHORTEST else found[0]

    text = plain(line_of(asked))
    spellings = (tuple(each.replace("+", " ").split()) for each in (text, _SPELLED.sub(kept, text)))
    return tuple(dict.fromkeys(filter(None, spellings)))


def matching(rows: Iterable[bytes], spellings: Sequence[Words]) -> Iterator[Contact]:
    """Yield those of the rows in whose name, department or numbers all words of a spelling are."""
    sought = [[orjson.dumps(word)[1:-1] for word in words] for words in spellings]
    for row in rows:
        if not sought or any(all(word in row for word in words) for words in sought):  # few get further
            *parts, looked_for = orjson.loads(row)
            if not sought or any(all(word in looked_for for word in words) for words in spellings):
                yield Contact(*parts)


LEAST: Final = 7  # digits at the end that make two numbers one; fewer must be the whole of both
WIDTH: Final = 18  # digits of a number at most
RUN: Final = 5000  # numbers sorted at a time
MOST_CALLERS: Final = 100  # people who share a number

_NO_DIGIT: Final = re.compile(r"[^0-9]+")
_EXTENSION: Final = re.compile(r"\s*(?:;|,|#|x|ext).*", re.I)


def _digits(number: str) -> str:
    """Return the digits of a number without its extension, and without what is dialled before it at home."""
    if number.isascii() and number.lstrip("+").isdecimal():
        return number.lstrip("+0")
    bare = _EXTENSION.sub("", unicodedata.normalize("NFKC", number).removeprefix("tel:")).replace("(0)", "")
    return _NO_DIGIT.sub("", bare).lstrip("0")


def _is_full(number: str) -> bool:
    return unicodedata.normalize("NFKC", number).removeprefix("tel:").startswith("+")


def _place(digits: str) -> int:
    """Return a number read from its end: those that end alike stand together. It does not begin with 0."""
    return int(digits[::-1].ljust(WIDTH, "0"))


class _Column:
    """Numbers read from their ends, in order, each with where its row begins: 16 bytes a number."""

    def __init__(self) -> None:
        self._places = array("Q")
        self._rows = array("Q")
        self._fresh: list[tuple[int, int]] = []
        self._runs: list[tuple[array[int], array[int]]] = []

    def add(self, digits: str, row: int) -> None:
        self._fresh.append((_place(digits), row))
        if len(self._fresh) >= RUN:
            self._keep()

    def sorted(self) -> Iterator[bool]:
        """Merge what was sorted in runs, and yield now and then: others wait for the thread."""
        self._keep()
        for place, row in heapq.merge(*(zip(*run, strict=True) for run in self._runs)):
            self._places.append(place)
            self._rows.append(row)
            if len(self._rows) % RUN == 0:
                yield True
        self._runs.clear()

    def _keep(self) -> None:
        self._fresh.sort()
        self._runs.append((array("Q", (n for n, _ in self._fresh)), array("Q", (n for _, n in self._fresh))))
        self._fresh.clear()

    def between(self, low: int, high: int) -> Sequence[int]:
        """Return the rows of the numbers from `low` to before `high`."""
        return self._rows[bisect_left(self._places, low) : bisect_left(self._places, high)]


class NumberIndex:
    """Says in whose row a number is, as it is written in full or at home."""

    def __init__(self) -> None:
        self._full, self._local = _Column(), _Column()

    def add(self, contact: Contact, row: int) -> None:
        """Note somebody's numbers; `row` is where theirs begins."""
        for _, number in contact.numbers:
            digits = _digits(number)
            if digits and len(digits) <= WIDTH:
                (self._full if _is_full(number) else self._local).add(digits, row)

    def sorted(self) -> Iterator[bool]:
        """Make ready for `find`, step by step."""
        yield from self._full.sorted()
        yield from self._local.sorted()

    def find(self, asked: str, region: str | None) -> list[int]:
        """Return the rows with this number, else with the one that ends in most of its digits.

        Who calls from abroad is not taken for somebody at home whose number ends alike.
        """
        digits = _digits(asked)[-WIDTH:]
        try:
            number = parse_phone(asked, region)
        except Unusable:
            return _nearest((self._full, self._local), (digits,), parts=True)
        full = number.e164[1:]
        if found := self._full.between(_place(full), _place(full) + 1):
            return sorted(set(found))[:MOST_CALLERS]
        home = phonenumbers.country_code_for_region(region) if region else None
        if home not in (None, number.parsed.country_code):
            return _nearest((self._local,), (full,), parts=False)
        national = phonenumbers.format_number(number.parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        return _nearest((self._local,), (full, _digits(national)), parts=True)


def _nearest(columns: Sequence[_Column], spellings: Iterable[str], *, parts: bool) -> list[int]:
    """Return the rows of the numbers that share the longest end; `parts`: theirs may be the shorter one."""
    best, found = 0, set[int]()
    for column in columns:
        for digits in filter(None, spellings):
            for shared, rows in _candidates(column, digits, parts=parts):
                if rows and shared >= best:
                    found = set(rows) | (found if shared == best else set())
                    best = shared
    return sorted(found)[:MOST_CALLERS]


def _candidates(column: _Column, digits: str, *, parts: bool) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield how many digits are shared, and the rows; a number that is the same counts one more."""
    low, size = _place(digits), len(digits)
    yield size + 1, column.between(low, low + 1)
    if size >= LEAST:
        yield size, column.between(low, low + 10 ** (WIDTH - size))
    for shared in range(size - 1, LEAST - 1, -1) if parts else ():
        end = digits[-shared:]
        if end[0] != "0":
            yield shared, column.between(_place(end), _place(end) + 1)
