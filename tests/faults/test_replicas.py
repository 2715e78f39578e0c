"""Three gateways behind HAProxy over one PostgreSQL: whatever befalls them, nothing is lost or twice."""

import os
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from tests.support.lives import Kind
from tests.support.real_postgres import RealPostgres
from tests.support.replicas import HAPROXY, LEASE, siege
from tests.support.storm import LONG

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not LONG, reason="`make faults` runs it: its faults are mended, but not for long, see docs/scaling.md"
    ),
]

PAST: Final = LEASE + 1.0  # seconds for which a stopped gateway is no longer trusted
ACTS: Final = [
    ("kill", 0.0),
    ("cut", 2.0),
    ("stop", PAST),
    ("restart", 0.0),
    ("kill two", 0.0),
    ("roll", 0.0),
    ("crash", 0.0),
]
WORKERS: Final = 64 if LONG else 24
KIND: Final = Kind(seed="replicas")


async def test_replicas_that_are_killed_stopped_and_cut_off_lose_and_double_nothing(
    nursery: Path, tmp_path: Path, postgres: RealPostgres
) -> None:
    if not Path(HAPROXY).exists():
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("haproxy is not installed: apt-get install --no-install-recommends haproxy")
    acts = list(islice(cycle(ACTS), 60 if LONG else len(ACTS)))

    problems, acknowledged = await siege(tmp_path, nursery, KIND, postgres, acts, WORKERS)

    sys.stdout.write(f"\n{len(acts)} disturbances of three gateways: {acknowledged} changes acknowledged\n")
    assert problems == []
    assert acknowledged > 10
