"""The page made of runs."""

import pytest

from bench.report import SECTIONS, load_run, merged, render, save_run

MACHINE = {"cores": 2, "Python": "3.11.7"}
CREATE = {"target": "scim", "case": "create", "connections": 16, "ratio": 0.1, "gateway_us": 3269}
GET = {"target": "scim", "case": "get", "connections": 16, "ratio": 0.3, "gateway_us": 960}


def run(label, *rows):
    return {"label": label, "machine": MACHINE, "loads": {"cases": 0.2}, "sections": {"cases": list(rows)}}


def table_of(page):
    return [line for line in page.splitlines() if line.startswith("| scim")]


def test_a_run_shows_its_rows_the_ratio_first():
    assert table_of(render([run("after", CREATE)])) == ["| scim | create | 16 | 0.1 | 3,269 |"]


def test_two_runs_stand_beside_each_other_and_what_one_lacks_is_a_dash():
    faster = CREATE | {"ratio": 0.45, "gateway_us": 700}

    assert table_of(render([run("before", CREATE), run("after", faster, GET)])) == [
        "| scim | create | 16 | 0.1 → 0.45 | 3,269 → 700 |",
        "| scim | GET by id | 16 | – → 0.3 | – → 960 |",
    ]


def test_a_section_that_nobody_measured_is_left_out():
    page = render([run("after", CREATE)])

    assert [line for line in page.splitlines() if line.startswith("## ")] == [f"## {SECTIONS['cases'].title}"]


def test_each_machine_is_told_with_its_run():
    assert "| before | 2 | 3.11.7 |" in render([run("before", CREATE), run("after", CREATE)])


def test_how_busy_the_machine_was_is_told_where_that_is_known():
    unknown = {**run("before", CREATE), "loads": {}}

    assert "Load of the machine before: – → 0.2." in render([unknown, run("after", CREATE)])


def test_what_is_measured_again_takes_the_place_of_what_was():
    again = CREATE | {"ratio": 0.2}

    assert merged(run("after", CREATE, GET), run("after", again))["sections"]["cases"] == [again, GET]


def test_a_run_is_kept_in_its_file(tmp_path):
    file = tmp_path / "runs" / "after.json"

    save_run(file, run("after", CREATE))
    save_run(file, run("after", GET))

    assert load_run(file)["sections"]["cases"] == [CREATE, GET]


def test_a_run_that_was_never_made_is_empty(tmp_path):
    assert load_run(tmp_path / "none.json") == {}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_table_of_the_page_has_something_that_names_a_row_and_something_measured(name):
    section = SECTIONS[name]

    assert section.keys
    assert section.values
    assert not section.keys.keys() & section.values.keys()
