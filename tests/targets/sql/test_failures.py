"""What a database says went wrong, as it is told: by its code, with the attribute and without a value."""

from types import SimpleNamespace

import pytest
from sqlalchemy import exc

from gateway.flow.target_port import Conflict, Denied, Refused, Silent, Unreachable
from gateway.targets.sql.failures import target_error


class Error(Exception):
    """As a driver raises it."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args)
        self.__dict__.update(more)


def postgresql(state: str | None, **named: str) -> Error:
    plain = {"message_primary": "canary", "constraint_name": None, "column_name": None}
    return Error("canary", sqlstate=state, diag=SimpleNamespace(**plain | named))


NAMED = {
    "person_login_key": "userName",
    "login": "userName",
    "title": "title",
    "person_desk": "desk",
    "person.login": "userName",
}


@pytest.mark.parametrize(
    ("original", "kind", "says"),
    [
        (
            postgresql("23505", constraint_name="person_login_key"),
            Conflict,
            "userName belongs to another row",
        ),
        (postgresql("23503", constraint_name="person_desk"), Refused, "desk names what is not there"),
        (postgresql("23502", column_name="title"), Refused, "title is required"),
        (postgresql("22001"), Refused, "a value does not fit its column"),
        (postgresql("40P01"), Unreachable, "deadlock"),
        (postgresql("55P03"), Unreachable, "somebody else holds the row"),
        (postgresql("42501"), Denied, "may not do this"),
        (postgresql("P0001", message_primary="no such site"), Refused, "no such site"),
        (postgresql("57P01"), Unreachable, "nothing was changed"),
        (
            Error(1062, "Duplicate entry 'canary' for key 'login'", sqlstate="23000"),
            Conflict,
            "userName belongs",
        ),
        (Error(1452, "a CONSTRAINT `person_desk` FOREIGN KEY (`desk`)"), Refused, "desk names"),
        (Error(1406, "Data too long for column 'title' at row 1"), Refused, "title does not fit"),
        (Error(1048, "Column 'title' cannot be null"), Refused, "title is required"),
        (Error(1213, "Deadlock found"), Unreachable, "deadlock"),
        (Error(1205, "Lock wait timeout exceeded"), Unreachable, "somebody else holds the row"),
        (Error(1644, "no such site", sqlstate="45000"), Refused, "no such site"),
        (Error(1045, "Access denied"), Denied, "may not do this"),
        (Error(2013, "Lost connection"), Unreachable, "nothing was changed"),
        (
            Error("UNIQUE constraint failed: person.login", sqlite_errorname="SQLITE_CONSTRAINT_UNIQUE"),
            Conflict,
            "userName belongs",
        ),
        (Error("database is locked", sqlite_errorname="SQLITE_BUSY"), Unreachable, "somebody else"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_code_is_told_with_its_attribute(original, kind, says):
    error = exc.DBAPIError("INSERT", {}, original)

    found = target_error(error, lambda name, about: NAMED.get(name, "a value"), in_doubt=False)

    assert type(found) is kind
    assert says in found.reason
    assert "canary" not in found.reason or kind in (Denied, Unreachable)


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        (postgresql(None), Silent),
        (postgresql("57P01"), Silent),
        (Error(2013, "Lost connection"), Silent),
        (postgresql("23505", constraint_name="person_login_key"), Conflict),
        (postgresql("40001"), Unreachable),
    ],
    ids=["cut off", "ended", "lost", "a constraint that waits for the end", "a conflict"],
)
def test_only_what_the_database_does_not_say_is_in_doubt(original, kind):
    error = exc.DBAPIError("COMMIT", {}, original)

    assert type(target_error(error, lambda *_: "userName", in_doubt=True)) is kind
