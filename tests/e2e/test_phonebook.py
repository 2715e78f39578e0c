"""A phone book as a phone has it: fetched by curl from a real gateway, and parsed back."""

import os
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

TARGETS = """
[targets.phonebook]
connector = "embedded"
url = "sqlite:var/phonebook.db"
region = "GB"
[[targets.phonebook.rules]]
to = "phoneNumbers.value"
via = ["phone"]
[phonebooks.desk]
target = "phonebook"
format = "yealink"
trust = 0
token = { file = "var/desk.token" }
"""
USERS = "/scim/phonebook/v2/Users"

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="no curl: apt-get install curl"
)


def fetched(*arguments: str) -> dict[str, list[str]]:
    """Return the numbers of each name that curl gets."""
    command = ["curl", "--silent", "--show-error", "--fail", "--compressed", *arguments]
    text = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout
    entries = ElementTree.fromstring(text).iter("DirectoryEntry")
    return {e.findtext("Name", ""): [t.text or "" for t in e.iter("Telephone")] for e in entries}


def test_curl_fetches_whom_okta_has_sent_and_nobody_who_has_left(start, tmp_path) -> None:
    gateway = start(TARGETS)
    token = (tmp_path / "var" / "desk.token").read_text().strip()
    url = f"http://127.0.0.1:{gateway.port}/phonebook/desk"
    ids = {}
    for name, number in (("Ava Phone", "020 7946 0018"), ("Émile <Bell>", "+44 20 7946 0123")):
        person = {
            "userName": f"{name[:3]}@example.com",
            "displayName": name,
            "phoneNumbers": [{"type": "work", "value": number}],
        }
        ids[name] = gateway.ask("POST", USERS, person).body["id"]

    everybody = fetched("--user", f"phone:{token}", url)
    caller = fetched(f"{url}/{token}?number=02079460123")
    gateway.ask(
        "PATCH",
        f"{USERS}/{ids['Ava Phone']}",
        {"Operations": [{"op": "replace", "value": {"active": False}}]},
    )
    later = fetched(f"{url}/{token}")

    assert everybody == {"Ava Phone": ["+442079460018"], "Émile <Bell>": ["+442079460123"]}
    assert caller == later == {"Émile <Bell>": ["+442079460123"]}
    assert gateway.stop() == 0
    assert token not in (tmp_path / "log").read_text()
