"""In whose name something is done to the gateway."""

import os
import pwd

import pytest

from gateway.users import invoker, name_of, own_name

ME = pwd.getpwuid(os.geteuid()).pw_name
NOBODY = 4_000_000_123


@pytest.mark.parametrize(
    ("uid", "said", "name"),
    [
        pytest.param(os.geteuid(), None, ME, id="a user"),
        pytest.param(NOBODY, None, f"uid {NOBODY}", id="a user without a name"),
        pytest.param(os.geteuid(), "ann", f"ann via sudo as {ME}", id="by sudo"),
        pytest.param(os.geteuid(), "", ME, id="by nobody"),
        pytest.param(os.geteuid(), "ann as root\n", ME, id="what is no name"),
        pytest.param(os.geteuid(), "a" * 65, ME, id="what is too long"),
    ],
)
def test_a_user_is_named_as_the_system_does_and_sudo_beside_it(uid: int, said: str | None, name: str) -> None:
    assert name_of(uid, said) == name


@pytest.mark.parametrize(("said", "expected"), [("ann", "ann"), ("a b", None)], ids=["a name", "none"])
def test_sudo_says_who_runs_a_process(monkeypatch: pytest.MonkeyPatch, said: str, expected: str) -> None:
    monkeypatch.setenv("SUDO_USER", said)

    assert invoker() == expected
    assert own_name() == name_of(os.geteuid(), expected)
