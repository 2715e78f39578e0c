"""Where alerts go."""

import pytest

WEBHOOK = "[alerts]\nwebhook = %s"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        pytest.param('"https://ops.example.com/hook"', "https://ops.example.com/hook", id="as it is"),
        pytest.param('"https://ops.example.com/?key=1"', "https://ops.example.com/?key=1", id="with a query"),
        pytest.param('{ env = "HOOK" }', "https://chat.example.com/s3cret", id="environment"),
        pytest.param('{ file = "hook" }', "https://chat.example.com/s3cret", id="file"),
    ],
)
def test_the_address_of_alerts_may_be_a_secret(load, tmp_path, monkeypatch, written: str, url: str) -> None:
    monkeypatch.setenv("HOOK", "https://chat.example.com/s3cret")
    (tmp_path / "hook").write_text("https://chat.example.com/s3cret\n")
    (tmp_path / "hook").chmod(0o600)

    settings = load(WEBHOOK % written)

    assert settings.alerts.webhook.reveal() == url
    assert url not in repr(settings)


def test_without_an_address_alerts_go_to_the_log_only(load) -> None:
    assert load("").alerts.webhook is None
    assert load("[alerts]").alerts.webhook is None


def test_who_only_reads_needs_no_address(load) -> None:
    assert load(WEBHOOK % '{ env = "NOBODY_SET_THIS" }', read_secrets=False).alerts.webhook is None


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        pytest.param(WEBHOOK % '"canary"', "alerts.webhook", "must be a web address", id="no address"),
        pytest.param(WEBHOOK % '"ftp://canary/"', "alerts.webhook", "must be a web address", id="not web"),
        pytest.param(WEBHOOK % '{ env = "HOOK" }', "alerts.webhook", "must be a web address", id="in secret"),
        pytest.param(
            WEBHOOK % '{ env = "NO" }', "alerts.webhook.env", "the environment has no NO", id="none"
        ),
        pytest.param(WEBHOOK % "7", "alerts.webhook", "must be a table", id="a number"),
        pytest.param("[alerts]\nwebhok = 1", "alerts.webhok", 'did you mean "webhook"?', id="misspelt"),
    ],
)
def test_a_fault_of_the_address_never_shows_it(
    faults_of, monkeypatch, text: str, path: str, says: str
) -> None:
    monkeypatch.setenv("HOOK", "canary")

    faults = faults_of(text)

    assert says in faults[path]
    assert "canary" not in faults[path]
