"""The statements of the journal as PostgreSQL takes them: what differs from SQLite, in a table."""

import re
from functools import lru_cache
from typing import Final

SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# of the transaction: it may take as long as it takes, as where files are read meanwhile
PATIENT: Final = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
DIFFERENCES: Final = tuple(  # a pattern -> what stands there instead, in this order
    (re.compile(pattern), new)
    for pattern, new in (
        (r"^BEGIN$", SNAPSHOT),
        (r"^BEGIN /\* long \*/$", f"{SNAPSHOT}; {PATIENT}"),
        (r"^SELECT 1 WHERE 'personal' NOT IN .*", "SELECT 1 WHERE false"),  # no database is so old
        (r"^SELECT value (FROM meta WHERE name = 'salt')", r"SELECT decode(value, 'hex') \1"),
        (r"^SELECT page_count .*", "SELECT pg_database_size(current_database())"),
        (r"^PRAGMA integrity_check.*", "SELECT 'ok'"),  # the server sees to its indexes itself
        (
            r"(seq IN \(SELECT) value FROM json_each\((\?|:\w+)\)",
            r"\1 json_array_elements_text(\2::json)::bigint",
        ),
        (r"SELECT value FROM json_each\((\?|:\w+)\)", r"SELECT json_array_elements_text(\1::json)"),
        (r"(?<![:\w]):([a-z_]+)", r"%(\1)s"),
        (r"\?", "%s"),
        (r"\bIS NOT (%|\()", r"IS DISTINCT FROM \1"),
        (r"\bIS (%|\()", r"IS NOT DISTINCT FROM \1"),
        (r"\browid\b", "n"),
        (r" INDEXED BY \w+", ""),
        (r"\+r\.", "r."),
        (r"CAST\((\w+) AS BLOB\)", r"\1"),
    )
)


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """Return a statement of SQLite's as PostgreSQL takes it."""
    for pattern, new in DIFFERENCES:
        sql = pattern.sub(new, sql)
    return sql
