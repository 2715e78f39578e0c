"""Real processes: the gateway is killed again and again while 64 workers push people."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.lives import Kind
from tests.support.storm import LONG, ends, storm

pytestmark = pytest.mark.long

KILLS: Final = 55 if LONG else 10  # of each kind
KINDS: Final = [
    pytest.param(Kind(unique, patch, seed=f"{name}, {verb}"), id=f"{name}, {verb}")
    for name, unique, verb, patch in (
        ("unique names", True, "PATCH", True),
        ("any names", False, "PUT", False),
        ("unique names", True, "PUT", False),
        ("any names", False, "PATCH", True),
    )
]


@pytest.mark.parametrize("kind", KINDS if LONG else KINDS[:2])
async def test_a_killed_gateway_loses_and_doubles_nothing(kind: Kind, nursery: Path, tmp_path: Path) -> None:
    assert await storm(tmp_path, nursery, kind, ends(KILLS, kind.seed)) == []
