"""The table of all transforms (docs/transforms.md), and an entry of `via` made ready. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.mapping import countries, lists, tables, text
from gateway.mapping.phone import phone
from gateway.mapping.specs import (
    BadTransform,
    Offices,
    OptionKind,
    OptionSpec,
    Transform,
    TransformSpec,
    choice,
    meant,
)

__all__ = ["TRANSFORMS", "BadTransform", "OptionKind", "OptionSpec", "TransformSpec", "compile_transform"]

_IGNORE_CASE: Final = OptionSpec("Whether case and width do not count.", OptionKind.BOOLEAN, default=False)
_PATTERN: Final = OptionSpec("The RE2 pattern.", OptionKind.SOME_TEXT, required=True)

_SPECS: Final = (
    TransformSpec(
        "strip_spaces",
        "Takes away every Unicode space, zero-width character and bidi mark.",
        text.plain("strip_spaces", text.strip_spaces),
    ),
    TransformSpec(
        "trim",
        "Takes away the spaces, zero-width characters and bidi marks at both ends.",
        text.plain("trim", text.trim),
    ),
    TransformSpec("lower", "Writes in lower case.", text.plain("lower", str.lower)),
    TransformSpec("upper", "Writes in upper case.", text.plain("upper", str.upper)),
    TransformSpec(
        "nfkc",
        "Writes in Unicode's form NFKC: full-width letters and digits become plain ones.",
        text.plain("nfkc", text.nfkc),
    ),
    TransformSpec(
        "digits",
        "Keeps the digits of any script, written as 0 to 9, and nothing else.",
        text.plain("digits", text.digits),
    ),
    TransformSpec(
        "phone",
        "Reads a phone number, national ones as of the person's country, and writes it in one form; "
        "what is no valid number is unusable.",
        phone,
        {
            "format": choice(
                "e164 +442079460018; e164_digits without the plus; rfc3966 tel:+44-20-7946-0018; "
                "national 020 7946 0018, or +81 3-3224-9999 where that is not the person's country; "
                "digits 02079460018, or what is dialled to reach another country.",
                "e164",
                "e164_digits",
                "rfc3966",
                "national",
                "digits",
            ),
            "extension": choice(
                "drop leaves it out; append writes ;ext=123 (e164, rfc3966), a space and x123 (national) "
                "or x123; reject makes a number with one unusable.",
                "drop",
                "append",
                "reject",
            ),
        },
    ),
    TransformSpec(
        "map",
        "Looks the value up in a table; back, the first key that has the target's value.",
        tables.map_,
        {
            "table": OptionSpec(
                "The provider's value to the target's, or `{ file = … }` that has them.",
                OptionKind.TABLE,
                required=True,
            ),
            "ignore_case": _IGNORE_CASE,
            "otherwise": choice("What becomes of a value not in the table.", "keep", "drop", "reject"),
        },
        idempotent=False,
    ),
    TransformSpec(
        "office",
        "Writes an office as the target's `offices` name it; any other is unusable. Back, its first key.",
        tables.office,
        idempotent=False,
    ),
    TransformSpec(
        "split",
        "Makes a list of trimmed texts, each once, of a text, of a list, or of JSON in a text; "
        "back, joined by the first separator.",
        lists.split,
        {"on": OptionSpec("The separators, each one character.", OptionKind.SOME_TEXT, default=",;")},
    ),
    TransformSpec(
        "join",
        "Makes one text of a list; back, split again.",
        lists.join,
        {"on": OptionSpec("What stands between.", default=";")},
    ),
    TransformSpec(
        "allow",
        "Lets only the listed values through, written as the list has them.",
        tables.allow,
        {
            "values": OptionSpec("The values.", OptionKind.TEXTS, required=True),
            "ignore_case": _IGNORE_CASE,
            "otherwise": choice("What becomes of any other.", "reject", "drop"),
        },
    ),
    TransformSpec(
        "primary",
        "Sees to it that one element of a list of objects is primary: the one that is, else the first.",
        lists.primary,
        {
            "mode": choice(
                "first keeps the others; only does not; keep changes nothing.", "first", "only", "keep"
            ),
            "literal": choice('Writes true, or "true" as a text.', "boolean", "string"),
        },
    ),
    TransformSpec(
        "objects",
        'Makes {"value": "a"} of every text "a" in a list; back, texts again.',
        lists.objects,
    ),
    TransformSpec(
        "language",
        "Reads a language tag (en_US too); one without a two-letter code is unusable.",
        countries.language,
        {"format": choice("iso639_1 en; bcp47 en-US.", "iso639_1", "bcp47")},
    ),
    TransformSpec(
        "country",
        "Reads a country's alpha-2, alpha-3 or numeric code, UK and XK too, or exact name.",
        countries.country,
        {
            "format": choice(
                "alpha2 GB; alpha3 GBR; numeric 826; name United Kingdom.",
                "alpha2",
                "alpha3",
                "numeric",
                "name",
            )
        },
    ),
    TransformSpec(
        "template",
        "Writes a text with {path} in it, filled from the person as the provider sent them.",
        text.template,
        {
            "text": OptionSpec(
                "The text; a path that is absent leaves nothing, and double spaces become one.",
                OptionKind.SOME_TEXT,
                default="{name.givenName} {name.familyName}",
            )
        },
    ),
    TransformSpec(
        "truncate",
        "Cuts a text to a number of characters.",
        text.truncate,
        {"length": OptionSpec("How many characters stay.", OptionKind.COUNT, required=True)},
    ),
    TransformSpec(
        "replace",
        "Replaces all that fits a pattern.",
        text.replace,
        {
            "pattern": _PATTERN,
            "by": OptionSpec(r"What stands there instead; \1 is the pattern's first group.", required=True),
        },
        idempotent=False,
    ),
    TransformSpec(
        "match",
        "Lets a text through that fits a pattern from end to end; any other is unusable.",
        text.match,
        {"pattern": _PATTERN},
    ),
    TransformSpec(
        "boolean",
        "Reads true, false, 1 and 0, in any case and as text too; anything else is unusable.",
        text.boolean,
    ),
    TransformSpec(
        "constant",
        "Puts the same value in the place of any.",
        text.constant,
        {"value": OptionSpec("The value.", OptionKind.ANY, required=True)},
    ),
)

TRANSFORMS: Final[Mapping[str, TransformSpec]] = {spec.name: spec for spec in _SPECS}


def compile_transform(entry: str | Mapping[str, Any], offices: Offices) -> Transform:
    """Return the transform that an entry of `via` asks for: a name, or a table of `name` and options.

    Raises BadTransform with every fault of the entry.
    """
    name, options = _parts(entry)
    spec = TRANSFORMS.get(name)
    if spec is None:
        raise BadTransform("", f"{name} is not a transform{meant(str(name), TRANSFORMS)}")
    return spec.build(spec.complete(options), offices)


def _parts(entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if not isinstance(entry, Mapping):
        raise BadTransform("", "must be a transform's name, or a table with a name")
    options = dict(entry)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise BadTransform("name", "must be a transform's name")
    return name, options
