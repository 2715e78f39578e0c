"""The catalogue of texts: everything that is said stands in it, in every language."""

import re
import tomllib
from importlib.resources import files
from string import Formatter

import pytest

from gateway.admin.reconcile import FindingKind
from gateway.admin.runs import Result
from gateway.console.acts import ACTS
from gateway.console.events import FORMS
from gateway.console.one_run import RUNS
from gateway.console.overview import GROUPS, SPANS
from gateway.console.people import PLACES
from gateway.console.rendering import LANGUAGES, language_of
from gateway.console.session import ROLES
from gateway.flow.journal_port import OperationState, Outcome, State
from gateway.journal.verify import TrailState
from gateway.settings.fields import Language

HERE = files("gateway.console")
SAID = re.compile(r"""\bt\(["']([\w.]+)["'][,)]|say\(request\)\(\s*"([\w.]+)\"""")


def texts(language: str) -> dict[str, str]:
    tables = tomllib.loads((HERE / "texts" / f"{language}.toml").read_text("utf-8"))
    return {f"{table}.{key}": text for table, own in tables.items() for key, text in own.items()}


def places(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_another_language_says_everything_with_the_same_places(language: str) -> None:
    english, other = texts("en"), texts(language)

    assert {key: places(text) for key, text in other.items()} == {
        key: places(text) for key, text in english.items()
    }


def test_what_pages_say_is_in_the_catalogue() -> None:
    code = "".join(
        file.read_text("utf-8")
        for folder in (HERE, HERE / "templates", HERE / "targets")
        for file in folder.iterdir()
        if file.name.endswith((".py", ".html"))
    )
    said = {one or other for one, other in SAID.findall(code)}

    assert len(said) > 80
    assert said - set(texts("en")) == set()


def test_what_is_chosen_by_a_name_is_in_the_catalogue() -> None:
    chosen = {
        *(f"act.{act}{end}" for act in ACTS for end in ("", "_title", "_submit")),
        *(f"done.{act}" for act in ACTS),
        *(f"role.{role}" for role in ROLES),
        *(f"outcome.{outcome}" for outcome in Outcome),
        *(f"group.{group}" for group in GROUPS),
        *(f"overview.chart_{span}" for span in SPANS),
        *(f"verify.{state}" for state in TrailState),
        *(f"events.export_{form}" for form in FORMS),
        *(f"finding.{kind}" for kind in FindingKind),
        *(f"standing.{standing}" for standing in (*OperationState, *State, "refused")),
        *(f"unsent.{what}" for what in ("held", "dropped")),
        *(f"person.{act}" for act in RUNS),
        *(f"person.run_{part}" for part in (*RUNS, *Result)),
        *(
            f"people.{part}_{place}"
            for part in ("title", "question", "q", "help")
            for place in PLACES.values()
        ),
        *(f"person.{part}_{place}" for part in ("belonging", "all", "back") for place in PLACES.values()),
        *(f"error.no_{place}" for place in PLACES.values()),
    }

    assert chosen - set(texts("en")) == set()


def test_the_languages_of_the_catalogue_are_those_of_the_configuration() -> None:
    assert Language.__args__ == LANGUAGES


def test_a_language_that_is_chosen_is_everybodys() -> None:
    assert language_of("en", "de") == "de"
