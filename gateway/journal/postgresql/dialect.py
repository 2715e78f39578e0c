"""The statements of the journal as PostgreSQL takes them: what differs from SQLite, in tables."""

import re
from functools import lru_cache
from typing import Final

from gateway.journal.erase import UNSETTLED
from gateway.journal.events import IS_OLD_FILE, READ_SALT
from gateway.journal.reader import SIZE

WHOLE: Final = {  # a statement -> what it is here
    "BEGIN": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    IS_OLD_FILE: "SELECT 1 WHERE false",
    READ_SALT: "SELECT decode(value, 'hex') FROM meta WHERE name = 'salt'",
    SIZE: "SELECT pg_database_size(current_database())",
    "PRAGMA integrity_check('event')": "SELECT 'ok'",  # the server sees to its indexes itself
    "PRAGMA integrity_check('event_value')": "SELECT 'ok'",
    UNSETTLED: UNSETTLED.replace(
        """SELECT 1 FROM json_each(intent, '$.keys') AS key
                   WHERE json_extract(key.value, '$[0]') = 'name'
                     AND json_extract(key.value, '$[1]') = :name""",
        """SELECT 1 FROM json_array_elements(intent::json -> 'keys') AS key
                   WHERE key ->> 0 = 'name' AND key ->> 1 = :name""",
    ),
}
PARTS: Final = tuple(  # in this order
    (re.compile(pattern), new)
    for pattern, new in (
        (r"(?<![:\w]):([a-z_]+)", r"%(\1)s"),
        (r"\?", "%s"),
        (r"SELECT value FROM json_each\((\S+)\)", r"SELECT json_array_elements_text(\1::json)"),
        (r"(seq IN \(SELECT json_array_elements_text\(\S+::json\))", r"\1::bigint"),
        (r"\bIS (NOT )?(%|l\.target_id|\()", lambda m: f"IS {'' if m[1] else 'NOT '}DISTINCT FROM {m[2]}"),
        (r"\browid\b", "n"),
        (r" INDEXED BY \w+", ""),
        (r"CAST\((\w+) AS BLOB\)", r"\1"),
    )
)


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """Return a statement of SQLite's as PostgreSQL takes it."""
    sql = WHOLE.get(sql, sql)
    for pattern, new in PARTS:
        sql = pattern.sub(new, sql)
    return sql
