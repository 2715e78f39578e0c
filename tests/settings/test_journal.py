"""[journal] with a database: how its url is judged, and where its password comes from."""

import pytest

URL = "postgresql://gateway@db.example.com/gateway?sslmode=verify-full"

NONE = 'password = { env = "NONE" }'


def journal(url: str = URL, more: str = "") -> str:
    return f'[journal]\nurl = "{url}"\n{more}'


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        pytest.param(URL, URL.replace("gateway@", "gateway:p%40ss%2F1@"), id="one host"),
        pytest.param(
            "postgres://a@127.0.0.1:1,[::1]:2/d", "postgres://a:p%40ss%2F1@127.0.0.1:1,[::1]:2/d", id="hosts"
        ),
        pytest.param("postgresql:///d?host=/run/pg", "postgresql://:p%40ss%2F1@/d?host=/run/pg", id="socket"),
    ],
)
@pytest.mark.parametrize("read_secrets", [True, False])
def test_a_password_comes_from_elsewhere_for_commands_that_read_too(
    load, monkeypatch, url, whole, read_secrets
) -> None:
    monkeypatch.setenv("JOURNAL", "p@ss/1")

    said = load(journal(url, 'password = { env = "JOURNAL" }'), read_secrets=read_secrets).journal

    assert said.database is not None
    assert said.database.reveal() == whole
    assert "p%40ss" not in repr(said) + said.place


def test_who_only_explains_needs_no_password(load) -> None:
    said = load(journal(more='password = { env = "JOURNAL" }'), read_secrets=False).journal

    assert said.database.reveal() == URL


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        pytest.param(journal(URL.replace("@", ":pass@")), "journal.url", "holds a password", id="in the url"),
        pytest.param(journal(f"{URL}&password=a"), "journal.url", "holds a password", id="in an option"),
        pytest.param(journal("postgresql://gateway@h"), "journal.url", "names no database", id="no database"),
        pytest.param(journal("postgresql:h/d"), "journal.url", "must be", id="no slashes"),
        pytest.param(journal("mysql://h/d"), "journal.url", 'must be "sqlite:"', id="another engine"),
        pytest.param(journal(more='password = "a"'), "journal.password", "is a secret", id="bare"),
        pytest.param(
            journal(more='password = { env = "NONE" }'), "journal.password.env", "has no NONE", id="none"
        ),
        pytest.param(
            journal("sqlite:a.db", 'password = { env = "NONE" }'),
            "journal.password",
            "is a file",
            id="of a file",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(faults_of, text, path, reason) -> None:
    assert reason in faults_of(text)[path]


def test_without_the_driver_its_extra_is_named(faults_of, monkeypatch) -> None:
    monkeypatch.setattr("gateway.settings.journal.find_spec", lambda name: None)

    assert "scim-gateway[postgres]" in faults_of(journal())["journal.url"]


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        pytest.param("postgresql://h.example.com/d", True, id="whatever the server likes"),
        pytest.param("postgresql://h.example.com/d?sslmode=require", True, id="with anybody"),
        pytest.param("postgresql://h.example.com/d?sslmode=verify-full", False, id="checked"),
        pytest.param("postgresql://h.example.com/d?sslmode=disable", False, id="on a network of its own"),
        pytest.param("postgresql://127.0.0.1:5432,[::1]:5433/d", False, id="this machine"),
        pytest.param("postgresql:///d?host=/run/postgresql", False, id="a socket"),
    ],
)
def test_a_database_that_nobody_checks_is_warned_of(load, url, is_warned) -> None:
    warnings = load(journal(url)).warnings

    assert any("sslmode=verify-full" in warning for warning in warnings) is is_warned
