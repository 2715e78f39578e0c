"""Where alerts go."""

import pytest

from gateway.settings import secrets

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


MAIL = """
[alerts.mail]
host = "smtp.example.com"
from = "gateway@example.com"
to = ["ann@example.com"]
"""
PASSWORD = 'user = "gateway"\npassword = { env = "MAIL_PASSWORD" }\n'


@pytest.mark.parametrize(
    ("more", "tls", "port"),
    [
        pytest.param("", "starttls", 587, id="as usual"),
        pytest.param('tls = "tls"', "tls", 465, id="TLS from the start"),
        pytest.param('tls = "none"', "none", 25, id="in clear"),
        pytest.param("port = 2525", "starttls", 2525, id="a port of its own"),
    ],
)
def test_alerts_may_go_out_by_email(load, monkeypatch, more: str, tls: str, port: int) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "canary")
    text = MAIL + (PASSWORD if tls != "none" else "") + more

    settings = load(text)

    mail = settings.alerts.mail
    assert (mail.host, mail.port, mail.tls) == ("smtp.example.com", port, tls)
    assert (mail.sender, mail.to) == ("gateway@example.com", ("ann@example.com",))
    assert "canary" not in repr(settings)
    if tls != "none":
        assert (mail.user, mail.password.reveal()) == ("gateway", "canary")


def test_when_some_alerts_are_raised_can_be_said(load) -> None:
    alerts = load('[alerts]\ntoken_expiry = "30d"\nrefused_share = 0.2\nformat = "slack"').alerts

    assert (alerts.token_expiry, alerts.refused_share, alerts.format) == (30 * 86_400.0, 0.2, "slack")
    assert (load("").alerts.token_expiry, load("").alerts.refused_share) == (14 * 86_400.0, 0.5)


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        pytest.param("[alerts]\nrefused_share = 20", "alerts.refused_share", "from 0 to 1", id="percent"),
        pytest.param("[alerts]\nrefused_share = true", "alerts.refused_share", "from 0 to 1", id="boolean"),
        pytest.param('[alerts]\ntoken_expiry = "0s"', "alerts.token_expiry", "longer than 0", id="no time"),
        pytest.param('[alerts]\nformat = "teams"', "alerts.format", "slack", id="another format"),
        pytest.param("[alerts]\nmail = 1", "alerts.mail", "must be a table", id="no table"),
        pytest.param(
            MAIL.replace("ann@example.com", "Ann <canary>"), "alerts.mail.to[0]", "e-mail address", id="to"
        ),
        pytest.param(MAIL.replace("gateway@", ""), "alerts.mail.from", "e-mail address", id="from"),
        pytest.param(MAIL.replace('"ann@example.com"', ""), "alerts.mail.to", "at least one", id="nobody"),
        pytest.param(MAIL + 'user = "x"', "alerts.mail", "both of user and password", id="no password"),
        pytest.param(
            MAIL + 'user = "x"\npassword = "canary"', "alerts.mail.password", "is a secret", id="bare"
        ),
        pytest.param(
            MAIL + PASSWORD + 'tls = "none"', "alerts.mail.password", "would go in clear", id="in clear"
        ),
    ],
)
def test_a_fault_of_alerts_is_told_at_its_path(faults_of, monkeypatch, text, path, says) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "canary")

    faults = faults_of(text)

    assert says in faults[path]
    assert "canary" not in str(faults)


def test_without_its_library_email_is_a_fault_that_says_how_to_get_it(faults_of, monkeypatch) -> None:
    monkeypatch.setattr(secrets, "find_spec", lambda name: None)

    assert faults_of(MAIL)["alerts.mail"].startswith("needs aiosmtplib: make setup SMTP=1")
