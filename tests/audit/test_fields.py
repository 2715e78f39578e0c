"""CSV that a spreadsheet only shows."""

import csv
import io

import pytest

from gateway.audit.fields import at, cell, render_csv


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param(201, "201", id="number"),
        pytest.param(["a"], '["a"]', id="list"),
        pytest.param("plain, text", "plain, text", id="text"),
        pytest.param("=1+1", "'=1+1", id="formula"),
        pytest.param("+442079460123", "'+442079460123", id="plus"),
        pytest.param("-1", "'-1", id="minus"),
        pytest.param("@sum", "'@sum", id="at"),
        pytest.param("＝1", "'＝1", id="full width"),
        pytest.param("\tx", "'\\x09x", id="tab"),
        pytest.param("\rx", "'\\x0dx", id="carriage return"),
        pytest.param("\nx", "'\\x0ax", id="line feed"),
        pytest.param(
            "x=1\x1b[31m\r\ny\x7f\x85", "x=1\\x1b[31m\\x0d\\x0ay\\x7f\\x85", id="control characters"
        ),
    ],
)
def test_a_cell_runs_nothing_and_is_one_line(value, shown):
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", {"b": 1}), ("a.b", 1), ("a.c", None), ("a.b.c", None), ("x.y", None)],
)
def test_a_value_is_found_by_its_names(path, value):
    assert at({"a": {"b": 1}}, path) == value


def test_a_sheet_has_the_paths_as_titles():
    text = render_csv([{"a": {"b": 'say "x"'}}, {}], ("a.b", "c"))

    assert text == '"a.b","c"\r\n"say ""x""",""\r\n"",""\r\n'  # each quoted: no sheet parts a cell at `;`

    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a.b", "c"], ['say "x"', ""], ["", ""]]
    assert text.count("\r\n") == text.count("\n") == 3
