"""The journal counted: a few short reads, whatever its size."""

import sqlite3
from typing import Final

from gateway.flow.status import Census
from gateway.journal.lines import read_head
from gateway.journal.pauses import read_pauses

UNSETTLED: Final = "SELECT target, state, count(*) FROM op WHERE state <> 'closed' GROUP BY target, state"
BRAKED: Final = "SELECT target, tripped FROM brake WHERE tripped IS NOT NULL"
SIZE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


def census(connection: sqlite3.Connection) -> Census:
    """Count what waits, and measure the file."""
    counted = connection.execute(UNSETTLED).fetchall()
    return Census(
        {(target, state): count for target, state, count in counted},
        dict(connection.execute(BRAKED).fetchall()),
        read_pauses(connection),
        read_head(connection).seq,
        connection.execute(SIZE).fetchone()[0],
    )
