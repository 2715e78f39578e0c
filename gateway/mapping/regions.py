"""Which country somebody is in, for the phone numbers they write as at home. Pure."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import phonenumbers

from gateway.mapping.specs import Offices
from gateway.mapping.tables import find_office, fold
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
    return code if code in phonenumbers.SUPPORTED_REGIONS else _named(fold(text))


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
        fold(name): country.alpha_2
        for country in pycountry.countries
        for name in (getattr(country, key, None) for key in names)
        if name
    }
    return known | _KOSOVO


@lru_cache(maxsize=1)
def _alpha3() -> Mapping[str, str]:
    import pycountry

    return {country.alpha_2: country.alpha_3 for country in pycountry.countries} | {"XK": "XKX"}
