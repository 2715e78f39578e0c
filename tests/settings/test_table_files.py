"""Tables of rules and offices in files of their own: what is read, and every fault with its line."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.mapping.specs import Office, Person
from gateway.settings.rules import LARGEST

TARGET = '[targets.t]\nconnector = "embedded"\nurl = "sqlite:t.db"\n'
MAP = '[[targets.t.rules]]\nto = "title"\nvia = [{ name = "map", table = { %s } }]\n'
OFFICES = "offices = { %s }\n"
FILE = 'file = "t.csv"'
PATH = "targets.t.rules[0].via[0].table"
IN_ANY_CASE = MAP.replace("table", "ignore_case = true, table")


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> None:
        (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def mapped(settings: Any, text: str) -> Any:
    (rule,) = settings.targets["t"].rules
    return rule.via[0].apply(text, Person())


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        pytest.param("CSR,Agent\nBoss,Manager\n", "", id="two columns"),
        pytest.param("CSR;Agent\r\nBoss;Manager", "", id="semicolons"),
        pytest.param("CSR\tAgent\n\n \t\nBoss\tManager\n", "", id="tabs and empty lines"),
        pytest.param("\ufeffCSR , Agent\n", "", id="byte order mark, spaces"),
        pytest.param("CSR\tAgent\n".encode("utf-16"), "", id="UTF-16, as spreadsheets have it"),
        pytest.param('"CSR","Agent"\n"a, b",c', "", id="quotes"),
        pytest.param("from,to\nCSR,Agent\n", ', columns = ["from", "to"]', id="named"),
        pytest.param("x;to;from\n1;Agent;CSR\n", ', columns = ["from", "to"]', id="named, in any order"),
    ],
)
def test_a_rule_looks_up_what_its_file_has(load, written, content: str | bytes, keys: str) -> None:
    written(content)

    assert mapped(load(TARGET + MAP % (FILE + keys)), "CSR") == "Agent"


def test_a_table_is_not_waited_for_in_a_pipe(faults_of, tmp_path) -> None:
    os.mkfifo(tmp_path / "t.csv")

    assert faults_of(TARGET + MAP % FILE)[f"{PATH}.file"] == "t.csv: is no regular file"


def test_a_table_that_happens_to_map_file_beside_others_is_no_file(load) -> None:
    settings = load(TARGET + MAP % 'file = "Datei", folder = "Ordner"')

    assert mapped(settings, "file") == "Datei"


def test_a_table_over_several_lines_is_read(load) -> None:
    text = '[[targets.t.rules]]\nto = "title"\n[[targets.t.rules.via]]\nname = "map"\notherwise = "drop"\n'

    settings = load(TARGET + text + '[targets.t.rules.via.table]\nCSR = "Agent"\nBoss = "Manager"\n')

    assert [mapped(settings, text) for text in ("CSR", "Boss", "else")] == ["Agent", "Manager", None]


@pytest.mark.parametrize(
    ("content", "keys", "offices"),
    [
        pytest.param(
            "LDN,London,gb\nTYO,Tokyo,\n",
            "",
            {"LDN": Office("London", "GB"), "TYO": Office("Tokyo")},
            id="with countries",
        ),
        pytest.param("LDN,London\n", "", {"LDN": Office("London")}, id="without"),
        pytest.param(
            "Site;Land;Dialpad\nLDN;GB;London\n",
            ', columns = ["Site", "Dialpad", "Land"]',
            {"LDN": Office("London", "GB")},
            id="named",
        ),
        pytest.param(
            "Site;Land;Dialpad\nLDN;GB;London\n",
            ', columns = ["Site", "Dialpad"]',
            {"LDN": Office("London")},
            id="two of three",
        ),
    ],
)
def test_offices_are_as_their_file_has_them(load, written, content: str, keys: str, offices: Any) -> None:
    written(content)

    assert load(TARGET + OFFICES % (FILE + keys)).targets["t"].offices == offices


def test_the_digest_of_a_configuration_is_that_of_its_files_too(load, written) -> None:
    text = TARGET + MAP % FILE
    written("a,b\n")
    first, again = load(text).digest, load(text).digest
    written("a,c\n")

    assert first == again != load(text).digest != hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("content", "keys", "says"),
    [
        pytest.param(None, "", "t.csv: the file cannot be read: No such file", id="no file"),
        pytest.param("", "", "t.csv: the file has no lines", id="empty"),
        pytest.param("from,to\n", ', columns = ["from", "to"]', "the file has no lines", id="titles alone"),
        pytest.param("a,b\na,c\n", "", "t.csv: line 2: begins as line 1 does", id="twice"),
        pytest.param("a,b\na,b\n", "", "line 2: begins as line 1 does", id="twice the same"),
        pytest.param("a,\n", "", "line 1: a cell is empty", id="empty second cell"),
        pytest.param(
            "a,b\n,b\nc\n", "", "line 2: a cell is empty; line 3: a cell is empty", id="all at once"
        ),
        pytest.param("a,b,c\n", "", "line 1: has 3 cells; say which are meant with `columns`", id="three"),
        pytest.param("a\n", "", "line 1: a cell is empty", id="one column"),
        pytest.param(
            "form,to\na,b", ', columns = ["from", "to"]', 'no column from; did you mean "form"?', id="title"
        ),
        pytest.param("", ', columns = ["from", "to"]', "line 1: there is no column from", id="no titles"),
        pytest.param(
            "from;to;from\na;b;c",
            ', columns = ["from", "to"]',
            "line 1: has several columns from",
            id="a title twice",
        ),
        pytest.param('a,b\n"c,d\n', "", "line 2: unexpected end of data", id="an open quote"),
        pytest.param(b"a,b\nc,\xff\n", "", "line 2: is not UTF-8 text", id="no text"),
        pytest.param(b"a,b\n" * (LARGEST // 4) + b"c,d\n", "", "is larger than 4 MiB", id="large"),
        pytest.param(
            "\n".join("a," for _ in range(20)), "", "line 10: a cell is empty; and 10 more", id="many"
        ),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_lines(
    faults_of, written, content: str | bytes | None, keys: str, says: str
) -> None:
    if content is not None:
        written(content)

    faults = faults_of(TARGET + MAP % (FILE + keys))

    assert list(faults) == [f"{PATH}.file"]
    assert says in faults[f"{PATH}.file"]


LIKE = "line 2: begins as line 1 does, as case and width do not count"


@pytest.mark.parametrize(
    ("content", "where", "says"),
    [
        pytest.param("a,b\nＡ,c\n", IN_ANY_CASE, LIKE, id="a map that ignores case"),
        pytest.param("a,b\nA,b\n", IN_ANY_CASE, LIKE, id="and says the same twice"),
        pytest.param("a,b\nA,c\n", MAP, None, id="a map that does not"),
        pytest.param("LDN,London\nldn,Leiden\n", OFFICES, LIKE, id="offices"),
    ],
)
def test_keys_that_are_one_in_any_case_are_a_fault_of_their_file(
    faults_of, load, written, content: str, where: str, says: str | None
) -> None:
    written(content)
    text = TARGET + where % FILE

    if says is None:
        assert mapped(load(text), "A") == "c"
    else:
        assert [reason.removeprefix("t.csv: ") for reason in faults_of(text).values()] == [says]


@pytest.mark.parametrize(
    ("table", "warnings"),
    [
        pytest.param(
            IN_ANY_CASE % 'a = "b", A = "c"',
            [f'{PATH}.A (line 4, "title"): is a as well, as case and'],
            id="of a map",
        ),
        pytest.param(IN_ANY_CASE % 'a = "b", A = "b"', [], id="that say the same"),
        pytest.param(
            '[targets.t.offices]\nLDN.name = "London"\nldn.name = "Leiden"\n',
            ["targets.t.offices.ldn: is LDN as well, as case and"],
            id="of offices",
        ),
    ],
)
def test_keys_that_are_one_in_any_case_are_warned_of_where_they_stand_here(
    load, table: str, warnings: list[str]
) -> None:
    found = load(TARGET + table).warnings

    about = [told for told in found if "width" in told]
    assert [told.partition(" width")[0] for told in about] == warnings


@pytest.mark.parametrize(
    ("keys", "path", "says"),
    [
        pytest.param(', columns = ["a"]', "columns", "must name 2 columns", id="one column"),
        pytest.param(', columns = ["a", "b", "c"]', "columns", "must name 2 columns", id="three columns"),
        pytest.param(', columns = ["a", 2]', "columns[1]", "must be text", id="no title"),
    ],
)
def test_a_fault_of_what_names_the_columns_is_told(
    faults_of, written, keys: str, path: str, says: str
) -> None:
    written("a,b\n1,2\n")

    faults = faults_of(TARGET + MAP % (FILE + keys))

    assert says in faults[f"{PATH}.{path}"]


def test_a_country_that_is_none_is_told_with_its_line(faults_of, written) -> None:
    written("LDN,London,England\nTYO,Tokyo,JP\nTYO,Tokio,JP\n")

    faults = faults_of(TARGET + OFFICES % FILE)

    assert list(faults) == ["targets.t.offices.file"]
    assert "t.csv: line 1: must be the two letters of a country" in faults["targets.t.offices.file"]
    assert "line 3: begins as line 2 does" in faults["targets.t.offices.file"]


def test_two_or_three_columns_of_offices_can_be_named(faults_of, written) -> None:
    written("a,b\n1,2\n")

    faults = faults_of(TARGET + OFFICES % (FILE + ', columns = ["a"]'))

    assert faults["targets.t.offices.columns"] == "must name 2 or 3 columns"
