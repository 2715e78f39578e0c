"""What a database's errors mean: by their codes, never by a driver's class. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import exc

from gateway.flow.target_port import Conflict, Denied, Refused, Silent, TargetError, Unreachable
from gateway.targets.transport import readable
from gateway.values import frozen

AttributeOf = Callable[[str, str], str]  # of a constraint or a column's name, and of a kind of constraint

UNIQUE: Final = "unique"
FOREIGN: Final = "foreign"
COLUMN: Final = "column"


@frozen
class Meaning:
    """What one code comes to; `{what}` stands for the attributes that are meant."""

    error: type[TargetError]
    words: str
    about: str = ""  # which names the message has: unique, foreign, column

    @property
    def status(self) -> int | None:
        return {Conflict: 409, Refused: 400}.get(self.error)


TAKEN: Final = Meaning(Conflict, "{what} belongs to another row", UNIQUE)
UNKNOWN: Final = Meaning(Refused, "{what} names what is not there, or is still needed by others", FOREIGN)
ABSENT: Final = Meaning(Refused, "{what} is required: its column takes no null", COLUMN)
UNFIT: Final = Meaning(Refused, "{what} does not fit its column", COLUMN)
CHECKED: Final = Meaning(Refused, "the database's rule {what} does not hold", UNIQUE)
SAID: Final = Meaning(Refused, "{message}")
FORBIDDEN: Final = Meaning(Denied, "its account may not do this: {message}")
LOCKED: Final = Meaning(Unreachable, "somebody else holds the row: nothing was changed")
DEADLOCK: Final = Meaning(Unreachable, "it ended a deadlock by taking this change back: nothing was changed")
STRANGE: Final = Meaning(Unreachable, "the tables are not as the configuration says: {message}")
ENDED: Final = Meaning(Unreachable, "a procedure may not end the transaction here: {message}")
AWAY: Final = Meaning(Unreachable, "it cannot do this now, and nothing was changed: {message}")

CODES: Final[Mapping[Any, Meaning]] = {
    # PostgreSQL, by SQLSTATE; of two characters: the class
    "23505": TAKEN,
    "23P01": TAKEN,
    "23503": UNKNOWN,
    "23502": ABSENT,
    "23514": CHECKED,
    "22": UNFIT,
    "P0": SAID,
    "2D": ENDED,
    "28": FORBIDDEN,
    "3D": FORBIDDEN,
    "42501": FORBIDDEN,
    "42": STRANGE,
    "3F": STRANGE,
    "40P01": DEADLOCK,
    "40": DEADLOCK,
    "55P03": LOCKED,
    "57014": LOCKED,
    # MySQL and MariaDB
    1062: TAKEN,
    1586: TAKEN,
    1451: UNKNOWN,
    1452: UNKNOWN,
    1216: UNKNOWN,
    1217: UNKNOWN,
    1048: ABSENT,
    1364: ABSENT,
    1406: UNFIT,
    1264: UNFIT,
    1265: UNFIT,
    1292: UNFIT,
    1366: UNFIT,
    3819: CHECKED,
    4025: CHECKED,
    1644: SAID,
    1044: FORBIDDEN,
    1045: FORBIDDEN,
    1049: FORBIDDEN,
    1142: FORBIDDEN,
    1143: FORBIDDEN,
    1227: FORBIDDEN,
    1370: FORBIDDEN,
    1698: FORBIDDEN,
    1146: STRANGE,
    1054: STRANGE,
    1064: STRANGE,
    1305: STRANGE,
    1205: LOCKED,
    1213: DEADLOCK,
    1020: DEADLOCK,
    # SQLite
    "SQLITE_CONSTRAINT_UNIQUE": TAKEN,
    "SQLITE_CONSTRAINT_PRIMARYKEY": TAKEN,
    "SQLITE_CONSTRAINT_FOREIGNKEY": UNKNOWN,
    "SQLITE_CONSTRAINT_NOTNULL": ABSENT,
    "SQLITE_CONSTRAINT_CHECK": CHECKED,
    "SQLITE_CONSTRAINT_TRIGGER": SAID,
    "SQLITE_MISMATCH": UNFIT,
    "SQLITE_TOOBIG": UNFIT,
    "SQLITE_READONLY": FORBIDDEN,
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_ERROR": STRANGE,
    # Oracle and SQL Server, as their documents say
    1: TAKEN,
    2291: UNKNOWN,
    2292: UNKNOWN,
    1400: ABSENT,
    12899: UNFIT,
    60: DEADLOCK,
    2627: TAKEN,
    2601: TAKEN,
    547: UNKNOWN,
    515: ABSENT,
    8152: UNFIT,
    2628: UNFIT,
    18456: FORBIDDEN,
    229: FORBIDDEN,
}

_NAMED: Final = (  # where a message has the name of a constraint or a column
    re.compile(r"for key '(?:[^'.]*\.)?([^']+)'"),
    re.compile(r"CONSTRAINT [`\"']([^`\"']+)[`\"'] FOREIGN KEY"),
    re.compile(r"(?:CONSTRAINT|Check constraint) [`\"']([^`\"']+)[`\"']", re.IGNORECASE),
    re.compile(r"[Cc]olumn '([^']+)'"),
    re.compile(r"Field '([^']+)'"),
    re.compile(r"constraint failed: (.+)"),
)


def target_error(error: exc.SQLAlchemyError, attribute_of: AttributeOf, *, in_doubt: bool) -> TargetError:
    """Return what an error means; `in_doubt` says that what was sent may be in force all the same."""
    original = getattr(error, "orig", None)
    code, message = _code(original), readable(_message(original or error))
    meaning = CODES.get(code) or CODES.get(code[:2] if isinstance(code, str) else None)
    if meaning is None and isinstance(error, exc.DataError):
        meaning = UNFIT
    if meaning is None and in_doubt:
        return Silent(f"its answer to the change was lost: {message}")
    if meaning is None:
        return Unreachable(AWAY.words.format(message=message))
    what = attribute_of(_name(original, message), meaning.about)
    return meaning.error(meaning.words.format(what=what, message=message), meaning.status)


def _code(original: Any) -> Any:
    first = original.args[0] if getattr(original, "args", None) else None
    number = getattr(first, "code", first)
    if isinstance(number, int):  # MySQL's says more than the SQLSTATE beside it
        return number
    for name in ("sqlstate", "sqlite_errorname"):
        if isinstance(found := getattr(original, name, None), str):
            return found
    return number


def _message(original: Any) -> str:
    """Return the server's own words, without the values that PostgreSQL adds as details."""
    diagnosis = getattr(original, "diag", None)
    if (primary := getattr(diagnosis, "message_primary", None)) is not None:
        return str(primary)
    args: tuple[Any, ...] = getattr(original, "args", ())
    said, cause = str(args[1] if len(args) > 1 else original).partition("\n")[0], original.__cause__
    why = getattr(cause, "verify_message", None) or getattr(
        cause, "strerror", None
    )  # MySQL's driver hides it
    return f"{said}: {why}" if why else said


def _name(original: Any, message: str) -> str:
    diagnosis = getattr(original, "diag", None)
    for name in ("constraint_name", "column_name"):
        if found := getattr(diagnosis, name, None):
            return str(found)
    return next((found[1] for pattern in _NAMED if (found := pattern.search(message))), "")
