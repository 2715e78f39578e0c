"""A page for every preset, made from its file: the rules, what is required, the options, an example."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any, Final

from gateway.settings.presets import preset_names
from tools.docs.markdown import code, grid, toml, words

FOLDER: Final = Path(__file__).resolve().parents[2] / "gateway" / "presets"
ELSEWHERE: Final = ("rules", "options", "require", "guide", "revision")  # not among the habits
HAPPENS: Final = {"reject": "is refused", "drop": "is left out", "keep": "is sent as it came"}
RULE: Final = ("to the target", "from the provider", "through", "what is unusable", "why")
NEEDS: Final = {  # transform -> what the example then says, too
    "phone": 'region = "GB"\n',
    "office": '\n[targets.{name}.offices]\nLDN = {{ name = "London", country = "GB" }}\n',
}
DIRECTORY: Final = """\
url = "ldaps://ldap.example.com"
auth = {{ basic = {{ user = "cn=gateway,dc=example,dc=com", password = {{ env = "LDAP_PASSWORD" }} }} }}
region = "GB"

[targets.{name}.ldap]
base = "ou=people,dc=example,dc=com"
group_base = "ou=groups,dc=example,dc=com"

[targets.{name}.offices]
LDN = {{ name = "London", country = "GB" }}
"""
PAGE: Final = """\
# {name}

{about}

`preset = "{name}"`, or `preset = "{name}@{revision}"` for this revision of its rules and no other. What the
[configuration](../configuration.md#targetsname) of the target says itself stands over what stands here.

```toml
{example}```

## Requirements

{require_why} Whoever is active and has not all of these is refused:

{require}
## Rules

`userName`, `externalId`, `active` and whatever is required are sent as they are unless a rule says otherwise.
What no rule names is kept for reads and never sent, unless `unlisted` says otherwise.

{rules}
## Options

{options}
## Habits

{habits}"""


@dataclass(frozen=True, slots=True)
class Source:
    """The file of a preset: its text with the comments, and what it says."""

    name: str
    text: str
    table: Mapping[str, Any]

    @property
    def about(self) -> str:
        return _comment(self.text.partition("revision = ")[0])

    def above(self, line: str) -> str:
        """Return the comment above the line that begins so, or ""."""
        before, found, _ = f"\n{self.text}".partition(f"\n{line}")
        return _comment(f"{before}\n") if found else ""

    def rules(self) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Yield every rule with its comment."""
        yield from zip(self.table["rules"], map(_comment, self.text.split("\n[[rules]]\n")), strict=False)


def index() -> str:
    """Return a table of all presets, each with a link to its page."""
    rows = (
        (f"[{source.name}](presets/{source.name}.md)", source.about.partition(". ")[0] + ".", _chosen(source))
        for source in _sources()
    )
    return grid(("preset", "target", "options"), rows)


def pages() -> dict[str, str]:
    """Return the page of every preset by its file name."""
    return {f"{source.name}.md": _page(source) for source in _sources()}


def _sources() -> Iterator[Source]:
    for name in preset_names():
        text = (FOLDER / f"{name}.toml").read_text("utf-8")
        yield Source(name, text, tomllib.loads(text))


def _page(source: Source) -> str:
    table = source.table
    return PAGE.format(
        name=source.name,
        about=source.about,
        revision=table["revision"],
        example=_example(source),
        require="".join(f"- {_one_of(required)}\n" for required in table["require"]),
        require_why=source.above("require = "),
        rules=grid(RULE, starmap(_rule, source.rules())),
        options=_options(source),
        habits=grid(("key", "value", "why"), _habits(source)),
    )


def _rule(rule: Mapping[str, Any], why: str) -> Iterator[str]:
    yield f"`{rule['to']}`"
    yield _one_of(rule["from"], ", else ") if "from" in rule else "the same"
    yield "; ".join(map(code, rule.get("via", []))) or "–"
    yield HAPPENS[rule.get("on_invalid", "reject")] if "via" in rule else "–"
    wanted = (f"`{option} = {toml(value)}`" for option, value in rule.get("if_option", {}).items())
    yield " ".join([*(f"With {option}:" for option in wanted), why.replace("|", r"\|")])


def _options(source: Source) -> str:
    declared = source.table.get("options", {})
    if not declared:
        return "None.\n"
    rows = ((f"`{option}`", words(values), code(values[0])) for option, values in declared.items())
    return f"{source.above('[options]')}\n\n{grid(('option', 'values', 'default'), rows)}"


def _habits(source: Source) -> Iterator[tuple[str, str, str]]:
    for key, value in source.table.items():
        if key == "ldap":
            yield from (
                (f"`ldap.{name}`", code(inner), source.above(f"{name} = ")) for name, inner in value.items()
            )
        elif key not in ELSEWHERE:
            yield f"`{key}`", code(value), source.above(f"{key} = ").replace("|", r"\|")


def _example(source: Source) -> str:
    """Return a target that uses the preset, with a word on all that it leaves open."""
    name, table = source.name.replace("_", "-"), source.table
    lines = [f"[targets.{name}]\n", f'preset = "{source.name}@{table["revision"]}"\n']
    if table["connector"] == "ldap":
        return "".join((*lines, DIRECTORY.format(name=name)))
    if "url" not in table:
        lines.append(f'url = "https://{name}.example.com/scim"\n')
    lines.append(f'auth = {{ bearer = {{ env = "{source.name.upper()}_TOKEN" }} }}\n')
    if declared := table.get("options"):
        lines.append(f"options = {toml({option: values[0] for option, values in declared.items()})}\n")
    used = {_name(entry) for rule, _ in source.rules() for entry in rule.get("via", [])}
    lines += [text.format(name=name) for transform, text in NEEDS.items() if transform in used]
    return "".join(lines)


def _chosen(source: Source) -> str:
    return ", ".join(f"`{option}`" for option in source.table.get("options", ())) or "–"


def _name(entry: Any) -> Any:
    return entry["name"] if isinstance(entry, dict) else entry


def _one_of(paths: Any, joint: str = " or ") -> str:
    return joint.join(f"`{path}`" for path in (paths if isinstance(paths, list) else [paths]))


def _comment(text: str) -> str:
    """Return the comment that a text ends with, as one paragraph."""
    found = re.search(r"(?:^#.*\n?)+\Z", text, re.MULTILINE)
    return re.sub(r"\n?# ?", " ", found[0]).strip() if found else ""
