"""Transforms to the codes of languages (BCP 47, ISO 639-1) and countries (ISO 3166). Pure."""

import re
from collections.abc import Callable
from typing import Any, Final

from gateway.mapping.each import each_text
from gateway.mapping.regions import alpha2_of, alpha3_of
from gateway.mapping.specs import Offices, Options
from gateway.mapping.text import trim
from gateway.mapping.values import Transform, Unusable

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
    short = options["format"] == "alpha2"

    def code_of(text: str) -> str:
        found = alpha2_of(text)
        if found is None:
            raise Unusable("is not a country")
        return found if short else alpha3_of(found)

    return Transform("country", each_text(code_of))


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
