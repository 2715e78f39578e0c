"""Phone numbers as directories hold them, read with care and written as a target wants them. Pure.

A number that libphonenumber does not call valid is never written: a wrong region would turn it into
somebody else's, and letters would be dialled.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.mapping.specs import Offices, Options, Person, Transform, Unusable, each, text_of
from gateway.values import frozen

if TYPE_CHECKING:  # its tables are read where a number is
    import phonenumbers

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

_PLAIN_LENGTH: Final = 40  # characters; the longest number has 15 digits
_SEPARATORS: Final = str.maketrans("", "", " -.()")
_DECIMALS: Final = (".0", ".00")  # a spreadsheet's number
_KINDS: Final = (  # of valid numbers, in libphonenumber's words, the usual ones first
    *("mobile", "fixed_line", "toll_free", "shared_cost", "premium_rate", "voip"),
    *("personal_number", "pager", "uan", "voicemail"),
)


@frozen
class PhoneNumber:
    """A valid number: E.164, and the extension behind it, where there is one."""

    e164: str
    extension: str | None
    parsed: "phonenumbers.FrozenPhoneNumber"


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


def is_same_number(one: str, other: str, *, in_part: bool = False) -> bool:
    """Say whether two texts are one number, however each is spelled; `in_part`: one may be the end of it."""
    import phonenumbers

    least = phonenumbers.MatchType.SHORT_NSN_MATCH if in_part else phonenumbers.MatchType.NSN_MATCH
    texts = (re.sub(r"^\s*00(?=[1-9])", "+", text[:MAX_LENGTH]) for text in (one, other))
    return bool(phonenumbers.is_number_match(*texts) >= least)


def phone(options: Options, offices: Offices) -> Transform:
    """Build the reading of a phone number and its writing in one form."""
    write = _FORMS[options["format"]]
    extend = _EXTENSIONS[options["extension"]]
    mark = _MARKS.get(options["format"], "x")
    first = _E164_FROM.get(options["format"])  # of a plain number; where the country does not matter

    def apply(value: Any, person: Person) -> str:
        if first is not None and (plain := plain_e164(text_of(value))):
            return plain[first:]
        number = parse_phone(text_of(value), person.region)
        return extend(write(number, person.region), mark, number.extension)

    return Transform("phone", each(apply))


def plain_e164(text: str) -> str | None:
    """Return the E.164 form of a valid number that is plainly an international one, without an extension.

    It is what `parse_phone` gives, at a tenth of the cost by the same patterns; None where that has to say.
    """
    if not text.startswith("+") or len(text) > _PLAIN_LENGTH or text.endswith(_DECIMALS):
        return None
    digits = text[1:].translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdecimal()):
        return None
    for size in (1, 2, 3):  # no country code begins another
        if (plan := _plan(digits[:size])) is not None:
            return f"+{digits}" if plan.has(digits[size:]) else None
    return None


class _Numbers(NamedTuple):
    """Numbers of one pattern and, where they are listed, certain lengths."""

    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def has(self, national: str) -> bool:
        return (not self.lengths or len(national) in self.lengths) and self.pattern.fullmatch(
            national
        ) is not None


class _Region(NamedTuple):
    """The numbers of one region; those that begin with `leading` are no other region's."""

    leading: re.Pattern[str] | None
    all: _Numbers
    kinds: tuple[_Numbers, ...]

    def has(self, national: str) -> bool:
        if self.all.has(national):
            for kind in self.kinds:
                if kind.has(national):
                    return True
        return False


class _Plan(NamedTuple):
    """The numbers of one country code."""

    trunk: re.Pattern[str] | None  # what is dialled before a number at home
    regions: tuple[_Region, ...]

    def has(self, national: str) -> bool:
        """Say whether a number is certainly valid as it stands."""
        found = None if self.trunk is None else self.trunk.match(national)
        if found is not None and (found.end() or found.lastindex):
            return False  # some of it may have to go
        for region in self.regions:
            if region.leading is None or len(self.regions) == 1:
                if region.has(national):
                    return True
            elif region.leading.match(national):
                return region.has(national)
        return False


@lru_cache(maxsize=2048)
def _plan(code: str) -> _Plan | None:
    """Compile the numbers of a country code; None where that is none."""
    import phonenumbers

    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code)) if code[0] != "0" else None
    if regions is None:
        return None
    metadata: Any = phonenumbers.PhoneMetadata
    known = [metadata.metadata_for_region_or_calling_code(int(code), region) for region in regions]
    trunk = known[0].national_prefix_for_parsing
    return _Plan(re.compile(trunk) if trunk else None, tuple(_region(one) for one in known))


def _region(known: Any) -> _Region:
    leading = known.leading_digits
    descriptions = [getattr(known, kind) for kind in _KINDS]
    return _Region(
        None if leading is None else re.compile(leading),
        _numbers(known.general_desc),
        tuple(_numbers(one) for one in descriptions if one is not None and one.national_number_pattern),
    )


def _numbers(known: Any) -> _Numbers:
    return _Numbers(frozenset(known.possible_length), re.compile(known.national_number_pattern or "(?!)"))


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
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    spelled = (PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST)  # where words are advertised
    tail = _EXTENSION.search(text)
    body = _body(text[: tail.start()] if tail else text)
    try:
        parsed = phonenumbers.parse(body, region)
    except phonenumbers.NumberParseException as error:
        raise Unusable(_why(error)) from error
    if not phonenumbers.is_valid_number(parsed):
        raise Unusable("is not a valid phone number")
    if not _DIALLED.fullmatch(body) and phonenumbers.number_type(parsed) not in spelled:
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


def _why(error: "phonenumbers.NumberParseException") -> str:
    if error.error_type == error.INVALID_COUNTRY_CODE:
        return "is written without a country code that is known, and the person's country does not say it"
    return "is not a valid phone number"


def _is_home(number: PhoneNumber, region: str | None) -> bool:
    import phonenumbers

    if region is None:
        return True
    return bool(number.parsed.country_code == phonenumbers.country_code_for_region(region.upper()))


def _formatted(number: PhoneNumber, form: str) -> str:
    """Return the number in one of libphonenumber's forms, by its name there."""
    import phonenumbers

    return str(phonenumbers.format_number(number.parsed, getattr(phonenumbers.PhoneNumberFormat, form)))


def _national(number: PhoneNumber, region: str | None) -> str:
    """Return the number as written at home; with its country code where it is not the person's country."""
    return _formatted(number, "NATIONAL" if _is_home(number, region) else "INTERNATIONAL")


def _digits(number: PhoneNumber, region: str | None) -> str:
    """Return the digits to dial: the national ones, or from abroad with the prefix for calls abroad."""
    if _is_home(number, region):
        text = _formatted(number, "NATIONAL")
    else:
        import phonenumbers

        text = phonenumbers.format_out_of_country_calling_number(number.parsed, str(region).upper())
    return "".join(char for char in text if char.isdecimal())


def _rejected(text: str, mark: str, extension: str | None) -> str:
    if extension:
        raise Unusable('has an extension; the option extension = "drop" leaves it out')
    return text


_FORMS: Final[Mapping[str, Callable[[PhoneNumber, str | None], str]]] = {
    "e164": lambda number, region: number.e164,
    "e164_digits": lambda number, region: number.e164[1:],
    "rfc3966": lambda number, region: _formatted(number, "RFC3966"),
    "national": _national,
    "digits": _digits,
}
_E164_FROM: Final[Mapping[str, int]] = {"e164": 0, "e164_digits": 1}  # where E.164 begins in these forms
_MARKS: Final = {"e164": ";ext=", "rfc3966": ";ext=", "national": " x"}
_EXTENSIONS: Final[Mapping[str, Callable[[str, str, str | None], str]]] = {
    "drop": lambda text, mark, extension: text,
    "append": lambda text, mark, extension: f"{text}{mark}{extension}" if extension else text,
    "reject": _rejected,
}
