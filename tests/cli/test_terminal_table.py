"""Tables that keep to the columns of a terminal: what is left out, wrapped, put below, or told as records."""

import io
import sys
import unicodedata

import pytest

from gateway.cli.output import VIEW, Column, Format, Stop, View, columns, write
from gateway.cli.terminal import ProgressLine
from gateway.cli.terminal.table import size, wrapped

ID = "01JD3Z0000000000000000000000000000ABCD"
REASON = "the target says that this mailbox is known under another name already, and takes no second one"
TABLE = (
    Column("id", "id", rank=0),
    Column("whom", "whom", rank=0),
    Column("state", "state", rank=0),
    Column("tries", "tries", rank=2),
    Column("opened", "opened", rank=3),
    Column("paused since", "paused"),
    Column("reason", "reason"),
)


class Terminal(io.StringIO):
    """Standard output of a person."""

    def isatty(self) -> bool:
        return True


def row(name="ann@example.com", reason=REASON, state="dead"):
    opened = "2026-03-01T09:00:00.123456Z"
    return {"id": ID, "whom": name, "state": state, "tries": 3, "opened": opened, "reason": reason}


@pytest.fixture
def show(monkeypatch):
    """Write rows to a terminal of so many columns, and return its lines."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def shown(rows, table=TABLE, width=80, view=None, is_plain=True):
        monkeypatch.setenv("COLUMNS", str(width))
        if is_plain:
            monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        token = VIEW.set(view or View())
        try:
            write(rows, Format.TABLE, table, out=terminal, empty="nobody is here")
        finally:
            VIEW.reset(token)
        return terminal.getvalue().splitlines()

    return shown


@pytest.mark.parametrize("width", [66, 80, 100, 120])
def test_no_line_is_longer_than_the_terminal(show, width):
    lines = show([row(), row("山田.太郎@example.com", "短い")], width=width)

    assert max(map(size, lines)) <= width


@pytest.mark.parametrize("width", [20, 40, 66, 80, 200])
def test_an_id_is_never_broken(show, width):
    lines = show([row(), row("bob@example.com")], width=width)

    assert sum(ID in line for line in lines) == 2


def test_what_needs_it_least_is_left_out_and_named(show):
    lines = show([row(), row("bob@example.com")])

    assert lines[0].split() == ["id", "whom", "state", "tries"]
    assert lines[-1] == "not shown: opened; --wide shows all"


def test_prose_stands_below_its_row_where_there_is_no_room_beside(show):
    _, first, *below, second, _, _, _ = show([row(), row("bob@example.com")])

    assert first.startswith(f"{ID}  ann@example.com  dead")
    assert second.startswith(f"{ID}  bob@example.com  dead")
    assert " ".join(line.strip() for line in below) == f"reason: {REASON}"


@pytest.mark.parametrize("name", ["a" * 50 + "@example.com", "山田太郎" * 6])
def test_a_name_that_leaves_no_room_stands_below_and_hides_nothing_else(show, name):
    table = (*columns("state", "whom", "user_name"), Column("opened", "opened", rank=2))
    rows = [row() | {"user_name": user} for user in (name, "bob@example.com")]

    lines = show(rows, table)

    assert lines[0].split() == ["state", "whom", "opened"]
    below = [line.strip() for line in lines if "userName" in line]
    assert below == [f"userName: {name}", "userName: bob@example.com"]
    assert not any("not shown" in line for line in lines)


def test_prose_is_wrapped_beside_where_there_is_room(show):
    lines = show([row(), row("bob@example.com")], table=(TABLE[1], TABLE[-1]), width=60)

    assert lines[0].split() == ["whom", "reason"]
    assert all(line.startswith(("whom", "ann@", "bob@", " " * 17)) for line in lines)
    assert " ".join(line[17:] for line in lines[1:4]).startswith("the target says that this mailbox")


def test_a_column_in_which_nobody_has_anything_has_no_room(show):
    lines = show([row(), row("bob@example.com")], width=300)

    assert "paused since" not in lines[0]


@pytest.mark.parametrize(
    ("rows", "width"), [pytest.param(1, 300, id="one row"), pytest.param(2, 40, id="no room for the needed")]
)
def test_rows_are_records_where_a_table_says_less(show, rows, width):
    lines = show([row()] * rows, width=width)

    assert lines[0] == f"id      {ID}"
    assert lines[1] == "whom    ann@example.com"
    assert lines.count("") == rows - 1


def test_all_columns_are_shown_however_long_the_lines_where_that_is_asked(show):
    lines = show([row(), row("bob@example.com")], view=View(is_wide=True))

    assert lines[0].split("  ")[0] == "id"
    assert [REASON in line for line in lines] == [False, True, True]
    assert "paused since" in lines[0]


def test_chosen_columns_are_shown_in_their_order_and_none_is_left_out(show):
    view = View(chosen=("state", "OPENED", "whom"))

    assert show([row(), row("bob@example.com")], view=view)[0].split() == ["state", "opened", "whom"]
    assert show([row(), row()], view=view, width=30)[0] == "state   dead"


@pytest.mark.parametrize(
    ("name", "format", "sentence"),
    [
        pytest.param(
            "stat", Format.TABLE, '--columns: there is no column "stat"; did you mean "state"?', id="typo"
        ),
        pytest.param("state", Format.JSON, "--columns: chooses those of a table or of CSV", id="json"),
        pytest.param("state", Format.NDJSON, "--columns: chooses those of a table or of CSV", id="ndjson"),
    ],
)
def test_a_column_that_cannot_be_chosen_is_named(name, format, sentence):
    token = VIEW.set(View(chosen=(name,)))

    with pytest.raises(Stop, match="--columns") as raised:
        write([row()], format, TABLE)
    VIEW.reset(token)

    assert str(raised.value).startswith(sentence)


def test_a_sheet_has_the_chosen_columns(capsys):
    token = VIEW.set(View(chosen=("whom", "id")))
    write([row()], Format.CSV, TABLE, columns("id", "whom", "state"))
    VIEW.reset(token)

    assert capsys.readouterr().out == f'"whom","id"\r\n"ann@example.com","{ID}"\r\n'


def test_states_have_a_colour_on_a_terminal(show):
    head, first, second = show([row(), row(state="ok")], table=TABLE[1:3], is_plain=False)

    assert head.startswith("\x1b[1mwhom\x1b[0m")
    assert "\x1b[31mdead\x1b[0m" in first
    assert "\x1b[32mok\x1b[0m" in second


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param("NO_COLOR", "1", id="NO_COLOR"), pytest.param("TERM", "dumb", id="dumb")]
)
def test_nothing_has_a_colour_where_nobody_wants_one(show, monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    assert "\x1b" not in "".join(show([row(), row()], is_plain=False))


@pytest.mark.parametrize("format", list(Format))
def test_nothing_has_a_colour_in_a_pipe(capsys, format):
    write([row(), row()], format, TABLE)

    assert "\x1b" not in capsys.readouterr().out


def test_a_list_of_nobody_says_so(show, capsys):
    assert show([]) == ["nobody is here"]
    write([], Format.CSV, TABLE, empty="nobody is here")
    assert "nobody" not in capsys.readouterr().out


def test_one_thing_has_one_heading(show):
    lines = show(
        [{"user_name": "a", "userName": "b", "target_id": "c"}] * 2,
        columns("user_name", "userName", "target_id"),
    )

    assert lines[0] == "userName  userName  target id"


@pytest.mark.parametrize(
    ("text", "most", "lines"),
    [
        pytest.param("one two three", 8, ["one two", "three"], id="between words"),
        pytest.param("one  two", 20, ["one  two"], id="fits as it is"),
        pytest.param("abcdefghij k", 4, ["abcd", "efgh", "ij k"], id="a word that is too long"),
        pytest.param("山田太郎", 5, ["山田", "太郎"], id="wide characters"),
        pytest.param("a\nb c", 1, ["a", "b", "c"], id="lines of its own"),
        pytest.param("", 5, [""], id="nothing"),
        pytest.param("山", 1, ["山"], id="no room at all"),
    ],
)
def test_a_text_is_broken_between_its_words(text, most, lines):
    assert wrapped(text, most) == lines


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        pytest.param(unicodedata.normalize("NFD", "é"), 1, id="an accent"),
        pytest.param("ที่นี่", 2, id="Thai"),
        pytest.param("हिन्दी", 5, id="Hindi"),
    ],
)
def test_a_combined_character_takes_one_column(text, columns):
    assert size(text) == columns


class Clock:
    """A second passes between two looks, if it is told so."""

    def __init__(self, *times):
        self._times = iter(times)

    def __call__(self):
        return next(self._times)


def test_progress_is_told_once_a_second_on_a_line_that_is_gone_at_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = ProgressLine("{} people", clock=Clock(0.0, 0.5, 1.1, 1.2, 2.2))

    passed = list(progress.over("abcd"))

    assert passed == ["a", "b", "c", "d"]
    assert terminal.getvalue() == "\r\x1b[K2 people\r\x1b[K4 people\r\x1b[K"


@pytest.mark.parametrize(("shown", "told"), [(None, ""), (True, "1 people\n")])
def test_progress_in_a_pipe_is_told_only_where_it_is_asked(capsys, shown, told):
    list(ProgressLine("{} people", shown, Clock(0.0, 5.0)).over("a"))

    assert capsys.readouterr().err == told
