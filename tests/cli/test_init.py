"""`init`: a first configuration by five answers, which `check` accepts."""

import errno
import io
import stat
import tomllib

import pytest

from gateway.cli import main
from gateway.settings.presets import preset_names

LDAP = ("389ds", "active_directory", "openldap")
ADDRESSES = dict.fromkeys(LDAP, "ldaps://ldap.example.com")
ENTRY = ["--user", "cn=gateway,dc=example,dc=com", "--base", "ou=people,dc=example,dc=com"]


@pytest.fixture
def empty(folder):
    """A folder without a configuration."""
    (folder / "config.toml").unlink()
    return folder


def written(folder):
    return tomllib.loads((folder / "config.toml").read_text())


def test_what_is_usual_is_a_directory_in_a_file_that_check_accepts(run, empty):
    made = run("init", "--yes")

    assert (made.status, made.err) == (0, "")
    assert made.out == "made: config.toml\nnext: check, guide phonebook, serve\n"
    assert written(empty)["targets"] == {
        "phonebook": {"connector": "embedded", "url": "sqlite:var/phonebook.db"}
    }
    assert run("check").status == 0


def test_five_answers_make_a_configuration(run, empty, monkeypatch):
    monkeypatch.setenv("WEBEX_TOKEN", "secret")
    answers = ["entra", "webex", "https://webex.example.com/scim", "env:WEBEX_TOKEN", "https://g.example.com"]

    made = run("init", stdin="\n".join(answers) + "\n")

    assert made.status == 0
    assert made.err.count("?") == len(answers)
    found = written(empty)
    assert found["server"]["public_url"] == "https://g.example.com"
    assert found["providers"] == {"entra": {"dialect": "entra", "token": {"file": "var/entra.token"}}}
    assert found["targets"]["webex"] == {
        "preset": "webex",
        "url": "https://webex.example.com/scim",
        "auth": {"bearer": {"env": "WEBEX_TOKEN"}},
    }
    assert run("check").status == 0


@pytest.mark.parametrize("kind", ["directory", "scim", *preset_names()])
@pytest.mark.parametrize("provider", ["okta", "entra", "other"])
def test_every_answer_makes_a_configuration_that_check_accepts(run, empty, kind, provider):
    address = ["--url", ADDRESSES.get(kind, "https://scim.example.com/v2")] if kind != "directory" else []
    entry = ENTRY if kind in LDAP else []

    said = ["--provider", provider, "--target", kind, *address, *entry]
    made = run("init", *said, "--secret-stdin", stdin="hunter2\n")
    checked = run("check")

    assert (made.status, made.err) == (0, "")
    assert "hunter2" not in (empty / "config.toml").read_text() + made.out
    assert (checked.status, "warning" in checked.err) == (0, False)


def test_a_preset_that_knows_its_address_need_not_be_told(run, empty):
    assert run("init", "--target", "dialpad", "--credentials", "env:HOME", "--yes").status == 0

    assert "url" not in written(empty)["targets"]["dialpad"]


def test_a_secret_goes_into_a_file_for_its_owner_alone(run, empty):
    run("init", "--target", "dialpad", "--secret-stdin", stdin="hunter2\n")

    file = empty / "var" / "dialpad.secret"
    assert file.read_text() == "hunter2\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_secret_that_is_there_is_kept(run, empty):
    (empty / "var").mkdir(exist_ok=True)
    (empty / "var" / "dialpad.secret").write_text("old")

    run("init", "--target", "dialpad", "--secret-stdin", stdin="hunter2\n")

    assert (empty / "var" / "dialpad.secret").read_text() == "old"


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        pytest.param("old.secret", "old.secret stays as it is", id="a file that is there"),
        pytest.param("env:HOME", "no file is named for it", id="a variable"),
    ],
)
def test_who_hands_in_a_secret_that_is_not_taken_is_told(run, empty, credentials, why):
    (empty / "old.secret").write_text("old")

    made = run("init", "--target", "dialpad", "--credentials", credentials, "--secret-stdin", stdin="new\n")

    assert made.out.startswith(f"not used: what standard input has, as {why}\n")
    assert (empty / "old.secret").read_text() == "old"


def test_a_secret_that_is_missing_is_asked_for_at_the_end(run, empty):
    made = run("init", "--target", "dialpad", "--yes")

    assert f"put the secret of dialpad into {empty}/var/dialpad.secret" in made.out


def test_a_configuration_that_is_there_is_replaced_only_by_force(run, folder):
    before = (folder / "config.toml").read_text()

    refused = run("init", "--yes")
    kept = (folder / "config.toml").read_text()
    forced = run("init", "--yes", "--force")

    assert (refused.status, refused.out) == (2, "")
    assert refused.err == "config.toml is there already: --force replaces it, --config FILE writes another\n"
    assert kept == before
    assert forced.status == 0
    assert "cx" not in written(folder)["targets"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(
            ["--provider", "octa"],
            '--provider: there is no provider "octa"; did',
            id="provider",
        ),
        pytest.param(["--target", "dialpat"], '--target: there is no target "dialpat"; did', id="target"),
        pytest.param(["--target", "scim"], "--url is needed: What is its address?", id="address"),
        pytest.param(["--target", "scim", "--url", "no address"], "targets.scim.url: ", id="a wrong address"),
        pytest.param(["--target", "openldap", "--url", "ldaps://x"], "--user is needed", id="who signs in"),
        pytest.param(["--public-url", "here"], "server.public_url: must be a web address", id="public url"),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_written(run, empty, argv, sentence):
    before = {path.name for path in empty.iterdir()}

    ended = run("init", "--yes", *argv)

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(sentence)
    assert {path.name for path in empty.iterdir()} == before


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        pytest.param(["--config", "d", "--force"], "d cannot be written: it is not a file", id="a folder"),
        pytest.param(["--public-url", "http://x\udcff"], "an answer is no text in UTF-8", id="bytes"),
        pytest.param(["--public-url", "http://x\x7f"], "server.public_url: must be", id="DEL"),
        pytest.param(
            ["--credentials", "d"], "--credentials: {folder}/d is a folder", id="secret in a folder"
        ),
        pytest.param(
            ["--credentials", "config.toml"],
            "--credentials: {folder}/config.toml is the configuration itself",
            id="secret in the configuration",
        ),
    ],
)
def test_an_answer_that_nobody_means_ends_with_a_sentence(run, empty, argv, sentence):
    (empty / "d").mkdir()
    before = {path.name for path in empty.iterdir()}

    ended = run("init", "--target", "dialpad", "--secret-stdin", *argv, stdin="hunter2\n")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(sentence.format(folder=empty))
    assert {path.name for path in empty.iterdir()} == before


def test_a_file_that_cannot_be_replaced_is_named_and_stays(run, folder, monkeypatch):
    def refuse(*paths):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("os.replace", refuse)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    ended = run("init", "--yes", "--force")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("config.toml cannot be written: Device or resource busy")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


class Keyboard(io.StringIO):
    """Standard input of a person at a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_secret_that_is_not_typed_comes_later(empty, monkeypatch, capsys):
    def leave(prompt):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", leave)
    monkeypatch.setattr("sys.stdin", Keyboard("okta\n\n\n\n"))

    assert main(["init", "--target", "dialpad"]) == 0
    assert "next: put the secret of dialpad into " in capsys.readouterr().out


def test_a_name_with_spaces_can_be_typed_as_it_is_shown(run, empty):
    made = run("init", "--yes", "--config", "my gateway.toml")

    assert made.out.endswith("serve --config 'my gateway.toml'\n")


def test_who_gives_no_answer_is_told_how_to_give_one(run, empty):
    ended = run("init", stdin="okta\n")

    assert ended.status == 2
    assert ended.err.endswith("no answer: say --target, or --yes for what is usual\n")


def test_an_answer_is_written_as_it_is_whatever_its_characters(run, empty):
    name = 'cn=a "b" \\\\ é,dc=x'

    run("init", "--target", "openldap", "--url", "ldaps://x", "--user", name, "--base", "dc=x", "--yes")

    assert written(empty)["targets"]["openldap"]["auth"]["basic"]["user"] == name
