"""What every set-up page says, whoever the provider is, as Markdown that holds what stands in it. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from gateway.guide.data import ProviderKind, Subject
from gateway.guide.rows import AttributeRow
from gateway.mapping.rules import OnInvalid, Rule
from gateway.scim.paths import ANYWHERE, Place
from gateway.values import frozen

UNKNOWN: Final = "*the attribute that holds it*"
INVALID: Final = {
    OnInvalid.REJECT: "refuses the change",
    OnInvalid.DROP: "leaves it out",
    OnInvalid.KEEP: "sends it as it came",
}
NO_HTTPS: Final = (
    "The cloud calls public https addresses only, and {url} is none: put a proxy with TLS in front or set "
    "`tls` under `[server]`, and say in `public_url` how the gateway is reached; then print this page again."
)
NO_UNDERSCORE: Final = "Okta refuses `_` in an address, and {url} has one: give the gateway another name."
NO_WRITER: Final = (
    'No provider may write {target} with `dialect = "{dialect}"` yet: add one, such as '
    "`[providers.{dialect}]`, and start the gateway again."
)
SIGN_IN: Final = (
    "TOKEN on this page is the token of {providers}. If it is not at hand, {command} prints a new one, once."
)
ASKED: Final = "{command} must not complain of `{target}`: it asks the target with the gateway's credentials."
REQUIRED: Final = (
    "Required of everybody active: {paths}. Whoever has less is refused, and the provider's log says why."
)
UNLISTED: Final = {
    "send": "What no rule names is passed on as it comes.",
    "hold": "What else a provider sends is kept for reads and never sent on.",
    "drop": "What else a provider sends is forgotten.",
}
TRY: Final = (
    "`python gateway.py explain {target} FILE` shows what a person becomes before anything is sent, and "
    "`python gateway.py problems {target}` whose data is refused now."
)
REPLACED: Final = "{name}'s own guide to Okta asks for these; they are not needed any more:"


@frozen
class SetupPage:
    """A page in the making: whom it is about, for which provider, and the attributes to set up."""

    subject: Subject
    kind: ProviderKind
    rows: Sequence[AttributeRow]

    @property
    def name(self) -> str:
        """The target as people say it."""
        return plain(self.subject.guide.name or self.subject.target)

    @property
    def base_url(self) -> str:
        """The address as the provider takes it: Okta's agent wants the slash at its end."""
        return self.subject.base_url + ("/" if self.kind is ProviderKind.OKTA_AGENT else "")

    @property
    def at_target(self) -> str:
        """The title of the column that says what something is there."""
        return f"at {self.name}"


Section = tuple[str, Callable[[SetupPage], str]]  # a heading, and what stands below it


def before(page: SetupPage) -> str:
    """Return what has to be done at the target and here first."""
    there = page.subject.guide.before
    here = [*_address(page), *_token(page)]
    here.append(ASKED.format(command=code("python gateway.py check --online"), target=page.subject.target))
    return paragraphs(
        f"At {page.name}:" if there else "", steps(there), "Here, at the gateway:", bullets(here)
    )


def _address(page: SetupPage) -> Iterator[str]:
    url = page.subject.public_url
    if page.kind is not ProviderKind.OKTA_AGENT and not url.startswith("https://"):
        yield NO_HTTPS.format(url=code(url))
    if page.kind is not ProviderKind.ENTRA and "_" in url:
        yield NO_UNDERSCORE.format(url=code(url))


def _token(page: SetupPage) -> Iterator[str]:
    dialect = page.kind.dialect
    writers = page.subject.writers.get(dialect, ())
    if not writers:
        yield NO_WRITER.format(target=code(page.subject.target), dialect=dialect)
    names = writers or (dialect,)
    providers = " or ".join(code(f"[providers.{name}]") for name in names)
    yield SIGN_IN.format(providers=providers, command=code(f"python gateway.py token new {names[0]}"))


def allowed_values(page: SetupPage) -> str:
    """Return what may stand in the attributes that take only certain values."""
    return paragraphs(
        *(
            paragraphs(
                f"Values of {plain(row.name)}:",
                table(("value", page.at_target), ((code(v), plain(m)) for v, m in row.values.items())),
            )
            for row in page.rows
            if row.values
        )
    )


def what_is_done(page: SetupPage) -> str:
    """Return what the gateway does with what it gets: the target's rules as they are now."""
    rules = table(
        ("at the target", "from", "the gateway applies", "if that cannot be"),
        (_rule(rule) for rule in page.subject.rules),
    )
    groups = (" or ".join(map(code, group)) for group in page.subject.require)
    required = ", ".join(groups)
    return paragraphs(
        rules,
        REQUIRED.format(paths=required) if required else "",
        UNLISTED[page.subject.unlisted],
        TRY.format(target=page.subject.target),
    )


def _rule(rule: Rule) -> tuple[str, ...]:
    via = ", then ".join(code(transform.name) for transform in rule.via)
    sources = [_source(source) for source in rule.sources]
    if rule.default is not None:
        sources.append("a default of its own")
    only = " where its `when` matches" if rule.when is not None else ""
    return (
        code(rule.to.text),
        " or ".join(sources) + only,
        via or "nothing",
        INVALID[rule.on_invalid] if rule.via else "",
    )


def _source(source: Place) -> str:
    if source.urn != ANYWHERE:
        return code(source.text)
    return f"{code(source.text.removeprefix(f'{ANYWHERE}:'))} (at the core level or in any extension)"


def replaced(page: SetupPage) -> str:
    """Return the steps of the target's own guide that are the gateway's now."""
    told = page.subject.guide.replaced
    if not told:
        return ""
    lines = bullets(f"{step} — {reason}" for step, reason in told.items())
    return paragraphs(REPLACED.format(name=page.name), lines)


def notes(page: SetupPage) -> str:
    """Return what else is to be known of the target."""
    return bullets(page.subject.guide.notes)


AFTER: Final[tuple[Section, ...]] = (
    ("What the gateway does", what_is_done),
    ("What no longer applies", replaced),
    ("Good to know", notes),
)


_MARKS: Final = re.compile(r"([\\`*_\[\]<>~&])")
_TICKS: Final = re.compile(r"`+")


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    return _MARKS.sub(r"\\\1", _line(text))


def code(text: str) -> str:
    """Return a code span; its fence is longer than any run of backticks within."""
    line = _line(text)
    longest = max((len(run) for run in _TICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown; "" where there is no row."""
    lines = [list(titles), ["---"] * len(titles), *map(list, rows)]
    if len(lines) == 2:
        return ""
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def steps(items: Iterable[str]) -> str:
    """Return a numbered list."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))


def bullets(items: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {item}" for item in items)


def paragraphs(*parts: str) -> str:
    """Return the parts that are not empty, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def _line(text: str) -> str:
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())
