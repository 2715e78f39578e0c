"""A preset's mapping, and rows of the tables in the targets' own documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.mapping.target import TargetMapping
from gateway.scim.paths import place, put, read, take
from gateway.settings import load_settings
from gateway.settings.compiled import mapping_of
from gateway.targets.registry import CONNECTORS

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DIRECTORIES = ("openldap", "389ds", "active_directory")
PERSON: Mapping[str, Any] = {  # as Okta's wizard sends somebody who has nothing but what it always sends
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "mia.lindqvist@example.com",
    "name": {"givenName": "Mia", "familyName": "Lindqvist"},
    "emails": [{"primary": True, "value": "mia.lindqvist@example.com"}],
    "externalId": "00u4mia",
    "active": True,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a document's table: an attribute as the provider sends it and as the target gets it."""

    source: str  # where the provider has it
    sent: Any
    received: Any
    to: str  # where the target gets it
    changed: str = "changed"  # what somebody then writes there at the target
    shown: str = "changed"  # how the provider is shown that


def row(attribute: str, source: str, sent: Any, received: Any, to: str = "", **then: str) -> Any:
    """Return a row as a parameter, named by the attribute in the document; `to` may be as `source`."""
    shown = {"shown": then["changed"]} if "changed" in then else {}
    return pytest.param(Row(source, sent, received, to or source, **shown | then), id=attribute)


def using(preset: str) -> str:
    """Return the table of a target that uses a preset, with as little as it needs besides."""
    if preset in DIRECTORIES:
        return f'preset = "{preset}"\nurl = "ldaps://target.example.com"\nldap = {{ base = "dc=example" }}\n'
    return f'preset = "{preset}"\nurl = "https://target.example.com"\n'


@cache
def mapping_for(preset: str, rest: str = "") -> TargetMapping:
    """Return the mapping of a target that uses a preset; `rest` is more of its table."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(f'[journal]\nurl = "sqlite:g.db"\n[targets.t]\n{using(preset)}{rest}')
        return mapping_of(load_settings(file, CONNECTORS).targets["t"])


def having(path: str, value: Any, base: Mapping[str, Any] = PERSON) -> dict[str, Any]:
    """Return a person who has a value at a path, whole attributes in place of what was there."""
    where = place(path)
    return put(base, where, value, many=where.where is not None)


def lacking(path: str, base: Mapping[str, Any] = PERSON) -> dict[str, Any]:
    """Return a person without what is at a path."""
    return take(base, place(path))


def check_sent(mapping: TargetMapping, row: Row, base: Mapping[str, Any] = PERSON) -> None:
    """Hold that the target gets what the document says."""
    mapped = mapping.forward(having(row.source, row.sent, base))

    assert mapped.problems == ()
    assert read(mapped.form, place(row.to)) == [row.received]


def check_shown(mapping: TargetMapping, row: Row, base: Mapping[str, Any] = PERSON) -> None:
    """Hold that the provider is shown its own form, and a change made at the target in that form, too."""
    original = having(row.source, row.sent, base)
    form = mapping.forward(original).form
    present = having(row.to, row.changed, form)

    assert mapping.view(original, form, form) == original
    assert read(mapping.view(original, form, present), place(row.source)) == [row.shown]


def refusals(mapping: TargetMapping, person: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return why somebody is refused: the paths at the provider, each with its reason."""
    return [(problem.path, problem.reason) for problem in mapping.forward(person).problems]
