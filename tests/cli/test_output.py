"""Rows as tables, JSON, NDJSON and CSV."""

import io
import json
import sys

import pytest

from gateway.cli.output import Column, Format, columns, shortened, text, write

ROWS = [
    {"name": "ann", "inner": {"n": 7}, "note": None},
    {"name": "山田 太郎", "inner": {"n": [1, 2]}, "note": "a\x1b[31mb\n[bold]c"},
    {"name": "bob"},
]
COLUMNS = (Column("NAME", "name"), Column("N", "inner.n"), Column("NOTE", "note"))


class Terminal(io.StringIO):
    """Standard output of a person."""

    def isatty(self) -> bool:
        return True


def lines(capsys):
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_is_aligned_and_obeys_nothing(capsys):
    write(ROWS, Format.TABLE, COLUMNS)

    assert lines(capsys) == [
        "NAME       N      NOTE",
        "ann        7",
        "山田 太郎  [1,2]  a?[31mb?[bold]c",
        "bob",
    ]


def test_a_table_without_a_terminal_is_as_wide_as_its_rows(capsys):
    write([{"name": "x" * 500}], Format.TABLE, columns("name"))

    assert lines(capsys) == ["name", "x" * 500]


def test_a_table_on_a_terminal_keeps_to_its_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    write([{"name": "x" * 100}], Format.TABLE, columns("name"))

    assert terminal.getvalue().count("x") == 100
    assert max(line.count("x") for line in terminal.getvalue().splitlines()) <= 40


@pytest.mark.parametrize("rows", [pytest.param(ROWS, id="some"), pytest.param([], id="none")])
def test_json_is_one_array(capsys, rows):
    write(rows, Format.JSON, COLUMNS)

    assert json.loads(capsys.readouterr().out) == rows


def test_ndjson_is_one_object_a_line(capsys):
    write(ROWS, Format.NDJSON, COLUMNS)

    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_csv_has_the_columns_of_a_sheet(capsys):
    write(ROWS, Format.CSV, COLUMNS, columns("inner.n", "name"))

    assert capsys.readouterr().out == ('"inner.n","name"\r\n"7","ann"\r\n"[1,2]","山田 太郎"\r\n"","bob"\r\n')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param("1234567890", "1234567890", id="fits"),
        pytest.param("12345678901", "123456789…", id="too long"),
        pytest.param(True, "true", id="boolean"),
    ],
)
def test_a_text_is_shortened_to_what_fits(value, shown):
    assert shortened(10)(value) == shown


def test_a_text_has_no_control_characters():
    assert text("a\r\n\tb\u202e") == "a???b?"
