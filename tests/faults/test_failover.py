"""Three gateways over a database that fails over to its standby: nothing is lost or done twice."""

import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from tests.support.lives import Kind
from tests.support.real_patroni import real_patroni
from tests.support.replicas import siege
from tests.support.storm import LONG

pytestmark = pytest.mark.long

# of a cluster: its primary is killed, with Patroni and without, and changed in order
ACTS: Final = [("crash", 0.0), ("restart", 0.0), ("kill", 0.0)]
COUNT: Final = 15 if LONG else 1
WORKERS: Final = 64 if LONG else 16
# nobody hangs up: that is the siege's, in test_replicas
KIND: Final = Kind(seed="failover", impatient=0.0)


async def test_a_database_that_fails_over_under_load_loses_and_doubles_nothing(
    nursery: Path, tmp_path: Path
) -> None:
    with real_patroni() as cluster:
        acts = list(islice(cycle(ACTS), COUNT))

        problems, acknowledged = await siege(tmp_path, nursery, KIND, cluster, acts, WORKERS)

    sys.stdout.write(f"\n{len(acts)} failovers under three gateways: {acknowledged} changes acknowledged\n")
    assert problems == []
    assert acknowledged > 10
