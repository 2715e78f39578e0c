"""What is done while no gateway runs is done in the name of who runs the command."""

import json
import os

import pytest

from gateway.users import name_of

ACTS = (
    ["pause", "phonebook"],
    ["token", "new", "okta"],
    ["operations", "release", "cx"],
    ["audit", "export", "--output", "trail"],
    ["resync", "phonebook"],
)


def actors(run) -> list[str]:
    rows = run("audit", "query", "--format", "json", "--filter", 'actor.type eq "administrator"').out
    return [row["actor"]["name"] for row in json.loads(rows)]


@pytest.mark.parametrize("argv", ACTS, ids=lambda argv: argv[0])
def test_an_act_names_the_user(run, journal, monkeypatch, argv: list[str]) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)

    assert run(*argv).status == 0

    assert actors(run) == [name_of(os.geteuid(), None)]


def test_an_act_by_sudo_names_who_became_whom(run, monkeypatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")

    run("pause", "phonebook")

    assert actors(run) == [f"ann via sudo as {name_of(os.geteuid(), None)}"]
