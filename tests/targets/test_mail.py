"""Alerts as e-mail, handed to a real server on loopback."""

import asyncio
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.address import MailServer, Secret
from gateway.admin.alerts import Undelivered
from gateway.targets.mail import Mail
from tests.support.smtp import SmtpServer, smtp_server

MESSAGE = {
    "alert": "target.denied",
    "target": "cx",
    "at": "2026-11-22T00:00:00.000000Z",
    "reason": "the target does not accept targets.cx.auth (status 401)",
    "advice": "Mend it – at once.",
    "resolved": False,
    "correlation_id": None,
}
FROM, TO = "gateway@ops.example.com", ("ann@ops.example.com", "bob@ops.example.com")


def mail(server: SmtpServer, **more: Any) -> Mail:
    return Mail(MailServer("127.0.0.1", server.port, FROM, TO, **{"tls": "none", **more}))


async def test_an_alert_is_an_email_to_everybody_it_is_for() -> None:
    async with smtp_server(SmtpServer()) as server:
        await mail(server).send(MESSAGE)

    (letter,) = server.letters
    assert (letter["From"], letter["To"]) == (FROM, ", ".join(TO))
    assert letter["Subject"] == "[scim-gateway] target.denied at cx"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@ops.example.com>")
    text = letter.get_content()
    assert all(str(MESSAGE[name]) in text for name in ("alert", "reason", "advice", "at"))
    assert (server.greeted, server.said.count("RCPT")) == (["ops.example.com"], 2)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate of 127.0.0.1 that signs itself, and that this process trusts."""
    if shutil.which("openssl") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("openssl is not installed: apt-get install openssl")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return made


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_tls_who_is_known_there_signs_in(context, tls: str) -> None:
    own = SmtpServer(tls=context if tls == "starttls" else None)
    async with smtp_server(own, secure=context if tls == "tls" else None) as server:
        await mail(server, tls=tls, user="gateway", password=Secret("s3cret")).send(MESSAGE)

    assert (server.secure, server.signed_in) == ([True], ["\0gateway\0s3cret"])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_server_that_nobody_vouches_for_gets_nothing(context, monkeypatch, tls: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    own = SmtpServer(tls=context if tls == "starttls" else None)
    async with smtp_server(own, secure=context if tls == "tls" else None) as server:
        with pytest.raises(Undelivered):
            await mail(server, tls=tls, user="gateway", password=Secret("s3cret")).send(MESSAGE)

    assert (server.letters, server.signed_in) == ([], [])


async def test_a_server_that_takes_no_tls_gets_nothing_where_that_is_asked_for() -> None:
    async with smtp_server(SmtpServer()) as server:
        with pytest.raises(Undelivered):
            await mail(server, tls="starttls", user="gateway", password=Secret("s3cret")).send(MESSAGE)

    assert (server.letters, server.signed_in) == ([], [])


@pytest.mark.parametrize(
    ("server", "says"),
    [
        pytest.param(SmtpServer(answers={"MAIL": "451 s3cret later"}), "it answered 451", id="later"),
        pytest.param(SmtpServer(answers={"AUTH": "535 not with s3cret"}), "it answered 535", id="sign-in"),
        pytest.param(SmtpServer(answers={"DATA": "554 no s3cret"}), "it answered 554", id="content"),
        pytest.param(
            SmtpServer(refused=frozenset(TO[:1])), "1 of 2 recipients were refused", id="one recipient"
        ),
        pytest.param(SmtpServer(refused=frozenset(TO)), "SMTPRecipientsRefused", id="all recipients"),
    ],
)
async def test_what_is_not_taken_is_undelivered_without_the_servers_words(
    server: SmtpServer, says: str
) -> None:
    async with smtp_server(server):
        with pytest.raises(Undelivered, match=f"^{says}$"):
            await mail(server, user="gateway", password=Secret("s3cret")).send(MESSAGE)


async def test_where_nobody_listens_it_is_undelivered(unused_tcp_port_factory) -> None:
    nobody = SmtpServer(port=unused_tcp_port_factory())

    with pytest.raises(Undelivered, match="SMTPConnectError"):
        await mail(nobody).send(MESSAGE)


async def test_a_server_that_takes_its_time_at_each_step_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr("gateway.targets.mail.LONGEST", 0.2)
    async with asyncio.timeout(5), smtp_server(SmtpServer(answers={"MAIL": "250-there is more"})) as server:
        with pytest.raises(Undelivered, match="TimeoutError"):
            await mail(server).send(MESSAGE)
