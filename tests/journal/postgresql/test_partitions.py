"""The trail in parts, as docs/scaling.md says to divide it."""

import re
from pathlib import Path

import psycopg

from gateway.journal.postgresql.journal import PostgresJournal
from gateway.journal.reader import reading
from gateway.journal.verify import TrailState
from gateway.settings.model import JournalSettings, Secret
from tests.support.real_postgres import RealPostgres

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"


async def test_a_divided_trail_goes_on_and_is_whole(postgres: RealPostgres, path, clock, event) -> None:
    (script,) = re.findall(r"<!-- played by a test -->\n```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)

    async def record(*names: str) -> None:
        journal = await PostgresJournal.reach(url, path, "full", clock, print, owner="this run")
        await journal.trail.append([event(name) for name in names])
        await journal.trail.append([event(names[0])])  # there already
        await journal.close()

    with postgres.room() as url:
        await record("e-1", "e-2")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(script.encode())
        await record("e-3", "e-1")
        with reading(JournalSettings(path, database=Secret(url))) as reader:
            found = reader.verify()
        with psycopg.connect(url) as connection:
            parts = dict(
                connection.execute("SELECT tableoid::regclass::text, count(*) FROM event GROUP BY 1")
            )

    assert found.state is TrailState.WHOLE, found
    assert parts == {"event_before": 2, "event_1": 1}
