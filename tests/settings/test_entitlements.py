"""The tables of entitlements: what they come to, and what is wrong with them."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.scim.entitlements import Entitlement
from gateway.settings import load_settings
from gateway.settings.compiled import subject_of
from gateway.targets.registry import CONNECTORS

BEFORE = """[providers.okta]
token = { env = "OKTA_TOKEN" }
[targets.book]
connector = "embedded"
url = "sqlite:var/book.db"
"""


def read(folder: Path, table: str, monkeypatch: pytest.MonkeyPatch, **files: str):
    monkeypatch.setenv("OKTA_TOKEN", "secret-of-okta")
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    path = folder / "config.toml"
    path.write_text(BEFORE + table)
    settings = load_settings(path, CONNECTORS)
    found = settings.targets["book"].entitlements
    assert subject_of(settings, "book").entitlements == tuple(one.type.name for one in found)
    return found


def entitlement(**keys: str) -> str:
    said = {"type": '"License"', "values": '["gold"]'} | keys
    lines = "".join(f"{name} = {value}\n" for name, value in said.items())
    return f"[[targets.book.entitlements]]\n{lines}"


def test_a_table_comes_to_a_type_and_its_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = (
        entitlement(values='["gold", { id = "tin", display = "Tin", description = "Little" }]')
        + entitlement(type='"role"', endpoint='"/Roles"', values='{ file = "roles.csv" }')
        + entitlement(type='"Seat"', attribute='"roles"', values="{ groups = true }", refresh='"5m"')
    )
    licence, role, seat = read(tmp_path, table, monkeypatch, roles="r1,First,It begins\nr2,Second\n")

    assert (licence.type.endpoint, licence.type.attribute, licence.source) == (
        "Licenses",
        "entitlements",
        None,
    )
    assert licence.values == (Entitlement("gold", "gold"), Entitlement("tin", "Tin", "Little"))
    assert (role.type.attribute, role.type.kind) == ("roles", "Role")
    assert role.values == (Entitlement("r1", "First", "It begins"), Entitlement("r2", "Second", ""))
    assert seat.source is not None
    assert (seat.type.kind, seat.source.groups, seat.source.refresh) == ("Role", None, 300.0)


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        pytest.param(entitlement(type='""'), ["[0].type (line 7): must not be empty"], id="no type"),
        pytest.param(
            entitlement(endpoint='"/a/b"'),
            ["[0].endpoint (line 9): must be a path of one part"],
            id="two parts",
        ),
        pytest.param(
            entitlement(type='"Group"'),
            ["[0].endpoint (line 6): /Groups is served already"],
            id="the standard's",
        ),
        pytest.param(
            entitlement() + entitlement(endpoint='"/licenses"'),
            [
                "[1].type (line 10): is that of targets.book.entitlements[0]",
                "[1].endpoint (line 12): is that of",
            ],
            id="twice",
        ),
        pytest.param(entitlement(values="[]"), ["[0].values (line 8): must not be empty"], id="no values"),
        pytest.param(
            entitlement(values='[\n"gold",\n{ id = "tin", nme = "Tin" },\n"gold"]'),
            ["[0].values[1].nme (line 10): unknown key", "[0].values[2] (line 11): is targets.book"],
            id="values",
        ),
        pytest.param(
            entitlement(values='{ file = "bad.csv" }'),
            ["[0].values.file (line 8): bad.csv: line 2: a cell is empty; line 3: begins as line 1 does"],
            id="lines of a file",
        ),
        pytest.param(
            entitlement(values='{ endpoint = "/Seats" }'),
            ["[0].values.endpoint (line 8): is for the connector scim only"],
            id="an endpoint of no service",
        ),
        pytest.param(
            entitlement(values="{ groups = 'x y' }"), ["[0].values.groups (line 8): "], id="no filter"
        ),
        pytest.param(
            entitlement(values='{ query = "SELECT 1" }'),
            ["[0].values.query (line 8): is for the connector sql only"],
            id="a query of no database",
        ),
        pytest.param(
            entitlement(values="{}"), ["[0].values (line 8): must be a list, or a table"], id="nothing"
        ),
        pytest.param(
            entitlement(values='{ groups = true, endpoint = "/Seats" }'),
            ["[0].values (line 8): must be a list, or a table with one of"],
            id="two sources",
        ),
        pytest.param(
            entitlement(schema='"okto"', typ='"x"'),
            ['[0].schema (line 9): must be "okta" or "rfc"', "[0].typ (line 10): unknown key"],
            id="other keys",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, faults: list[str]
) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, table, monkeypatch, bad="gold,Gold\ntin\ngold,Old\n")

    told = list(map(str, raised.value.faults))
    assert len(told) == len(faults)
    for fault, says in zip(told, faults, strict=True):
        assert f"targets.book.entitlements{says}" in fault
