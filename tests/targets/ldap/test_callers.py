"""Who calls? What phones ask a directory, and what they find where the gateway has written the numbers."""

import json
import os
from itertools import product
from pathlib import Path

import ldap
import pytest

from tests.support.ldap_scene import USERS, person, scenes, work
from tests.support.slapd import PASSWORD, READER

PHONES = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "phones.json"
ANY = "(|(telephoneNumber={0})(mobile={0})(ipPhone={0}))"  # as Yealink's phones are set up
LONGEST_FILTER = 99  # characters that they take
SPACED = ["020 7946 0018", "+44 (0)20 7946-0018", "+44\u00a020\u20097946\u200b0018"]  # one number
LONGEST_NUMBER = "+" + 15 * "9"  # ITU-T E.164


class Phone:
    """A phone system: it may read, and asks for numbers."""

    def __init__(self, server, base) -> None:
        self._base = base
        self._line = ldap.initialize(server.url)
        self._line.simple_bind_s(READER, PASSWORD)

    def ask(self, filter: str) -> dict[str, dict[str, list[bytes]]]:
        """Return the entries that are found, by uid."""
        found = self._line.search_s(self._base, ldap.SCOPE_SUBTREE, filter)
        return {entry["uid"][0].decode(): entry for _, entry in found}


@pytest.fixture
async def scene(slapd_server, tmp_path):
    async with scenes(slapd_server, tmp_path) as opened:
        opened.phone = Phone(slapd_server, opened.base)
        yield opened


def source_numbers():
    """Return numbers as companies in Great Britain keep them, and what is dialled: None for no number."""
    if not PHONES.exists() and "CI" not in os.environ:
        pytest.skip("the shared data is not beside this checkout")
    rows = json.loads(PHONES.read_text())["rows"]
    return {row["input"]: row["e164"] for row in rows if row["region"] == "GB"}


async def test_each_number_that_a_provider_has_is_found_as_it_is_dialled_and_only_so(scene):
    dialled = source_numbers()
    for index, number in enumerate(dialled):
        await scene.ask("POST", USERS, person(f"p{index}", phoneNumbers=work(number)))

    for index, number in enumerate(dialled.values()):
        found = scene.phone.ask(f"(uid=p{index})").get(f"p{index}", {}).get("telephoneNumber")
        assert found == (None if number is None else [number.encode()])
        assert number is None or f"p{index}" in scene.phone.ask(f"(telephoneNumber={number})")


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("+442079460018", id="the whole number, as OpenScape asks"),
        pytest.param("+442079460018*", id="the whole number, as Yealink asks"),
        pytest.param("+4420794*", id="what is typed of it"),
    ],
)
async def test_a_number_with_spaces_at_the_provider_is_found_without(scene, asked):
    for kind, number in product(("work", "mobile"), SPACED):
        numbers = [{"type": kind, "value": number}]
        await scene.ask("POST", USERS, person(f"{kind} {number}", phoneNumbers=numbers))
    await scene.ask("POST", USERS, person("bob", phoneNumbers=work("020 7123 4567")))

    assert len(scene.phone.ask(ANY.format(asked))) == 2 * len(SPACED)


def test_the_longest_number_fits_into_what_phones_ask():
    assert len(ANY.format(f"{LONGEST_NUMBER}*")) <= LONGEST_FILTER


async def test_a_changed_number_is_found_and_the_old_one_is_not(scene):
    made = await scene.ask("POST", USERS, person("ann", phoneNumbers=work("020 7946 0018")))

    await scene.ask("PUT", f"{USERS}/{made.body['id']}", person("ann", phoneNumbers=work("020 7946 0019")))

    assert scene.phone.ask(ANY.format("+442079460018")) == {}
    assert list(scene.phone.ask(ANY.format("+442079460019"))) == ["ann"]


async def test_the_number_of_somebody_who_has_left_finds_nobody(scene):
    made = await scene.ask("POST", USERS, person("ann", phoneNumbers=work("020 7946 0018")))

    await scene.ask("PUT", f"{USERS}/{made.body['id']}", person("ann", active=False))

    assert scene.phone.ask(ANY.format("+442079460018")) == {}
