"""Three gateways become those of the next release, one by one and under load, and go back: nobody notices."""

import re
import shutil
import sys
from pathlib import Path
from typing import Final

import psycopg
import pytest

from gateway import __version__
from gateway.journal.postgresql.journal import SCHEMA
from tests.support import lives
from tests.support.lives import CHECKOUT, Kind
from tests.support.real_postgres import RealPostgres
from tests.support.replicas import COUNT, Replicas, siege

pytestmark = pytest.mark.long

NEXT: Final = "99.0.0"
STEP: Final = 1 + max(int(script.stem) for script in SCHEMA.glob("[0-9]*.sql"))
TABLES: Final = ("op", "op_key", "receipt", "resource", "link", "email", "event", "token", "replica", "alert")
# nobody hangs up: that is the siege's, in test_replicas
KIND: Final = Kind(seed="upgrade", impatient=0.0)
WORKERS: Final = 16


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the next release: this one with another number, and a schema that is one step on."""
    folder = tmp_path_factory.mktemp("newer")
    shutil.copytree(CHECKOUT / "gateway", folder / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    version = folder / "gateway" / "version.py"
    told, count = re.subn(re.escape(__version__), NEXT, version.read_text())
    assert count == 1
    version.write_text(told)
    step = "".join(f"ALTER TABLE {table} ADD COLUMN later text NOT NULL DEFAULT '';\n" for table in TABLES)
    (folder / SCHEMA.relative_to(CHECKOUT) / f"{STEP:03}.sql").write_text(step)
    return folder


async def test_an_upgrade_and_a_rollback_one_by_one_under_load_lose_and_double_nothing(
    nursery: Path, newer: Path, tmp_path: Path, postgres: RealPostgres
) -> None:
    found: list[tuple[set[str], int]] = []

    async def upgrade(place: Replicas) -> None:
        place.nursery = next_release
        await place.replace()
        found.append(present(place))

    async def roll_back(place: Replicas) -> None:
        place.nursery = nursery
        await place.replace()
        found.append(present(place))

    with lives.nursery(tmp_path, newer) as next_release:
        acts = (upgrade, roll_back)
        problems, acknowledged = await siege(tmp_path, nursery, KIND, postgres, acts, WORKERS)

    sys.stdout.write(f"\nthree gateways upgraded and rolled back: {acknowledged} changes acknowledged\n")
    assert found == [({NEXT}, STEP), ({__version__}, STEP)]
    assert problems == []
    assert acknowledged > 10


def present(place: Replicas) -> tuple[set[str], int]:
    """Return which releases have met in the database lately, without those that left, and its schema."""
    with psycopg.connect(place.url) as connection:
        rows = connection.execute("SELECT version FROM replica ORDER BY seen DESC LIMIT %s", (COUNT,))
        versions = {version for (version,) in rows}
        ((schema,),) = connection.execute("SELECT max(version) FROM schema_version")
    return versions, schema
