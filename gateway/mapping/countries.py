"""Countries and languages: where somebody is, and transforms to codes (ISO 3166, BCP 47, ISO 639-1). Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.mapping.specs import REGIONS, Offices, Options, Transform, Unusable, each_text
from gateway.mapping.tables import find_office, fold_width
from gateway.mapping.text import trim
from gateway.scim.names import get, is_urn

_ALIASES: Final = {"UK": "GB"}  # exceptionally reserved in ISO 3166-1 for the United Kingdom
_KOSOVO: Final = {"xk": "XK", "xkx": "XK", "kosovo": "XK"}  # user-assigned, in common use; pycountry has none
_TRUE: Final = (True, "true", "True")


def region_of(original: Mapping[str, Any], offices: Offices, default: str | None) -> str | None:
    """Return the alpha-2 code of the country a person says they are in, else `default`.

    Their work address says it first, then `countryCode`, then the office they belong to.
    """
    for text in _claims(original, offices):
        if isinstance(text, str) and (found := alpha2_of(text)):
            return found
    return default


def alpha2_of(text: str) -> str | None:
    """Return the alpha-2 code of a country given by code or exact name, never by guess; else None."""
    code = text.strip().upper()
    code = _ALIASES.get(code, code)
    return code if code in REGIONS else _named(fold_width(text))


def alpha3_of(alpha2: str) -> str:
    """Return the alpha-3 code of an alpha-2 code that `alpha2_of` gave."""
    return _alpha3()[alpha2]


def _claims(original: Mapping[str, Any], offices: Offices) -> Iterator[Any]:
    for address in _work_addresses(get(original, "addresses")):
        yield get(address, "country")
    yield from _anywhere(original, "countryCode")
    for name in [*_anywhere(original, "officeName"), *_anywhere(original, "department")]:
        if isinstance(name, str) and (office := find_office(name, offices)) is not None:
            yield office.country


def _work_addresses(value: Any) -> list[dict[str, Any]]:
    """Return the work addresses, else the primary ones, else the only one."""
    addresses = [
        address for address in (value if isinstance(value, list) else [value]) if isinstance(address, dict)
    ]
    work = [address for address in addresses if str(get(address, "type")).casefold() == "work"]
    primary = [address for address in addresses if get(address, "primary") in _TRUE]
    return work or primary or (addresses if len(addresses) == 1 else [])


def _anywhere(original: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the values of a name at the core level and in every extension."""
    yield get(original, name)
    for key, extension in original.items():
        if is_urn(key) and isinstance(extension, dict):
            yield get(extension, name)


def _named(folded: str) -> str | None:
    return _countries().get(folded)


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, str]:
    """Return the alpha-2 codes by all that ISO 3166-1 calls a country, folded."""
    import pycountry  # 26 ms

    names = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "common_name")
    known = {
        fold_width(name): country.alpha_2
        for country in pycountry.countries
        for name in (getattr(country, key, None) for key in names)
        if name
    }
    return known | _KOSOVO


@lru_cache(maxsize=1)
def _alpha3() -> Mapping[str, str]:
    import pycountry

    return {country.alpha_2: country.alpha_3 for country in pycountry.countries} | {"XK": "XKX"}


@lru_cache(maxsize=1)
def _by_alpha2() -> Mapping[str, Any]:
    import pycountry

    return {country.alpha_2: country for country in pycountry.countries}


_TAG: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_REST: Final = re.compile(r"[,;.@]")  # of a list of languages, or of a POSIX locale


def language(options: Options, offices: Offices) -> Transform:
    """Build the reading of a language tag."""
    from langcodes import Language  # 30 ms

    short = options["format"] == "iso639_1"

    def tag_of(text: str) -> str:
        found = _two_letters(trim(_REST.split(text, maxsplit=1)[0]), Language.get)
        return str(found.language if short else found.to_tag())

    return Transform("language", each_text(tag_of))


def country(options: Options, offices: Offices) -> Transform:
    """Build the reading of a country's code or exact name."""
    written = FORMATS[options["format"]]

    def code_of(text: str) -> str:
        found = alpha2_of(text)
        if found is None:
            raise Unusable("is not a country")
        return written(found)

    return Transform("country", each_text(code_of))


def _number(alpha2: str) -> str:
    """Return a country's number without zeros before it, as who keeps numbers has it."""
    country = _by_alpha2().get(alpha2)
    if country is None:
        raise Unusable("is a country without a number")
    return str(int(country.numeric))


def _name(alpha2: str) -> str:
    country = _by_alpha2().get(alpha2)
    return "Kosovo" if country is None else getattr(country, "common_name", country.name)


FORMATS: Final[Mapping[str, Callable[[str], str]]] = {  # from the alpha-2 code
    "alpha2": str,
    "alpha3": alpha3_of,
    "numeric": _number,
    "name": _name,
}


def _two_letters(tag: str, get: Callable[..., Any]) -> Any:
    """Return the language of a tag, by the code in use today: iw is he, eng is en; but tl is not fil."""
    if _TAG.fullmatch(tag):
        for normalize in (True, False):
            try:
                found = get(tag, normalize=normalize)
            except ValueError:
                continue
            if len(found.language or "") == 2 and found.is_valid():
                return found
    raise Unusable("is not a language with a two-letter code")
