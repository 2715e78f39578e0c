"""What the pages say is what the program does: generated blocks, links, commands, configurations."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from gateway.cli.commands import application
from gateway.mapping.transforms import TRANSFORMS
from gateway.settings import console, entitlements, ldap, load_settings, rest, sql, tables, target_tables
from gateway.targets.registry import CONNECTORS
from tools.docs.preset_pages import pages
from tools.docs.reference import BLOCKS, EXAMPLES, MADE, TABLES, fill

ROOT = Path(__file__).resolve().parents[1]
OUTER = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*OUTER, *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"^\$ (.+(?:\n {4}.+)*)", re.MULTILINE)  # its further lines are indented
FILE = re.compile(r'(?:file|cert|key) = "([^"]+)"')
VARIABLE = re.compile(r'env = "([^"]+)"')


def fenced(page: Path, language: str) -> list[str]:
    """Return the blocks of a page that are in one language."""
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == language]


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return what headings a link may point at, as code hosts name them."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(page)))
    return {title.replace(" ", "-") for title in titles}


def simple_commands() -> list[list[str]]:
    """Return every command of README's console blocks, each part of a pipe by itself."""
    commands = []
    for block in fenced(ROOT / "README.md", "console"):
        for line in COMMAND.findall(block):
            lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="|")
            lexer.whitespace_split = True
            words = list(lexer)
            while words:
                end = words.index("|") if "|" in words else len(words)
                commands.append(words[:end])
                words = words[end + 1 :]
    return commands


def gateway_commands() -> list[list[str]]:
    return [words[words.index("gateway.py") + 1 :] for words in simple_commands() if "gateway.py" in words]


def listed_commands() -> list[str]:
    """Return the commands of README's table, one for each alternative."""
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", prose(ROOT / "README.md"), re.MULTILINE)
    listed = []
    for text in re.findall(r"`([^`]+)`", " ".join(rows)):
        *group, last = [
            word for word in text.replace(r"\|", "|").split() if word.islower() and word[0] != "["
        ]
        listed += [" ".join((*group, one)) for one in last.split("|")]
    return listed


CONFIGURATIONS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)} {number}")
    for page in PAGES
    for number, text in enumerate(fenced(page, "toml"), 1)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_what_the_program_says_now(page):
    text = page.read_text()

    assert fill(text) == text, "run: make docs"


def test_every_preset_has_its_page_as_its_file_is_now():
    assert {file.name: file.read_text() for file in (ROOT / "docs" / "presets").iterdir()} == pages(), (
        "run: make docs"
    )


def test_every_generated_block_stands_on_one_page():
    found = [match["block"] for page in PAGES for match in MADE.finditer(page.read_text())]

    assert sorted(found) == sorted(BLOCKS)


def test_every_table_of_the_configuration_is_described():
    named = vars(tables) | vars(target_tables) | vars(rest) | vars(ldap) | vars(entitlements) | vars(console)
    named |= vars(sql)
    known = {table for table in named.values() if isinstance(table, type)}
    known = {table for table in known if issubclass(table, tables.Table)} - {tables.Table}

    assert known == {table for table, _ in TABLES.values()}


@pytest.mark.parametrize("table", [table for table, _ in TABLES.values()], ids=lambda table: table.__name__)
def test_every_key_has_a_description_of_one_sentence(table):
    bare = {
        name
        for name, field in table.model_fields.items()
        if not re.fullmatch(r"[A-Z].*\.", field.description)
    }

    assert bare == set()


def test_every_transform_has_an_example():
    assert list(EXAMPLES) == list(TRANSFORMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    targets = [(page.parent / file if file else page, anchor) for file, anchor in LINK.findall(prose(page))]

    assert [str(file) for file, _ in targets if not file.is_file()] == []
    assert [anchor for file, anchor in targets if anchor and anchor not in anchors(file)] == []


@pytest.mark.parametrize("arguments", gateway_commands(), ids=" ".join)
def test_a_command_of_the_readme_is_one_of_the_program(arguments):
    command, words = get_command(application()), list(arguments)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    command.make_context("gateway", words)


def test_the_readme_shows_commands():
    programs = {words[0] for words in simple_commands()}

    assert programs == {"make", "curl", "echo", ".venv/bin/python"}
    assert {words[0] for words in gateway_commands()} >= {"check", "explain", "audit"}


@pytest.mark.parametrize("text", listed_commands())
def test_a_command_that_the_readme_lists_is_one_of_the_program(text):
    command = get_command(application())
    for word in text.split():
        command = command.commands[word]


@pytest.mark.parametrize("page", OUTER, ids=lambda page: page.name)
def test_a_make_target_that_a_page_names_is_there(page):
    named = re.findall(r"(?:^\$ |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)

    assert [name for name in named if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_on_a_page_has_no_fault(text, tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text(text)
    for name in VARIABLE.findall(text):
        monkeypatch.setenv(name, f"secret-of-{name}")
    for name in FILE.findall(text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("LDN,London" if name.endswith(".csv") else f"secret-of-{name}")
        (tmp_path / name).chmod(0o600)

    settings = load_settings(tmp_path / "config.toml", CONNECTORS)

    assert [warning for warning in settings.warnings if "there is none" not in warning] == []


def test_a_test_that_recovery_names_is_there():
    page = (ROOT / "docs" / "recovery.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    files = {path.name for path in (ROOT / "tests").rglob("test_*.py")}

    named = set(re.findall(r"`(test_\w+)`", page))
    missing = {name for name in named if f"def {name}(" not in tests}
    strays = {name for name in re.findall(r"(test_\w+\.py)", page) if name not in files}

    assert (missing, strays) == (set(), set())
    assert named
