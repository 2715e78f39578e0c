"""The page about the inside names what is there, and its drawing is the contracts'."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tools.docs.architecture import contracts, layers, rooms, rooms_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gateway"
PAGES = [ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"]

CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.-]+/|(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|json)|(?:[\w.-]+/)+[\w.-]*")
FUNCTION = re.compile(r"(\w+)\(\)")
CONSTANT = re.compile(r"(?!NAME$)[A-Z]\w+")  # a class, a table
DRAWN = re.compile(r"│ (\w+) (?=│)")


def named(page: Path, pattern: re.Pattern[str]) -> list[str]:
    """Return what a page has in code that is of one form."""
    return [text for text in CODE.findall(page.read_text()) if pattern.fullmatch(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_that_the_page_names_is_there(page):
    paths = named(page, PATH)

    assert [
        path
        for path in paths
        if not any(list(base.glob(path.replace("NAME", "*"))) for base in (PACKAGE, ROOT))
    ] == []
    assert paths


@pytest.mark.parametrize(
    ("form", "definition"),
    [
        pytest.param(FUNCTION, r"^\s*(?:async )?def {}\(", id="functions"),
        pytest.param(CONSTANT, r"^(?:class {0}\b|{0}(?::| =))", id="classes and tables"),
    ],
)
def test_what_the_page_names_in_the_code_is_there(form, definition):
    code = "\n".join(
        path.read_text() for room in ("gateway", "tools") for path in (ROOT / room).rglob("*.py")
    )
    names = [text.removesuffix("()") for text in named(PAGES[0], form)]

    assert [name for name in names if not re.search(definition.format(name), code, re.MULTILINE)] == []
    assert names


def test_every_layer_is_drawn_and_those_below_come_below():
    drawing = layers()
    places = [[drawing.index(f"│ {room} │") for room in layer] for layer in rooms_of(contracts()[0])]

    assert all(max(upper) < min(lower) for upper, lower in pairwise(places))
    assert sorted(DRAWN.findall(drawing)) == sorted(r for layer in rooms_of(contracts()[0]) for r in layer)


def test_every_room_of_the_contract_says_what_it_holds():
    told = rooms()
    drawn = {room for layer in rooms_of(contracts()[0]) for room in layer} - {"__main__"}

    assert {
        room for room in drawn if f"| `{room}/` |" not in told and f"| `{room}.py` |" not in told
    } == set()
