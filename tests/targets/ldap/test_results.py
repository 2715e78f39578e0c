"""What a directory's results mean."""

import ldap
import pytest

from gateway.flow.target_port import (
    Broken,
    Conflict,
    Contradiction,
    Denied,
    Missing,
    Nonsense,
    Refused,
    Silent,
    Throttled,
    Unreachable,
)
from gateway.targets.ldap.results import MEANINGS, code_of, error_of, unreachable


def failure(code: int, info: str = "") -> ldap.LDAPError:
    return ldap.LDAPError({"result": code, "desc": "x", "info": info})


@pytest.mark.parametrize(
    ("code", "kind", "maybe_applied"),
    [
        pytest.param(68, Conflict, False, id="entryAlreadyExists"),
        pytest.param(32, Missing, False, id="noSuchObject"),
        *(
            pytest.param(code, Refused, False, id=f"data {code}")
            for code in (17, 19, 20, 21, 34, 64, 65, 66, 67)
        ),
        pytest.param(53, Refused, False, id="unwillingToPerform"),
        *(pytest.param(code, Denied, False, id=f"credentials {code}") for code in (7, 8, 13, 48, 49, 50)),
        pytest.param(51, Throttled, False, id="busy"),
        pytest.param(52, Unreachable, False, id="unavailable"),
        pytest.param(10, Unreachable, False, id="referral"),
        pytest.param(3, Silent, True, id="timeLimitExceeded"),
        *(pytest.param(code, Contradiction, False, id=f"too many {code}") for code in (4, 11)),
        pytest.param(80, Broken, True, id="other"),
        pytest.param(9999, Broken, True, id="unknown"),
        pytest.param(2, Nonsense, True, id="protocolError"),
        pytest.param(-1, Silent, True, id="server down"),
        pytest.param(-5, Silent, True, id="timeout"),
        pytest.param(-4, Nonsense, True, id="not LDAP"),
    ],
)
def test_a_result_means(code, kind, maybe_applied):
    error = error_of(failure(code))

    assert (type(error), error.maybe_applied) == (kind, maybe_applied)


@pytest.mark.parametrize(
    ("info", "named"),
    [
        pytest.param(
            "telephoneNumber: value #0 invalid per syntax", "telephoneNumber: ", id="as slapd says it"
        ),
        pytest.param("object class 'x' requires attribute 'SN'", "sn: ", id="in another case"),
        pytest.param("Error in attribute conversion operation", "sn, telephoneNumber: ", id="not said: all"),
        pytest.param("no snow", "sn, telephoneNumber: ", id="part of a word"),
    ],
)
def test_a_refusal_names_the_attribute(info, named):
    reason = error_of(failure(21, info), ["sn", "telephoneNumber"]).reason

    assert reason == f"{named}has a value that the directory's syntax does not take ({info})"


@pytest.mark.parametrize(
    ("code", "info", "reason"),
    [
        pytest.param(
            19, "0000052D: the password does not meet", "unicodePwd: breaks a rule", id="a weak password"
        ),
        pytest.param(
            53, "0000052D: SvcErr", "unicodePwd: the directory is not willing", id="in Microsoft's words"
        ),
        pytest.param(
            19,
            "The value is not 7-bit clean: x",
            "uid, mail: breaks a rule of the directory: its plug-in",
            id="not ASCII",
        ),
    ],
)
def test_what_a_directory_says_without_a_name_is_said_with_one(code, info, reason):
    names = ["objectClass", "sn", "unicodePwd", "uid", "mail"]

    assert error_of(failure(code, info), names).reason.startswith(reason)


def test_a_reason_is_one_readable_line():
    reason = error_of(failure(53, "no\x00\n" + "x" * 999)).reason

    assert reason.startswith("the directory is not willing to do it (no xxx")
    assert len(reason) <= 300


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ldap.TIMEOUT(), -5, id="without words"),
        pytest.param(ldap.LDAPError("x"), 80, id="with other words"),
        pytest.param(ldap.NO_SUCH_OBJECT({"desc": "x"}), 32, id="by its type"),
    ],
)
def test_an_error_has_a_code_whatever_it_says(error, code):
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("code", "info", "kind", "reason"),
    [
        pytest.param(
            49,
            "AcceptSecurityContext error, data 775, v1db1",
            Denied,
            "the account is locked: the directory does not accept the credentials "
            "(AcceptSecurityContext error, data 775, v1db1)",
            id="as Active Directory says it",
        ),
        pytest.param(49, "", Denied, "the directory does not accept the credentials", id="credentials"),
        pytest.param(-1, "Transport", Unreachable, "the directory cannot be reached (Transport)", id="down"),
        pytest.param(-5, "", Unreachable, "the directory cannot be reached", id="too slow"),
        pytest.param(
            52, "shutdown", Unreachable, "the directory is not available now (shutdown)", id="going down"
        ),
    ],
)
def test_where_nobody_could_sign_in_nothing_was_sent(code, info, kind, reason):
    error = unreachable(failure(code, info))

    assert (type(error), error.reason, error.maybe_applied) == (kind, reason, False)


def test_every_meaning_is_a_sentence():
    assert [code for code, (_, text) in MEANINGS.items() if not text or text.endswith(".")] == []
