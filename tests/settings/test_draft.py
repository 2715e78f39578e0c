"""The mapping of one target as somebody tries it: what may stand there, and what is never looked up."""

import os
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Settings, draft, load_settings
from gateway.settings.compiled import mapping_of
from gateway.settings.draft import LONGEST, MOST_COMPARED, MOST_RULES, Tryout, read_draft, written_mapping
from gateway.targets.registry import CONNECTORS

CONFIG = """
[journal]
url = "sqlite:gateway.db"
[providers.okta]
token = { env = "SECRET_OF_OKTA" }
targets = ["cx"]
[targets.cx]  # not-for-everybody
preset = "dialpad"
connector = "scim"
url = "https://secret-host.example.com/scim"
auth = { bearer = { env = "SECRET_OF_CX" } }
region = "GB"
require = ["userName", ["name.givenName", "name.familyName"]]
scope = { people = 'active eq true' }
unlisted = "hold"
[targets.cx.offices]
LDN = { name = "London\\u202e", country = "GB" }
[[targets.cx.rules]]
to = "title"
via = [{ name = "map", table = { file = "titles.csv" }, otherwise = "keep" }]
[[targets.cx.rules]]
to = "nickName"
from = ["nickName", "displayName"]
when = 'title pr'
via = [{ name = "truncate", length = 12 }, "lower"]
default = "none"
"""
RULE = '[[targets.cx.rules]]\nto = "title"\n'


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("draft")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "titles.csv").write_text("CSR,Agent\n")
    (folder / "canary.csv").write_text("canary,value\n")
    return load_settings(folder / "config.toml", CONNECTORS, read_secrets=False)


def tried(settings: Settings, text: str) -> Tryout:
    return read_draft(settings, "cx", text)


def test_what_is_in_force_is_written_as_it_can_be_tried_and_comes_to_the_same(settings: Settings) -> None:
    text = written_mapping(settings, "cx")
    found = tried(settings, text)

    assert found.faults == ()
    assert found.target is not None
    known = settings.targets["cx"]
    for key in draft.MAPPING[:-1]:
        assert getattr(found.target, key) == getattr(known, key)
    said = [
        [(rule.label, str(rule.condition), rule.default) for rule in one.rules]
        for one in (found.target, known)
    ]
    assert said[0] == said[1]
    person = {
        "userName": "ann",
        "title": "CSR",
        "nickName": "ANNABEL THE SECOND",
        "name": {"givenName": "Ann"},
    }
    assert mapping_of(found.target).forward(person) == mapping_of(known).forward(person)


@pytest.mark.parametrize("secret", ["SECRET", "secret", "not-for-everybody", "url", "auth", "preset"])
def test_nothing_but_the_mapping_is_written(settings: Settings, secret: str) -> None:
    assert secret not in written_mapping(settings, "cx")


def test_what_else_a_target_is_stays_as_it_is_in_force(settings: Settings) -> None:
    found = tried(settings, 'targets.cx.region = "DE"').target
    assert found is not None

    known = settings.targets["cx"]
    assert (found.region, found.url, found.auth, found.preset) == ("DE", known.url, known.auth, known.preset)
    assert {rule.to.text for rule in found.rules} < {rule.to.text for rule in known.rules}
    assert found.require != known.require  # the preset's, as none is written


@pytest.mark.parametrize(
    ("text", "line", "path", "says"),
    [
        pytest.param(f"{RULE}via = ['uper']", 3, "targets.cx.rules[0].via[0]", "uper", id="transform"),
        pytest.param(f"\n\n{RULE}when = 'x eq'", 5, "targets.cx.rules[0].when", "", id="filter"),
        pytest.param(f"{RULE}{RULE}", 4, "targets.cx.rules[1].to", "same", id="twice"),
        pytest.param(
            f'{RULE}via = [\n"lower",\n{{ name = "replace", pattern = "(", by = "" }}]',
            5,
            "targets.cx.rules[0].via[1].pattern",
            "",
            id="regular expression",
        ),
        pytest.param(f'{RULE}colour = "red"', 3, "targets.cx.rules[0].colour", "unknown key", id="key"),
        pytest.param("[targets.cx]\nregion = 'XX'", 2, "targets.cx.region", "", id="region"),
        pytest.param("[targets.cx]\n\nrules = 5", 3, "targets.cx.rules", "must be a list", id="no list"),
        pytest.param("targets = 5", 1, "targets", "must be a table", id="no table of targets"),
        pytest.param("[targets]\ncx = 5", 2, "targets.cx", "must be a table", id="no table"),
        pytest.param("\n[[targets.cx.rules]\n", 2, "TOML", "", id="no TOML"),
        pytest.param("[targets.cx", 1, "TOML", "", id="no end"),
        pytest.param("a = 1\n[targets.cx]", 1, "a", "not tried here", id="elsewhere"),
        pytest.param("[targets.other]", 1, "targets.other", "not tried here", id="another target"),
        pytest.param("[targets.cx]\nurl = 'https://x'", 2, "targets.cx.url", "not tried here", id="address"),
        pytest.param("[targets.cx.auth]\nbearer = 'x'", 1, "targets.cx.auth", "not tried here", id="secret"),
        pytest.param(RULE * (MOST_RULES + 1), None, "targets.cx.rules[200]", "more than", id="many rules"),
        pytest.param("#" * (LONGEST + 1), None, "targets.cx", "longer", id="long"),
        pytest.param(f"a = {'[' * 5000}", None, "targets.cx", "nested too deep", id="deep"),
        pytest.param(f"a{'.a' * 3000} = 1", None, "", "", id="deep key"),
        pytest.param(f"a = {'1' * 5000}", None, "TOML", "", id="long number"),
    ],
)
def test_a_fault_is_told_with_its_line(
    settings: Settings, text: str, line: int | None, path: str, says: str
) -> None:
    found = tried(settings, text)

    assert found.target is None
    assert found.faults
    told = next((one for one in found.faults if one.path == path), None)
    assert told is not None or not path, found.faults
    assert told is None or ((line is None or told.line == line) and says in told.reason), found.faults


@pytest.mark.parametrize(
    "written",
    [
        '{ file = "canary.csv" }',
        '{ file = "none.csv" }',
        '{ file = "/etc/passwd" }',
        '{ file = "titles.csv", columns = ["CSR", "Agent"] }',
        '{ file = "titles.csv/" }',
        '{ file = "/dev/stdin" }',
    ],
)
@pytest.mark.parametrize(
    ("text", "path"),
    [
        (RULE + 'via = [{{ name = "map", table = {} }}]', "targets.cx.rules[0].via[0].table.file"),
        ("targets.cx.offices = {}", "targets.cx.offices.file"),
    ],
)
def test_no_file_that_the_configuration_does_not_name_is_looked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str, path: str, written: str
) -> None:
    looked_at: list[Any] = []
    for name in ("open", "stat", "access"):
        monkeypatch.setattr(os, name, lambda *some, **more: looked_at.append(some))

    found = tried(settings, text.format(written))
    monkeypatch.undo()

    assert found.target is None
    assert [(one.path, one.reason) for one in found.faults] == [(path, draft.NO_FILES)]
    assert not [some for some in looked_at if any(word in str(some[0]) for word in ("csv", "etc", "stdin"))]


@pytest.mark.parametrize(
    "text",
    [
        "targets.cx.region = { env = 'PATH' }",
        RULE + "default = { env = 'HOME' }",
        RULE + "via = [{ name = 'constant', value = { env = 'HOME' } }]",
    ],
)
def test_no_environment_is_looked_up(settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HOME", "canary")

    found = tried(settings, text)

    assert "canary" not in repr(found)


def test_what_is_doubtful_is_told_with_its_line_and_many_conditions_are_not_compared(
    settings: Settings,
) -> None:
    rivals = f"{RULE}when = 'nickName pr'\n{RULE}when = 'nickName eq \"Ann\"'\n"
    many = "".join(f"{RULE}when = 'displayName eq \"{n}\"'\n" for n in range(MOST_COMPARED))

    assert [(one.line, "never runs" in one.reason) for one in tried(settings, rivals).doubts] == [(4, True)]
    assert tried(settings, rivals + many).doubts == ()
    assert tried(settings, rivals + many).target is not None


def test_the_configuration_on_disk_is_not_read_again(settings: Settings, tmp_path: Path) -> None:
    assert settings.source is not None
    path = settings.source.path
    before = path.read_bytes()
    path.write_text("nonsense")
    try:
        assert tried(settings, written_mapping(settings, "cx")).faults == ()
    finally:
        path.write_bytes(before)
