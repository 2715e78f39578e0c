"""`demo`: a day at Okta, played for real."""

from pathlib import Path
from tempfile import gettempdir


def test_the_demo_plays_a_day_and_leaves_nothing_behind(run, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    before = set(Path(gettempdir()).glob("scim-gateway-demo-*"))

    played = run("demo")

    assert played.status == 0
    for said in (
        "phoneNumbers: +442079460123",  # a national number in the person's own country
        "phoneNumbers: +819012345678",
        "is an extension without a number",  # whose number is none is refused, and it says why
        "user.replace: unchanged",
        "add members: (ann) (bob)",
        "replace active: False",
        "audit verify: whole",
    ):
        assert said in played.out, said
    assert set(Path(gettempdir()).glob("scim-gateway-demo-*")) == before
