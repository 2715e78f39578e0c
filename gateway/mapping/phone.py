"""Phone numbers as directories hold them, read with care and written as a target wants them. Pure.

A number that libphonenumber does not call valid is never written: a wrong region would turn it into
somebody else's, and letters would be dialled.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from gateway.mapping.specs import Offices, Options, Person, Transform, Unusable, each, text_of

MAX_LENGTH: Final = 250  # characters, as in libphonenumber

_LINE_ENDS: Final = "\n\r\v\f\x85\u2028\u2029"
_DASHES: Final = (
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2500\u30fc"  # the last is kana's long mark
)
_WORDS: Final = "extension|extn|ext|xtn|x|int|poste|anexo|durchwahl|доб|内線番号|内線|分机|내선"
_LABELLED: Final = rf"(?<![^\W\d_])(?:{_WORDS})[\s.:=#]*"
_SHORT: Final = r"\d{1,7}\s*#?\s*"

_CONTEXT: Final = re.compile(r";\s*phone-context\s*=\s*(\+[\d().-]+)", re.I)  # RFC 3966 section 5.1.5
_PARAMETER: Final = re.compile(r";\s*(?!ext)[a-z][a-z-]*=[^;,/\s]*", re.I)
_BRACKETS: Final = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_EXTENSION: Final = re.compile(rf"(?:{_LABELLED}|#\s*|[,;]+\s*)(\d{{1,7}})\s*#?\s*$", re.I)
_SEVERAL: Final = re.compile(  # a comma or semicolon may also stand before an extension
    rf"[\n|&、]|または|\b(?:or|and|oder|und|ou|et)\b|[,;](?![\s,;]*(?:{_LABELLED})?{_SHORT}(?:$|[\n|&/,;]))",
    re.I,
)
_AT_HOST: Final = re.compile(r"(?:sips?:)?\s*([+\d][\d\s().-]*)@\S+", re.I)
# Japanese writes no space after a label; elsewhere letters without one belong to a name, not a number
_LABEL: Final = re.compile(r"[^\d+]*?(?:(?<![A-Za-z_])(?=\d)|(?=\+))")
_FLOAT: Final = re.compile(r"(\+?\d{6,15})\.0{1,2}")  # a spreadsheet's number
_DIALLED: Final = re.compile(r"\+?[\d\s().\[\]/-]+")
_VANITY: Final = re.compile(r"\+?\d(?=(?:[^A-Za-z]*[A-Za-z]){3})[\dA-Za-z\s().-]+")
_SPELLED: Final = (PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST)  # where words are advertised


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A valid number: E.164, and the extension behind it, where there is one."""

    e164: str
    extension: str | None
    parsed: phonenumbers.FrozenPhoneNumber


@lru_cache(maxsize=4096)
def parse_phone(text: str, region: str | None) -> PhoneNumber:
    """Return the number, the first where there are several; national ones are read as of `region`.

    Raises Unusable, and nothing else.
    """
    first = next((piece for piece in _SEVERAL.split(_clean(text)) if _has_digit(piece)), None)
    if first is None:
        raise Unusable("has no digits")
    home = region.upper() if region else None
    head = next(piece for piece in first.split("/") if _has_digit(piece))
    try:
        return _number(head, home)
    except Unusable:  # the slash may stand behind the area code
        return _number(first, home)


def phone(options: Options, offices: Offices) -> Transform:
    """Build the reading of a phone number and its writing in one form."""
    write = _FORMS[options["format"]]
    extend = _EXTENSIONS[options["extension"]]
    mark = _MARKS.get(options["format"], "x")

    def apply(value: Any, person: Person) -> str:
        number = parse_phone(text_of(value), person.region)
        return extend(write(number, person.region), mark, number.extension)

    return Transform("phone", each(apply))


def _clean(text: str) -> str:
    """Return the text in plain digits, dashes and spaces, without what only explains it."""
    if len(text) > MAX_LENGTH:
        raise Unusable("is too long for a phone number")
    plain = "".join(map(_plain, unicodedata.normalize("NFKC", text)))
    if len(plain) > MAX_LENGTH:
        raise Unusable("is too long for a phone number")
    return _BRACKETS.sub(_unbracketed, _globalized(plain))


def _plain(char: str) -> str:
    if char in _LINE_ENDS:
        return "\n"
    if char in _DASHES:
        return "-"
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Zs" or char == "\t":
        return " "
    return "" if category in ("Cc", "Cf") else char


def _globalized(text: str) -> str:
    """Return the text without RFC 3966's parameters, the one that makes a number global applied."""
    bare = _PARAMETER.sub("", text)
    context = _CONTEXT.search(text)
    return bare if context is None or "+" in bare else context[1] + _LABEL.sub("", bare, count=1)


def _unbracketed(found: re.Match[str]) -> str:
    inside = found[1] or found[2] or ""
    if _EXTENSION.search(inside):
        return f" {inside} "
    return " " if any(char.isalpha() for char in inside) else found[0]


def _has_digit(text: str) -> bool:
    return any(char.isdecimal() for char in text)


def _number(text: str, region: str | None) -> PhoneNumber:
    tail = _EXTENSION.search(text)
    body = _body(text[: tail.start()] if tail else text)
    try:
        parsed = phonenumbers.parse(body, region)
    except phonenumbers.NumberParseException as error:
        raise Unusable(_why(error)) from error
    if not phonenumbers.is_valid_number(parsed):
        raise Unusable("is not a valid phone number")
    if not _DIALLED.fullmatch(body) and phonenumbers.number_type(parsed) not in _SPELLED:
        raise Unusable("has letters in it")
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    return PhoneNumber(e164, tail[1] if tail else None, phonenumbers.FrozenPhoneNumber(parsed))


def _body(text: str) -> str:
    """Return the number alone, in a form that is safe to give to libphonenumber."""
    text = text.strip(" '\"<>=")
    if at_host := _AT_HOST.fullmatch(text):
        text = at_host[1]
    text = _LABEL.sub("", text, count=1).rstrip(" '\".:,;-/")
    if damaged := _FLOAT.fullmatch(text):
        text = damaged[1]
    text = re.sub(r"^\++", "+", text)
    if not _has_digit(text):
        raise Unusable("is an extension without a number")
    if not _DIALLED.fullmatch(text) and not _VANITY.fullmatch(text):
        raise Unusable("has something in it that cannot be dialled")
    return text


def _why(error: phonenumbers.NumberParseException) -> str:
    if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        return "is written without a country code that is known, and the person's country does not say it"
    return "is not a valid phone number"


def _is_home(number: PhoneNumber, region: str | None) -> bool:
    if region is None:
        return True
    return bool(number.parsed.country_code == phonenumbers.country_code_for_region(region.upper()))


def _formatted(number: PhoneNumber, form: int) -> str:
    return str(phonenumbers.format_number(number.parsed, form))


def _national(number: PhoneNumber, region: str | None) -> str:
    """Return the number as written at home; with its country code where it is not the person's country."""
    form = PhoneNumberFormat.NATIONAL if _is_home(number, region) else PhoneNumberFormat.INTERNATIONAL
    return _formatted(number, form)


def _digits(number: PhoneNumber, region: str | None) -> str:
    """Return the digits to dial: the national ones, or from abroad with the prefix for calls abroad."""
    if _is_home(number, region):
        text = _formatted(number, PhoneNumberFormat.NATIONAL)
    else:
        text = phonenumbers.format_out_of_country_calling_number(number.parsed, str(region).upper())
    return "".join(char for char in text if char.isdecimal())


def _rejected(text: str, mark: str, extension: str | None) -> str:
    if extension:
        raise Unusable("has an extension")
    return text


_FORMS: Final[Mapping[str, Callable[[PhoneNumber, str | None], str]]] = {
    "e164": lambda number, region: number.e164,
    "e164_digits": lambda number, region: number.e164[1:],
    "rfc3966": lambda number, region: _formatted(number, PhoneNumberFormat.RFC3966),
    "national": _national,
    "digits": _digits,
}
_MARKS: Final = {"e164": ";ext=", "rfc3966": ";ext=", "national": " x"}
_EXTENSIONS: Final[Mapping[str, Callable[[str, str, str | None], str]]] = {
    "drop": lambda text, mark, extension: text,
    "append": lambda text, mark, extension: f"{text}{mark}{extension}" if extension else text,
    "reject": _rejected,
}
