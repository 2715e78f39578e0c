"""What the bench's command line means."""

import pytest

from bench import __main__ as command
from bench.report import save_run

CREATE = {"target": "scim", "case": "create", "connections": 16}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        pytest.param("after", "0.1 → 0.5", id="the one after"),
        pytest.param("before", "0.1 → 0.5", id="the one before, measured again"),
        pytest.param("other", "0.1 → 0.3", id="another"),
        pytest.param("first", "0.1", id="one that there is not"),
    ],
)
def test_a_page_shows_the_run_before_and_the_one_that_was_made(tmp_path, monkeypatch, label, expected):
    monkeypatch.setattr(command, "RUNS", tmp_path)
    monkeypatch.setattr(command, "PAGE", tmp_path / "results.md")
    for name, ratio in (("before", 0.1), ("after", 0.5), ("other", 0.3)):
        rows = {"cases": [{**CREATE, "ratio": ratio}]}
        save_run(tmp_path / f"{name}.json", {"label": name, "machine": {}, "loads": {}, "sections": rows})

    command.write_page(label)

    assert f"| scim | create | 16 | {expected} |" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], ((1, 16, 64), 5), id="everything"),
        pytest.param(["--quick"], ((16,), 3), id="quick"),
        pytest.param(["--quick", "--connections", "1,2", "--rounds", "7"], ((1, 2), 7), id="as it is asked"),
    ],
)
def test_how_much_is_measured_is_said_or_known(words, expected):
    asked = command.parsed(words)

    assert (asked.connections, asked.rounds) == expected
