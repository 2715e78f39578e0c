"""What is said of the audit trail: how much of a value it keeps, for how long, and with which key."""

from pathlib import Path

import pytest

TARGET = '[targets.t]\nconnector = "scim"\nurl = "https://t.example.com/scim"\n'


@pytest.mark.parametrize("level", ["full", "masked", "hashed"])
def test_a_target_says_how_much_of_a_value_is_kept(load, level):
    assert load(f'{TARGET}audit = "{level}"').targets["t"].audit == level


def test_unless_it_says_all_of_it_is(load):
    assert load(TARGET).targets["t"].audit == "full"


def test_another_level_is_a_fault(faults_of):
    assert "targets.t.audit" in faults_of(f'{TARGET}audit = "some"')


@pytest.mark.parametrize(
    ("line", "days"),
    [("", 400), ('retention = "30d"', 30), ("retention = 86400", 1), ("retention = 0", 0)],
    ids=["default", "duration", "seconds", "none"],
)
def test_the_journal_keeps_months_for_so_long(load, line, days):
    assert load(f"[journal]\n{line}").journal.retention == days * 86400


def test_a_retention_that_is_no_duration_is_a_fault(faults_of):
    assert "duration" in faults_of('[journal]\nretention = "forever"')["journal.retention"]


@pytest.mark.parametrize(
    ("line", "file"),
    [("", "var/x.db.key"), ('audit_key = "keys/audit"', "keys/audit")],
    ids=["beside the journal", "said"],
)
def test_the_key_has_its_file(load, tmp_path, line, file):
    assert load(f'[journal]\nurl = "sqlite:var/x.db"\n{line}').journal.key_file == tmp_path / file


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, True)])
def test_a_key_that_others_can_read_is_warned_of(load, tmp_path: Path, mode, is_warned):
    (tmp_path / "audit.key").touch()
    (tmp_path / "audit.key").chmod(mode)

    warnings = load('[journal]\naudit_key = "audit.key"').warnings
    assert any(text.startswith("journal.audit_key: others can read") for text in warnings) == is_warned
