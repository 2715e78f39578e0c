"""Phone books in the configuration: what they default to, and every fault at once."""

import hashlib

import pytest

from gateway.phonebook.formats import FORMATS
from gateway.phonebook.people import SORTS

TARGET = '[targets.phonebook]\nconnector = "embedded"\nurl = "sqlite:p.db"\n'
DIGEST = hashlib.sha256(b"token").hexdigest()
TOKEN = f'token = {{ sha256 = "{DIGEST}" }}\n'
DESK = f'[phonebooks.desk]\ntarget = "phonebook"\nformat = "yealink"\n{TOKEN}'


def test_a_phone_book_has_every_default(load) -> None:
    book = load(TARGET + DESK).phonebooks["desk"]

    assert (book.name, book.target, book.format) == ("desk", "phonebook", "yealink")
    assert (book.title, book.locale, book.sort, book.trust) == ("desk", "en", "name", 300.0)
    assert book.digests == (bytes.fromhex(DIGEST),)


def test_a_phone_book_is_as_the_file_says(load) -> None:
    keys = 'title = "Head office"\nlocale = "de-CH"\nsort = "department"\ntrust = "1h"\n'

    book = load(TARGET + DESK + keys).phonebooks["desk"]

    assert (book.title, book.locale, book.sort, book.trust) == ("Head office", "de-CH", "department", 3600.0)


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_that_is_written_can_be_chosen(load, form: str) -> None:
    assert load(TARGET + DESK.replace("yealink", form)).phonebooks["desk"].format == form


@pytest.mark.parametrize("sort", SORTS)
def test_each_order_that_there_is_can_be_chosen(load, sort: str) -> None:
    assert load(TARGET + DESK + f'sort = "{sort}"').phonebooks["desk"].sort == sort


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        pytest.param(
            DESK.replace('"phonebook"', '"phonebok"'), "target", 'did you mean "phonebook"', id="target"
        ),
        pytest.param(DESK.replace('target = "phonebook"\n', ""), "target", "is required", id="no target"),
        pytest.param(DESK.replace("yealink", "nokia"), "format", 'must be "yealink"', id="format"),
        pytest.param(DESK.replace('format = "yealink"\n', ""), "format", "is required", id="no format"),
        pytest.param(DESK.replace(TOKEN, ""), "token", "is required", id="no token"),
        pytest.param(DESK.replace(TOKEN, 'token = "secret"\n'), "token", "is a secret", id="a bare token"),
        pytest.param(DESK + 'locale = "de_DE.UTF-8"', "locale", "must be a language tag", id="locale"),
        pytest.param(DESK + "locale = 7", "locale", "must be a language tag", id="locale is no text"),
        pytest.param(DESK + 'sort = "age"', "sort", 'must be "name"', id="order"),
        pytest.param(DESK + 'trust = "soon"', "trust", "must be a duration", id="trust"),
        pytest.param(DESK + 'title = ""', "title", "must not be empty", id="title"),
        pytest.param(DESK + 'titel = "x"', "titel", 'did you mean "title"', id="misspelt"),
    ],
)
def test_a_fault_is_told_with_its_path(faults_of, text: str, path: str, says: str) -> None:
    faults = faults_of(TARGET + text)

    assert list(faults) == [f"phonebooks.desk.{path}"]
    assert says in faults[f"phonebooks.desk.{path}"]


def test_all_faults_are_told_at_once(faults_of) -> None:
    faults = faults_of(
        "[phonebooks.Desk_1]\ntarget = 'x'\nformat = 'y'\n[phonebooks.two]\nsort = 1\n[journl]\n"
    )

    assert {"phonebooks.Desk_1", "phonebooks.Desk_1.target", "phonebooks.Desk_1.format"} < set(faults)
    assert {"phonebooks.Desk_1.token", "phonebooks.two.sort", "phonebooks.two.token", "journl"} < set(faults)


def test_no_two_phone_books_have_one_token(faults_of) -> None:
    faults = faults_of(TARGET + DESK + DESK.replace("desk", "hall"))

    assert "is the same token as phonebooks.desk.token" in faults["phonebooks.hall.token"]


def test_a_missing_token_file_is_told_by_check_and_made_by_serve(load, tmp_path) -> None:
    text = TARGET + DESK.replace(TOKEN, 'token = { file = "desk.token" }\n')

    told = load(text)
    settings = load(text, make_tokens=True)

    assert told.made_tokens == (tmp_path / "desk.token",)
    assert settings.made_tokens == (tmp_path / "desk.token",)
    made = (tmp_path / "desk.token").read_text().strip()
    assert settings.phonebooks["desk"].digests == (hashlib.sha256(made.encode()).digest(),)


def test_who_only_reads_needs_no_token(load) -> None:
    text = TARGET + DESK.replace(TOKEN, 'token = { env = "NOBODY_SET_THIS" }\n')

    assert load(text, read_secrets=False).phonebooks["desk"].digests == ()
