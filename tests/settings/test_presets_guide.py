"""What the presets tell people: read whole, and about attributes that their rules read."""

import pytest

from gateway.errors import ConfigError
from gateway.guide.data import Guide, GuideRow, ProviderKind
from gateway.guide.rows import rows_of
from gateway.settings.compiled import subject_of
from gateway.settings.faults import Faults
from gateway.settings.presets import load_guide, preset_names
from tests.support.presets import using

ADDED = ["External ID"]  # what no preset has to tell of


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize("name", preset_names())
def test_a_preset_tells_of_every_attribute_that_its_rules_read(load, name: str, kind: ProviderKind) -> None:
    settings = load(f"[targets.t]\n{using(name)}")
    subject = subject_of(settings, "t")
    told = [row.paths for row in subject.guide.rows]

    names = [row.name for row in rows_of(subject, kind)]

    assert len(names) - len(told) in (0, len(ADDED))
    assert names[len(told) :] in ([], ADDED)
    assert subject.guide.before


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_tells_of_nothing_that_its_rules_do_not_read(load, name: str) -> None:
    settings = load(f"[targets.t]\n{using(name)}")
    subject = subject_of(settings, "t")

    shown = {row.note for row in rows_of(subject, ProviderKind.OKTA)}

    assert {row.note for row in subject.guide.rows} <= shown


def test_a_guide_is_read_whole() -> None:
    row = {"path": ["title", "phoneNumbers.^[type=='work'].value"], "name": "A", "values": {"a": "b"}}
    raw = {"name": "T", "before": ["x"], "replaced": {"a": "b"}, "notes": ["n"], "rows": [row]}

    found = load_guide(raw, "", Faults())

    rows = (GuideRow(("title", 'phoneNumbers[type eq "work"].value'), "A", values={"a": "b"}),)
    assert found == Guide("T", "", ("x",), rows, {"a": "b"}, ("n",))


def test_a_target_without_a_preset_has_nothing_to_tell(load) -> None:
    settings = load('[targets.t]\nconnector = "scim"\nurl = "https://t.example.com"\n')

    assert settings.targets["t"].guide == Guide()


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param({"name": ""}, "guide.name", id="empty name"),
        pytest.param({"notes": []}, "guide.name", id="no name"),
        pytest.param({"name": "T", "befor": []}, "guide.befor", id="unknown key"),
        pytest.param({"name": "T", "rows": [{}]}, "guide.rows[0].path", id="row without a path"),
        pytest.param({"name": "T", "rows": [{"path": []}]}, "guide.rows[0].path", id="row without paths"),
        pytest.param({"name": "T", "rows": [{"path": "a["}]}, "guide.rows[0].path", id="broken path"),
        pytest.param({"name": "T", "rows": [{"path": "a", "x": 1}]}, "guide.rows[0].x", id="key of a row"),
        pytest.param(
            {"name": "T", "rows": [{"path": "a", "variable": "a b"}]}, "guide.rows[0].variable", id="variable"
        ),
    ],
)
def test_a_guide_with_a_fault_names_it(raw: dict[str, object], path: str) -> None:
    faults = Faults()

    load_guide(raw, "guide", faults)

    with pytest.raises(ConfigError) as caught:
        faults.raise_all()
    assert [fault.path for fault in caught.value.faults] == [path]
