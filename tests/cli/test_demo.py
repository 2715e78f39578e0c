"""`demo`: a day at Okta, played for real."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "gateway.py"


def test_the_demo_plays_a_day_and_leaves_nothing_behind(tmp_path: Path) -> None:
    around = os.environ | {"COLUMNS": "400", "TMPDIR": str(tmp_path)}

    played = subprocess.run(
        [sys.executable, SCRIPT, "demo"], env=around, capture_output=True, text=True, timeout=60, check=True
    )

    for said in (
        "phoneNumbers: +442079460123",  # a national number in the person's own country
        "phoneNumbers: +819012345678",
        "is an extension without a number",  # whose number is none is refused, and it says why
        "user.replace: unchanged",
        "add members: (ann) (bob)",
        "replace active: false",
        "nothing: it has all of that",
        "audit verify: whole",
    ):
        assert said in played.stdout, said
    assert list(tmp_path.iterdir()) == []
